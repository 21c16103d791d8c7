/* SPDX-License-Identifier: Apache-2.0 */
/* Failures that do not end an item: absorbed, or tried again after a pause. */
#include "policy.h"

#include <string.h>

static struct note *note_of(const struct weft_frame *frame, uint32_t node, uint32_t item)
{
  return weft_note_of(frame, frame->graph->policy_of[node], item);
}

void weft_policy_absorb(struct weft_frame *frame, uint32_t node, uint32_t item, weft_status status)
{
  struct note *note = note_of(frame, node, item);
  char *message = frame->messages[item];
  if (note->status)
    return;
  note->status = status;
  size_t n = strlen(message) + 1;
  char *copy = weft_region_alloc(frame->arena, n);
  if (copy)
    memcpy(copy, message, n);
  note->message = copy ? copy : "no memory was left for its message";
  message[0] = 0;
  frame->policy->degraded[item] = 1;
  frame->policy->n_absorbed++;
}

static uint64_t pause_of(uint32_t n_retries)
{
  uint64_t ns = WEFT_RETRY_FIRST_NS;
  for (uint32_t k = 0; k < n_retries && ns < WEFT_RETRY_MOST_NS; k++)
    ns *= 4;
  return ns < WEFT_RETRY_MOST_NS ? ns : WEFT_RETRY_MOST_NS;
}

int weft_policy_retries(struct exec *exec, const struct weft_call *call, uint32_t j)
{
  struct weft_frame *frame = exec->frame;
  const struct weft_graph_node *spec = exec->node->spec;
  uint32_t item = weft_call_item(exec, j);
  if (!(exec->node->flags & NODE_POLICY) || !spec->pure || !frame->live[item])
    return 0;
  struct note *note = note_of(frame, exec->index, item);
  if (note->n_retries >= spec->n_retries)
    return 0;
  pthread_mutex_lock(&frame->lock);
  int flagged = frame->flags[item];
  if (!flagged)
    frame->messages[item][0] = 0;
  pthread_mutex_unlock(&frame->lock);
  struct part *part = flagged ? NULL : weft_exec_alone(exec, j);
  if (!part)
    return 0;
  part->not_before = weft_clock_now() + pause_of(note->n_retries++);
  call->item_status[j] = WEFT_UNAVAILABLE;
  return 1;
}

int weft_policy_pauses(struct exec *exec, const struct part *part)
{
  struct weft_frame *frame = exec->frame;
  if (!part->not_before || part->not_before <= weft_clock_now())
    return 0;
  struct wait *wait = &frame->policy->waits[frame->graph->policy_of[exec->index]];
  pthread_mutex_lock(&frame->lock);
  wait->at = part->not_before;
  pthread_mutex_unlock(&frame->lock);
  if (weft_frame_arm(frame)) {
    /* No thread for the timer: at once is better than never. */
    pthread_mutex_lock(&frame->lock);
    wait->at = 0;
    pthread_mutex_unlock(&frame->lock);
    return 0;
  }
  wait->exec = exec;
  wait->park.waits = WAIT_PAUSE;
  return 1;
}

int weft_policy_pauses_again(struct exec *exec)
{
  for (struct part *part = exec->parts; part; part = part->next) {
    if (part->state != PART_TODO)
      continue;
    uint64_t soon = weft_clock_now() + WEFT_RETRY_FIRST_NS;
    if (part->not_before < soon)
      part->not_before = soon;
    exec->current = part;
    if (weft_policy_pauses(exec, part))
      return 1;
    weft_part_fail(exec, part, WEFT_UNAVAILABLE);
  }
  return 0;
}

struct exec *weft_policy_paused(struct weft_frame *frame, uint32_t node)
{
  struct wait *wait = &frame->policy->waits[frame->graph->policy_of[node]];
  struct exec *exec = wait->exec;
  wait->exec = NULL;
  return exec;
}
