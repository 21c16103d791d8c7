/* SPDX-License-Identifier: Apache-2.0 */
#include "yamlprint.h"

#include "literal.h"
#include <string.h>

/* Whether text without quotes is read as this very text, also between braces. */
static gboolean is_safe(const char *text)
{
  if (!*text || strchr("-?:,[]{}#&*!|>'\"%@` ", *text) || text[strlen(text) - 1] == ' ')
    return FALSE;
  for (const char *c = text; *c; c++) {
    if ((guchar)*c < ' ' || (guchar)*c == 0x7f || strchr(",[]{}\"", *c))
      return FALSE;
    if (*c == ':' && (c[1] == ' ' || c[1] == 0))
      return FALSE;
    if (*c == '#' && c > text && c[-1] == ' ')
      return FALSE;
  }
  return TRUE;
}

static void append_quoted(GString *out, const char *text)
{
  g_string_append_c(out, '"');
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_printf(out, "\\%c", *c);
    else if (*c == '\n')
      g_string_append(out, "\\n");
    else if (*c == '\t')
      g_string_append(out, "\\t");
    else if ((guchar)*c < ' ' || (guchar)*c == 0x7f)
      g_string_append_printf(out, "\\x%02X", (guint)(guchar)*c);
    else
      g_string_append_c(out, *c);
  }
  g_string_append_c(out, '"');
}

/* Quotes stay where the text would mean something else without them. */
static void append_scalar(GString *out, const WeftYaml *yaml)
{
  gboolean means_text = weft_literal_parse(yaml->text).type == WEFT_LITERAL_TEXT;
  if (is_safe(yaml->text) && (yaml->plain || means_text))
    g_string_append(out, yaml->text);
  else
    append_quoted(out, yaml->text);
}

/* Keys of nodes and inputs first and in this order; others follow as they stand. */
static const char *const inner_order[] = {"use", "type", "model", "precision", "source", "in", "when", "params", "slots", "select",
                                          "isolate", "deadline", "batch", "on_missing", "on_error", "on_verdict"};
static const char *const outer_order[] = {"weft", "name", "context", "inputs", "require", "lead", "deadline", "models",
                                          "assets", "nodes", "outputs", "sinks"};

static int rank(const WeftYaml *key, const char *const *order, guint n)
{
  for (guint i = 0; i < n; i++)
    if (strcmp(order[i], key->text) == 0)
      return (int)i;
  return (int)n;
}

/* Indexes of a map's entries, those of `order` first. Caller frees with g_free. */
static guint *sorted(const WeftYaml *map, const char *const *order, guint n_order)
{
  guint n = weft_yaml_n(map), done = 0;
  guint *out = g_new(guint, n + 1);
  for (int want = 0; want <= (int)n_order; want++)
    for (guint i = 0; i < n; i++)
      if (rank(weft_yaml_key(map, i), order, n_order) == want)
        out[done++] = i;
  return out;
}

static void append_flow(GString *out, const WeftYaml *yaml, gboolean ordered)
{
  if (yaml->kind == WEFT_YAML_SCALAR) {
    append_scalar(out, yaml);
    return;
  }
  gboolean map = yaml->kind == WEFT_YAML_MAP;
  g_autofree guint *order = map ? sorted(yaml, inner_order, ordered ? G_N_ELEMENTS(inner_order) : 0) : NULL;
  g_string_append_c(out, map ? '{' : '[');
  for (guint i = 0; i < weft_yaml_n(yaml); i++) {
    guint entry = order ? order[i] : i;
    g_string_append(out, i ? ", " : "");
    if (map) {
      append_scalar(out, weft_yaml_key(yaml, entry));
      g_string_append(out, ": ");
    }
    append_flow(out, weft_yaml_item(yaml, entry), FALSE);
  }
  g_string_append_c(out, map ? '}' : ']');
}

char *weft_yaml_flow(const WeftYaml *yaml)
{
  GString *out = g_string_new(NULL);
  append_flow(out, yaml, FALSE);
  return g_string_free(out, FALSE);
}

static void append_section(GString *out, const WeftYaml *key, const WeftYaml *value)
{
  append_scalar(out, key);
  if (value->kind != WEFT_YAML_MAP || weft_yaml_n(value) == 0) {
    g_string_append(out, ": ");
    append_flow(out, value, FALSE);
    g_string_append_c(out, '\n');
    return;
  }
  g_string_append(out, ":\n");
  for (guint i = 0; i < weft_yaml_n(value); i++) {
    g_string_append(out, "  ");
    append_scalar(out, weft_yaml_key(value, i));
    g_string_append(out, ": ");
    append_flow(out, weft_yaml_item(value, i), TRUE);
    g_string_append_c(out, '\n');
  }
}

char *weft_yaml_canonical(const WeftYaml *root)
{
  GString *out = g_string_new(NULL);
  g_autofree guint *order = sorted(root, outer_order, G_N_ELEMENTS(outer_order));
  for (guint i = 0; i < weft_yaml_n(root); i++)
    append_section(out, weft_yaml_key(root, order[i]), weft_yaml_item(root, order[i]));
  return g_string_free(out, FALSE);
}
