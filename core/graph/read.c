/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a file that every section has: texts, names, maps with known keys, references. */
#include "read.h"

#include "literal.h"
#include <string.h>

GArray *weft_references_new(void)
{
  return g_array_new(FALSE, TRUE, sizeof(WeftReference));
}

const char *weft_yaml_kind_name(const WeftYaml *yaml)
{
  static const char *const names[] = {"text", "a list", "a map"};
  if (yaml->kind != WEFT_YAML_SCALAR)
    return names[yaml->kind];
  return weft_literal_of(yaml).type == WEFT_LITERAL_NULL ? "nothing" : "a single value";
}

const WeftYaml *weft_yaml_get(const WeftYaml *map, const char *key)
{
  for (guint i = 0; i < weft_yaml_n(map); i++) {
    const char *text = weft_yaml_key(map, i)->text;
    if (*text == *key && strcmp(text, key) == 0)
      return weft_yaml_item(map, i);
  }
  return NULL;
}

/* What a word of other systems is called here; NULL: not known, or not a key of this map. */
static const char *other_word(const char *const *known, const char *word)
{
  static const char *const words[][2] = {
    {"input", "in"}, {"inputs", "in"}, {"timeout", "deadline"}, {"plugin", "use"}, {"uses", "use"}, {"kind", "use"},
    {"parameters", "params"}, {"args", "params"}, {"options", "params"}, {"config", "params"}, {"weights", "model"},
    {"condition", "when"}, {"if", "when"}, {"steps", "nodes"}, {"stages", "nodes"}, {"sources", "inputs"}, {"version", "weft"}};
  for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
    if (strcmp(words[i][0], word) == 0 && g_strv_contains(known, words[i][1]))
      return words[i][1];
  }
  return NULL;
}

gboolean weft_read_keys(WeftReader *reader, const WeftYaml *map, const char *what, const char *node,
                        const char *const *known, const char *const *later)
{
  gboolean sure = !map->unsure;
  for (guint i = 0; i < weft_yaml_n(map); i++) {
    const WeftYaml *key = weft_yaml_key(map, i);
    if (key->reported || g_strv_contains(known, key->text))
      continue;
    if (g_strv_contains(later, key->text)) {
      weft_diagnostic_at(weft_fault(reader->diagnostics, key, "not-implemented", "not implemented yet: \"%s\" of %s",
                                    key->text, what), node, NULL);
      continue;
    }
    WeftDiagnostic *fault = weft_fault(reader->diagnostics, key, "unknown-key", "%s has no key \"%s\"", what,
                                       key->text);
    g_autofree char *list = g_strjoinv(", ", (char **)(gpointer)known);
    const char *other = other_word(known, key->text);
    if (other)
      weft_diagnostic_hint(fault, "it is called \"%s\" here", other);
    else
      weft_diagnostic_hint(fault, "the keys are %s%s", list, g_strv_contains(known, "params")
                           ? "; what a plugin defines stands under params" : "");
    weft_diagnostic_at(fault, node, NULL);
    sure = FALSE;
    if (other)
      continue;
    weft_diagnostic_closest(fault, key->text, known, g_strv_length((char **)(gpointer)known));
  }
  return sure;
}

gboolean weft_read_name(WeftReader *reader, const WeftYaml *at, const char *what)
{
  if (at->reported)
    return FALSE;
  const char *c = at->text;
  gsize n = strlen(c);
  gboolean sound = g_ascii_isalpha(*c) || *c == '_';
  for (; *c && sound; c++)
    sound = g_ascii_isalnum(*c) || *c == '_' || *c == '-';
  if (n > WEFT_PIPELINE_MAX_NAME)
    weft_fault(reader->diagnostics, at, "name-too-long", "the name of %s has %" G_GSIZE_FORMAT " bytes, at most %d "
               "are allowed (WEFT_PIPELINE_MAX_NAME)", what, n, WEFT_PIPELINE_MAX_NAME);
  else if (!sound)
    weft_diagnostic_hint(weft_fault(reader->diagnostics, at, "bad-name", "\"%s\" is no name for %s", at->text, what),
                         "names are letters, digits, \"_\" and \"-\", and begin with a letter");
  else if (weft_expr_is_reserved(at->text))
    weft_fault(reader->diagnostics, at, "bad-name", "\"%s\" is a word of expressions, no name for %s", at->text, what);
  else
    return TRUE;
  return FALSE;
}

