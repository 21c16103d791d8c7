/* SPDX-License-Identifier: Apache-2.0 */
/* `context: {user: required, language: optional}`: who asks, as a pipeline declares it and a request brings it. */
#include "read.h"
#include "resolve.h"

#include <string.h>

void weft_read_context(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  WeftContextKey declared = {.name = key->text, .at = key};
  g_autofree char *what = g_strdup_printf("context \"%s\"", key->text);
  if (key->reported || !weft_read_name(reader, key, "a key of the context"))
    return;
  const char *text = weft_read_text(reader, value, NULL, what, "required or optional");
  if (!text)
    return;
  declared.required = strcmp(text, "required") == 0;
  if (!declared.required && strcmp(text, "optional") != 0) {
    static const char *const words[] = {"required", "optional"};
    WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "bad-value", "%s is required or optional, found \"%s\"",
                                       what, text);
    weft_diagnostic_closest(fault, text, words, G_N_ELEMENTS(words));
  }
  if (reader->pipeline->context->len == WEFT_CONTEXT_MAX_KEYS) {
    weft_fault(reader->diagnostics, key, "too-many", "more than %d keys in context (WEFT_CONTEXT_MAX_KEYS)",
               WEFT_CONTEXT_MAX_KEYS);
    return;
  }
  if (reader->pipeline->context->len < WEFT_CONTEXT_MAX_KEYS)
    g_array_append_val(reader->pipeline->context, declared);
}

const WeftRevisionContext *weft_revision_context(const WeftRevision *revision, guint *n)
{
  *n = revision->pipeline->context->len;
  return revision->context;
}

static void bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void bad(GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error_literal(error, WEFT_ERROR, WEFT_BAD_INPUT, message);
}

static gboolean unknown_key(const WeftPipeline *pipeline, const char *key, GError **error)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < pipeline->context->len; i++) {
    const char *name = weft_context_at(pipeline, i)->name;
    g_ptr_array_add(names, (gpointer)name);
    g_string_append_printf(list, "%s%s", i ? ", " : "", name);
  }
  const char *closest = weft_closest(key, (const char *const *)names->pdata, names->len);
  if (!names->len)
    bad(error, "the pipeline declares no context, found the key \"%.64s\"", key);
  else if (closest)
    bad(error, "the pipeline's context has no key \"%.64s\"; did you mean \"%s\"?", key, closest);
  else
    bad(error, "the pipeline's context has no key \"%.64s\"; its keys are %s", key, list->str);
  return FALSE;
}

static gboolean check_value(const struct weft_context_entry *entry, GError **error)
{
  gsize n = strlen(entry->value);
  if (n > WEFT_CONTEXT_MAX_BYTES)
    bad(error, "context \"%s\" has %" G_GSIZE_FORMAT " bytes, at most %d are allowed (WEFT_CONTEXT_MAX_BYTES)", entry->key,
        n, WEFT_CONTEXT_MAX_BYTES);
  else if (n == 0)
    bad(error, "context \"%s\" is empty; leave it out where there is none", entry->key);
  else if (!g_utf8_validate(entry->value, -1, NULL))
    bad(error, "context \"%s\" is not UTF-8", entry->key);
  else
    return TRUE;
  return FALSE;
}

/* The well-known keys, as plugins find them without knowing the pipeline. */
static void fill_known(struct weft_context *context, const struct weft_context_entry *entry)
{
  const struct {
    const char *key;
    const char **field;
  } known[] = {{"user", &context->subject}, {"session", &context->session},   {"tenant", &context->tenant},
               {"tier", &context->tier},    {"language", &context->language}, {"trace_id", &context->trace_id}};
  for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
    if (strcmp(known[i].key, entry->key) == 0)
      *known[i].field = entry->value;
  }
}

gboolean weft_revision_take_context(const WeftRevision *revision, const struct weft_context_entry *entries, guint n,
                                    struct weft_context *context, GError **error)
{
  const WeftPipeline *pipeline = revision->pipeline;
  gboolean brought[WEFT_CONTEXT_MAX_KEYS] = {FALSE};
  *context = (struct weft_context){.entries = entries, .n_entries = n};
  for (guint k = 0; k < n; k++) {
    guint i = 0;
    while (i < pipeline->context->len && strcmp(weft_context_at(pipeline, i)->name, entries[k].key) != 0)
      i++;
    if (i == pipeline->context->len)
      return unknown_key(pipeline, entries[k].key, error);
    if (!check_value(&entries[k], error))
      return FALSE;
    if (brought[i]) {
      bad(error, "context \"%s\" is given twice", entries[k].key);
      return FALSE;
    }
    brought[i] = TRUE;
    fill_known(context, &entries[k]);
  }
  for (guint i = 0; i < pipeline->context->len; i++) {
    if (!brought[i] && weft_context_at(pipeline, i)->required) {
      bad(error, "the pipeline needs the context \"%s\"", weft_context_at(pipeline, i)->name);
      return FALSE;
    }
  }
  return TRUE;
}
