/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of a manifest: names, dims, splits, rows, attributes. */
#include "manifest-private.h"

#include <string.h>

static void attribute_free(gpointer data)
{
  WeftAttribute *attribute = data;
  g_free(attribute->key);
  g_free(attribute->value);
  g_free(attribute);
}

static void term_free(gpointer data)
{
  WeftRowsTerm *term = data;
  g_free(term->port);
  g_free(term);
}

static WeftPortSpec *port_new(void)
{
  WeftPortSpec *port = g_new0(WeftPortSpec, 1);
  port->terms = g_ptr_array_new_with_free_func(term_free);
  port->attributes = g_ptr_array_new_with_free_func(attribute_free);
  return port;
}

void weft_port_spec_free(WeftPortSpec *port)
{
  if (!port)
    return;
  g_free(port->name);
  g_free(port->base);
  g_free(port->role);
  for (guint d = 0; d < WEFT_MAX_RANK; d++)
    g_free(port->dims[d].name);
  g_ptr_array_unref(port->terms);
  g_ptr_array_unref(port->attributes);
  g_free(port);
}

/* `tokens`, `tokens[]` (inputs), `samples.rate`. */
static gboolean parse_name(WeftJson *json, const json_t *object, gboolean output, WeftPortSpec *port)
{
  if (!weft_mjson_required(json, object, "name") ||
      !weft_mjson_string(json, object, "name", WEFT_MANIFEST_MAX_NAME, &port->name))
    return FALSE;
  gsize mark = weft_mjson_enter(json, "name");
  if (g_str_has_suffix(port->name, "[]")) {
    if (output)
      return weft_mjson_fail(json, "\"%s\" is variadic, which only inputs can be", port->name);
    port->variadic = TRUE;
    port->name[strlen(port->name) - 2] = 0;
  }
  char *dot = strchr(port->name, '.');
  if (dot) {
    port->base = g_strndup(port->name, (gsize)(dot - port->name));
    port->role = g_strdup(dot + 1);
  }
  gboolean ok = dot ? weft_manifest_is_name(port->base, "_-") && weft_manifest_is_name(port->role, "_-")
                    : weft_manifest_is_name(port->name, "_-");
  if (!ok || (dot && port->variadic))
    return weft_mjson_fail(json, "expected lower case letters, digits, _ and -, beginning with a letter, and at most "
                                "one companion role behind a dot (\"samples.rate\"), found \"%s%s\"",
                          port->name, port->variadic ? "[]" : "");
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_dtype(WeftJson *json, const json_t *object, gboolean output, WeftPortSpec *port)
{
  g_autofree char *text = NULL;
  if (!weft_mjson_required(json, object, "type") ||
      !weft_mjson_string(json, object, "type", WEFT_MANIFEST_MAX_NAME, &text))
    return FALSE;
  gsize mark = weft_mjson_enter(json, "type");
  port->any = strcmp(text, "any") == 0 && !output;
  if (port->any)
    port->dtype = weft_f32();
  else if (!weft_dtype_parse(text, &port->dtype))
    return weft_mjson_fail(json, "expected an element type (u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16 bool), "
                                "found \"%s\"", text);
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_dim(WeftJson *json, const json_t *value, guint index, WeftDim *out)
{
  const char *text = json_is_string(value) ? json_string_value(value) : NULL;
  g_autofree char *found = weft_mjson_describe(value);
  out->size = -1;
  if (text && strcmp(text, "*") == 0)
    return TRUE;
  if (index == 0)
    return weft_mjson_fail(json, "the first dim is the rows: expected \"*\", found %s", found);
  if (json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) <= G_MAXINT32) {
    out->size = json_integer_value(value);
    return TRUE;
  }
  if (!text || !weft_manifest_is_name(text, "_"))
    return weft_mjson_fail(json, "expected a size from 1 to %d, a name such as \"d\", or \"*\", found %s", G_MAXINT32,
                          found);
  out->name = g_strdup(text);
  return TRUE;
}

static gboolean parse_dims(WeftJson *json, const json_t *object, WeftPortSpec *port)
{
  json_t *dims;
  if (!weft_mjson_required(json, object, "dims") || !weft_mjson_array(json, object, "dims", WEFT_MAX_RANK, &dims))
    return FALSE;
  gsize mark = weft_mjson_enter(json, "dims");
  port->rank = (guint)json_array_size(dims);
  if (port->rank == 0)
    return weft_mjson_fail(json, "expected 1 to %d dims, the first of them \"*\", found none", WEFT_MAX_RANK);
  for (guint d = 0; d < port->rank; d++) {
    gsize inner = weft_mjson_enter_index(json, d);
    if (!parse_dim(json, json_array_get(dims, d), d, &port->dims[d]))
      return FALSE;
    weft_mjson_leave(json, inner);
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_term(WeftJson *json, const char *key, const json_t *value, WeftPortSpec *port)
{
  WeftRowsTerm *term = g_new0(WeftRowsTerm, 1);
  g_ptr_array_add(port->terms, term);
  gsize mark = weft_mjson_enter(json, key);
  if (strcmp(key, "items") == 0) {
    term->of = WEFT_COUNT_ITEMS;
  } else if (g_str_has_suffix(key, ".rows") || g_str_has_suffix(key, ".groups")) {
    const char *dot = strrchr(key, '.');
    term->of = dot[1] == 'r' ? WEFT_COUNT_ROWS : WEFT_COUNT_GROUPS;
    term->port = g_strndup(key, (gsize)(dot - key));
  } else {
    return weft_mjson_fail(json, "expected \"items\", \"PORT.rows\" or \"PORT.groups\" as a term of rows");
  }
  if (!json_is_integer(value) || json_integer_value(value) < 1 ||
      json_integer_value(value) > WEFT_MANIFEST_MAX_FACTOR) {
    g_autofree char *found = weft_mjson_describe(value);
    return weft_mjson_fail(json, "expected a factor from 1 to %u, found %s", WEFT_MANIFEST_MAX_FACTOR, found);
  }
  term->factor = json_integer_value(value);
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_rows(WeftJson *json, const json_t *rows, WeftPortSpec *port)
{
  static const char *const keys[] = {"kind", "terms"};
  static const char *const kinds[] = {"exact", "bounded", "dynamic"};
  if (!weft_mjson_object(json, rows, keys, G_N_ELEMENTS(keys)) || !weft_mjson_required(json, rows, "kind") ||
      !weft_mjson_word(json, rows, "kind", kinds, G_N_ELEMENTS(kinds), &port->rows_kind))
    return FALSE;
  json_t *terms = json_object_get(rows, "terms"), *value;
  const char *key;
  if (port->rows_kind == WEFT_ROWS_DYNAMIC)
    return !terms || weft_mjson_fail(json, "rows that are dynamic have no terms");
  if (!weft_mjson_required(json, rows, "terms"))
    return FALSE;
  gsize mark = weft_mjson_enter(json, "terms");
  if (!json_is_object(terms) || json_object_size(terms) == 0 || json_object_size(terms) > WEFT_MANIFEST_MAX_ENTRIES)
    return weft_mjson_fail(json, "expected an object of 1 to %d terms, such as {\"items\": 2}",
                          WEFT_MANIFEST_MAX_ENTRIES);
  json_object_foreach(terms, key, value) {
    if (!parse_term(json, key, value, port))
      return FALSE;
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_layout(WeftJson *json, const json_t *object, gboolean output, WeftPortSpec *port)
{
  gint64 splits = 0;
  if (!weft_mjson_int(json, object, "splits", 0, 2, &splits))
    return FALSE;
  port->n_splits = (guint)splits;
  port->rows_kind = WEFT_ROWS_EXACT;
  const json_t *rows = json_object_get(object, "rows");
  gsize mark = weft_mjson_enter(json, "rows");
  if (rows && !output)
    return weft_mjson_fail(json, "an input takes as many rows as it gets; only outputs say \"rows\"");
  if (rows && splits == 0)
    return weft_mjson_fail(json, "without \"splits\" there is one row an item; leave \"rows\" out");
  if (rows && !parse_rows(json, rows, port))
    return FALSE;
  weft_mjson_leave(json, mark);
  if (!rows && output && splits > 0)
    return weft_mjson_fail(json, "an output with \"splits\" must say its \"rows\": {\"kind\": \"exact|bounded\", "
                                "\"terms\": {\"items\": N, \"PORT.rows\": N}} or {\"kind\": \"dynamic\"}");
  return TRUE;
}

static gboolean parse_attributes(WeftJson *json, const json_t *object, WeftPortSpec *port)
{
  json_t *attributes = json_object_get(object, "attributes"), *value;
  const char *key;
  if (!attributes)
    return TRUE;
  gsize mark = weft_mjson_enter(json, "attributes");
  if (!json_is_object(attributes) || json_object_size(attributes) > WEFT_MANIFEST_MAX_ENTRIES)
    return weft_mjson_fail(json, "expected an object of at most %d texts", WEFT_MANIFEST_MAX_ENTRIES);
  json_object_foreach(attributes, key, value) {
    WeftAttribute *attribute = g_new0(WeftAttribute, 1);
    g_ptr_array_add(port->attributes, attribute);
    if (!weft_manifest_is_name(key, "_-"))
      return weft_mjson_fail(json, "expected lower case letters, digits, _ and - in a key, found \"%.80s\"", key);
    attribute->key = g_strdup(key);
    if (!weft_mjson_string(json, attributes, key, WEFT_MANIFEST_MAX_TEXT, &attribute->value))
      return FALSE;
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}

/* What is kept for a session has a size that is known before anything runs. */
static gboolean check_state(WeftJson *json, gboolean output, WeftPortSpec *port)
{
  if (!port->state)
    return TRUE;
  gsize mark = weft_mjson_enter(json, "state");
  if (port->variadic || port->base || port->n_splits || port->explain)
    return weft_mjson_fail(json, "\"%s\": a state has one row an item, is no companion, not variadic and not for explain",
                           port->name);
  for (guint d = 1; d < port->rank; d++)
    if (port->dims[d].size <= 0)
      return weft_mjson_fail(json, "\"%s\": the dims of a state are sizes, such as [\"*\", 128]", port->name);
  weft_mjson_leave(json, mark);
  port->optional = port->optional || !output; /* absent at a session's first item */
  return TRUE;
}

static gboolean parse_port(WeftJson *json, const json_t *object, gboolean output, WeftPortSpec *port)
{
  static const char *const input_keys[] = {"name", "type", "dims", "splits", "attributes", "optional", "rows", "state"};
  static const char *const output_keys[] = {"name", "type", "dims", "splits", "attributes", "explain", "rows", "state"};
  return weft_mjson_object(json, object, output ? output_keys : input_keys, G_N_ELEMENTS(input_keys)) &&
         parse_name(json, object, output, port) && parse_dtype(json, object, output, port) && parse_dims(json, object, port) &&
         parse_layout(json, object, output, port) && parse_attributes(json, object, port) &&
         weft_mjson_bool(json, object, "optional", &port->optional) &&
         weft_mjson_bool(json, object, "explain", &port->explain) &&
         weft_mjson_bool(json, object, "state", &port->state) && check_state(json, output, port);
}

static const WeftPortSpec *find(const GPtrArray *ports, const char *name)
{
  for (guint i = 0; i < ports->len; i++) {
    const WeftPortSpec *port = g_ptr_array_index(ports, i);
    if (port->name && strcmp(port->name, name) == 0)
      return port;
  }
  return NULL;
}

gboolean weft_manifest_parse_ports(WeftJson *json, const json_t *plugin, const char *key, gboolean output,
                                   GPtrArray *out)
{
  json_t *array;
  if (!weft_mjson_array(json, plugin, key, WEFT_MANIFEST_MAX_PORTS, &array))
    return FALSE;
  gsize mark = weft_mjson_enter(json, key);
  for (gsize i = 0; array && i < json_array_size(array); i++) {
    WeftPortSpec *port = port_new();
    gsize inner = weft_mjson_enter_index(json, i);
    gboolean ok = parse_port(json, json_array_get(array, i), output, port);
    if (ok && find(out, port->name))
      ok = weft_mjson_fail(json, "\"%s\" is there twice", port->name);
    g_ptr_array_add(out, port);
    if (!ok)
      return FALSE;
    weft_mjson_leave(json, inner);
  }
  for (guint i = 0; i < out->len; i++) {
    const WeftPortSpec *port = g_ptr_array_index(out, i);
    if (port->base && !find(out, port->base))
      return weft_mjson_fail(json, "\"%s\" is the companion of \"%s\", which is not there", port->name, port->base);
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}

gboolean weft_manifest_check_terms(WeftJson *json, const WeftPluginSpec *plugin)
{
  for (guint i = 0; i < plugin->outputs->len; i++) {
    const WeftPortSpec *output = g_ptr_array_index(plugin->outputs, i);
    for (guint t = 0; t < output->terms->len; t++) {
      const WeftRowsTerm *term = g_ptr_array_index(output->terms, t);
      const WeftPortSpec *input = term->port ? find(plugin->inputs, term->port) : NULL;
      if (term->port && !input)
        return weft_mjson_fail(json, "rows of output \"%s\" count the input \"%s\", which is not there", output->name,
                              term->port);
      if (term->of == WEFT_COUNT_GROUPS && input->n_splits < 2)
        return weft_mjson_fail(json, "rows of output \"%s\" count the groups of input \"%s\", which has none (\"splits\" "
                                    "is %u)", output->name, term->port, input->n_splits);
    }
  }
  return TRUE;
}

/* Each state is an input and an output of the same name and shape. */
gboolean weft_manifest_check_states(WeftJson *json, const WeftPluginSpec *plugin)
{
  for (guint side = 0; side < 2; side++) {
    const GPtrArray *ports = side ? plugin->outputs : plugin->inputs, *others = side ? plugin->inputs : plugin->outputs;
    for (guint i = 0; i < ports->len; i++) {
      const WeftPortSpec *port = g_ptr_array_index(ports, i), *other = find(others, port->name);
      if (!port->state)
        continue;
      gboolean same = other && other->state && weft_dtype_equal(port->dtype, other->dtype) && port->rank == other->rank;
      for (guint d = 1; same && d < port->rank; d++)
        same = port->dims[d].size == other->dims[d].size;
      if (!same)
        return weft_mjson_fail(json, "the state \"%s\" must be an input and an output of the same type and dims, both with "
                                    "\"state\": true", port->name);
      if (side && i == 0)
        return weft_mjson_fail(json, "\"%s\" is the first output, which is the main one: it cannot be a state", port->name);
    }
  }
  return TRUE;
}
