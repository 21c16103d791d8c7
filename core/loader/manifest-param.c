/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of a manifest. */
#include "manifest-private.h"

#include <math.h>
#include <string.h>

void weft_param_spec_free(WeftParamSpec *param)
{
  if (!param)
    return;
  g_free(param->name);
  g_free(param->doc);
  g_free(param->unit);
  g_free(param->default_text);
  g_strfreev(param->choices);
  g_free(param);
}

static gboolean parse_bound(WeftJson *json, const json_t *object, const char *key, guint type, gboolean *has,
                            double *out)
{
  const json_t *value = json_object_get(object, key);
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, key);
  if (type != WEFT_PARAMETER_INT && type != WEFT_PARAMETER_NUMBER)
    return weft_mjson_fail(json, "only parameters of type int and number have \"%s\"", key);
  if (!json_is_integer(value) && (type == WEFT_PARAMETER_INT || !json_is_real(value))) {
    g_autofree char *found = weft_mjson_describe(value);
    return weft_mjson_fail(json, "expected %s, found %s", type == WEFT_PARAMETER_INT ? "an integer" : "a number", found);
  }
  *has = TRUE;
  *out = json_number_value(value);
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean fits(const json_t *value, guint type)
{
  switch (type) {
  case WEFT_PARAMETER_TEXT: return json_is_string(value);
  case WEFT_PARAMETER_INT: return json_is_integer(value);
  case WEFT_PARAMETER_NUMBER: return json_is_number(value);
  case WEFT_PARAMETER_ASSET: return json_is_string(value) && json_string_length(value) == 0;
  default: return json_is_boolean(value);
  }
}

static void set_default(const json_t *value, WeftParamSpec *param)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];
  param->has_default = TRUE;
  if (json_is_string(value)) {
    param->default_text = g_strdup(json_string_value(value));
  } else if (json_is_integer(value)) {
    param->default_text = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    param->default_number = (double)json_integer_value(value);
  } else if (json_is_real(value)) {
    param->default_number = json_real_value(value);
    param->default_text = g_strdup(g_ascii_dtostr(digits, sizeof digits, param->default_number));
  } else {
    param->default_number = json_is_true(value);
    param->default_text = g_strdup(json_is_true(value) ? "true" : "false");
  }
}

static gboolean parse_default(WeftJson *json, const json_t *object, WeftParamSpec *param)
{
  static const char *const wanted[] = {"a string", "an integer", "a number", "true or false",
                                       "\"\" (no asset)"};
  const json_t *value = json_object_get(object, "default");
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, "default");
  g_autofree char *found = weft_mjson_describe(value);
  if (!fits(value, param->type))
    return weft_mjson_fail(json, "expected %s, found %s", wanted[param->type], found);
  set_default(value, param);
  if (param->has_min && param->default_number < param->min)
    return weft_mjson_fail(json, "the default %s is below \"min\" %g", found, param->min);
  if (param->has_max && param->default_number > param->max)
    return weft_mjson_fail(json, "the default %s is above \"max\" %g", found, param->max);
  if (param->choices && !g_strv_contains((const char *const *)param->choices, param->default_text))
    return weft_mjson_fail(json, "the default %s is not one of \"choices\"", found);
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_param(WeftJson *json, const json_t *object, WeftParamSpec *param)
{
  static const char *const keys[] = {"name", "type", "default", "min", "max", "choices", "unit", "doc"};
  static const char *const types[] = {"text", "int", "number", "bool", "asset"};
  static const char *const units[] = {"ms", "Hz", "bytes", "ratio"};
  guint unit = 0;
  if (!weft_mjson_object(json, object, keys, G_N_ELEMENTS(keys)) || !weft_mjson_required(json, object, "name") ||
      !weft_mjson_string(json, object, "name", WEFT_MANIFEST_MAX_NAME, &param->name))
    return FALSE;
  if (!weft_manifest_is_name(param->name, "_-"))
    return weft_mjson_fail(json, "expected a name of lower case letters, digits, _ and -, found \"%s\"", param->name);
  if (!weft_mjson_required(json, object, "type") ||
      !weft_mjson_word(json, object, "type", types, G_N_ELEMENTS(types), &param->type) ||
      !weft_mjson_string(json, object, "doc", WEFT_MANIFEST_MAX_TEXT, &param->doc) ||
      !weft_mjson_word(json, object, "unit", units, G_N_ELEMENTS(units), &unit) ||
      !parse_bound(json, object, "min", param->type, &param->has_min, &param->min) ||
      !parse_bound(json, object, "max", param->type, &param->has_max, &param->max) ||
      !weft_mjson_strings(json, object, "choices", WEFT_MANIFEST_MAX_ENTRIES, WEFT_MANIFEST_MAX_TEXT, &param->choices))
    return FALSE;
  if (json_object_get(object, "unit"))
    param->unit = g_strdup(units[unit]);
  if (param->has_min && param->has_max && param->min > param->max)
    return weft_mjson_fail(json, "\"min\" %g is above \"max\" %g", param->min, param->max);
  if (param->choices && param->type != WEFT_PARAMETER_TEXT)
    return weft_mjson_fail(json, "only parameters of type text have \"choices\"");
  return parse_default(json, object, param);
}

gboolean weft_manifest_parse_params(WeftJson *json, const json_t *plugin, GPtrArray *out)
{
  json_t *array;
  if (!weft_mjson_array(json, plugin, "params", WEFT_MANIFEST_MAX_PARAMS, &array))
    return FALSE;
  gsize mark = weft_mjson_enter(json, "params");
  for (gsize i = 0; array && i < json_array_size(array); i++) {
    WeftParamSpec *param = g_new0(WeftParamSpec, 1);
    gsize inner = weft_mjson_enter_index(json, i);
    g_ptr_array_add(out, param);
    if (!parse_param(json, json_array_get(array, i), param))
      return FALSE;
    for (guint k = 0; k + 1 < out->len; k++)
      if (strcmp(((WeftParamSpec *)g_ptr_array_index(out, k))->name, param->name) == 0)
        return weft_mjson_fail(json, "\"%s\" is there twice", param->name);
    weft_mjson_leave(json, inner);
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}
