/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancellation and deadlines of a frame. Others (a caller, the timer) only
 * flag items and set words, under the frame's lock; the frame's own thread
 * drops flagged items at the next node boundary.
 */
#include "policy.h"
#include "slots.h"
#include "worker.h"

/* A worker that does not answer a cancelled call within that time is killed. */
#define CANCEL_GRACE_NS 20000000u

static int all_flagged(const struct weft_frame *frame, const uint32_t *items, uint32_t n)
{
  for (uint32_t j = 0; j < n; j++) {
    uint32_t item = items ? items[j] : j;
    if (frame->live[item] && !frame->flags[item])
      return 0;
  }
  return 1;
}

/* A direct call ends without the frame's lock, unless somebody is about to tell its worker something. */
static struct park claimed;

static struct park *claim_direct(struct weft_frame *frame)
{
  struct park *park = atomic_load(&frame->direct);
  return park && atomic_compare_exchange_strong(&frame->direct, &park, &claimed) ? park : NULL;
}

/*
 * With the frame's lock held: ends the calls of which no item is wanted any
 * more. 1: the frame was parked and the caller must push it.
 */
static int end_calls(struct weft_frame *frame, uint64_t now)
{
  if (frame->running ? all_flagged(frame, frame->running_items, frame->n_running) : frame->n_flagged == frame->n_live)
    atomic_store_explicit(&frame->cancel, 1, memory_order_relaxed);
  for (struct park *park = frame->flights; park; park = park->flight_next) {
    const struct part *part = park->exec->current;
    const uint32_t *items = park->exec->items ? park->exec->items + part->first : NULL;
    if (!park->started || park->kill_at || park->killed || !all_flagged(frame, items, part->n))
      continue;
    weft_worker_cancel(frame->graph->nodes[park->node].gate->worker);
    park->kill_at = now + CANCEL_GRACE_NS;
  }
  struct park *direct = frame->n_flagged < frame->n_live ? NULL : claim_direct(frame);
  if (direct) {
    if (!direct->kill_at && !direct->killed) {
      weft_worker_cancel(frame->graph->nodes[direct->node].gate->worker);
      direct->kill_at = now + CANCEL_GRACE_NS;
    }
    atomic_store(&frame->direct, direct);
  }
  if (!frame->parked || frame->n_flagged < frame->n_live)
    return 0;
  frame->woken = 1;
  frame->parked = 0;
  if (frame->mode == MODE_SUBMIT)
    return 1;
  pthread_cond_signal(&frame->cond);
  return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
  return !a || (b && b < a) ? b : a;
}

static uint64_t earliest(struct weft_frame *frame)
{
  uint64_t at = frame->call_deadline;
  if (frame->has_deadlines)
    for (uint32_t i = 0; i < frame->n_items; i++)
      if (frame->live[i] && !frame->flags[i])
        at = earlier(at, frame->deadlines[i]);
  for (const struct park *park = frame->flights; park; park = park->flight_next)
    at = !park->started ? at : earlier(earlier(at, park->deadline), park->kill_at);
  struct park *direct = claim_direct(frame);
  if (direct) {
    at = earlier(at, direct->kill_at);
    atomic_store(&frame->direct, direct);
  }
  at = earlier(at, frame->late_at);
  return frame->policy ? earlier(at, weft_policy_next(frame)) : at;
}

static void flag(struct weft_frame *frame, uint32_t item, uint8_t why)
{
  if (!frame->live[item] || frame->flags[item])
    return;
  frame->flags[item] = why;
  frame->n_flagged++;
  frame->n_flags++;
  atomic_store(&frame->attention, 1);
}

static void expire_flight(struct weft_frame *frame, struct park *park, uint64_t now)
{
  struct weft_worker *worker = frame->graph->nodes[park->node].gate->worker;
  if (!park->started)
    return;
  if (park->deadline && park->deadline <= now) {
    park->deadline = 0;
    park->expired = 1;
    weft_worker_cancel(worker);
    if (!park->kill_at)
      park->kill_at = now + CANCEL_GRACE_NS;
  }
  if (park->kill_at && park->kill_at <= now) {
    park->kill_at = 0;
    park->killed = 1;
    weft_worker_kill(worker);
  }
}

uint64_t weft_frame_expire(struct weft_timer_entry *entry, uint64_t now)
{
  struct weft_frame *frame = (struct weft_frame *)((char *)entry - offsetof(struct weft_frame, timer));
  pthread_mutex_lock(&frame->lock);
  if (frame->has_deadlines)
    for (uint32_t i = 0; i < frame->n_items; i++)
      if (frame->deadlines[i] && frame->deadlines[i] <= now)
        flag(frame, i, FLAG_DEADLINE);
  if (frame->call_deadline && frame->call_deadline <= now) {
    frame->call_deadline = 0;
    frame->call_expired = 1;
    atomic_store_explicit(&frame->cancel, 1, memory_order_relaxed);
  }
  for (struct park *park = frame->flights; park; park = park->flight_next)
    expire_flight(frame, park, now);
  struct park *direct = claim_direct(frame);
  if (direct) {
    expire_flight(frame, direct, now);
    atomic_store(&frame->direct, direct);
  }
  int push = frame->n_flagged && end_calls(frame, now);
  if (frame->policy)
    push |= weft_policy_fire(frame, now);
  int late = weft_late_is_due(frame, now);
  /* Without a live item a worker may still have to be killed, or the caller be answered. */
  int ends = frame->finished || (!frame->n_live && !frame->flights && !frame->late_at && !atomic_load(&frame->direct));
  uint64_t next = ends ? 0 : earliest(frame);
  pthread_mutex_unlock(&frame->lock);
  if (push)
    weft_pool_push(frame->graph->runtime->pool, &frame->job);
  if (late)
    weft_late_answer(frame);
  return next;
}

