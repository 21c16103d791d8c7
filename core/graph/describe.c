/* SPDX-License-Identifier: Apache-2.0 */
/* What a revision tells of itself: inputs, outputs, nodes, weights, and the digest over all that decides an answer. */
#include "live-decl.h"
#include "precision.h"
#include "slot-step.h"

#include <string.h>

static const char *const *input_names(WeftBuilder *builder, const WeftStep *step)
{
  WeftRevision *revision = builder->revision;
  const char **names = weft_revision_new(revision, const char *, step->bindings->len + 1);
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    names[i] = binding->key ? binding->key : binding->spec->name;
  }
  return names;
}

/* "see.tokens" of every binding; a reader has none. */
static const char *const *source_names(WeftBuilder *builder, const WeftStep *step)
{
  WeftRevision *revision = builder->revision;
  const char **names = weft_revision_new(revision, const char *, step->bindings->len + 1);
  for (guint i = 0; step->node && !step->parent && i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    const WeftStep *source = &revision->steps[binding->step];
    const char *port = source->offers[binding->output].port.name;
    gsize n = strlen(source->name), n_port = strlen(port);
    char *name = weft_blocks_take(&revision->kept, n + n_port + 2);
    memcpy(name, source->name, n);
    name[n] = '.';
    memcpy(name + n + 1, port, n_port + 1);
    names[i] = name;
  }
  return names;
}

static void describe_node(WeftBuilder *builder, const WeftStep *step, WeftRevisionNode *node)
{
  node->name = step->name;
  node->plugin = step->found->row->id;
  node->version = step->found->row->version;
  node->kind = step->found->spec->kind;
  node->sha256 = step->found->row->sha256;
  node->graph_node = step->parent ? G_MAXUINT : step->graph_node;
  node->slot_of = step->parent ? step->parent->name : NULL;
  if (step->node && step->node->model >= 0) {
    node->model = weft_model_label(builder->revision, (guint)step->node->model);
    node->model_digest = builder->revision->model_digests[step->node->model];
    if (step->computes) {
      node->precision_number = (guint)builder->revision->precisions[step->node->model].runs;
      node->precision = weft_precision_name((int)node->precision_number);
    }
  }
  if (step->assets) {
    node->assets = (const WeftRevisionAsset *)(const void *)step->assets->data;
    node->n_assets = step->assets->len;
  }
  node->isolated = step->isolated;
  node->worker = step->worker;
  node->inputs = source_names(builder, step);
}

/* Fusions tell their weights always; other explain ports are told when they are asked for. */
static void describe_explain(WeftBuilder *builder, const WeftStep *step)
{
  const GPtrArray *outputs = step->found->spec->outputs;
  for (guint i = 0; i < outputs->len; i++) {
    const WeftPortSpec *spec = outputs->pdata[i];
    if (!spec->explain)
      continue;
    guint value = weft_step_value(builder, step, i);
    if (builder->options->explain) {
      WeftRevisionExplain explain = {step->name, spec->name, value, &step->offers[i].port};
      g_array_append_val(builder->revision->explain, explain);
    }
    if (strcmp(step->found->spec->kind, WEFT_KIND_FUSION) == 0 && strcmp(spec->name, "weights") == 0) {
      WeftRevisionWeights weights = {step->name, value, input_names(builder, step)};
      g_array_append_val(builder->revision->weights, weights);
    }
  }
}

static void describe_filter(WeftBuilder *builder, const WeftStep *step)
{
  const WeftPluginSpec *spec = step->found->spec;
  WeftRevisionFilter filter = {step->name, step->graph_node, step->first_value, -1};
  for (guint i = 0; i < spec->outputs->len; i++) {
    if (strcmp(((WeftPortSpec *)spec->outputs->pdata[i])->name, "rules") == 0)
      filter.rules = (gint)(step->first_value + i);
  }
  if (weft_step_is_filter(step))
    g_array_append_val(builder->revision->filters, filter);
}

static gboolean is_recorded(const WeftRevision *revision, guint value)
{
  for (guint i = 0; i < revision->explain->len; i++)
    if (g_array_index(revision->explain, WeftRevisionExplain, i).value == value)
      return TRUE;
  return FALSE;
}

/* `label` is answered: what stands beside it by the conventions of head.h is recorded. */
static void record_head(WeftBuilder *builder, const WeftStep *step)
{
  const GPtrArray *outputs = step->found->spec->outputs;
  for (guint i = 0; i < outputs->len; i++) {
    const WeftPortSpec *spec = outputs->pdata[i];
    WeftRevisionExplain explain = {step->name, spec->name, weft_step_value(builder, step, i), &step->offers[i].port};
    if ((strcmp(spec->name, "probability") == 0 || strcmp(spec->name, "probabilities") == 0) &&
        !is_recorded(builder->revision, explain.value))
      g_array_append_val(builder->revision->explain, explain);
  }
}

static void describe_outputs(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  for (guint i = 0; i < pipeline->outputs->len; i++) {
    const WeftReference *reference = weft_reference_at(pipeline->outputs, i);
    const WeftStep *step = &builder->revision->steps[reference->step];
    int output = weft_reference_output(builder, reference, NULL);
    builder->revision->outputs[i] = (WeftRevisionOutput){reference->key, weft_step_value(builder, step, (guint)output),
                                                         &step->offers[output].port, step->name};
    if (builder->options->record_heads && strcmp(step->offers[output].port.name, "label") == 0)
      record_head(builder, step);
  }
}

