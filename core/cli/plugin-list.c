/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin-private.h"

#include <stdio.h>
#include <string.h>

/* Thousands of lines: no object per line, and a buffer that stays in the processor's caches. */
#define BUFFER_BYTES 16384

static void flush_full(GString *out, gsize n_most)
{
  if (out->len <= n_most)
    return;
  fwrite(out->str, 1, out->len, stdout);
  g_string_truncate(out, 0);
}

static void append_json(GString *out, const WeftPluginLines *rows)
{
  g_string_append_c(out, '[');
  for (guint i = 0; i < rows->n; i++) {
    const WeftPluginLine *row = &rows->lines[i];
    const struct {
      const char *key, *value;
    } fields[] = {{"id", row->id},         {"version", row->version},     {"kind", row->kind},   {"summary", row->summary},
                  {"sha256", row->sha256}, {"catalogue", row->catalogue}, {"state", row->state}, {"reason", row->reason}};
    g_string_append(out, i ? ",\n  {" : "\n  {");
    for (guint f = 0; f < G_N_ELEMENTS(fields); f++) {
      g_string_append(out, f ? ", \"" : "\"");
      g_string_append(out, fields[f].key);
      g_string_append(out, "\": ");
      weft_action_append_json(out, fields[f].value);
    }
    g_string_append_c(out, '}');
    flush_full(out, BUFFER_BYTES);
  }
  g_string_append(out, rows->n ? "\n]\n" : "]\n");
}

static void append_padded(GString *out, const char *text, gsize width)
{
  gsize n = strlen(text), before = out->len;
  g_string_append_len(out, text, (gssize)n);
  g_string_set_size(out, before + width + 2);
  memset(out->str + before + n, ' ', width + 2 - n);
}

static void append_lines(GString *out, const WeftPluginLines *rows)
{
  gsize id = 2, version = 7, kind = 4, state = 9;
  for (guint i = 0; i < rows->n; i++) {
    id = MAX(id, strlen(rows->lines[i].id));
    version = MAX(version, strlen(rows->lines[i].version));
    kind = MAX(kind, strlen(rows->lines[i].kind));
    state = MAX(state, strlen(rows->lines[i].state));
  }
  const WeftPluginLine titles = {.id = "ID", .version = "VERSION", .kind = "KIND", .state = "STATE", .summary = "SUMMARY"};
  for (guint i = 0; i <= rows->n; i++) {
    const WeftPluginLine *row = i ? &rows->lines[i - 1] : &titles;
    append_padded(out, row->id, id);
    append_padded(out, row->version, version);
    append_padded(out, row->kind, kind);
    append_padded(out, row->state, state);
    g_string_append(out, row->reason ? row->reason : row->summary ? row->summary : "");
    g_string_append_c(out, '\n');
    flush_full(out, BUFFER_BYTES);
  }
}

int weft_plugin_list(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len > 1)
    return weft_command_usage_error(options->command, "list takes one pattern: %s",
                                    (const char *)g_ptr_array_index(options->words, 1));
  const WeftLineFilter filter = {.kind = options->kind, .no_digests = !options->json,
                                 .pattern = options->words->len ? g_ptr_array_index(options->words, 0) : NULL};
  g_autoptr(WeftCatalogue) catalogue = weft_action_open(options, &error);
  g_autoptr(WeftPluginLines) rows = catalogue ? weft_catalogue_lines(catalogue, &filter, &error) : NULL;
  if (!rows)
    return weft_action_fail(options, error);
  g_autoptr(GString) out = g_string_sized_new(2 * BUFFER_BYTES);
  if (options->json)
    append_json(out, rows);
  else
    append_lines(out, rows);
  flush_full(out, 0);
  return WEFT_EXIT_OK;
}