/* The timer's lock comes before the frame's, so the time is found first; a call too early does no harm. */
weft_status weft_frame_arm(struct weft_frame *frame)
{
  pthread_mutex_lock(&frame->lock);
  uint64_t at = earliest(frame);
  if (at)
    frame->timed = 1;
  pthread_mutex_unlock(&frame->lock);
  return at ? weft_timer_arm(frame->graph->runtime->timer, &frame->timer, at) : WEFT_OK;
}

void weft_frame_cancel(struct weft_frame *frame, uint32_t item)
{
  pthread_mutex_lock(&frame->lock);
  if (item == WEFT_ALL_ITEMS)
    for (uint32_t i = 0; i < frame->n_items; i++)
      flag(frame, i, FLAG_CANCELLED);
  else if (item < frame->n_items)
    flag(frame, item, FLAG_CANCELLED);
  int push = frame->n_flagged && end_calls(frame, weft_clock_now());
  int in_flight = frame->flights || atomic_load(&frame->direct);
  pthread_mutex_unlock(&frame->lock);
  weft_batch_cancel(frame);
  weft_slots_tell(frame);
  /* Without a thread for the timer a worker that ignores the word ends by its own means. */
  if (in_flight)
    weft_frame_arm(frame);
  if (push)
    weft_pool_push(frame->graph->runtime->pool, &frame->job);
}

void weft_frame_fail_flagged(struct weft_frame *frame, uint32_t item, uint8_t why, int32_t node)
{
  if (why == FLAG_CANCELLED)
    weft_frame_fail(frame, item, WEFT_CANCELLED, node, "the request was cancelled");
  else
    weft_frame_fail(frame, item, WEFT_DEADLINE, node, "the request's deadline has passed");
}

void weft_frame_drop_flagged(struct weft_frame *frame)
{
  atomic_store_explicit(&frame->attention, 0, memory_order_relaxed);
  for (uint32_t i = 0; i < frame->n_items; i++) {
    pthread_mutex_lock(&frame->lock);
    uint8_t why = frame->live[i] ? frame->flags[i] : FLAG_NONE;
    pthread_mutex_unlock(&frame->lock);
    if (why)
      weft_frame_fail_flagged(frame, i, why, -1);
  }
}

void weft_frame_flight_starts(struct weft_frame *frame, struct park *park)
{
  pthread_mutex_lock(&frame->lock);
  park->started = 1;
  if (frame->n_flagged)
    end_calls(frame, weft_clock_now());
  int timed = park->deadline || park->kill_at;
  pthread_mutex_unlock(&frame->lock);
  if (timed)
    weft_frame_arm(frame);
}

void weft_frame_direct_starts(struct weft_frame *frame, struct park *park)
{
  park->started = 1;
  park->deadline = park->kill_at = 0;
  park->expired = park->killed = 0;
  atomic_store(&frame->direct, park);
  /* Flagged before it was to be seen here; whoever flags later sees it. */
  if (!atomic_load(&frame->attention))
    return;
  pthread_mutex_lock(&frame->lock);
  if (frame->n_flagged)
    end_calls(frame, weft_clock_now());
  pthread_mutex_unlock(&frame->lock);
  weft_frame_arm(frame);
}

void weft_frame_direct_ends(struct weft_frame *frame, struct park *park)
{
  struct park *mine = park;
  while (!atomic_compare_exchange_strong(&frame->direct, &mine, NULL)) {
    /* It is claimed under the lock: once the lock is ours, it has been put back. */
    pthread_mutex_lock(&frame->lock);
    pthread_mutex_unlock(&frame->lock);
    mine = park;
  }
}

void weft_frame_call_begins(struct weft_frame *frame, const struct exec *exec, const struct part *part)
{
  uint64_t deadline_ns = exec->node->spec->deadline_ns;
  pthread_mutex_lock(&frame->lock);
  frame->running = 1;
  frame->running_items = exec->items ? exec->items + part->first : NULL;
  frame->n_running = part->n;
  frame->call_expired = 0;
  frame->call_deadline = deadline_ns ? weft_clock_now() + deadline_ns : 0;
  pthread_mutex_unlock(&frame->lock);
  if (deadline_ns)
    weft_frame_arm(frame);
}

int weft_frame_call_ends(struct weft_frame *frame)
{
  pthread_mutex_lock(&frame->lock);
  int expired = frame->call_expired;
  frame->running = 0;
  frame->running_items = NULL;
  frame->call_deadline = 0;
  frame->call_expired = 0;
  /* The word was for this call; items that are flagged are dropped at the boundary. */
  if (frame->n_flagged < frame->n_live)
    atomic_store_explicit(&frame->cancel, 0, memory_order_relaxed);
  pthread_mutex_unlock(&frame->lock);
  return expired;
}
