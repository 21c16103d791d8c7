/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static weft_status refuse(char *message, const char *format, ...) WEFT_PRINTF(2, 3);

static weft_status refuse(char *message, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  if (message)
    vsnprintf(message, WEFT_MESSAGE_BYTES, format, arguments);
  va_end(arguments);
  return WEFT_BAD_CONFIG;
}

/* Bytes of a row, or -1 where a dim varies per call. */
static int64_t row_bytes(const struct weft_port *port)
{
  int64_t n = port->dtype.bits / 8;
  for (uint32_t d = 1; d < port->rank; d++) {
    if (port->dims[d] < 0)
      return -1;
    if (__builtin_mul_overflow(n, port->dims[d], &n))
      return INT64_MAX;
  }
  return n;
}

static weft_status check_output(const struct weft_graph_node *node, const struct weft_port *port, char *message)
{
  if (port->rank < 1 || port->rank > WEFT_MAX_RANK || port->n_split_levels > 2)
    return refuse(message, "node '%s': output '%s' has rank %u and %u split levels; expected 1..%d and 0..2", node->name,
                  port->name, port->rank, port->n_split_levels, WEFT_MAX_RANK);
  if (port->rows_kind == WEFT_ROWS_DYNAMIC)
    return WEFT_OK;
  if (row_bytes(port) < 0)
    return refuse(message, "node '%s': output '%s' has a dim that varies per call, so its rows must be dynamic",
                  node->name, port->name);
  if (port->n_split_levels && !port->n_terms)
    return refuse(message, "node '%s': output '%s' is ragged and not dynamic, but says nothing of its rows", node->name,
                  port->name);
  for (uint32_t t = 0; t < port->n_terms; t++) {
    const struct weft_rows_term *term = &port->terms[t];
    if (term->of != WEFT_COUNT_ITEMS && (term->input < 0 || (uint32_t)term->input >= node->n_inputs))
      return refuse(message, "node '%s': the rows of output '%s' are counted from input %d of %u", node->name,
                    port->name, term->input, node->n_inputs);
    /* The groups of an exact output are those of its input, so there must be one such input. */
    if (port->rows_kind == WEFT_ROWS_EXACT && port->n_split_levels == 2 &&
        (term->of == WEFT_COUNT_ITEMS || term->input != port->terms[0].input))
      return refuse(message, "node '%s': the exact rows of output '%s' with two split levels must be counted from one input",
                    node->name, port->name);
  }
  return WEFT_OK;
}

static weft_status check_spec(const struct weft_graph_spec *spec, char *message)
{
  uint32_t next = spec->n_inputs;
  if (!spec->n_items_max)
    return refuse(message, "a graph for frames of at most 0 items");
  for (uint32_t v = 0; v < spec->n_inputs; v++)
    if (row_bytes(spec->values[v].port) < 0)
      return refuse(message, "the graph's input '%s' has a dim that varies per call", spec->values[v].port->name);
  for (uint32_t i = 0; i < spec->n_nodes; i++) {
    const struct weft_graph_node *node = &spec->nodes[i];
    if (node->first_output != next || node->n_outputs > spec->n_values - next)
      return refuse(message, "node '%s': outputs start at value %u, expected %u (of %u)", node->name,
                    node->first_output, next, spec->n_values);
    for (uint32_t k = 0; k < node->n_inputs; k++)
      if (node->inputs[k] >= next && node->inputs[k] != WEFT_VALUE_STATE)
        return refuse(message, "node '%s': input %u reads value %u, which no earlier node yields", node->name, k,
                      node->inputs[k]);
    for (uint32_t k = 0; k < node->n_outputs; k++) {
      weft_status status = check_output(node, spec->values[next + k].port, message);
      if (status)
        return status;
    }
    weft_status policy = weft_policy_check(spec, i, message);
    if (policy)
      return policy;
    if (!node->worker && (!node->table || !node->table->process))
      return refuse(message, "node '%s' has neither a worker nor a table", node->name);
    if (node->worker && node->slots)
      return refuse(message, "node '%s' is isolated and has slots: only what runs in this process can call them", node->name);
    next += node->n_outputs;
  }
  if (next != spec->n_values)
    return refuse(message, "%u values, but inputs and nodes yield %u", spec->n_values, next);
  return WEFT_OK;
}

