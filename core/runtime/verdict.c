/* SPDX-License-Identifier: Apache-2.0 */
/* Filters: what they said, and what it means where they said nothing. */
#include "policy.h"

#include <string.h>

static int failed_at(const struct weft_frame *frame, uint32_t i, uint32_t item)
{
  return frame->graph->nodes[i].flags & NODE_ABSORBS &&
         weft_note_of(frame, frame->graph->policy_of[i], item)->status != WEFT_OK;
}

/* Whether a value is absent because a node failed that yields it, or what it is made of. */
static int is_tainted(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  return value != WEFT_VALUE_STATE && value >= frame->graph->spec.n_inputs && !weft_is_present(frame, value, item) &&
         frame->policy->taint[frame->graph->producers[value]];
}

static int reads_tainted(const struct weft_frame *frame, const struct weft_graph_node *spec, uint32_t item)
{
  for (uint32_t k = 0; k < spec->n_inputs; k++)
    if (is_tainted(frame, spec->inputs[k], item))
      return 1;
  for (uint32_t s = 0; spec->when && s < spec->when->n_steps; s++) {
    const struct weft_condition_step *step = &spec->when->steps[s];
    if ((step->op == WEFT_CONDITION_VALUE || step->op == WEFT_CONDITION_PRESENT) &&
        is_tainted(frame, step->index, item))
      return 1;
  }
  return 0;
}

/* Whether something of what the filter was to judge is absent because a node before it failed. */
static int lacks_for_failure(struct weft_frame *frame, uint32_t filter, uint32_t item)
{
  if (!frame->policy->n_absorbed)
    return 0;
  for (uint32_t i = 0; i < filter; i++)
    frame->policy->taint[i] = failed_at(frame, i, item) || reads_tainted(frame, frame->graph->nodes[i].spec, item);
  return reads_tainted(frame, frame->graph->nodes[filter].spec, item);
}

static int32_t written(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  int32_t verdict = WEFT_VERDICT_UNDECIDED;
  if (!weft_is_present(frame, value, item))
    return verdict;
  const struct weft_tensor *t = &frame->outputs[value].tensor;
  memcpy(&verdict, (const int32_t *)t->data + weft_rows_of(t, item).begin, sizeof verdict);
  return verdict > WEFT_VERDICT_UNDECIDED && verdict < WEFT_N_VERDICTS ? verdict : WEFT_VERDICT_UNDECIDED;
}

/* Once for each item that is still there. */
void weft_verdicts_judge(struct weft_frame *frame, uint32_t i)
{
  static const char *const words[WEFT_N_VERDICTS] = {"undecided", "allow", "redact", "refuse"};
  const struct node *node = &frame->graph->nodes[i];
  for (uint32_t item = 0; item < frame->n_items; item++) {
    if (!frame->live[item])
      continue;
    struct note *note = weft_note_of(frame, frame->graph->policy_of[i], item);
    int undecided = note->status != WEFT_OK || lacks_for_failure(frame, i, item);
    if (!undecided && note->passage == WEFT_PASSAGE_ABSENT)
      continue; /* there was nothing to judge */
    note->verdict = (int8_t)(undecided ? WEFT_VERDICT_UNDECIDED : written(frame, node->first_output, item));
    if (node->spec->refuses & WEFT_REFUSES(note->verdict))
      weft_frame_end(frame, item, WEFT_REFUSED, (int32_t)i, "filter '%s' refused the request: its verdict was %s",
                     node->spec->name, words[note->verdict]);
  }
}

static void find_rules(const struct weft_frame *frame, const struct node *node, uint32_t item, struct weft_verdict *out)
{
  for (uint32_t o = node->first_output + 1; o < node->first_output + node->n_outputs; o++) {
    const struct value *value = &frame->graph->values[o];
    if (strcmp(value->port->name, "rules") != 0 || value->levels != 1 || value->form.rank != 1 ||
        !weft_dtype_equal(value->form.dtype, weft_u8()) || !weft_is_present(frame, o, item))
      continue;
    struct weft_rows rows = weft_rows_of(&frame->outputs[o].tensor, item);
    out->rules = (const char *)frame->outputs[o].tensor.data + rows.begin;
    out->n_rules = (uint64_t)(rows.end - rows.begin);
  }
}

int weft_frame_verdict(const struct weft_frame *frame, uint32_t node, uint32_t item, struct weft_verdict *out)
{
  uint32_t i = frame->graph->place[node];
  const struct node *filter = &frame->graph->nodes[i];
  *out = (struct weft_verdict){.verdict = -1};
  if (!(filter->flags & NODE_FILTER))
    return 0;
  const struct note *note = weft_note_of(frame, frame->graph->policy_of[i], item);
  out->verdict = note->verdict;
  out->refused = frame->status[item] == WEFT_REFUSED && frame->failed_node[item] == (int32_t)i;
  if (note->verdict > WEFT_VERDICT_UNDECIDED)
    find_rules(frame, filter, item, out);
  return 1;
}
