/* SPDX-License-Identifier: Apache-2.0 */
/* What a graph makes of the policies of its nodes: checks, order, hidden values. */
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

static int is_one_row(const struct weft_port *port)
{
  return port->n_split_levels == 0 && port->rows_kind == WEFT_ROWS_EXACT;
}

static weft_status check_filter(const struct weft_graph_node *node, const struct weft_graph_value *values, char *message)
{
  const struct weft_port *port = node->n_outputs ? values[node->first_output].port : NULL;
  if (!port || !is_one_row(port) || port->rank != 1 || !weft_dtype_equal(port->dtype, weft_i32()))
    return refuse(message, "filter '%s': its first output must be the verdict, i32 of rank 1 and one row an item",
                  node->name);
  if (node->when)
    return refuse(message, "filter '%s' has a condition; a filter cannot be skipped", node->name);
  if (node->refuses >= 1u << WEFT_N_VERDICTS)
    return refuse(message, "filter '%s' refuses verdicts %#x; known are the bits below %#x", node->name, node->refuses,
                  1u << WEFT_N_VERDICTS);
  return WEFT_OK;
}

static weft_status check_states(const struct weft_graph_spec *spec, const struct weft_graph_node *node, char *message)
{
  uint64_t seen = 0, n_max = spec->n_kept_bytes_max ? spec->n_kept_bytes_max : WEFT_KEPT_BYTES_MAX;
  for (uint32_t s = 0; s < node->n_states; s++) {
    const struct weft_state_port *state = &node->states[s];
    if (state->input >= node->n_inputs || state->input >= WEFT_POLICY_INPUTS_MAX ||
        node->inputs[state->input] != WEFT_VALUE_STATE || seen >> state->input & 1 || state->output >= node->n_outputs)
      return refuse(message, "node '%s': state %u leads from output %u to input %u, which is none of a state", node->name,
                    s, state->output, state->input);
    seen |= 1ull << state->input;
    const struct weft_port *port = spec->values[node->first_output + state->output].port;
    uint64_t n_bytes = port->dtype.bits / 8;
    int fixed = is_one_row(port);
    for (uint32_t d = 1; d < port->rank && fixed; d++)
      fixed = port->dims[d] >= 0 && !__builtin_mul_overflow(n_bytes, (uint64_t)port->dims[d], &n_bytes);
    if (!fixed || n_bytes > n_max)
      return refuse(message, "node '%s': state '%s' must have one row an item, fixed dims and at most %llu bytes "
                    "(WEFT_KEPT_BYTES_MAX)", node->name, port->name, (unsigned long long)n_max);
  }
  for (uint32_t k = 0; k < node->n_inputs; k++)
    if (node->inputs[k] == WEFT_VALUE_STATE && (k >= WEFT_POLICY_INPUTS_MAX || !(seen >> k & 1)))
      return refuse(message, "node '%s': input %u is a state that no output of it gives", node->name, k);
  return WEFT_OK;
}

weft_status weft_policy_check(const struct weft_graph_spec *spec, uint32_t index, char *message)
{
  const struct weft_graph_node *node = &spec->nodes[index];
  weft_status status = check_states(spec, node, message);
  if (!status && node->when)
    status = weft_condition_check(node->when, node->name, node->first_output, message);
  if (!status && node->is_filter)
    status = check_filter(node, spec->values, message);
  for (uint32_t k = WEFT_POLICY_INPUTS_MAX; !status && node->policies && k < node->n_inputs; k++)
    if (node->policies[k].missing == WEFT_MISSING_HOLD)
      status = refuse(message, "node '%s': input %u is to be held; only its first %u can be (WEFT_POLICY_INPUTS_MAX)",
                      node->name, k, WEFT_POLICY_INPUTS_MAX);
  if (!status && node->n_retries > WEFT_RETRIES_MAX)
    status = refuse(message, "node '%s' is to be tried again %u times; at most %u (WEFT_RETRIES_MAX)", node->name,
                    node->n_retries, WEFT_RETRIES_MAX);
  return status;
}

/* Whether the node reads something of a late node, as input or in its condition. */
static int reads_late(const struct weft_graph_spec *spec, uint32_t n, const uint32_t *producers, const uint8_t *late)
{
  const struct weft_graph_node *node = &spec->nodes[n];
  for (uint32_t k = 0; k < node->n_inputs; k++)
    if (node->inputs[k] != WEFT_VALUE_STATE && node->inputs[k] >= spec->n_inputs && late[producers[node->inputs[k]]])
      return 1;
  for (uint32_t s = 0; node->when && s < node->when->n_steps; s++) {
    const struct weft_condition_step *step = &node->when->steps[s];
    if ((step->op == WEFT_CONDITION_VALUE || step->op == WEFT_CONDITION_PRESENT) && step->index >= spec->n_inputs &&
        late[producers[step->index]])
      return 1;
  }
  return 0;
}

