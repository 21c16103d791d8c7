/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins, readers and model folders: what the names of a file stand for on this machine. */
#include "resolve.h"

#include "live-decl.h"
#include "slot-step.h"

#include <string.h>

static WeftFound *found_new(WeftPluginRow *row, char *error)
{
  WeftFound *found = g_new0(WeftFound, 1);
  found->row = row;
  found->error = error;
  if (!row)
    return found;
  g_autoptr(GError) problem = NULL;
  found->label = g_strdup_printf("%s@%s", row->id, row->version);
  found->manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), found->label, &problem);
  found->spec = found->manifest ? weft_manifest_find(found->manifest, row->id) : NULL;
  if (!found->spec)
    found->error = problem ? g_strdup(problem->message)
                           : g_strdup_printf("the manifest of %s does not hold it", found->label);
  return found;
}

WeftFound *weft_plugin_find(WeftBuilder *builder, const char *use, const char *id, const char *range)
{
  WeftFound *found = g_hash_table_lookup(builder->revision->found, use);
  if (found)
    return found;
  g_autoptr(GError) error = NULL;
  WeftPluginRow *row = weft_catalogue_find(builder->catalogue, id, range, &error);
  found = found_new(row, row ? NULL : g_strdup(error->message));
  if (!row && !g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_RANGE))
    found->hint = g_strdup("\"weft plugin list\" shows what is installed, \"weft plugin install FILE.so\" installs");
  g_hash_table_insert(builder->revision->found, g_strdup(use), found);
  return found;
}

static int by_text(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The types that installed readers read, each once. */
static GPtrArray *known_types(WeftBuilder *builder)
{
  GPtrArray *types = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) rows = weft_catalogue_list(builder->catalogue, NULL);
  for (guint i = 0; rows && i < rows->len; i++) {
    const WeftPluginRow *row = rows->pdata[i];
    if (row->usable && row->reads_type && !g_ptr_array_find_with_equal_func(types, row->reads_type, g_str_equal, NULL))
      g_ptr_array_add(types, g_strdup(row->reads_type));
  }
  g_ptr_array_sort(types, by_text);
  return types;
}

static void report_no_reader(WeftBuilder *builder, const WeftInput *input)
{
  if (input->live) {
    WeftDiagnostic *live = weft_fault(builder->diagnostics, input->live->at, "not-live", "\"%s\" is a live input, and no "
                                      "reader of type \"%s\" is installed that could take a file instead", input->name,
                                      input->type);
    weft_diagnostic_hint(weft_diagnostic_at(live, input->name, NULL), "\"weft live\" runs pipelines with live inputs");
    return;
  }
  g_autoptr(GPtrArray) types = known_types(builder);
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, input->type_at, "no-reader",
                                     "no reader of type \"%s\" is installed", input->type);
  weft_diagnostic_at(fault, input->name, NULL);
  g_autoptr(GString) list = g_string_new(types->len ? "readers are installed for " : "no reader is installed");
  for (guint i = 0; i < types->len; i++)
    g_string_append_printf(list, "%s%s", i ? ", " : "", (char *)types->pdata[i]);
  weft_diagnostic_hint(fault, "%s", list->str);
  weft_diagnostic_closest(fault, input->type, (const char *const *)types->pdata, types->len);
}

/* The only installed reader of a type. */
static WeftFound *find_reader(WeftBuilder *builder, const WeftInput *input)
{
  g_autofree char *use = g_strconcat("type:", input->type, NULL);
  WeftFound *found = g_hash_table_lookup(builder->revision->found, use);
  if (found)
    return found;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) rows = weft_catalogue_readers(builder->catalogue, input->type, &error);
  if (!rows) {
    weft_diagnostic_at(weft_fault(builder->diagnostics, input->type_at, "catalogue", "%s", error->message), input->name,
                       NULL);
    return NULL;
  }
  if (rows->len == 0) {
    report_no_reader(builder, input);
    return NULL;
  }
  if (rows->len > 1) {
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < rows->len; i++)
      g_string_append_printf(list, "%s%s", i ? ", " : "", ((WeftPluginRow *)rows->pdata[i])->id);
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, input->type_at, "which-reader",
                                       "several readers of type \"%s\" are installed: %s", input->type, list->str);
    weft_diagnostic_hint(weft_diagnostic_at(fault, input->name, NULL), "name one, such as reader: %s",
                         ((WeftPluginRow *)rows->pdata[0])->id);
    return NULL;
  }
  g_ptr_array_set_free_func(rows, NULL);
  found = found_new(rows->pdata[0], NULL);
  g_hash_table_insert(builder->revision->found, g_steal_pointer(&use), found);
  return found;
}

