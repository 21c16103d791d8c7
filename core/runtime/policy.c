/* SPDX-License-Identifier: Apache-2.0 */
/* Before and after a node with policies: who reaches it, with what, and what is known afterwards. */
#include "policy.h"

#include <string.h>

static uint32_t policy_at(const struct weft_frame *frame, uint32_t node)
{
  return frame->graph->policy_of[node];
}

void weft_policy_begin(struct weft_frame *frame)
{
  struct frame_policy *policy = frame->policy;
  uint64_t now = frame->graph->store ? weft_clock_now() : 0;
  policy->n_filters_done = policy->n_absorbed = 0;
  policy->passed = policy->waiting = 0;
  for (uint32_t p = 0; p < frame->graph->n_policies; p++) {
    policy->waits[p].park.waits = WAIT_NONE;
    policy->waits[p].exec = NULL;
    for (uint32_t i = 0; i < frame->n_items; i++)
      *weft_note_of(frame, p, i) = (struct note){.verdict = -1};
  }
  for (uint32_t i = 0; i < frame->n_items; i++) {
    policy->degraded[i] = 0;
    policy->sessions[i] = NULL;
    /* Of a stream, 0 is a time like others. */
    policy->times[i] = frame->items[i].time_ns || frame->items[i].stream ? frame->items[i].time_ns : now;
  }
  if (frame->graph->store)
    weft_store_enter(frame);
}

static int is_skipped(const struct weft_frame *frame, uint32_t p, uint32_t item)
{
  return !frame->live[item] || weft_note_of(frame, p, item)->passage != WEFT_PASSAGE_RAN;
}

static void ask_conditions(struct weft_frame *frame, uint32_t p, const struct weft_condition *when)
{
  for (uint32_t item = 0; item < frame->n_items; item++)
    if (frame->live[item] && weft_condition_eval(when, frame, item) != 1)
      weft_note_of(frame, p, item)->passage = WEFT_PASSAGE_WHEN;
}

/* The node that an input comes from; "": the request. */
static const char *source_name(const struct weft_frame *frame, uint32_t value)
{
  uint32_t producer = frame->graph->producers[value];
  return producer == NONE ? "" : frame->graph->nodes[producer].spec->name;
}

static void miss(struct weft_frame *frame, uint32_t p, const struct node *node, uint32_t k)
{
  uint32_t value = node->spec->inputs[k];
  for (uint32_t item = 0; item < frame->n_items; item++) {
    if (is_skipped(frame, p, item) || weft_is_present(frame, value, item))
      continue;
    if (node->spec->policies[k].missing == WEFT_MISSING_DEGRADE) {
      frame->policy->degraded[item] = 1;
      weft_note_of(frame, p, item)->lacked |= k < 64 ? 1ull << k : 0;
    } else {
      weft_frame_end(frame, item, WEFT_BAD_INPUT, (int32_t)weft_index_of(frame->graph, node),
                     "node '%s' needs its input %u, '%s%s%s', which is absent (on_missing: fail)", node->spec->name, k,
                     source_name(frame, value), frame->graph->producers[value] == NONE ? "" : ".",
                     frame->graph->values[value].port->name);
    }
  }
}

static void fail_for_memory(struct weft_frame *frame, uint32_t node)
{
  for (uint32_t item = 0; item < frame->n_items; item++)
    weft_frame_fail(frame, item, WEFT_NO_MEMORY, (int32_t)node,
                    "node '%s': no memory for what is kept of its sessions (limit WEFT_ARENA_BYTES_MAX, 8 GiB a frame)",
                    frame->graph->nodes[node].spec->name);
}

int weft_policy_enter(struct weft_frame *frame, uint32_t i)
{
  const struct node *node = &frame->graph->nodes[i];
  const struct weft_graph_node *spec = node->spec;
  uint32_t p = policy_at(frame, i);
  const struct policy *policy = &frame->graph->policies[p];
  if (policy->turn != NONE && !weft_turn_take(frame, policy))
    return 0;
  if (spec->when)
    ask_conditions(frame, p, spec->when);
  weft_status status = WEFT_OK;
  for (uint32_t k = 0; spec->policies && k < node->n_inputs; k++) {
    enum weft_missing missing = spec->policies[k].missing;
    if (spec->inputs[k] == WEFT_VALUE_STATE || missing == WEFT_MISSING_MASK)
      continue;
    if (missing != WEFT_MISSING_HOLD)
      miss(frame, p, node, k);
    else if (!status)
      status = weft_hold(frame, p, k);
  }
  if (!status && policy->state_inputs)
    status = weft_state_room(frame, p);
  if (status)
    fail_for_memory(frame, i);
  return 1;
}