static void set_value(struct weft_graph *graph, uint32_t v)
{
  const struct weft_graph_value *from = &graph->spec.values[v];
  struct value *to = &graph->values[v];
  to->port = from->port;
  to->form = (struct form){from->port->dtype, from->port->rank, WEFT_DEVICE_CPU, 0};
  to->row_bytes = row_bytes(from->port);
  to->wanted = from->wanted;
  to->levels = from->port->n_split_levels;
  to->kind = v < graph->spec.n_inputs ? WEFT_ROWS_EXACT : from->port->rows_kind;
  to->n_bytes_max = from->n_bytes_max > 0 ? (uint64_t)from->n_bytes_max : WEFT_DYNAMIC_BYTES_MAX;
  to->range = NONE;
  if (to->kind == WEFT_ROWS_DYNAMIC)
    to->range = graph->n_ranges++;
}

/* A node can go beyond its limits unless they are those of the frame and its inputs have one row an item. */
static int is_limited(const struct weft_graph *graph, const struct weft_graph_node *node)
{
  int64_t n_max = graph->spec.n_items_max;
  if (node->limits.n_items && node->limits.n_items < n_max)
    return 1;
  if (node->batching.cost_max || (node->batching.n_items_max && node->batching.n_items_max < n_max))
    return 1;
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    uint32_t levels = node->inputs[k] == WEFT_VALUE_STATE ? 0 : graph->values[node->inputs[k]].levels;
    if (node->limits.n_rows && (levels || node->limits.n_rows[k] < n_max))
      return 1;
    if (node->limits.n_groups && levels == 2)
      return 1;
  }
  return 0;
}

/* What a state is depends on the item before, so frames do not wait for one another at such a node. */
static int is_batching(const struct weft_graph_node *node)
{
  return node->batching.n_items_max && !node->n_states;
}

/* Calls of several frames: as many items as the file says, but not more than the node was activated for. */
static void set_batcher(struct weft_graph *graph, struct node *node)
{
  const struct weft_graph_node *from = node->spec;
  int64_t most = from->limits.n_items ? from->limits.n_items : graph->spec.n_items_max;
  struct batcher *batcher = node->gate->batcher = &graph->batchers[graph->n_batchers++];
  batcher->graph = graph;
  batcher->node = node;
  batcher->n_items_max = from->batching.n_items_max < most ? from->batching.n_items_max : (uint32_t)most;
  batcher->timer.fire = weft_batch_expire;
}

static void set_node(struct weft_graph *graph, uint32_t i, uint32_t index, uint32_t *n_inputs)
{
  const struct weft_graph_node *from = &graph->spec.nodes[index];
  struct node *to = &graph->nodes[i];
  to->spec = from;
  to->instance = from->instance;
  to->process = from->worker ? NULL : from->table->process;
  to->required = from->required;
  to->n_inputs = from->n_inputs;
  to->first_input = *n_inputs;
  to->n_outputs = from->n_outputs;
  to->first_output = from->first_output;
  to->park = NONE;
  memcpy(graph->inputs + *n_inputs, from->inputs, from->n_inputs * sizeof *from->inputs);
  *n_inputs += from->n_inputs;
  to->flags = from->worker ? NODE_ISOLATED : from->parallel ? 0 : NODE_EXCLUSIVE;
  if (from->deadline_ns)
    to->flags |= NODE_DEADLINE;
  if (is_limited(graph, from))
    to->flags |= NODE_LIMITED;
  if (from->is_filter)
    to->flags |= NODE_MARKS;
  if (from->slots)
    to->flags |= NODE_SLOTS;
  int simple = !(to->flags & (NODE_MARKS | NODE_ISOLATED | NODE_LIMITED | NODE_DEADLINE | NODE_SLOTS)) && from->n_inputs &&
               !from->batching.wait_ns;
  for (uint32_t k = 0; k < from->n_outputs; k++) {
    const struct value *value = &graph->values[from->first_output + k];
    if (value->levels || value->kind == WEFT_ROWS_DYNAMIC)
      simple = 0;
  }
  if (simple)
    to->flags |= NODE_SIMPLE;
  if (graph->inner_gate) {
    to->park = graph->n_gates++;
    to->gate = graph->inner_gate;
  } else if (to->flags & (NODE_ISOLATED | NODE_EXCLUSIVE) || is_batching(from)) {
    to->park = graph->n_gates;
    to->gate = &graph->gates[graph->n_gates++];
    to->gate->worker = from->worker;
    pthread_mutex_init(&to->gate->lock, NULL);
    if (is_batching(from))
      set_batcher(graph, to);
  }
  graph->in_process |= !from->worker;
  if (!from->worker && from->n_scratch_bytes > graph->n_scratch_bytes)
    graph->n_scratch_bytes = from->n_scratch_bytes;
}

/*
 * Marks isolated nodes of which all later ones are successors. By induction
 * that is so where each later node reads from it or from a node after it.
 */
