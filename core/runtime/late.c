/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame whose deadline has passed while a call of it does not end (a helper
 * that is stopped, a plugin that looks at nothing): its caller is answered
 * nevertheless, and the frame is reclaimed once the helper has returned. Until
 * then it is counted among the graph's frames, so that memory stays bounded.
 *
 * Two hold a frame: who asked, until weft_frame_release, and who runs it.
 * What the runner may still read is the frame's own from the start on.
 */
#include "policy.h"

#include <string.h>

static char *own_text(struct weft_region *arena, const char *text, int *full)
{
  size_t n = text ? strlen(text) + 1 : 0;
  char *copy = text ? weft_region_alloc(arena, n) : NULL;
  if (copy)
    memcpy(copy, text, n);
  *full |= text && !copy;
  return copy;
}

/* NULL: the arena is full. */
static const struct weft_context *own_context(struct weft_region *arena, const struct weft_context *from)
{
  struct weft_context *to = weft_region_alloc(arena, sizeof *to);
  struct weft_context_entry *entries = weft_region_alloc(arena, (from->n_entries + 1) * sizeof *entries);
  int full = !to || !entries;
  if (full)
    return NULL;
  *to = *from;
  to->subject = own_text(arena, from->subject, &full);
  to->session = own_text(arena, from->session, &full);
  to->tenant = own_text(arena, from->tenant, &full);
  to->tier = own_text(arena, from->tier, &full);
  to->language = own_text(arena, from->language, &full);
  to->trace_id = own_text(arena, from->trace_id, &full);
  for (uint32_t i = 0; i < from->n_entries; i++) {
    entries[i].key = own_text(arena, from->entries[i].key, &full);
    entries[i].value = own_text(arena, from->entries[i].value, &full);
  }
  to->entries = entries;
  return full ? NULL : to;
}

void weft_late_own(struct weft_frame *frame)
{
  uint32_t n_inputs = frame->graph->spec.n_inputs;
  for (uint32_t i = 0; i < frame->n_items && frame->owns; i++) {
    int full = 0;
    if (frame->items[i].context) {
      frame->items[i].context = own_context(frame->arena, frame->items[i].context);
      full |= !frame->items[i].context;
    }
    if (frame->absences[i]) {
      uint8_t *copy = weft_region_alloc(frame->arena, n_inputs);
      if (copy)
        memcpy(copy, frame->absences[i], n_inputs);
      frame->absences[i] = copy;
      full |= !copy;
    }
    if (full)
      weft_frame_fail(frame, i, WEFT_NO_MEMORY, -1, "no memory for the context of the request");
  }
}

/* What the caller sees: with the lock, since the runner goes on. */
static void set_answers(struct weft_frame *frame)
{
  for (uint32_t i = 0; i < frame->n_items; i++) {
    frame->late_live[i] = frame->live[i];
    frame->late_status[i] = !frame->live[i]                       ? frame->status[i]
                            : frame->flags[i] == FLAG_CANCELLED ? WEFT_CANCELLED
                                                                : WEFT_DEADLINE;
  }
}

int weft_late_is_due(struct weft_frame *frame, uint64_t now)
{
  if (!frame->owns || !frame->pushed || frame->finished || frame->answered || frame->n_flagged < frame->n_live)
    return 0;
  if (!frame->late_at)
    frame->late_at = now + WEFT_LATE_GRACE_NS;
  if (now < frame->late_at)
    return 0;
  frame->late_at = 0;
  set_answers(frame);
  frame->answered = 1;
  pthread_mutex_lock(&frame->graph->lock);
  frame->graph->n_late++;
  pthread_mutex_unlock(&frame->graph->lock);
  return 1;
}

static void late_job(struct weft_pool_job *job)
{
  struct weft_frame *frame = (struct weft_frame *)((char *)job - offsetof(struct weft_frame, late_job));
  frame->done(frame, frame->done_data);
}