/* A state alone is nothing that the node could be called for. */
uint32_t weft_policy_select(struct weft_frame *frame, uint32_t i)
{
  const struct node *node = &frame->graph->nodes[i];
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  uint32_t p = policy_at(frame, i), n = 0;
  uint64_t states = frame->graph->policies[p].state_inputs;
  for (uint32_t item = 0; item < frame->n_items; item++) {
    if (is_skipped(frame, p, item) || !weft_item_is_well(frame, i, item))
      continue;
    int any = 0, all_required = 1;
    for (uint32_t k = 0; k < node->n_inputs; k++) {
      if (k < 64 && states >> k & 1)
        continue;
      int present = weft_is_present(frame, ids[k], item);
      any |= present;
      if (!present && k < 32 && node->required >> k & 1)
        all_required = 0;
    }
    if (any && all_required)
      frame->list[n++] = item;
    else
      weft_note_of(frame, p, item)->passage = WEFT_PASSAGE_ABSENT;
  }
  return n;
}

int weft_policy_is_ready(const struct weft_frame *frame, uint32_t i)
{
  const struct weft_graph *graph = frame->graph;
  const struct weft_graph_node *spec = graph->nodes[i].spec;
  if (graph->nodes[i].flags & NODE_EFFECTS && frame->policy->n_filters_done < graph->n_filters)
    return 0;
  for (uint32_t k = 0; k < spec->n_inputs; k++)
    if (spec->inputs[k] != WEFT_VALUE_STATE && frame->value_state[spec->inputs[k]] == VALUE_PENDING)
      return 0;
  for (uint32_t s = 0; spec->when && s < spec->when->n_steps; s++) {
    const struct weft_condition_step *step = &spec->when->steps[s];
    if ((step->op == WEFT_CONDITION_VALUE || step->op == WEFT_CONDITION_PRESENT) &&
        frame->value_state[step->index] == VALUE_PENDING)
      return 0;
  }
  return 1;
}

void weft_policy_leave(struct weft_frame *frame, uint32_t i)
{
  const struct node *node = &frame->graph->nodes[i];
  if (node->flags & NODE_FILTER) {
    weft_verdicts_judge(frame, i);
    frame->policy->n_filters_done++;
  }
  if (node->flags & NODE_STATE)
    weft_turn_pass(frame, &frame->graph->policies[policy_at(frame, i)]);
}

/* No item is left: whoever waits for a turn or a pause does so no longer. */
void weft_policy_withdraw(struct weft_frame *frame, void (*skip)(struct weft_frame *frame, uint32_t node))
{
  const struct weft_graph *graph = frame->graph;
  for (uint32_t p = 0; p < graph->n_policies; p++) {
    struct wait *wait = &frame->policy->waits[p];
    int mine = 0;
    if (wait->park.waits == WAIT_TURN) {
      mine = weft_turn_withdraw(frame, &graph->policies[p]);
    } else if (wait->park.waits == WAIT_PAUSE) {
      pthread_mutex_lock(&frame->lock);
      mine = wait->at != 0;
      wait->at = 0;
      pthread_mutex_unlock(&frame->lock);
    }
    if (!mine)
      continue;
    wait->park.waits = WAIT_NONE;
    wait->exec = NULL;
    frame->n_pending--;
    skip(frame, graph->policies[p].node);
  }
}

int weft_policy_fire(struct weft_frame *frame, uint64_t now)
{
  int push = 0;
  for (uint32_t p = 0; p < frame->graph->n_policies; p++) {
    struct wait *wait = &frame->policy->waits[p];
    if (!wait->at || wait->at > now)
      continue;
    wait->at = 0;
    push |= weft_frame_ready(frame, &wait->park);
  }
  return push;
}

