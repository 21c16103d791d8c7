/* SPDX-License-Identifier: Apache-2.0 */
#include "precision.h"

#include <string.h>

static const char *const words[] = {"f32", "bf16", "int8", "int4", "auto"};

int weft_precision_find(const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS(words); i++)
    if (strcmp(words[i], word) == 0)
      return (int)i;
  return WEFT_PRECISION_UNSAID;
}

const char *weft_precision_name(int precision)
{
  return words[precision];
}

/* ---- as the file says it ---- */

static void unknown_word(WeftDiagnostic *fault, const char *word)
{
  weft_diagnostic_hint(fault, "a precision is f32, bf16, int8, int4 or auto");
  weft_diagnostic_closest(fault, word, words, G_N_ELEMENTS(words));
}

static int read_word(WeftReader *reader, const WeftYaml *value, const char *what)
{
  g_autofree char *whose = g_strdup_printf("the precision of %s", what);
  const char *word = weft_read_text(reader, value, NULL, whose, "int8");
  int precision = word ? weft_precision_find(word) : WEFT_PRECISION_UNSAID;
  if (word && precision < 0)
    unknown_word(weft_fault(reader->diagnostics, value, "precision", "%s has no precision \"%s\"", what, word), word);
  return precision;
}

static void read_long(WeftReader *reader, const WeftYaml *key, const WeftYaml *value, WeftModel *model)
{
  static const char *const known[] = {"use", "precision", NULL}, *const later[] = {NULL};
  g_autofree char *what = g_strdup_printf("model \"%s\"", key->text);
  gboolean sure = weft_read_keys(reader, value, what, NULL, known, later);
  const WeftYaml *use = weft_yaml_get(value, "use"), *precision = weft_yaml_get(value, "precision");
  if (use) {
    model->at = use;
    model->path = weft_read_text(reader, use, NULL, what, "models/vit");
  } else if (sure) {
    weft_diagnostic_hint(weft_fault(reader->diagnostics, key, "missing-key", "%s does not say which it is", what),
                         "such as {use: models/%s}", key->text);
  }
  if (precision) {
    model->precision_at = precision;
    model->precision = read_word(reader, precision, what);
  }
}

void weft_read_model(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  WeftModel model = {.name = key->text, .at = value, .precision = WEFT_PRECISION_UNSAID};
  weft_read_name(reader, key, "a model");
  if (value->kind == WEFT_YAML_MAP) {
    read_long(reader, key, value, &model);
  } else {
    g_autofree char *what = g_strdup_printf("model \"%s\"", key->text);
    model.path = weft_read_text(reader, value, NULL, what, "models/vit");
  }
  if (key->reported) /* of two with one name the first is meant */
    model.path = NULL;
  g_array_append_val(reader->pipeline->models, model);
  if (!key->reported)
    g_hash_table_insert(reader->pipeline->model_index, (gpointer)model.name,
                        GUINT_TO_POINTER(reader->pipeline->models->len));
}

/* ---- as an option says it: WORD, or NAME=WORD,... ---- */

static int option_word(WeftBuilder *builder, const char *word)
{
  int precision = weft_precision_find(word);
  if (precision < 0)
    unknown_word(weft_diagnostics_add(builder->diagnostics, "precision", 0, 0, "--precision: there is no precision \"%s\"",
                                      word), word);
  return precision;
}

static void option_for(WeftBuilder *builder, const char *name, const char *word)
{
  const WeftPipeline *pipeline = builder->pipeline;
  int precision = option_word(builder, word);
  guint model = GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->model_index, name));
  if (model) {
    if (precision >= 0)
      builder->revision->precisions[model - 1] = (WeftModelPrecision){.said = precision, .by_option = TRUE, .named = TRUE};
    return;
  }
  g_autofree gpointer *names = g_hash_table_get_keys_as_array(pipeline->model_index, NULL);
  WeftDiagnostic *fault = weft_diagnostics_add(builder->diagnostics, "precision", 0, 0,
                                               "--precision names \"%s\", which is no model here", name);
  weft_diagnostic_hint(fault, "it takes a precision for all models, or MODEL=PRECISION,...");
  weft_diagnostic_closest(fault, name, (const char *const *)names, g_hash_table_size(pipeline->model_index));
}

static void take_option(WeftBuilder *builder, const char *option)
{
  if (!strchr(option, '=')) {
    int precision = option_word(builder, option);
    for (guint i = 0; precision >= 0 && i < builder->pipeline->models->len; i++)
      builder->revision->precisions[i] = (WeftModelPrecision){.said = precision, .by_option = TRUE};
    return;
  }
  g_auto(GStrv) parts = g_strsplit(option, ",", -1);
  for (guint i = 0; parts[i]; i++) {
    char *equals = strchr(parts[i], '=');
    if (equals)
      *equals = 0;
    option_for(builder, parts[i], equals ? equals + 1 : "");
  }
}

/* ---- what runs ---- */

void weft_models_take_precision(WeftBuilder *builder)
{
  WeftModelPrecision *precisions = builder->revision->precisions;
  for (guint i = 0; i < builder->pipeline->models->len; i++) {
    const WeftModel *model = weft_model_at(builder->pipeline, i);
    precisions[i] = (WeftModelPrecision){.said = model->precision, .named = model->precision >= 0};
  }
  if (builder->options->precision)
    take_option(builder, builder->options->precision);
  for (guint i = 0; i < builder->pipeline->models->len; i++) {
    WeftModelPrecision *one = &precisions[i];
    one->why = one->by_option ? "the option says so" : one->said >= 0 ? "the file says so" : "the default";
    one->runs = one->said >= 0 ? one->said : 0;
    if (one->said != (int)WEFT_PRECISION_AUTO)
      continue;
    one->runs = 0;
    one->why = "auto, and no outputs of the model are stored that another precision could be held to";
  }
}

gboolean weft_step_check_precision(WeftBuilder *builder, const WeftStep *step)
{
  if (step->computes || !step->node || step->node->model < 0)
    return TRUE;
  const WeftModelPrecision *precision = &builder->revision->precisions[step->node->model];
  const WeftModel *model = weft_model_at(builder->pipeline, step->node->model);
  if (!precision->named || precision->said == 0)
    return TRUE;
  WeftDiagnostic *fault =
      precision->by_option
          ? weft_diagnostics_add(builder->diagnostics, "precision", 0, 0, "--precision names the model \"%s\", and %s, which "
                                 "reads it, computes by itself", model->name, step->found->label)
          : weft_fault(builder->diagnostics, model->precision_at, "precision", "model \"%s\" has a precision, and %s, which "
                       "reads it, computes by itself", model->name, step->found->label);
  weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL),
                       "a precision is for plugins that compute through " WEFT_COMPUTE_ID);
  return FALSE;
}