static weft_status mark_late(const struct weft_graph_spec *spec, const uint32_t *producers, uint8_t *late, char *message)
{
  uint32_t n_filters = 0;
  memset(late, 0, spec->n_nodes);
  for (uint32_t n = 0; n < spec->n_nodes; n++)
    n_filters += spec->nodes[n].is_filter != 0;
  if (!n_filters)
    return WEFT_OK;
  for (uint32_t n = 0; n < spec->n_nodes; n++) {
    late[n] = (spec->nodes[n].effects && !spec->nodes[n].is_filter) || reads_late(spec, n, producers, late);
    if (late[n] && spec->nodes[n].is_filter)
      return refuse(message, "filter '%s' judges what follows from a node with effects, and such nodes run only after "
                    "every filter: put the filter before it", spec->nodes[n].name);
  }
  return WEFT_OK;
}

weft_status weft_policy_order(const struct weft_graph_spec *spec, uint32_t *order, char *message)
{
  uint32_t *producers = weft_mem_alloc((spec->n_values + 1) * sizeof *producers), at = 0;
  uint8_t *late = weft_mem_alloc(spec->n_nodes + 1);
  weft_status status = producers && late ? WEFT_OK : WEFT_NO_MEMORY;
  for (uint32_t n = 0; !status && n < spec->n_nodes; n++)
    for (uint32_t o = 0; o < spec->nodes[n].n_outputs; o++)
      producers[spec->nodes[n].first_output + o] = n;
  if (!status)
    status = mark_late(spec, producers, late, message);
  for (uint8_t pass = 0; !status && pass < 2; pass++)
    for (uint32_t n = 0; n < spec->n_nodes; n++)
      if (late[n] == pass)
        order[at++] = n;
  weft_mem_free(late);
  weft_mem_free(producers);
  return status;
}

static int is_held(const struct weft_graph_node *node, uint32_t k)
{
  return node->policies && node->policies[k].missing == WEFT_MISSING_HOLD && node->inputs[k] != WEFT_VALUE_STATE;
}

uint32_t weft_policy_n_hidden(const struct weft_graph_spec *spec)
{
  uint32_t n = 0;
  for (uint32_t i = 0; i < spec->n_nodes; i++) {
    n += spec->nodes[i].n_states;
    for (uint32_t k = 0; k < spec->nodes[i].n_inputs; k++)
      n += (uint32_t)is_held(&spec->nodes[i], k);
  }
  return n;
}

static int has_policy(const struct weft_graph *graph, const struct weft_graph_node *node)
{
  int any = node->when || node->on_error != WEFT_ON_ERROR_FAIL || (node->n_retries && node->pure) || node->is_filter ||
            (node->effects && graph->n_filters) || node->n_states != 0;
  for (uint32_t k = 0; !any && node->policies && k < node->n_inputs; k++)
    any = node->policies[k].missing != WEFT_MISSING_MASK;
  return any;
}

static void hide(struct weft_graph *graph, uint32_t i, uint32_t k, struct hidden hidden, uint32_t *n_hidden)
{
  uint32_t v = graph->spec.n_values + *n_hidden;
  uint32_t like = hidden.source == WEFT_VALUE_STATE ? graph->nodes[i].first_output + hidden.output : hidden.source;
  graph->values[v] = graph->values[like];
  graph->values[v].range = NONE; /* its rows lie in the arena */
  graph->values[v].wanted = 1;
  graph->producers[v] = hidden.source == WEFT_VALUE_STATE ? NONE : graph->producers[like];
  graph->inputs[graph->nodes[i].first_input + k] = v;
  graph->hidden[(*n_hidden)++] = hidden;
}

static void set_policy(struct weft_graph *graph, uint32_t i, struct policy *policy, uint32_t *n_hidden)
{
  struct node *node = &graph->nodes[i];
  const struct weft_graph_node *spec = node->spec;
  *policy = (struct policy){.node = i, .turn = spec->n_states ? graph->n_turns++ : NONE};
  node->flags = (node->flags & ~(NODE_SIMPLE | NODE_DIRECT)) | NODE_POLICY;
  if (spec->on_error != WEFT_ON_ERROR_FAIL || spec->is_filter)
    node->flags |= NODE_ABSORBS;
  if (spec->is_filter)
    node->flags |= NODE_FILTER;
  if (spec->effects && graph->n_filters && !spec->is_filter)
    node->flags |= NODE_EFFECTS;
  if (spec->n_states)
    node->flags |= NODE_STATE | NODE_LIMITED;
  for (uint32_t s = 0; s < spec->n_states; s++) {
    policy->state_inputs |= 1ull << spec->states[s].input;
    graph->values[node->first_output + spec->states[s].output].wanted = 1;
    hide(graph, i, spec->states[s].input,
         (struct hidden){WEFT_VALUE_STATE, i, spec->states[s].input, spec->states[s].output}, n_hidden);
  }
  for (uint32_t k = 0; k < node->n_inputs; k++)
    if (is_held(spec, k)) {
      policy->holds |= 1ull << k;
      hide(graph, i, k, (struct hidden){spec->inputs[k], i, k, 0}, n_hidden);
    }
}