void weft_digest_line(GString *text, const char *first, ...)
{
  va_list fields;
  va_start(fields, first);
  for (const char *field = first; field; field = va_arg(fields, const char *))
    g_string_append_len(text, field, (gssize)strlen(field) + 1);
  va_end(fields);
  g_string_append_c(text, '\n');
}

static void add_step(WeftBuilder *builder, GString *text, const WeftStep *step, const WeftRevisionNode *node)
{
  char deadline[24] = "0";
  if (step->node && step->node->deadline_ns)
    g_snprintf(deadline, sizeof deadline, "%" G_GUINT64_FORMAT, step->node->deadline_ns);
  if (!*step->found->number) { /* written once: most nodes of a large file share few plugins */
    g_snprintf(step->found->number, sizeof step->found->number, "%u", ++builder->n_digested);
    weft_digest_line(text, "plugin", node->plugin, node->version, node->sha256, NULL);
  }
  weft_digest_line(text, step->parent ? "slot" : "node", node->name, step->found->number,
                   node->model_digest ? node->model_digest : "", deadline, NULL);
  const WeftModelPrecision *precision = node->precision ? &builder->revision->precisions[step->node->model] : NULL;
  if (precision && (precision->said > 0 || precision->runs > 0))
    weft_digest_line(text, "precision", precision->said < 0 ? node->precision : weft_precision_name(precision->said), NULL);
  for (guint i = 0; i < step->found->spec->params->len; i++) {
    const struct weft_parameter *parameter = &step->parameters[i];
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_dtostr(number, sizeof number, parameter->number);
    gboolean as_text = parameter->type == WEFT_PARAMETER_TEXT || parameter->type == WEFT_PARAMETER_ASSET;
    weft_digest_line(text, "param", parameter->name, !as_text ? number : parameter->text ? parameter->text : "", NULL);
  }
  for (guint i = 0; i < node->n_assets; i++)
    weft_digest_line(text, "asset", node->assets[i].param, node->assets[i].digest, NULL);
  weft_policy_digest(builder, step, text);
  if (step->node && step->node->select_key)
    weft_digest_line(text, "select", step->node->select_key, step->node->select_required ? "required" : "", NULL);
  for (guint i = 0; node->inputs[i]; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    weft_digest_line(text, "in", binding->key ? binding->key : binding->spec->name, node->inputs[i], NULL);
  }
}

static char *digest(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  WeftRevision *revision = builder->revision;
  g_autoptr(GString) text = g_string_new(NULL);
  weft_digest_line(text, "weft 1", pipeline->name, NULL);
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    const WeftInput *input = weft_input_at(pipeline, i);
    weft_digest_line(text, "input", input->name, input->type, input->optional ? "optional" : "required", NULL);
  }
  for (guint i = 0; i < pipeline->context->len; i++)
    weft_digest_line(text, "context", weft_context_at(pipeline, i)->name,
                     weft_context_at(pipeline, i)->required ? "required" : "optional", NULL);
  weft_live_digest(pipeline, text);
  if (pipeline->require)
    weft_digest_line(text, "require", pipeline->require_at->text, NULL);
  for (guint s = 0; s < pipeline->n_steps; s++)
    add_step(builder, text, &revision->steps[s], &revision->nodes[s]);
  guint n = pipeline->n_steps;
  for (guint s = 0; s < pipeline->n_steps; s++)
    for (guint i = 0; i < revision->steps[s].n_slots; i++)
      add_step(builder, text, &revision->steps[s].slots[i], &revision->nodes[n++]);
  for (guint i = 0; i < pipeline->outputs->len; i++) {
    const WeftStep *step = &revision->steps[weft_reference_at(pipeline->outputs, i)->step];
    weft_digest_line(text, "output", revision->outputs[i].name, step->name, revision->outputs[i].port->name, NULL);
  }
  return g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text->str, text->len);
}

void weft_revision_describe(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  WeftRevision *revision = builder->revision;
  revision->inputs = weft_revision_new(revision, WeftRevisionInput, pipeline->inputs->len + 1);
  revision->outputs = weft_revision_new(revision, WeftRevisionOutput, pipeline->outputs->len + 1);
  revision->nodes = weft_revision_new(revision, WeftRevisionNode, pipeline->n_steps + weft_slots_count(revision) + 1);
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    const WeftInput *input = weft_input_at(pipeline, i);
    revision->inputs[i] = (WeftRevisionInput){input->name, input->type, input->optional};
  }
  revision->context = weft_revision_new(revision, WeftRevisionContext, pipeline->context->len + 1);
  for (guint i = 0; i < pipeline->context->len; i++) {
    const WeftContextKey *key = weft_context_at(pipeline, i);
    revision->context[i] = (WeftRevisionContext){key->name, key->required};
  }
  describe_outputs(builder);
  for (guint s = 0; s < pipeline->n_steps; s++) {
    describe_node(builder, &revision->steps[s], &revision->nodes[s]);
    describe_explain(builder, &revision->steps[s]);
    describe_filter(builder, &revision->steps[s]);
  }
  guint n = pipeline->n_steps;
  for (guint s = 0; s < pipeline->n_steps; s++)
    for (guint i = 0; i < revision->steps[s].n_slots; i++)
      describe_node(builder, &revision->steps[s].slots[i], &revision->nodes[n++]);
  weft_live_describe(builder);
  revision->digest = digest(builder);
}
