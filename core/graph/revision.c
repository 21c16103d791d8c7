/* SPDX-License-Identifier: Apache-2.0 */
#include "revision.h"

#include "live-decl.h"
#include "precision.h"
#include "slot-step.h"
#include <string.h>

char *weft_revision_text(WeftRevision *revision, const char *text)
{
  return weft_blocks_text(&revision->kept, text, strlen(text));
}

static void found_free(gpointer data)
{
  WeftFound *found = data;
  weft_plugin_row_free(found->row);
  if (found->manifest)
    weft_manifest_free(found->manifest);
  g_free(found->label);
  g_free(found->error);
  g_free(found->hint);
  g_free(found);
}

static WeftRevision *revision_new(const WeftPipeline *pipeline)
{
  WeftRevision *revision = g_new0(WeftRevision, 1);
  revision->pipeline = pipeline;
  revision->found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, found_free);
  revision->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, weft_files_free);
  revision->model_folders = g_new0(char *, pipeline->models->len + 1);
  revision->model_digests = g_new0(char *, pipeline->models->len + 1);
  revision->documents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)weft_yaml_free);
  revision->model_rows = g_new0(WeftArtifactRow *, pipeline->models->len + 1);
  revision->model_spaces = g_new0(char *, pipeline->models->len + 1);
  revision->precisions = g_new0(WeftModelPrecision, pipeline->models->len + 1);
  revision->model_labels = g_new0(char *, pipeline->models->len + 1);
  revision->weights = g_array_new(FALSE, FALSE, sizeof(WeftRevisionWeights));
  revision->explain = g_array_new(FALSE, FALSE, sizeof(WeftRevisionExplain));
  revision->sources = g_array_new(FALSE, FALSE, sizeof(WeftRevisionSource));
  revision->sinks = g_array_new(FALSE, FALSE, sizeof(WeftRevisionSink));
  revision->filters = g_array_new(FALSE, FALSE, sizeof(WeftRevisionFilter));
  revision->messages = g_array_new(FALSE, FALSE, sizeof(WeftMessage));
  revision->asset_paths = g_new0(char *, pipeline->assets->len + 1);
  revision->asset_digests = g_new0(char *, pipeline->assets->len + 1);
  revision->asset_labels = g_new0(char *, pipeline->assets->len + 1);
  revision->steps = g_new0(WeftStep, pipeline->n_steps + 1);
  for (guint s = 0; s < pipeline->n_steps; s++) {
    WeftStep *step = &revision->steps[s];
    step->name = weft_step_name(pipeline, s);
    step->node = weft_step_node(pipeline, s);
    step->input = step->node ? NULL : weft_input_at(pipeline, s);
  }
  return revision;
}

void weft_revision_free(WeftRevision *revision)
{
  if (!revision)
    return;
  if (revision->graph)
    weft_graph_free(revision->graph);
  for (guint i = revision->pipeline->n_steps; i-- > 0;) /* consumers end before their sources */
    weft_step_clear(&revision->steps[revision->pipeline->order[i]]);
  g_free(revision->steps);
  for (guint i = 0; i < revision->pipeline->models->len; i++) {
    g_free(revision->model_folders[i]);
    g_free(revision->model_digests[i]);
    g_free(revision->model_spaces[i]);
    g_free(revision->model_labels[i]);
    weft_artifact_row_free(revision->model_rows[i]);
  }
  for (guint i = 0; i < revision->pipeline->assets->len; i++) {
    g_free(revision->asset_paths[i]);
    g_free(revision->asset_digests[i]);
    g_free(revision->asset_labels[i]);
  }
  g_free(revision->asset_paths);
  g_free(revision->asset_digests);
  g_free(revision->asset_labels);
  g_free(revision->order);
  g_array_unref(revision->filters);
  g_array_unref(revision->messages);
  g_free(revision->model_folders);
  g_free(revision->model_digests);
  g_free(revision->model_spaces);
  g_free(revision->model_labels);
  g_free(revision->precisions);
  g_free(revision->model_rows);
  g_hash_table_unref(revision->files);
  g_hash_table_unref(revision->documents);
  g_hash_table_unref(revision->found);
  g_array_unref(revision->weights);
  g_array_unref(revision->explain);
  g_array_unref(revision->sources);
  g_array_unref(revision->sinks);
  weft_advice_clear(revision->converters);
  weft_blocks_clear(&revision->kept);
  g_free(revision->digest);
  g_free(revision);
}

/* A step whose source has failed is not built, and not reported for that. */
static gboolean sources_failed(const WeftBuilder *builder, const WeftStep *step)
{
  if (!step->node)
    return FALSE;
  for (guint k = 0; k < weft_node_n_sources(step->node); k++) {
    int source = weft_node_source(step->node, k)->step;
    if (source < 0 || builder->revision->steps[source].failed)
      return TRUE;
  }
  return FALSE;
}

