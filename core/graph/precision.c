/* SPDX-License-Identifier: Apache-2.0 */
#include "precision.h"

#include "derived.h"

#include <jansson.h>

#include <string.h>
#include <sys/stat.h>

/* A larger config.json is not looked at for what it says of its precision. */
#define WEFT_CONFIG_MAX_BYTES (1 << 20)

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

/* ---- as the model says it ---- */

/* "quantization" of a model's config.json, as `weft model quantize` writes it; NULL: none. Caller frees with json_decref. */
static json_t *quantization_of(const WeftRevision *revision, guint model)
{
  const WeftArtifactRow *row = revision->model_rows[model];
  g_autofree char *path = revision->model_folders[model] ? g_build_filename(revision->model_folders[model], "config.json", NULL)
                                                         : NULL;
  for (guint i = 0; row && i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    if (strcmp(file->name, "config.json") == 0) {
      g_free(path);
      path = g_strdup(file->path);
    }
  }
  struct stat about;
  if (!path || stat(path, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > WEFT_CONFIG_MAX_BYTES)
    return NULL;
  json_t *config = json_load_file(path, 0, NULL), *block = json_object_get(config, "quantization");
  block = json_is_object(block) ? json_incref(block) : NULL;
  json_decref(config);
  return block;
}

/* What a quantised model was made from names its embedding space, and it runs as it is stored. */
static void take_own(WeftRevision *revision, guint model)
{
  WeftModelPrecision *one = &revision->precisions[model];
  json_t *block = quantization_of(revision, model);
  const char *word = json_string_value(json_object_get(block, "precision"));
  const char *of = json_string_value(json_object_get(block, "of"));
  int own = word ? weft_precision_find(word) : WEFT_PRECISION_UNSAID;
  if (own >= 0 && own < (int)WEFT_PRECISION_AUTO && one->said < 0) {
    one->runs = own;
    one->why = "the model is stored so";
  }
  if (of && strlen(of) == 64)
    revision->model_spaces[model] = g_strdup(of);
  json_decref(block);
}

/* ---- as the machine says it ---- */

/* What `weft model check --store` found here; NULL: nothing. Caller frees with json_decref. */
static json_t *check_of(const WeftRevision *revision, guint model, const char *fingerprint)
{
  const WeftArtifactRow *row = revision->model_rows[model];
  g_autofree char *path = row ? weft_derived_path(row->catalogue, row->digest, WEFT_DERIVED_CHECK) : NULL;
  json_t *file = path ? json_load_file(path, 0, NULL) : NULL;
  json_t *found = json_incref(json_object_get(json_object_get(file, "machines"), fingerprint));
  json_decref(file);
  return found;
}

/* The fastest whose outputs are close enough to those at f32. */
static int fastest(const struct weft_compute *compute, const json_t *results)
{
  static const double bars[] = {0, 0.9995, 0.995};
  double best_ms = G_MAXDOUBLE;
  int best = 0;
  size_t i;
  json_t *one;
  json_array_foreach((json_t *)results, i, one) {
    const char *word = json_string_value(json_object_get(one, "precision"));
    const char *layout = json_string_value(json_object_get(one, "layout"));
    int precision = word ? weft_precision_find(word) : WEFT_PRECISION_UNSAID;
    double ms = json_number_value(json_object_get(one, "ms"));
    if (precision < 0 || precision >= (int)G_N_ELEMENTS(bars) || !(ms > 0) || ms >= best_ms ||
        g_strcmp0(layout, compute->layout((guint32)precision)) != 0 ||
        (precision > 0 && !(json_number_value(json_object_get(one, "cosine")) >= bars[precision])))
      continue;
    best_ms = ms;
    best = precision;
  }
  return best;
}

static void take_auto(WeftRevision *revision, guint model)
{
  WeftModelPrecision *one = &revision->precisions[model];
  const struct weft_compute *compute = weft_host_table()->get_extension(WEFT_COMPUTE_ID);
  json_t *results = compute ? check_of(revision, model, compute->fingerprint) : NULL;
  one->runs = 0;
  one->why = revision->model_rows[model]
                 ? "auto, and \"weft model check NAME --store N\" has not been run on this machine"
                 : "auto, and what a model of a folder loses is stored nowhere: it is for models of the catalogue";
  if (results) {
    one->runs = fastest(compute, results);
    one->why = one->runs ? "auto: the fastest on this machine whose stored check holds"
                         : "auto: nothing whose stored check holds is faster on this machine";
  }
  json_decref(results);
}

/* ---- what runs ---- */

static gboolean model_at_use(const WeftBuilder *builder, guint model)
{
  return weft_model_at(builder->pipeline, model)->used && builder->revision->model_digests[model];
}

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
    if (model_at_use(builder, i))
      take_own(builder->revision, i);
    if (one->said == (int)WEFT_PRECISION_AUTO)
      take_auto(builder->revision, i);
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
