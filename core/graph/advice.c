/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would fit where something does not: another output of the same source,
 * another input of the pipeline, another reader, or an installed plugin
 * between the two. The catalogue is read at the first edge that does not fit,
 * and never again for the same file.
 */
#include "resolve.h"

#include <string.h>

/* Plugins that a hint names. */
#define SHOWN_CONVERTERS 3

typedef struct {
  char *id, *range;
  WeftManifest *manifest;
  const WeftPluginSpec *spec;
} Converter;

/* One converter at one edge. */
typedef struct {
  const Converter *converter;
  const WeftPortSpec *output;
  GString *params; /* "rate: 16000 Hz" */
} Match;

static void converter_free(gpointer data)
{
  Converter *converter = data;
  g_free(converter->id);
  g_free(converter->range);
  weft_manifest_free(converter->manifest);
  g_free(converter);
}

void weft_advice_clear(GPtrArray *converters)
{
  if (converters)
    g_ptr_array_unref(converters);
}

/* "^1" for 1.4.2; before 1.0.0 every minor version may break: the version itself. */
static char *range_of(const char *version)
{
  const char *dot = strchr(version, '.');
  if (!dot || *version == '0' || strchr(version, '-'))
    return g_strdup(version);
  return g_strdup_printf("^%.*s", (int)(dot - version), version);
}

/* Kinds that turn one thing into another; others join, judge or answer. */
static gboolean may_convert(const WeftPluginRow *row)
{
  return row->usable && (strcmp(row->kind, "transform") == 0 || strcmp(row->kind, WEFT_KIND_ENCODER) == 0);
}

static void add_converter(GPtrArray *converters, const WeftPluginRow *row)
{
  g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), row->id, NULL);
  const WeftPluginSpec *spec = manifest ? weft_manifest_find(manifest, row->id) : NULL;
  if (!spec)
    return;
  Converter *converter = g_new0(Converter, 1);
  converter->id = g_strdup(row->id);
  converter->range = range_of(row->version);
  converter->spec = spec;
  converter->manifest = g_steal_pointer(&manifest);
  g_ptr_array_add(converters, converter);
}

/* The newest of each id: the list is ordered by id and version. */
static const GPtrArray *known_converters(WeftBuilder *builder)
{
  WeftRevision *revision = builder->revision;
  if (revision->converters)
    return revision->converters;
  revision->converters = g_ptr_array_new_with_free_func(converter_free);
  g_autoptr(GPtrArray) rows = weft_catalogue_list(builder->catalogue, NULL);
  for (guint i = 0; rows && i < rows->len; i++) {
    const WeftPluginRow *row = rows->pdata[i], *next = i + 1 < rows->len ? rows->pdata[i + 1] : NULL;
    gboolean superseded = next && next->usable && strcmp(row->id, next->id) == 0 && !strchr(next->version, '-');
    if (may_convert(row) && !superseded)
      add_converter(revision->converters, row);
  }
  return revision->converters;
}

/* Every companion that `needed` cannot do without stands beside `given`. */
static gboolean companions_fit(const GPtrArray *needed, const char *needed_base, const GPtrArray *given,
                               const char *given_base)
{
  for (guint i = 0; i < needed->len; i++) {
    const WeftPortSpec *port = needed->pdata[i];
    gboolean found = !port->base || port->optional || strcmp(port->base, needed_base) != 0;
    for (guint k = 0; k < given->len && !found; k++) {
      const WeftPortSpec *other = given->pdata[k];
      found = other->base && strcmp(other->base, given_base) == 0 && strcmp(other->role, port->role) == 0;
    }
    if (!found)
      return FALSE;
  }
  return TRUE;
}

/* The one input that a converter needs, if it takes what is given. */
static const WeftPortSpec *only_input(const WeftPluginSpec *spec, const struct weft_port *given)
{
  const WeftPortSpec *only = NULL;
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *input = spec->inputs->pdata[i];
    if (input->base || input->optional)
      continue;
    if (only || input->variadic)
      return NULL;
    only = input;
  }
  return only && !weft_edge_difference(only, given) ? only : NULL;
}

/* A parameter of the attribute's name sets that attribute of the outputs; whether it can be set to `value`. */
static gboolean param_gives(const WeftPluginSpec *spec, const char *key, const char *value, GString *params)
{
  for (guint i = 0; i < spec->params->len; i++) {
    const WeftParamSpec *param = spec->params->pdata[i];
    if (strcmp(param->name, key) != 0)
      continue;
    char *end = NULL;
    double number = g_ascii_strtod(value, &end);
    gboolean is_text = param->type == WEFT_PARAMETER_TEXT;
    if (is_text ? param->choices && !g_strv_contains((const char *const *)param->choices, value)
                : end == value || *end || (param->has_min && number < param->min) || (param->has_max && number > param->max))
      return FALSE;
    g_string_append_printf(params, "%s%s: %s%s%s", params->len ? ", " : "", key, value, param->unit ? " " : "",
                           param->unit ? param->unit : "");
    return TRUE;
  }
  return FALSE;
}