const char *weft_read_text(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                           const char *example)
{
  if (value->reported)
    return NULL;
  gboolean is_text = value->kind == WEFT_YAML_SCALAR && weft_literal_of(value).type != WEFT_LITERAL_NULL;
  if (is_text && *value->text)
    return value->text;
  WeftDiagnostic *fault = is_text ? weft_fault(reader->diagnostics, value, "empty", "%s is empty", what)
                                  : weft_fault(reader->diagnostics, value, "wrong-type", "%s is a text, found %s", what,
                                               weft_yaml_kind_name(value));
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as %s", example);
  return NULL;
}

gboolean weft_read_bool(WeftReader *reader, const WeftYaml *value, const char *node, const char *what, gboolean *out)
{
  WeftLiteral literal = {.type = WEFT_LITERAL_TEXT};
  if (value->kind == WEFT_YAML_SCALAR)
    literal = weft_literal_of(value);
  *out = literal.boolean;
  if (literal.type == WEFT_LITERAL_BOOL)
    return TRUE;
  if (value->reported)
    return FALSE;
  WeftDiagnostic *fault =
      value->kind == WEFT_YAML_SCALAR
          ? weft_fault(reader->diagnostics, value, "wrong-type", "%s is true or false, found \"%s\"", what, value->text)
          : weft_fault(reader->diagnostics, value, "wrong-type", "%s is true or false, found %s", what,
                       weft_yaml_kind_name(value));
  weft_diagnostic_at(fault, node, NULL);
  return FALSE;
}

gboolean weft_read_map(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                       const char *example)
{
  if (value->kind == WEFT_YAML_MAP)
    return TRUE;
  if (value->reported)
    return FALSE;
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "wrong-type", "%s is a map, found %s", what,
                                     weft_yaml_kind_name(value));
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as %s", example);
  return FALSE;
}

guint64 weft_read_time_ns(WeftReader *reader, const WeftYaml *value, const char *text, const char *node,
                          const char *what)
{
  double ns = 0;
  WeftQuantity quantity = weft_quantity_parse(text, "ns", &ns);
  if (quantity == WEFT_QUANTITY_OK && ns >= 1 && ns <= 86400e9)
    return (guint64)ns;
  const char *problem = quantity == WEFT_QUANTITY_OK ? "must lie between 1 ns and 24 h"
                        : quantity == WEFT_QUANTITY_NO_UNIT ? "has no unit"
                                                            : "is no time";
  const char *comma = strchr(text, ',');
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, quantity == WEFT_QUANTITY_NO_UNIT ? "no-unit" :
                                     "bad-time", "%s \"%s\" %s", what, text, problem);
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), comma && comma > text && g_ascii_isdigit(comma[-1])
                       ? "with a decimal point, such as 1.5 s" : "such as 20 ms (ns, us, ms, s, min, h)");
  return 0;
}

void weft_read_reference(WeftReader *reader, GArray *into, const WeftYaml *key, const WeftYaml *value, const char *node,
                         const char *what)
{
  const char *text = weft_read_text(reader, value, node, what, "see.tokens");
  const char *dot = text ? strchr(text, '.') : NULL;
  WeftReference reference = {.key = key ? key->text : NULL, .key_at = key, .at = value, .step = -1};
  reference.name = dot ? weft_blocks_text(&reader->pipeline->texts, text, (gsize)(dot - text)) : text;
  reference.port = dot ? dot + 1 : NULL;
  g_array_append_val(into, reference);
}
