/* SPDX-License-Identifier: Apache-2.0 */
/* What stands under `params`, held against the manifest. */
#include "literal.h"
#include "resolve.h"

#include <math.h>
#include <string.h>

typedef struct {
  WeftBuilder *builder;
  WeftStep *step;
  const WeftParamSpec *spec;
  const WeftYaml *at;
  const char *text;
} Given;

static const char *const type_names[] = {"a text", "a whole number", "a number", "true or false", "the name of an asset"};

static WeftDiagnostic *fault_at(const Given *given, const char *code, const char *problem)
{
  WeftDiagnostic *fault = weft_fault(given->builder->diagnostics, given->at, code, "parameter \"%s\" of %s %s",
                                     given->spec->name, given->step->found->label, problem);
  return weft_diagnostic_at(fault, given->step->name, NULL);
}

static gboolean wrong_type(const Given *given)
{
  gboolean nothing = given->text && weft_literal_of(given->at).type == WEFT_LITERAL_NULL;
  const char *quote = given->text && !nothing ? "\"" : "";
  g_autofree char *problem = g_strdup_printf("is %s, found %s%s%s", type_names[given->spec->type], quote,
                                             nothing ? "nothing" : given->text ? given->text : "a list or map", quote);
  fault_at(given, "param-type", problem);
  return FALSE;
}

static gboolean take_choice(const Given *given)
{
  char **choices = given->spec->choices;
  if (!choices || g_strv_contains((const char *const *)choices, given->text))
    return TRUE;
  g_autofree char *list = g_strjoinv(", ", choices);
  g_autofree char *problem = g_strdup_printf("is one of %s, found \"%s\"", list, given->text);
  weft_diagnostic_closest(fault_at(given, "param-choice", problem), given->text, (const char *const *)choices,
                          g_strv_length(choices));
  return FALSE;
}

static gboolean take_quantity(const Given *given, double *number)
{
  const char *unit = given->spec->unit;
  WeftQuantity quantity = weft_quantity_parse(given->text, unit, number);
  if (quantity == WEFT_QUANTITY_OK)
    return TRUE;
  if (quantity == WEFT_QUANTITY_NO_NUMBER)
    return wrong_type(given);
  g_autofree char *example = weft_quantity_example(unit);
  g_autofree char *problem = quantity == WEFT_QUANTITY_NO_UNIT
                                 ? g_strdup_printf("needs a unit, found \"%s\"", given->text)
                                 : g_strdup_printf("is measured in %s, found \"%s\"", unit, given->text);
  WeftDiagnostic *fault = fault_at(given, quantity == WEFT_QUANTITY_NO_UNIT ? "no-unit" : "wrong-unit", problem);
  const char *meant = weft_quantity_meant(given->text, unit);
  if (meant)
    weft_diagnostic_hint(fault, "did you mean \"%s\"? such as %s", meant, example);
  else
    weft_diagnostic_hint(fault, "such as %s", example);
  return FALSE;
}

static gboolean in_range(const Given *given, double number)
{
  const WeftParamSpec *spec = given->spec;
  if (!isnan(number) && (!spec->has_min || number >= spec->min) && (!spec->has_max || number <= spec->max))
    return TRUE;
  g_autoptr(GString) problem = g_string_new("must be ");
  if (spec->has_min && spec->has_max)
    g_string_append_printf(problem, "between %g and %g", spec->min, spec->max);
  else if (spec->has_min)
    g_string_append_printf(problem, "at least %g", spec->min);
  else if (spec->has_max)
    g_string_append_printf(problem, "at most %g", spec->max);
  else
    g_string_append(problem, "a number");
  if (spec->unit && strcmp(spec->unit, "ratio") != 0)
    g_string_append_printf(problem, " %s", spec->unit);
  g_string_append_printf(problem, ", found %s", given->text);
  fault_at(given, "param-range", problem->str);
  return FALSE;
}

static gboolean take_number(const Given *given, WeftLiteral literal, struct weft_parameter *out)
{
  if (given->spec->unit) {
    if (!take_quantity(given, &out->number))
      return FALSE;
  } else if (literal.type == WEFT_LITERAL_INT || literal.type == WEFT_LITERAL_NUMBER) {
    out->number = literal.number;
  } else {
    return wrong_type(given);
  }
  if (out->type == WEFT_PARAMETER_INT) {
    if (!(fabs(out->number) < 9.2e18) || out->number != floor(out->number))
      return wrong_type(given);
    out->integer = literal.type == WEFT_LITERAL_INT ? literal.integer : (gint64)out->number;
  }
  return in_range(given, out->number);
}