/* What a policy reads must be there, even where no node does. */
static void want(struct weft_graph *graph, const struct node *node)
{
  const struct weft_condition *when = node->spec->when;
  for (uint32_t s = 0; when && s < when->n_steps; s++)
    if (when->steps[s].op == WEFT_CONDITION_VALUE || when->steps[s].op == WEFT_CONDITION_PRESENT)
      graph->values[when->steps[s].index].wanted = 1;
  for (uint32_t o = 0; node->spec->is_filter && o < node->n_outputs; o++) {
    struct value *value = &graph->values[node->first_output + o];
    if (o == 0 || strcmp(value->port->name, "rules") == 0)
      value->wanted = 1;
  }
}

static int allocate(struct weft_graph *graph)
{
  uint32_t n_hidden = graph->n_values_all - graph->spec.n_values;
  graph->policy_of = weft_mem_alloc((graph->spec.n_nodes + 1) * sizeof *graph->policy_of);
  graph->policies = weft_mem_alloc(graph->n_policies * sizeof *graph->policies);
  graph->hidden = weft_mem_alloc((n_hidden + 1) * sizeof *graph->hidden);
  return graph->policy_of && graph->policies && graph->hidden;
}

weft_status weft_policies_new(struct weft_graph *graph, char *message)
{
  uint32_t n_hidden = 0, n_policies = 0;
  if (graph->inner_gate) /* of a batch: the frames of its items see to their policies */
    return WEFT_OK;
  for (uint32_t i = 0; i < graph->spec.n_nodes; i++)
    graph->n_filters += graph->spec.nodes[i].is_filter != 0;
  for (uint32_t i = 0; i < graph->spec.n_nodes; i++)
    graph->n_policies += (uint32_t)has_policy(graph, graph->nodes[i].spec);
  if (!graph->n_policies)
    return WEFT_OK;
  if (!allocate(graph))
    return WEFT_NO_MEMORY;
  for (uint32_t i = 0; i < graph->spec.n_nodes; i++) {
    graph->policy_of[i] = NONE;
    if (!has_policy(graph, graph->nodes[i].spec))
      continue;
    graph->policy_of[i] = n_policies;
    set_policy(graph, i, &graph->policies[n_policies++], &n_hidden);
    want(graph, &graph->nodes[i]);
  }
  if (graph->n_turns > WEFT_STATE_NODES_MAX)
    return refuse(message, "%u nodes keep state; at most %u (WEFT_STATE_NODES_MAX)", graph->n_turns, WEFT_STATE_NODES_MAX);
  return n_hidden ? weft_store_new(graph, &graph->store) : WEFT_OK;
}

void weft_policies_free(struct weft_graph *graph)
{
  weft_store_free(graph->store);
  weft_mem_free(graph->policy_of);
  weft_mem_free(graph->policies);
  weft_mem_free(graph->hidden);
}

static void *place(uint8_t *memory, size_t *used, size_t n_bytes)
{
  void *p = memory ? memory + *used : NULL;
  *used += weft_align(n_bytes);
  return p;
}

/* Arrays one after the other, each on a cache line of its own. */
static size_t lay_out(const struct weft_graph *graph, struct frame_policy *policy, uint8_t *memory)
{
  size_t n_items = graph->spec.n_items_max, used = weft_align(sizeof *policy);
  policy->notes = place(memory, &used, graph->n_policies * n_items * sizeof *policy->notes);
  policy->waits = place(memory, &used, graph->n_policies * sizeof *policy->waits);
  policy->turns = place(memory, &used, n_items * sizeof *policy->turns);
  policy->sessions = place(memory, &used, n_items * sizeof *policy->sessions);
  policy->times = place(memory, &used, n_items * sizeof *policy->times);
  policy->degraded = place(memory, &used, n_items);
  policy->taint = place(memory, &used, graph->spec.n_nodes);
  return used;
}

size_t weft_policy_frame_bytes(const struct weft_graph *graph)
{
  struct frame_policy sizes;
  return graph->n_policies ? lay_out(graph, &sizes, NULL) : 0;
}

void weft_policy_frame_init(struct weft_frame *frame, void *memory)
{
  const struct weft_graph *graph = frame->graph;
  if (!graph->n_policies)
    return;
  frame->policy = memory;
  lay_out(graph, frame->policy, memory);
  for (uint32_t p = 0; p < graph->n_policies; p++) {
    frame->policy->waits[p].park.frame = frame;
    frame->policy->waits[p].park.node = graph->policies[p].node;
  }
}
