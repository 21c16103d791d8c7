/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances that take one call at a time. A frame that finds one taken waits
 * in its queue without a thread; who leaves hands over to the first of them.
 */
#include "internal.h"

int weft_gate_take(struct node *node, struct park *park)
{
  struct gate *gate = node->gate;
  uint32_t free_state = 0;
  if (atomic_compare_exchange_strong_explicit(&node->door, &free_state, 1, memory_order_acquire,
                                              memory_order_relaxed))
    return 1;
  pthread_mutex_lock(&gate->lock);
  if (atomic_exchange_explicit(&node->door, 2, memory_order_acq_rel) == 0) {
    /* It was left meanwhile; nobody can wait, since a leaver with waiters hands over. */
    pthread_mutex_unlock(&gate->lock);
    return 1;
  }
  park->gate_next = NULL;
  park->queued_ticks = weft_clock_ticks();
  if (gate->last)
    gate->last->gate_next = park;
  else
    gate->first = park;
  gate->last = park;
  park->queued = 1;
  pthread_mutex_unlock(&gate->lock);
  return 0;
}

int weft_gate_withdraw(struct gate *gate, struct park *park)
{
  int found = 0;
  pthread_mutex_lock(&gate->lock);
  struct park *before = NULL, *at = gate->first;
  while (at && at != park) {
    before = at;
    at = at->gate_next;
  }
  if (at) {
    found = 1;
    if (before)
      before->gate_next = park->gate_next;
    else
      gate->first = park->gate_next;
    if (gate->last == park)
      gate->last = before;
  }
  pthread_mutex_unlock(&gate->lock);
  return found;
}

void weft_gate_leave(struct node *node)
{
  struct gate *gate = node->gate;
  uint32_t taken = 1;
  if (atomic_compare_exchange_strong_explicit(&node->door, &taken, 0, memory_order_release, memory_order_relaxed))
    return;
  if (gate->batcher) {
    weft_batch_leave(gate->batcher);
    return;
  }
  pthread_mutex_lock(&gate->lock);
  struct park *park = gate->first;
  if (!park) {
    atomic_store_explicit(&node->door, 0, memory_order_release);
    pthread_mutex_unlock(&gate->lock);
    return;
  }
  gate->first = park->gate_next;
  if (!gate->first)
    gate->last = NULL;
  park->granted = 1;
  weft_frame_notify(park->frame, park);
  pthread_mutex_unlock(&gate->lock);
}

int weft_frame_ready(struct weft_frame *frame, struct park *park)
{
  park->ready_next = NULL;
  if (frame->ready_last)
    frame->ready_last->ready_next = park;
  else
    frame->ready_first = park;
  frame->ready_last = park;
  int wake = frame->parked;
  int submitted = frame->mode == MODE_SUBMIT;
  frame->parked = 0;
  if (wake && !submitted)
    pthread_cond_signal(&frame->cond);
  return wake && submitted;
}

void weft_frame_notify(struct weft_frame *frame, struct park *park)
{
  pthread_mutex_lock(&frame->lock);
  int push = weft_frame_ready(frame, park);
  pthread_mutex_unlock(&frame->lock);
  /* Nobody else has the frame while parked was 1, so it is ours to push. Helpers run: it has been on one before. */
  if (push)
    weft_pool_push(frame->graph->runtime->pool, &frame->job);
}

void weft_graph_load(const struct weft_graph *graph, struct weft_load *out)
{
  pthread_mutex_t *lock = (pthread_mutex_t *)&graph->lock;
  *out = (struct weft_load){.n_frames_max = graph->n_frames_max};
  pthread_mutex_lock(lock);
  out->n_frames = graph->n_in_flight;
  pthread_mutex_unlock(lock);
  for (uint32_t i = 0; i < graph->spec.n_nodes; i++) {
    struct gate *gate = graph->nodes[i].gate;
    uint32_t n = 0;
    if (!gate)
      continue;
    pthread_mutex_lock(&gate->lock);
    for (const struct park *park = gate->first; park; park = park->gate_next)
      n++;
    if (gate->batcher)
      n = gate->batcher->n_queued;
    pthread_mutex_unlock(&gate->lock);
    if (n > out->n_waiting) {
      out->n_waiting = n;
      out->node = (uint32_t)(graph->nodes[i].spec - graph->spec.nodes);
    }
  }
}