static gboolean take_value(const Given *given, struct weft_parameter *out)
{
  if (given->at->reported)
    return FALSE;
  if (given->at->kind != WEFT_YAML_SCALAR)
    return wrong_type(given);
  WeftLiteral literal = weft_literal_of(given->at);
  out->text = given->text;
  if (literal.type == WEFT_LITERAL_NULL)
    return wrong_type(given);
  if (out->type == WEFT_PARAMETER_TEXT)
    return take_choice(given);
  if (out->type == WEFT_PARAMETER_ASSET)
    return weft_step_use_asset(given->builder, given->step, given->spec->name, given->at);
  if (out->type != WEFT_PARAMETER_BOOL)
    return take_number(given, literal, out);
  out->integer = literal.boolean;
  out->number = literal.boolean;
  return literal.type == WEFT_LITERAL_BOOL || wrong_type(given);
}

static void take_default(const WeftParamSpec *spec, struct weft_parameter *out)
{
  out->text = spec->default_text;
  out->number = spec->default_number;
  out->integer = fabs(spec->default_number) < 9.2e18 ? (gint64)spec->default_number : 0;
}

static guint param_index(const WeftPluginSpec *spec, const char *name)
{
  guint i = 0;
  while (i < spec->params->len && strcmp(((WeftParamSpec *)spec->params->pdata[i])->name, name) != 0)
    i++;
  return i;
}

static void report_unknown(WeftBuilder *builder, const WeftStep *step, const WeftYaml *key)
{
  const GPtrArray *params = step->found->spec->params;
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, key, "unknown-param", "%s has no parameter \"%s\"",
                                     step->found->label, key->text);
  weft_diagnostic_at(fault, step->name, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < params->len; i++) {
    const WeftParamSpec *spec = params->pdata[i];
    g_ptr_array_add(names, spec->name);
    g_string_append_printf(list, "%s%s", i ? ", " : "", spec->name);
  }
  weft_diagnostic_hint(fault, params->len ? "its parameters are %s" : "it has none%s", list->str);
  weft_diagnostic_closest(fault, key->text, (const char *const *)names->pdata, names->len);
}

gboolean weft_step_take_params(WeftBuilder *builder, WeftStep *step)
{
  const WeftPluginSpec *spec = step->found->spec;
  const WeftYaml *map = weft_step_params_at(step);
  guint n = spec->params->len;
  gboolean ok = TRUE, unknown = FALSE;
  g_autofree gboolean *given = g_new0(gboolean, n + 1);
  step->parameters = weft_revision_new(builder->revision, struct weft_parameter, n + 1);
  for (guint i = 0; i < n; i++) {
    const WeftParamSpec *param = spec->params->pdata[i];
    step->parameters[i].name = param->name;
    step->parameters[i].type = param->type;
  }
  for (guint k = 0; map && k < weft_yaml_n(map); k++) {
    const WeftYaml *key = weft_yaml_key(map, k), *value = weft_yaml_item(map, k);
    if (key->reported)
      continue;
    guint i = param_index(spec, key->text);
    if (i == n) {
      report_unknown(builder, step, key);
      ok = FALSE;
      unknown = TRUE;
      continue;
    }
    given[i] = TRUE;
    Given one = {builder, step, spec->params->pdata[i], value, value->kind == WEFT_YAML_SCALAR ? value->text : NULL};
    ok = take_value(&one, &step->parameters[i]) && ok;
  }
  for (guint i = 0; i < n; i++) {
    const WeftParamSpec *param = spec->params->pdata[i];
    if (given[i])
      continue;
    take_default(param, &step->parameters[i]);
    if (param->has_default || unknown || (step->node && step->node->unsure)) /* a wrong name may mean this one */
      continue;
    const WeftYaml *at = map ? map : step->node ? step->node->at : step->input->at;
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, "missing-param", "%s needs the parameter \"%s\"",
                                       step->found->label, param->name);
    weft_diagnostic_at(fault, step->name, NULL);
    if (param->doc)
      weft_diagnostic_hint(fault, "%s", param->doc);
    ok = FALSE;
  }
  return ok;
}