/* A size of an output: fixed, that of the input's dim of the same name, or -1. */
static gint64 size_of(const WeftDim *dim, const WeftPortSpec *input, const struct weft_port *given)
{
  for (guint d = 1; dim->name && d < input->rank; d++) {
    if (g_strcmp0(input->dims[d].name, dim->name) == 0)
      return given->dims[d];
  }
  return dim->size;
}

static gboolean gives(const Converter *converter, const WeftPortSpec *input, const WeftPortSpec *output,
                      const struct weft_port *given, const WeftPortSpec *wanted, GString *params)
{
  if (!weft_dtype_equal(output->dtype, wanted->dtype) || output->rank != wanted->rank ||
      output->n_splits != wanted->n_splits)
    return FALSE;
  for (guint d = 1; d < wanted->rank; d++) {
    gint64 size = size_of(&output->dims[d], input, given);
    if (wanted->dims[d].size > 0 && size != wanted->dims[d].size && (size > 0 || !output->dims[d].name))
      return FALSE;
  }
  g_string_truncate(params, 0);
  for (guint i = 0; i < wanted->attributes->len; i++) {
    const WeftAttribute *attribute = wanted->attributes->pdata[i];
    const char *stated = weft_port_spec_attribute(output, attribute->key);
    const char *before = weft_port_attribute(given, attribute->key);
    if (stated ? strcmp(stated, attribute->value) != 0
               : !param_gives(converter->spec, attribute->key, attribute->value, params) && before &&
                     strcmp(before, attribute->value) != 0)
      return FALSE;
  }
  return TRUE;
}

/* Whether the step would take the converter's output, and the converter what the source gives. */
static gboolean converts(const WeftStep *source, const WeftPortSpec *source_port, const WeftStep *step,
                         const WeftPortSpec *wanted, const struct weft_port *given, Match *match)
{
  const WeftPluginSpec *spec = match->converter->spec;
  const WeftPortSpec *input = only_input(spec, given);
  if (!input || !companions_fit(spec->inputs, input->name, source->found->spec->outputs, source_port->name))
    return FALSE;
  for (guint i = 0; i < spec->outputs->len; i++) {
    const WeftPortSpec *output = spec->outputs->pdata[i];
    if (output->base || output->explain || !gives(match->converter, input, output, given, wanted, match->params) ||
        !companions_fit(step->found->spec->inputs, wanted->name, spec->outputs, output->name))
      continue;
    match->output = output;
    return TRUE;
  }
  return FALSE;
}

/* How the file would say it: the new node, and what stands in place of the reference. */
static void append_recipe(GString *hint, const WeftBuilder *builder, const WeftStep *source, const char *port,
                          const WeftStep *step, const Match *match)
{
  const Converter *converter = match->converter;
  gboolean taken = g_hash_table_contains(builder->pipeline->steps, converter->id);
  g_autofree char *name = taken ? g_strdup_printf("%s-%s", converter->id, step->name) : g_strdup(converter->id);
  g_string_append_printf(hint, "use: %s@%s between \"%s.%s\" and \"%s\" converts: add %s: {use: %s@%s, ", converter->id,
                         converter->range, source->name, port, step->name, name, converter->id, converter->range);
  if (converter->spec->model == WEFT_MODEL_REQUIRED)
    g_string_append(hint, "model: NAME, ");
  g_string_append_printf(hint, "in: %s.%s", source->name, port);
  if (match->params->len)
    g_string_append_printf(hint, ", params: {%s}", match->params->str);
  g_string_append_printf(hint, "} and write %s.%s here", name, match->output->name);
}

static gboolean advise_converter(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding,
                                 const struct weft_port *given, WeftDiagnostic *fault)
{
  const GPtrArray *converters = known_converters(builder);
  const WeftStep *source = &builder->revision->steps[binding->step];
  const WeftPortSpec *source_port = source->found->spec->outputs->pdata[binding->output];
  g_autoptr(GString) params = g_string_new(NULL), hint = g_string_new(NULL);
  guint n = 0;
  for (guint i = 0; i < converters->len; i++) {
    Match match = {.converter = converters->pdata[i], .params = params};
    if (!converts(source, source_port, step, binding->spec, given, &match))
      continue;
    if (n == 0)
      append_recipe(hint, builder, source, source_port->name, step, &match);
    else if (n < SHOWN_CONVERTERS)
      g_string_append_printf(hint, "%s%s@%s", n == 1 ? "; so would " : ", ", match.converter->id, match.converter->range);
    n++;
  }
  if (n > SHOWN_CONVERTERS)
    g_string_append_printf(hint, " and %u more", n - SHOWN_CONVERTERS);
  if (n)
    weft_diagnostic_hint(fault, "%s", hint->str);
  return n > 0;
}

