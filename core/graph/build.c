/* SPDX-License-Identifier: Apache-2.0 */
/* Steps become instances, in process or in workers, and all of them one graph of the runtime. */
#include "slot-step.h"

#include "module.h"
#include "precision.h"
#include <string.h>

const struct weft_port weft_bytes_port = {
  .name = "bytes", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1};

static const WeftYaml *place_of(const WeftStep *step)
{
  return step->node ? step->node->use_at : step->input->type_at;
}

/* The inputs as create sees them: the source's dims and meaning under the step's own names. */
static struct weft_port *config_inputs(const WeftBuilder *builder, const WeftStep *step)
{
  struct weft_port *inputs = g_new0(struct weft_port, step->bindings->len + 1);
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    const WeftOffer *offer = weft_binding_offer(builder, binding);
    inputs[i] = offer ? offer->port : weft_bytes_port;
    inputs[i].name = binding->spec->name;
    inputs[i].key = binding->key;
    inputs[i].rows_kind = 0; /* rows of outputs are counted in their own node's inputs */
    inputs[i].n_terms = 0;
    inputs[i].terms = NULL;
  }
  return inputs;
}

static gboolean spawn(WeftBuilder *builder, WeftStep *step, const struct weft_config *config,
                      struct weft_step_setup *setup)
{
  if (!builder->options->worker_program) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, place_of(step), "no-worker", "%s is to run in a process of "
                                       "its own, and the program weft-worker was not found", step->found->label);
    weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "--isolate none runs it in this process");
    return FALSE;
  }
  struct weft_worker_spec spec = {
    .program = builder->options->worker_program, .module = step->found->row->path, .node_id = step->found->spec->id,
    .label = step->found->label, .compute = builder->options->compute, .config = config, .setup = &setup->setup,
    .spin_ns = builder->options->spin_ns};
  weft_status status = weft_worker_spawn(&spec, &step->worker);
  if (status != WEFT_OK)
    return weft_step_refused(setup, "create", status, setup->setup.message);
  step->computes = weft_worker_computes(step->worker);
  return weft_step_take_ports(builder, step, weft_worker_ports(step->worker));
}

static gboolean load(WeftStep *step, const struct weft_step_setup *setup)
{
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_module *module = NULL;
  if (!step->found->table) {
    weft_status status = weft_module_load(step->found->row->path, &module, message);
    if (status != WEFT_OK)
      return weft_step_refused(setup, "load", status, message);
    step->found->table = weft_module_node(module, step->found->spec->id, message);
    if (!step->found->table)
      return weft_step_refused(setup, "load", WEFT_CONTRACT, message);
  }
  step->table = step->found->table;
  return TRUE;
}

static gboolean create(WeftBuilder *builder, WeftStep *step, const struct weft_config *config,
                       struct weft_step_setup *setup)
{
  if (!load(step, setup))
    return FALSE;
  guint64 n_before = weft_host_n_computing() - builder->n_computing_slots;
  weft_status status = step->table->create(&setup->setup, config, &step->instance);
  guint64 n_asked = weft_host_n_computing() - builder->n_computing_slots - n_before;
  step->computes = n_asked > 0;
  if (step->parent) /* its node, in whose create this is, may compute nothing itself */
    builder->n_computing_slots += n_asked;
  if (status != WEFT_OK) {
    step->instance = NULL;
    return weft_step_refused(setup, "create", status, setup->setup.message);
  }
  struct weft_ports ports = {0};
  status = step->table->ports(step->instance, &setup->setup, &ports);
  if (status != WEFT_OK)
    return weft_step_refused(setup, "ports", status, setup->setup.message);
  return weft_step_take_ports(builder, step, &ports);
}

static gboolean too_much_scratch(const WeftStep *step, const struct weft_step_setup *setup)
{
  g_autofree char *problem = g_strdup_printf("wants %" G_GUINT64_FORMAT " bytes of scratch for one item, at most %"
                                             G_GINT64_FORMAT " are given (WEFT_ITEM_SCRATCH_MAX_BYTES)",
                                             step->n_scratch_bytes, WEFT_ITEM_SCRATCH_MAX_BYTES);
  return weft_step_refused(setup, "scratch", WEFT_NO_MEMORY, problem);
}