static void resolve_all(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  for (guint i = 0; i < pipeline->n_steps; i++) {
    WeftStep *step = &builder->revision->steps[pipeline->order[i]];
    step->failed = !weft_step_resolve(builder, step);
  }
  for (guint i = 0; i < pipeline->n_steps; i++) {
    WeftStep *step = &builder->revision->steps[pipeline->order[i]];
    if (step->found && !weft_step_check(builder, step))
      step->failed = TRUE;
  }
  for (guint i = 0; i < pipeline->outputs->len; i++)
    weft_reference_output(builder, weft_reference_at(pipeline->outputs, i), NULL);
  for (guint i = 0; i < pipeline->sinks->len; i++)
    weft_sink_resolve(builder, weft_sink_at(pipeline, i));
  weft_filters_order(builder);
  weft_nodes_warn_unused(builder);
  weft_assets_warn_unused(builder);
}

static void build_all(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  for (guint i = 0; i < pipeline->n_steps; i++) {
    WeftStep *step = &builder->revision->steps[pipeline->order[i]];
    if (step->found && !weft_step_unify(builder, step))
      step->failed = TRUE;
    if (step->found && !weft_step_take_condition(builder, step))
      step->failed = TRUE;
    step->failed = step->failed || sources_failed(builder, step) || !weft_step_build(builder, step);
  }
}

WeftRevision *weft_revision_build(const WeftPipeline *pipeline, WeftCatalogue *catalogue, struct weft_runtime *runtime,
                                  const WeftBuildOptions *options, WeftDiagnostics *diagnostics)
{
  guint n_before = diagnostics->n_errors;
  g_autoptr(WeftRevision) revision = revision_new(pipeline);
  WeftBuilder builder = {.revision = revision, .pipeline = pipeline, .catalogue = catalogue, .options = options,
                         .diagnostics = diagnostics,
                         .n_items_max = options->n_items_max ? options->n_items_max : WEFT_FRAME_ITEMS};
  for (guint i = 0; options->live && i < pipeline->inputs->len; i++)
    revision->steps[i].live = weft_input_at(pipeline, i)->live != NULL;
  weft_models_resolve(&builder);
  weft_models_take_precision(&builder);
  weft_assets_resolve(&builder);
  resolve_all(&builder);
  if (weft_steps_isolate(&builder))
    build_all(&builder);
  if (pipeline->faulty || diagnostics->n_errors != n_before || !weft_graph_build(&builder, runtime))
    return NULL;
  return g_steal_pointer(&revision);
}

struct weft_graph *weft_revision_graph(WeftRevision *revision)
{
  return revision->graph;
}

const char *weft_revision_name(const WeftRevision *revision)
{
  return revision->pipeline->name;
}

const char *weft_revision_digest(const WeftRevision *revision)
{
  return revision->digest;
}

const WeftRevisionInput *weft_revision_inputs(const WeftRevision *revision, guint *n)
{
  *n = revision->pipeline->inputs->len;
  return revision->inputs;
}

const WeftRevisionOutput *weft_revision_outputs(const WeftRevision *revision, guint *n)
{
  *n = revision->pipeline->outputs->len;
  return revision->outputs;
}

const WeftRevisionWeights *weft_revision_weights(const WeftRevision *revision, guint *n)
{
  *n = revision->weights->len;
  return (const WeftRevisionWeights *)(const void *)revision->weights->data;
}

const WeftRevisionExplain *weft_revision_explain(const WeftRevision *revision, guint *n)
{
  *n = revision->explain->len;
  return (const WeftRevisionExplain *)(const void *)revision->explain->data;
}

const WeftRevisionSource *weft_revision_sources(const WeftRevision *revision, guint *n)
{
  *n = revision->sources->len;
  return (const WeftRevisionSource *)(const void *)revision->sources->data;
}

const WeftRevisionSink *weft_revision_sinks(const WeftRevision *revision, guint *n)
{
  *n = revision->sinks->len;
  return (const WeftRevisionSink *)(const void *)revision->sinks->data;
}

guint weft_revision_n_graph_inputs(const WeftRevision *revision)
{
  return revision->n_graph_inputs;
}

guint64 weft_revision_window_deadline_ns(const WeftRevision *revision)
{
  return revision->pipeline->window_deadline_ns;
}

const WeftRevisionNode *weft_revision_nodes(const WeftRevision *revision, guint *n)
{
  *n = revision->pipeline->n_steps + weft_slots_count(revision);
  return revision->nodes;
}

const WeftRevisionFilter *weft_revision_filters(const WeftRevision *revision, guint *n)
{
  *n = revision->filters->len;
  return (const WeftRevisionFilter *)(const void *)revision->filters->data;
}