static const WeftPortSpec *fitting_output(const WeftPluginSpec *spec, const WeftPortSpec *input)
{
  for (guint i = 0; i < spec->outputs->len; i++) {
    const WeftPortSpec *output = spec->outputs->pdata[i];
    if (!output->base && !output->explain && weft_port_specs_fit(input, output))
      return output;
  }
  return NULL;
}

static gboolean advise_output(WeftBuilder *builder, const WeftBinding *binding, WeftDiagnostic *fault)
{
  const WeftStep *source = &builder->revision->steps[binding->step];
  const WeftPortSpec *fitting = fitting_output(source->found->spec, binding->spec);
  if (!fitting || fitting == source->found->spec->outputs->pdata[binding->output])
    return FALSE;
  weft_diagnostic_hint(fault, "\"%s.%s\" would fit", source->name, fitting->name);
  return TRUE;
}

/* Two modalities that changed places: an input of the file that says what is wanted. */
static gboolean advise_input(WeftBuilder *builder, const WeftBinding *binding, WeftDiagnostic *fault)
{
  const char *modality = weft_port_spec_attribute(binding->spec, WEFT_ATTRIBUTE_MODALITY);
  for (guint s = 0; modality && s < builder->pipeline->inputs->len; s++) {
    const WeftStep *step = &builder->revision->steps[s];
    const WeftPortSpec *output = step->found ? fitting_output(step->found->spec, binding->spec) : NULL;
    if (!output || s == binding->step || g_strcmp0(weft_port_spec_attribute(output, WEFT_ATTRIBUTE_MODALITY), modality) != 0)
      continue;
    weft_diagnostic_hint(fault, "the input \"%s\" would fit", step->name);
    return TRUE;
  }
  return FALSE;
}

/* Another reader of the input's type. */
static gboolean advise_reader(WeftBuilder *builder, const WeftBinding *binding, WeftDiagnostic *fault)
{
  const WeftStep *source = &builder->revision->steps[binding->step];
  if (!source->input)
    return FALSE;
  g_autoptr(GPtrArray) rows = weft_catalogue_readers(builder->catalogue, source->input->type, NULL);
  for (guint i = 0; rows && i < rows->len; i++) {
    const WeftPluginRow *row = rows->pdata[i];
    g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), row->id, NULL);
    const WeftPluginSpec *spec = manifest ? weft_manifest_find(manifest, row->id) : NULL;
    if (!spec || strcmp(row->id, source->found->spec->id) == 0 || !fitting_output(spec, binding->spec))
      continue;
    g_autofree char *range = range_of(row->version);
    weft_diagnostic_hint(fault, "another reader gives that: %s: {type: %s, reader: %s@%s}", source->name,
                         source->input->type, row->id, range);
    return TRUE;
  }
  return FALSE;
}

/* An output of a node before this one that is in the embedding space that is wanted here. */
static gboolean advise_space(WeftBuilder *builder, const WeftBinding *binding, WeftDiagnostic *fault)
{
  const char *wanted = weft_port_spec_attribute(binding->spec, WEFT_ATTRIBUTE_SPACE);
  for (guint s = 0; wanted && s < builder->pipeline->n_steps; s++) {
    const WeftStep *step = &builder->revision->steps[s];
    for (guint i = 0; step->offers && i < step->found->spec->outputs->len; i++) {
      const WeftPortSpec *output = step->found->spec->outputs->pdata[i];
      const WeftOffer *offer = &step->offers[i];
      if (!offer->concrete || output->explain || weft_edge_difference(binding->spec, &offer->port) ||
          g_strcmp0(weft_port_attribute(&offer->port, WEFT_ATTRIBUTE_SPACE), wanted) != 0)
        continue;
      weft_diagnostic_hint(fault, "\"%s.%s\" would fit", step->name, output->name);
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean differs(const WeftPortSpec *spec, const struct weft_port *given, const char *key)
{
  const char *wanted = weft_port_spec_attribute(spec, key), *value = weft_port_attribute(given, key);
  return wanted && value && strcmp(wanted, value) != 0;
}

void weft_advise(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding, const struct weft_port *given,
                 WeftDiagnostic *fault)
{
  if (!binding->reference || !weft_edge_difference(binding->spec, given)) /* it fits: another edge disagrees with it */
    return;
  if (weft_diagnostics_n_more(builder->diagnostics)) /* nobody sees it */
    return;
  if (!advise_output(builder, binding, fault) && !advise_input(builder, binding, fault) &&
      !advise_space(builder, binding, fault) && !advise_reader(builder, binding, fault) &&
      !advise_converter(builder, step, binding, given, fault))
    weft_diagnostic_hint(fault, "%s", differs(binding->spec, given, WEFT_ATTRIBUTE_SPACE)
                                          ? "an embedding space is that of one trained model: use the encoder that this "
                                            "was trained with, or train it anew"
                                      : differs(binding->spec, given, WEFT_ATTRIBUTE_LABELS)
                                          ? "labels are what a model was trained to tell: use one that tells these"
                                          : "no installed plugin turns the one into the other");
}