static gboolean resolve_reader(WeftBuilder *builder, WeftStep *step)
{
  const WeftInput *input = step->input;
  if (!input->type) /* reported */
    return FALSE;
  if (!input->reader_at) {
    step->found = find_reader(builder, input);
  } else {
    g_auto(GStrv) parts = g_strsplit(input->reader_at->text, "@", 2);
    step->found = weft_plugin_find(builder, input->reader_at->text, parts[0], parts[1]);
  }
  const WeftFound *found = step->found;
  const WeftYaml *at = input->reader_at ? input->reader_at : input->type_at;
  if (!found)
    return FALSE;
  WeftDiagnostic *fault = NULL;
  if (!found->spec)
    fault = weft_fault(builder->diagnostics, at, "no-plugin", "%s", found->error);
  else if (strcmp(found->spec->kind, WEFT_KIND_READER) != 0)
    fault = weft_fault(builder->diagnostics, at, "no-reader", "%s is no reader but a plugin of kind %s", found->label,
                       found->spec->kind);
  else if (g_strcmp0(found->spec->reads_type, input->type) != 0)
    fault = weft_fault(builder->diagnostics, at, "no-reader", "%s reads type \"%s\", the input has type \"%s\"",
                       found->label, found->spec->reads_type, input->type);
  else
    return TRUE;
  weft_diagnostic_at(fault, step->name, NULL);
  if (found->hint)
    weft_diagnostic_hint(fault, "%s", found->hint);
  return FALSE;
}

/* Kinds that a node cannot be made of. */
static gboolean check_kind(WeftBuilder *builder, const WeftStep *step)
{
  const WeftPluginSpec *spec = step->found->spec;
  const WeftYaml *at = step->node->use_at;
  if (strcmp(spec->kind, WEFT_KIND_READER) == 0) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, "wrong-kind", "%s is a reader: it stands behind an "
                                       "input and is no node", step->found->label);
    weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "such as inputs: {%s: {type: %s, reader: %s}}",
                         step->name, spec->reads_type ? spec->reads_type : "image", spec->id);
    return FALSE;
  }
  if (strcmp(spec->kind, WEFT_KIND_SOURCE) == 0) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, "wrong-kind", "%s is a source: it stands behind a live "
                                       "input and is no node", step->found->label);
    weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL),
                         "such as inputs: {%s: {type: series, source: {use: %s}, window: 1 s}}", step->name, spec->id);
    return FALSE;
  }
  if (strcmp(spec->kind, WEFT_KIND_COMPUTE) != 0)
    return TRUE;
  weft_diagnostic_at(weft_fault(builder->diagnostics, at, "wrong-kind", "%s offers computing and no node",
                                step->found->label), step->name, NULL);
  return FALSE;
}

gboolean weft_step_check_model(WeftBuilder *builder, WeftStep *step)
{
  const WeftPluginSpec *spec = step->found->spec;
  const WeftNodeDecl *node = step->node;
  if (node->model == -2)
    return FALSE;
  if (node->model >= 0 && spec->model != WEFT_MODEL_NONE) /* a folder that is missing is reported at models: */
    return builder->revision->model_digests[node->model] != NULL;
  WeftDiagnostic *fault = NULL;
  if (node->model < 0 && node->unsure)
    return FALSE;
  if (node->model >= 0)
    fault = weft_fault(builder->diagnostics, node->model_at, "no-model", "%s takes no model", step->found->label);
  else if (spec->model == WEFT_MODEL_REQUIRED)
    fault = weft_diagnostic_hint(weft_fault(builder->diagnostics, node->use_at, "no-model", "%s needs a model",
                                            step->found->label), "such as model: NAME, with models: {NAME: FOLDER/}");
  if (fault)
    weft_diagnostic_at(fault, step->name, NULL);
  return fault == NULL;
}

static gboolean resolve_node(WeftBuilder *builder, WeftStep *step)
{
  const WeftNodeDecl *node = step->node;
  if (!node->plugin) /* reported */
    return FALSE;
  WeftFound *found = weft_plugin_find(builder, node->use_at->text, node->plugin, node->range);
  if (!found->spec) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, node->use_at, "no-plugin", "%s", found->error);
    weft_diagnostic_at(fault, step->name, NULL);
    if (found->hint)
      weft_diagnostic_hint(fault, "%s", found->hint);
    return FALSE;
  }
  step->found = found;
  if (step->parent || check_kind(builder, step)) { /* of a slot it is for its node to say */
    weft_slots_resolve(builder, step);
    return TRUE;
  }
  step->found = NULL;
  return FALSE;
}

gboolean weft_step_resolve(WeftBuilder *builder, WeftStep *step)
{
  if (!step->input)
    return resolve_node(builder, step);
  if (step->live ? weft_source_resolve(builder, step) : resolve_reader(builder, step))
    return TRUE;
  step->found = NULL;
  return FALSE;
}

gboolean weft_step_check(WeftBuilder *builder, WeftStep *step)
{
  if (step->input)
    return weft_step_take_params(builder, step) && weft_step_bind(builder, step);
  gboolean ok = weft_step_check_model(builder, step) && !step->node->unsure;
  ok = weft_step_take_params(builder, step) && ok;
  ok = weft_step_check_filter(builder, step) && ok;
  ok = weft_slots_check(builder, step) && ok;
  gboolean bound = weft_step_bind(builder, step);
  return weft_step_check_policy(builder, step, bound) && bound && ok;
}

