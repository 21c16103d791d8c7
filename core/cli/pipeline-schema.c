/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of docs/schema, with what is installed: ids, types of inputs, parameters with their ranges. */
#include "manifest.h"
#include "pipeline-private.h"
#include "schema-text.h"
#include "weft/manifest.h"

#include <stdio.h>
#include <string.h>

/* A number with a unit is a text; a variable may stand in place of any. */
static json_t *param_schema(const WeftParamSpec *param)
{
  static const char *const types[] = {"string", "integer", "number", "boolean"};
  json_t *value = json_object();
  gboolean number = param->type == WEFT_PARAMETER_INT || param->type == WEFT_PARAMETER_NUMBER;
  gboolean ratio = param->unit && strcmp(param->unit, "ratio") == 0;
  g_autofree char *about = g_strdup_printf("%s%s%s%s%s%s", param->doc ? param->doc : param->name, param->unit ? ", in " : "",
                                           param->unit ? param->unit : "", param->default_text ? "; default " : "",
                                           param->default_text ? param->default_text : "",
                                           param->has_default ? "" : "; must be given");
  json_object_set_new(value, "description", weft_command_text(about));
  if ((param->unit && !ratio) || param->type == WEFT_PARAMETER_ASSET)
    json_object_set_new(value, "type", json_string("string"));
  else if (number && ratio)
    json_object_set_new(value, "type", json_pack("[s, s]", "number", "string"));
  else if (param->type < G_N_ELEMENTS(types))
    json_object_set_new(value, "type", json_pack("[s, s]", types[param->type],
                                                 param->type == WEFT_PARAMETER_TEXT ? "number" : "string"));
  if (number && !param->unit && param->has_min)
    json_object_set_new(value, "minimum", json_real(param->min));
  if (number && !param->unit && param->has_max)
    json_object_set_new(value, "maximum", json_real(param->max));
  json_t *choices = json_array();
  for (char **choice = param->choices; choice && *choice; choice++)
    json_array_append_new(choices, weft_command_text(*choice));
  if (json_array_size(choices))
    json_object_set(value, "examples", choices);
  json_decref(choices);
  return value;
}

/* if the node uses this plugin, then these are its params. */
static json_t *rule_of(const WeftPluginSpec *spec)
{
  json_t *params = json_object(), *required = json_array();
  for (guint i = 0; i < spec->params->len; i++) {
    const WeftParamSpec *param = spec->params->pdata[i];
    json_object_set_new(params, param->name, param_schema(param));
    if (!param->has_default)
      json_array_append_new(required, weft_command_text(param->name));
  }
  g_autofree char *escaped = g_regex_escape_string(spec->id, -1);
  g_autofree char *pattern = g_strdup_printf("^%s(@.*)?$", escaped);
  json_t *inner = json_pack("{s:s, s:s, s:o, s:b}", "type", "object", "description", spec->summary ? spec->summary : spec->id,
                            "properties", params, "additionalProperties", 0);
  json_t *then = json_pack("{s:{s:o}}", "properties", "params", inner);
  if (json_array_size(required)) {
    json_object_set(inner, "required", required);
    json_object_set_new(then, "required", json_pack("[s]", "params"));
  }
  json_decref(required);
  return json_pack("{s:{s:{s:{s:s}}, s:[s]}, s:o}", "if", "properties", "use", "pattern", pattern, "required", "use", "then",
                   then);
}

typedef struct {
  json_t *uses, *types, *rules;
} Parts;

static void add_unique(json_t *list, const char *text)
{
  for (gsize i = 0; i < json_array_size(list); i++)
    if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
      return;
  json_array_append_new(list, weft_command_text(text));
}

/* Rows come by id and version: the last of an id is its newest. */
static void add_plugin(const WeftPluginRow *row, Parts *parts)
{
  g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), row->id, NULL);
  const WeftPluginSpec *spec = manifest ? weft_manifest_find(manifest, row->id) : NULL;
  if (!spec || strcmp(spec->kind, WEFT_KIND_COMPUTE) == 0)
    return;
  if (row->reads_type) {
    add_unique(parts->types, row->reads_type);
    return;
  }
  g_autofree char *major = g_strndup(row->version, strcspn(row->version, "."));
  g_autofree char *use = g_strdup_printf("%s@^%s", row->id, major);
  add_unique(parts->uses, use);
  json_array_append_new(parts->rules, rule_of(spec));
}

static json_t *inside(json_t *schema, const char *definition, const char *property)
{
  json_t *one = json_object_get(json_object_get(schema, "definitions"), definition);
  return property ? json_object_get(json_object_get(one, "properties"), property) : one;
}

int weft_pipeline_schema(const WeftPipelineOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  g_autoptr(GPtrArray) rows = session ? weft_catalogue_list(weft_session_catalogue(session), &error) : NULL;
  if (!rows)
    return weft_command_refuse_error(&weft_command_pipeline, WEFT_EXIT_PIPELINE, error);
  json_t *schema = json_loads(weft_pipeline_schema_text, 0, NULL);
  Parts parts = {json_array(), json_array(), json_array()};
  for (guint i = 0; i < rows->len; i++) {
    const WeftPluginRow *row = rows->pdata[i], *next = i + 1 < rows->len ? rows->pdata[i + 1] : NULL;
    gboolean newest = !next || !next->usable || strcmp(next->id, row->id) != 0;
    if (row->usable && row->manifest && newest)
      add_plugin(row, &parts);
  }
  json_object_set_new(inside(schema, "use", NULL), "examples", parts.uses);
  json_object_set_new(inside(schema, "input", "type"), "examples", parts.types);
  json_object_set_new(inside(schema, "node", NULL), "allOf", parts.rules);
  weft_command_print_json(schema);
  return WEFT_EXIT_OK;
}