static void find_direct(struct weft_graph *graph)
{
  uint32_t least = NONE;
  for (uint32_t i = graph->spec.n_nodes; i-- > 0;) {
    struct node *node = &graph->nodes[i];
    int simple = node->n_inputs > 0 && (node->flags & NODE_ISOLATED) &&
                 !(node->flags & (NODE_LIMITED | NODE_DEADLINE | NODE_POLICY)) && !node->spec->batching.wait_ns;
    for (uint32_t k = 0; k < node->n_outputs; k++) {
      const struct value *value = &graph->values[node->first_output + k];
      simple &= !value->levels && value->kind != WEFT_ROWS_DYNAMIC;
    }
    if (simple && (least == NONE || least > i))
      node->flags |= NODE_DIRECT;
    uint32_t last = 0;
    for (uint32_t k = 0; k < node->n_inputs; k++) {
      uint32_t v = graph->inputs[node->first_input + k];
      if (graph->producers[v] != NONE && graph->producers[v] + 1 > last)
        last = graph->producers[v] + 1;
    }
    if (last < least)
      least = last;
  }
}

/* Nodes in the order in which they run, and who yields what. */
static weft_status set_nodes(struct weft_graph *graph, char *message)
{
  const struct weft_graph_spec *spec = &graph->spec;
  uint32_t *order = weft_mem_alloc((spec->n_nodes + 1) * sizeof *order), n_inputs = 0;
  weft_status status = order ? weft_policy_order(spec, order, message) : WEFT_NO_MEMORY;
  for (uint32_t v = 0; v < spec->n_inputs; v++)
    graph->producers[v] = NONE;
  for (uint32_t i = 0; i < spec->n_nodes && !status; i++) {
    set_node(graph, i, order[i], &n_inputs);
    graph->place[order[i]] = i;
    for (uint32_t k = 0; k < graph->nodes[i].n_outputs; k++)
      graph->producers[graph->nodes[i].first_output + k] = i;
  }
  weft_mem_free(order);
  return status;
}

static int allocate(struct weft_graph *graph)
{
  const struct weft_graph_spec *spec = &graph->spec;
  size_t n_inputs = 0, n_batchers = 0;
  for (uint32_t i = 0; i < spec->n_nodes; i++) {
    n_inputs += spec->nodes[i].n_inputs;
    n_batchers += (size_t)is_batching(&spec->nodes[i]);
  }
  graph->n_inputs_total = (uint32_t)n_inputs;
  graph->nodes = weft_mem_alloc((spec->n_nodes + 1) * sizeof *graph->nodes);
  graph->n_values_all = spec->n_values + weft_policy_n_hidden(spec);
  graph->values = weft_mem_alloc((graph->n_values_all + 1) * sizeof *graph->values);
  graph->producers = weft_mem_alloc((graph->n_values_all + 1) * sizeof *graph->producers);
  graph->place = weft_mem_alloc((spec->n_nodes + 1) * sizeof *graph->place);
  graph->inputs = weft_mem_alloc((n_inputs + 1) * sizeof *graph->inputs);
  graph->gates = weft_mem_alloc((spec->n_nodes + 1) * sizeof *graph->gates);
  graph->batchers = weft_mem_alloc((n_batchers + 1) * sizeof *graph->batchers);
  if (!graph->nodes || !graph->values || !graph->inputs || !graph->gates || !graph->batchers || !graph->producers ||
      !graph->place)
    return 0;
  memset(graph->batchers, 0, (n_batchers + 1) * sizeof *graph->batchers);
  memset(graph->nodes, 0, (spec->n_nodes + 1) * sizeof *graph->nodes);
  memset(graph->values, 0, (graph->n_values_all + 1) * sizeof *graph->values);
  memset(graph->gates, 0, (spec->n_nodes + 1) * sizeof *graph->gates);
  return 1;
}

weft_status weft_graph_new(struct weft_runtime *runtime, const struct weft_graph_spec *spec, struct weft_graph **out,
                           char *message)
{
  return weft_graph_make(runtime, spec, NULL, out, message);
}