static void resolve_model(WeftBuilder *builder, guint i)
{
  const WeftModel *model = weft_model_at(builder->pipeline, i);
  WeftRevision *revision = builder->revision;
  g_autoptr(GError) error = NULL;
  if (!model->path) /* reported */
    return;
  const char *folder = model->folder ? model->folder : builder->pipeline->folder;
  if (!weft_is_path(model->path)) {
    g_autofree char *what = g_strdup_printf("model \"%s\"", model->name);
    WeftArtifactRow *row = weft_resolve_artifact(builder, WEFT_ARTIFACT_MODEL, model->at, what);
    revision->model_rows[i] = row;
    revision->model_folders[i] = row ? g_strdup(row->path) : NULL;
    revision->model_digests[i] = row ? g_strdup(row->digest) : NULL;
    revision->model_labels[i] = row ? g_strdup_printf("%s@%s", row->name, row->version) : NULL;
    return;
  }
  revision->model_folders[i] = g_path_is_absolute(model->path)
                                   ? g_strdup(model->path)
                                   : g_build_filename(folder, model->path, NULL);
  WeftDiagnostic *fault = NULL;
  if (g_file_test(revision->model_folders[i], G_FILE_TEST_IS_DIR)) {
    if (!model->used) /* its bytes decide nothing */
      return;
    revision->model_digests[i] = weft_catalogue_model_digest(builder->catalogue, revision->model_folders[i], &error);
    if (!revision->model_digests[i])
      weft_fault(builder->diagnostics, model->at, "model", "model \"%s\": %s", model->name, error->message);
    return;
  }
  if (g_file_test(revision->model_folders[i], G_FILE_TEST_EXISTS))
    fault = weft_fault(builder->diagnostics, model->at, "model", "model \"%s\": a model is a folder, and \"%s\" is a file",
                       model->name, model->path);
  else
    fault = weft_fault(builder->diagnostics, model->at, "model", "model \"%s\": there is no folder \"%s\"", model->name,
                       model->path);
  weft_diagnostic_hint(fault, "paths are relative to the pipeline's own folder, \"%s\"", folder);
}

void weft_models_resolve(WeftBuilder *builder)
{
  for (guint i = 0; i < builder->pipeline->models->len; i++)
    resolve_model(builder, i);
}

static gboolean isolate_listed(WeftBuilder *builder, const char *name, WeftStep *steps)
{
  guint step = GPOINTER_TO_UINT(g_hash_table_lookup(builder->pipeline->steps, name));
  if (step) {
    steps[step - 1].isolated = TRUE;
    return TRUE;
  }
  WeftStep *slot = weft_slot_find(builder->revision, name);
  if (slot) {
    slot->isolated = TRUE;
    return TRUE;
  }
  WeftDiagnostic *fault = weft_diagnostics_add(builder->diagnostics, "isolate", 0, 0,
                                               "--isolate names \"%s\", which is no node or input here", name);
  g_autofree gpointer *names = g_hash_table_get_keys_as_array(builder->pipeline->steps, NULL);
  weft_diagnostic_hint(fault, "it takes none, all, or names separated by commas");
  weft_diagnostic_closest(fault, name, (const char *const *)names, g_hash_table_size(builder->pipeline->steps));
  return FALSE;
}

/* Without an option: as the file says; otherwise what did not come with Weft, or blocks, gets a process. */
static void isolate_by_file(WeftStep *step)
{
  const WeftLiveDecl *live = step->live ? step->input->live : NULL;
  if (step->node && step->node->has_isolate)
    step->isolated = step->node->isolate;
  else if (live && live->has_isolate)
    step->isolated = live->isolate;
  else if (step->found)
    step->isolated = !step->found->row->bundled || step->found->spec->blocking;
}

static gboolean isolate_all(WeftBuilder *builder)
{
  const char *option = builder->options->isolate;
  WeftStep *steps = builder->revision->steps;
  gboolean ok = TRUE;
  if (option && strcmp(option, "none") != 0 && strcmp(option, "all") != 0) {
    g_auto(GStrv) names = g_strsplit(option, ",", -1);
    for (guint i = 0; names[i]; i++)
      ok = isolate_listed(builder, names[i], steps) && ok;
    return ok;
  }
  for (guint s = 0; s < builder->pipeline->n_steps; s++) {
    if (!option)
      isolate_by_file(&steps[s]);
    else
      steps[s].isolated = strcmp(option, "all") == 0;
  }
  return TRUE;
}

gboolean weft_steps_isolate(WeftBuilder *builder)
{
  gboolean ok = isolate_all(builder);
  for (guint s = 0; s < builder->pipeline->n_steps; s++)
    weft_slots_isolate(builder, &builder->revision->steps[s]);
  return ok;
}