/* With all items of a frame at once if their scratch is within bounds, otherwise with fewer. */
static gboolean activate(WeftBuilder *builder, WeftStep *step, struct weft_step_setup *setup)
{
  for (guint n_items = weft_step_items_max(builder, step);; n_items = (n_items + 1) / 2) {
    step->limits = weft_step_limits(builder, step, n_items);
    step->n_scratch_bytes = 0;
    weft_status status =
        step->worker ? weft_worker_activate(step->worker, &setup->setup, &step->limits)
                     : step->table->activate(step->instance, &setup->setup, &step->limits, &step->n_scratch_bytes);
    if (status != WEFT_OK)
      return weft_step_refused(setup, "activate", status, setup->setup.message);
    step->active = TRUE;
    if (step->n_scratch_bytes <= WEFT_SCRATCH_MAX_BYTES)
      return TRUE;
    if (n_items == 1)
      return step->n_scratch_bytes <= (guint64)WEFT_ITEM_SCRATCH_MAX_BYTES || too_much_scratch(step, setup);
    step->table->deactivate(step->instance);
    step->active = FALSE;
  }
}

gboolean weft_step_create(WeftBuilder *builder, WeftStep *step)
{
  struct weft_step_setup setup;
  weft_step_setup_init(&setup, builder, step);
  weft_slots_offer(step, &setup.setup);
  g_autofree struct weft_port *inputs = config_inputs(builder, step);
  struct weft_config config = {
    .node_name = step->name, .parameters = step->parameters, .inputs = inputs,
    .n_parameters = step->found->spec->params->len, .n_inputs = step->bindings->len};
  if (step->node && step->node->model >= 0) {
    const WeftRevision *revision = builder->revision;
    int model = step->node->model;
    config.model_digest = revision->model_spaces[model] ? revision->model_spaces[model] : revision->model_digests[model];
    config.precision = (guint32)revision->precisions[model].runs;
  }
  return step->isolated ? spawn(builder, step, &config, &setup) : create(builder, step, &config, &setup);
}

gboolean weft_step_build(WeftBuilder *builder, WeftStep *step)
{
  struct weft_step_setup setup;
  weft_step_setup_init(&setup, builder, step);
  weft_slots_offer(step, &setup.setup);
  return weft_step_create(builder, step) && weft_step_check_precision(builder, step) && activate(builder, step, &setup) &&
         weft_slots_check_made(builder, step);
}

void weft_step_clear(WeftStep *step)
{
  if (step->instance) {
    if (step->active)
      step->table->deactivate(step->instance);
    step->table->destroy(step->instance);
  }
  weft_slots_clear(step);
  weft_worker_free(step->worker);
  g_clear_pointer(&step->bindings, g_array_unref);
  g_clear_pointer(&step->symbols, g_array_unref);
  g_clear_pointer(&step->assets, g_array_unref);
}

/* Outputs of a source that the graph reads: all but the last, its state. */
static guint n_source_values(const WeftStep *step)
{
  return step->found->spec->outputs->len - 1;
}

/*
 * Values of a graph: first one for every input (the request's bytes, or a source's rows), then the companions of the
 * sources, then the outputs of every node in order.
 */
static guint place_values(WeftBuilder *builder, guint *n_nodes)
{
  const WeftPipeline *pipeline = builder->pipeline;
  guint n = pipeline->inputs->len, n_placed = 0;
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    WeftStep *step = &builder->revision->steps[i];
    if (!step->live)
      continue;
    step->graph_node = G_MAXUINT;
    step->first_value = n - 1;
    n += n_source_values(step) - 1;
  }
  builder->revision->n_graph_inputs = n;
  for (guint i = 0; i < pipeline->n_steps; i++) {
    WeftStep *step = &builder->revision->steps[builder->revision->order[i]];
    if (step->live)
      continue;
    step->graph_node = n_placed++;
    step->first_value = n;
    n += step->found->spec->outputs->len;
  }
  *n_nodes = n_placed;
  return n;
}

guint weft_step_value(const WeftBuilder *builder, const WeftStep *step, guint output)
{
  if (step->live && output == 0)
    return (guint)(step - builder->revision->steps); /* that of the input, as the bytes of any other */
  return step->first_value + output;
}

guint weft_binding_value(const WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding)
{
  if (binding->state)
    return WEFT_VALUE_STATE;
  if (binding->reference)
    return weft_step_value(builder, &builder->revision->steps[binding->step], binding->output);
  return (guint)(step - builder->revision->steps);
}

G_STATIC_ASSERT(WEFT_MANIFEST_MAX_PORTS <= 32); /* of `required`; variadic inputs stand behind the others */

static void fill_states(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_node *node)
{
  struct weft_state_port *states = weft_revision_new(builder->revision, struct weft_state_port, step->bindings->len + 1);
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    if (binding->state)
      states[node->n_states++] = (struct weft_state_port){i, binding->output};
  }
  node->states = states;
}

static void want(const WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding,
                 struct weft_graph_value *values)
{
  if (!binding->state)
    values[weft_binding_value(builder, step, binding)].wanted = 1;
}