void weft_late_answer(struct weft_frame *frame)
{
  struct weft_pool_impl *pool = frame->graph->runtime->pool;
  weft_pool_lend(pool);
  if (frame->waits) {
    frame->done(frame, frame->done_data);
    return;
  }
  frame->late_job.run = late_job;
  weft_pool_push(pool, &frame->late_job); /* Helpers run: the frame has been on one. */
}

/* The last to hold the frame gives it back. */
static void reclaim(struct weft_frame *frame)
{
  struct weft_graph *graph = frame->graph;
  if (graph->store)
    weft_store_leave(frame);
  if (frame->timed)
    weft_timer_disarm(graph->runtime->timer, &frame->timer);
  frame->timed = 0;
  weft_region_reset(frame->arena, frame->arena_start);
  for (uint32_t i = 0; i < graph->n_ranges; i++) {
    weft_region_reset(frame->ranges[i].rows, 0);
    if (frame->ranges[i].groups)
      weft_region_reset(frame->ranges[i].groups, 0);
  }
  pthread_mutex_lock(&graph->lock);
  frame->next_free = graph->free_frames;
  graph->free_frames = frame;
  graph->n_in_flight--;
  pthread_mutex_unlock(&graph->lock);
}

void weft_frame_release(struct weft_frame *frame)
{
  pthread_mutex_lock(&frame->lock);
  int held = frame->answered && !frame->finished;
  frame->released = 1;
  pthread_mutex_unlock(&frame->lock);
  if (!held)
    reclaim(frame);
}

void weft_late_finish(struct weft_frame *frame)
{
  struct weft_graph *graph = frame->graph;
  pthread_mutex_lock(&frame->lock);
  frame->finished = 1;
  int answered = frame->answered, released = frame->released;
  pthread_mutex_unlock(&frame->lock);
  if (!answered) {
    frame->done(frame, frame->done_data);
    return;
  }
  weft_pool_return(graph->runtime->pool);
  if (released)
    reclaim(frame);
  /* Last of all, since the graph may be freed then. */
  pthread_mutex_lock(&graph->lock);
  graph->n_late--;
  pthread_cond_broadcast(&graph->returned);
  pthread_mutex_unlock(&graph->lock);
}

weft_status weft_late_push(struct weft_frame *frame)
{
  struct weft_graph *graph = frame->graph;
  pthread_mutex_lock(&frame->lock);
  frame->pushed = 1;
  pthread_mutex_unlock(&frame->lock);
  weft_status status = weft_pool_push(graph->runtime->pool, &frame->job);
  if (!status)
    return WEFT_OK;
  pthread_mutex_lock(&frame->lock);
  frame->finished = 1;
  int answered = frame->answered;
  pthread_mutex_unlock(&frame->lock);
  if (answered) {
    /* Late before it was refused: it is refused, since no helper calls `done`. */
    weft_pool_return(graph->runtime->pool);
    pthread_mutex_lock(&graph->lock);
    graph->n_late--;
    pthread_mutex_unlock(&graph->lock);
  }
  return status;
}

void weft_late_drain(struct weft_graph *graph)
{
  pthread_mutex_lock(&graph->lock);
  while (graph->n_late)
    pthread_cond_wait(&graph->returned, &graph->lock);
  pthread_mutex_unlock(&graph->lock);
}

/* A caller of `run` whose requests have deadlines. */
struct waiter {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  int done;
};

static void wake(struct weft_frame *frame, void *data)
{
  struct waiter *waiter = data;
  (void)frame;
  pthread_mutex_lock(&waiter->lock);
  waiter->done = 1;
  pthread_cond_signal(&waiter->cond);
  pthread_mutex_unlock(&waiter->lock);
}

weft_status weft_late_run(struct weft_frame *frame)
{
  struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  frame->done = wake;
  frame->done_data = &waiter;
  frame->waits = 1;
  weft_status status = weft_late_push(frame);
  if (status)
    return status;
  pthread_mutex_lock(&waiter.lock);
  while (!waiter.done)
    pthread_cond_wait(&waiter.cond, &waiter.lock);
  pthread_mutex_unlock(&waiter.lock);
  return WEFT_OK;
}