weft_status weft_graph_make(struct weft_runtime *runtime, const struct weft_graph_spec *spec, struct gate *inner_gate,
                            struct weft_graph **out, char *message)
{
  *out = NULL;
  weft_status status = check_spec(spec, message);
  if (status)
    return status;
  struct weft_graph *graph = weft_mem_alloc(sizeof *graph);
  if (!graph)
    return WEFT_NO_MEMORY;
  memset(graph, 0, sizeof *graph);
  graph->runtime = runtime;
  graph->spec = *spec;
  graph->inner_gate = inner_gate;
  graph->n_frames_max = spec->n_frames_max ? spec->n_frames_max : WEFT_FRAMES_MAX;
  pthread_mutex_init(&graph->lock, NULL);
  pthread_cond_init(&graph->returned, NULL);
  if (!allocate(graph)) {
    weft_graph_free(graph);
    return WEFT_NO_MEMORY;
  }
  for (uint32_t v = 0; v < spec->n_values; v++)
    set_value(graph, v);
  status = set_nodes(graph, message);
  if (!status)
    status = weft_policies_new(graph, message);
  if (!status)
    find_direct(graph);
  for (uint32_t i = 0; i < graph->n_gates && !status; i++)
    if (graph->gates[i].worker)
      status = weft_io_add(runtime, &graph->gates[i]);
  if (status) {
    weft_graph_free(graph);
    return status;
  }
  *out = graph;
  return WEFT_OK;
}

void weft_graph_free(struct weft_graph *graph)
{
  if (!graph)
    return;
  weft_late_drain(graph);
  for (uint32_t i = 0; i < graph->n_batchers; i++) {
    weft_timer_disarm(graph->runtime->timer, &graph->batchers[i].timer);
    weft_graph_free(atomic_load(&graph->batchers[i].inner));
  }
  for (uint32_t i = 0; i < graph->n_gates && !graph->inner_gate; i++) {
    if (graph->gates[i].worker)
      weft_io_remove(graph->runtime, &graph->gates[i]);
    /* Whoever told the last frame to go on may still be about to let go of it. */
    pthread_mutex_lock(&graph->gates[i].lock);
    pthread_mutex_unlock(&graph->gates[i].lock);
    pthread_mutex_destroy(&graph->gates[i].lock);
  }
  struct weft_frame *next;
  for (struct weft_frame *frame = graph->all_frames; frame; frame = next) {
    next = frame->next_all;
    weft_frame_free(frame);
  }
  weft_policies_free(graph);
  pthread_cond_destroy(&graph->returned);
  pthread_mutex_destroy(&graph->lock);
  weft_mem_free(graph->inner_spec);
  weft_mem_free(graph->batchers);
  weft_mem_free(graph->place);
  weft_mem_free(graph->producers);
  weft_mem_free(graph->gates);
  weft_mem_free(graph->inputs);
  weft_mem_free(graph->values);
  weft_mem_free(graph->nodes);
  weft_mem_free(graph);
}

void weft_graph_counters(const struct weft_graph *graph, uint32_t node, struct weft_counters *out)
{
  pthread_mutex_t *lock = (pthread_mutex_t *)&graph->lock;
  uint64_t ticks = 0, queued = 0;
  *out = (struct weft_counters){0};
  pthread_mutex_lock(lock);
  for (const struct weft_frame *frame = graph->all_frames; frame; frame = frame->next_all) {
    struct node_stat *stat = &frame->stats[graph->place[node]];
    ticks += atomic_load_explicit(&stat->ticks, memory_order_relaxed);
    out->n_calls += atomic_load_explicit(&stat->n_calls, memory_order_relaxed);
    out->n_items += atomic_load_explicit(&stat->n_items, memory_order_relaxed);
    out->n_failed += atomic_load_explicit(&stat->n_failed, memory_order_relaxed);
    queued += atomic_load_explicit(&stat->queued_ticks, memory_order_relaxed);
    out->n_fp_restored += atomic_load_explicit(&stat->n_fp_restored, memory_order_relaxed);
  }
  pthread_mutex_unlock(lock);
  if (graph->store)
    out->n_forgotten = weft_store_n_forgotten(graph->store);
  out->ns = weft_clock_ns(ticks);
  out->queued_ns = weft_clock_ns(queued);
  const struct gate *gate = graph->nodes[graph->place[node]].gate;
  if (gate && gate->batcher && !graph->inner_gate)
    weft_batch_counters((struct gate *)(uintptr_t)gate, out);
}

weft_status weft_runtime_new(struct weft_pool_impl *pool, struct weft_runtime **out)
{
  struct weft_runtime *runtime = weft_mem_alloc(sizeof *runtime);
  *out = NULL;
  if (!runtime)
    return WEFT_NO_MEMORY;
  *runtime = (struct weft_runtime){.pool = pool};
  if (weft_timer_new(&runtime->timer)) {
    weft_mem_free(runtime);
    return WEFT_NO_MEMORY;
  }
  weft_clock_init();
  *out = runtime;
  return WEFT_OK;
}

void weft_runtime_free(struct weft_runtime *runtime)
{
  if (!runtime)
    return;
  weft_io_free(runtime->io);
  weft_timer_free(runtime->timer);
  weft_mem_free(runtime);
}