void weft_step_fill_node(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_node *node)
{
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    if (!binding->spec->variadic && !binding->spec->optional)
      node->required |= 1u << i;
  }
  node->name = step->name;
  node->table = step->worker ? NULL : step->table;
  node->instance = step->instance;
  node->worker = step->worker;
  node->n_inputs = step->bindings->len;
  node->n_outputs = step->found->spec->outputs->len;
  node->parallel = step->found->spec->parallel;
  node->pure = weft_step_is_pure(step);
  node->deadline_ns = step->node ? step->node->deadline_ns : 0;
  node->n_scratch_bytes = step->n_scratch_bytes;
  node->limits = step->limits;
}

static gboolean fill_node(WeftBuilder *builder, WeftStep *step, struct weft_runtime *runtime, struct weft_graph_node *node)
{
  guint32 *inputs = weft_revision_new(builder->revision, guint32, step->bindings->len + 1);
  weft_step_fill_node(builder, step, node);
  for (guint i = 0; i < step->bindings->len; i++)
    inputs[i] = weft_binding_value(builder, step, &g_array_index(step->bindings, WeftBinding, i));
  node->inputs = inputs;
  node->first_output = step->first_value;
  fill_states(builder, step, node);
  weft_step_fill_policy(builder, step, node);
  return weft_slots_fill(builder, step, runtime, node);
}

static void fill_values(const WeftBuilder *builder, struct weft_graph_value *values)
{
  const WeftPipeline *pipeline = builder->pipeline;
  WeftRevision *revision = builder->revision;
  for (guint i = 0; i < pipeline->inputs->len; i++)
    values[i] = (struct weft_graph_value){&weft_bytes_port, 1, WEFT_INPUT_MAX_BYTES};
  for (guint s = 0; s < pipeline->n_steps; s++) {
    const WeftStep *step = &revision->steps[s];
    guint n = step->live ? n_source_values(step) : step->found->spec->outputs->len;
    for (guint i = 0; i < n; i++)
      values[weft_step_value(builder, step, i)] =
          (struct weft_graph_value){&step->offers[i].port, 0, WEFT_FRAME_MEDIUM_MAX_BYTES};
    for (guint i = 0; i < step->bindings->len; i++)
      want(builder, step, &g_array_index(step->bindings, WeftBinding, i), values);
    weft_step_place_condition(builder, step, values);
  }
  for (guint i = 0; i < revision->filters->len; i++) {
    const WeftRevisionFilter *filter = &g_array_index(revision->filters, WeftRevisionFilter, i);
    values[filter->verdict].wanted = 1;
    if (filter->rules >= 0)
      values[filter->rules].wanted = 1;
  }
  for (guint i = 0; i < pipeline->outputs->len; i++)
    values[revision->outputs[i].value].wanted = 1;
  for (guint i = 0; i < revision->sinks->len; i++)
    values[g_array_index(revision->sinks, WeftRevisionSink, i).value].wanted = 1;
  for (guint i = 0; i < revision->weights->len; i++)
    values[g_array_index(revision->weights, WeftRevisionWeights, i).value].wanted = 1;
  for (guint i = 0; i < revision->explain->len; i++)
    values[g_array_index(revision->explain, WeftRevisionExplain, i).value].wanted = 1;
}

gboolean weft_graph_build(WeftBuilder *builder, struct weft_runtime *runtime)
{
  const WeftPipeline *pipeline = builder->pipeline;
  WeftRevision *revision = builder->revision;
  guint n_nodes = 0, n_values = place_values(builder, &n_nodes);
  weft_revision_describe(builder);
  struct weft_graph_value *values = weft_revision_new(revision, struct weft_graph_value, n_values + 1);
  struct weft_graph_node *nodes = weft_revision_new(revision, struct weft_graph_node, pipeline->n_steps + 1);
  revision->graph_nodes = nodes;
  fill_values(builder, values);
  for (guint i = 0; i < pipeline->n_steps; i++) {
    WeftStep *step = &revision->steps[revision->order[i]];
    if (!step->live && !fill_node(builder, step, runtime, &nodes[step->graph_node]))
      return FALSE;
  }
  weft_slots_describe(revision);
  struct weft_graph_spec spec = {.values = values, .nodes = nodes, .n_values = n_values,
                                 .n_inputs = revision->n_graph_inputs, .n_nodes = n_nodes,
                                 .n_items_max = builder->n_items_max};
  char message[WEFT_MESSAGE_BYTES] = "";
  if (!runtime || weft_graph_new(runtime, &spec, &revision->graph, message) == WEFT_OK)
    return TRUE;
  weft_diagnostics_add(builder->diagnostics, "graph", 0, 0, "the runtime refuses the graph: %s",
                       *message ? message : "no memory");
  return FALSE;
}