uint64_t weft_policy_next(const struct weft_frame *frame)
{
  uint64_t at = 0;
  for (uint32_t p = 0; p < frame->graph->n_policies; p++) {
    uint64_t own = frame->policy->waits[p].at;
    if (own && (!at || own < at))
      at = own;
  }
  return at;
}

int weft_item_is_well(const struct weft_frame *frame, uint32_t node, uint32_t item)
{
  if (!frame->live[item])
    return 0;
  if (!(frame->graph->nodes[node].flags & NODE_ABSORBS))
    return 1;
  return weft_note_of(frame, policy_at(frame, node), item)->status == WEFT_OK;
}

/* What is asked of a frame that is done. */

static uint32_t run_index(const struct weft_frame *frame, uint32_t node)
{
  return frame->graph->place[node];
}

int weft_frame_degraded(const struct weft_frame *frame, uint32_t item)
{
  return frame->policy && !frame->answered ? frame->policy->degraded[item] : 0;
}

static enum weft_passage passage_of(const struct weft_frame *frame, uint32_t i, uint32_t item)
{
  const struct node *node = &frame->graph->nodes[i];
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  int any = 0, all_required = 1;
  if (frame->status[item] != WEFT_OK && frame->status[item] != WEFT_REFUSED && frame->failed_node[item] == (int32_t)i)
    return WEFT_PASSAGE_FAILED;
  for (uint32_t o = node->first_output; o < node->first_output + node->n_outputs; o++)
    if (weft_is_present(frame, o, item))
      return WEFT_PASSAGE_RAN;
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    int present = weft_is_present(frame, ids[k], item);
    any |= present;
    if (!present && k < 32 && node->required >> k & 1)
      all_required = 0;
  }
  if (frame->status[item] != WEFT_OK)
    return WEFT_PASSAGE_ENDED;
  return any && all_required ? WEFT_PASSAGE_RAN : WEFT_PASSAGE_ABSENT;
}

void weft_frame_note(const struct weft_frame *frame, uint32_t node, uint32_t item, struct weft_note *out)
{
  uint32_t i = run_index(frame, node);
  *out = (struct weft_note){.message = ""};
  if (frame->answered) {
    out->passage = WEFT_PASSAGE_ENDED;
    return;
  }
  if (!(frame->graph->nodes[i].flags & NODE_POLICY)) {
    out->passage = passage_of(frame, i, item);
    return;
  }
  const struct note *note = weft_note_of(frame, policy_at(frame, i), item);
  out->status = note->status;
  out->passage = note->status                               ? WEFT_PASSAGE_FAILED
                 : note->passage == WEFT_PASSAGE_RAN        ? passage_of(frame, i, item)
                                                            : (enum weft_passage)note->passage;
  out->message = note->message ? note->message : "";
  out->n_retries = note->n_retries;
  out->held = note->held;
  out->lacked = note->lacked;
}

/* From the input upwards along what is absent, to where it began; at most once through all nodes. */
enum weft_absence weft_frame_absence(const struct weft_frame *frame, uint32_t node, uint32_t k, uint32_t item)
{
  const struct weft_graph *graph = frame->graph;
  uint32_t i = run_index(frame, node), value = graph->nodes[i].spec->inputs[k];
  if (frame->answered)
    return WEFT_ABSENCE_NONE;
  if (value == WEFT_VALUE_STATE)
    return WEFT_ABSENCE_NEVER;
  if (weft_is_present(frame, graph->inputs[graph->nodes[i].first_input + k], item))
    return WEFT_ABSENCE_NONE;
  while (value != NONE && value >= graph->spec.n_inputs) {
    const struct node *from = &graph->nodes[graph->producers[value]];
    if (from->flags & NODE_ABSORBS && weft_note_of(frame, policy_at(frame, weft_index_of(graph, from)), item)->status)
      return WEFT_ABSENCE_FAILED;
    value = NONE;
    for (uint32_t j = 0; j < from->n_inputs && value == NONE; j++)
      if (from->spec->inputs[j] != WEFT_VALUE_STATE && !weft_is_present(frame, from->spec->inputs[j], item))
        value = from->spec->inputs[j];
  }
  const uint8_t *absences = value != NONE ? frame->absences[item] : NULL;
  return absences && absences[value] > WEFT_ABSENCE_NEVER ? (enum weft_absence)absences[value] : WEFT_ABSENCE_NEVER;
}
