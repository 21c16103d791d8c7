/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a batching node: who waits, who goes in together, and when. */
#include "internal.h"

#include <string.h>

static const struct weft_batching *batching_of(const struct batcher *batcher)
{
  return &batcher->node->spec->batching;
}

/* What a part adds to a call: rows of the cost's input, bytes, and rows and groups where there are limits. */
static weft_status measure(struct exec *exec, struct part *part)
{
  const struct node *node = exec->node;
  const struct weft_graph_node *spec = node->spec;
  int limited = spec->limits.n_rows || spec->limits.n_groups;
  if (limited) {
    size_t n_bytes = 2 * (size_t)node->n_inputs * sizeof *part->sums;
    part->sums = weft_region_alloc(exec->frame->arena, n_bytes);
    if (!part->sums)
      return WEFT_NO_MEMORY;
    memset(part->sums, 0, n_bytes);
  }
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    const struct weft_tensor *t = part->call.inputs[k];
    int64_t n_rows = 0, n_groups = 0;
    for (uint32_t j = 0; j < part->n; j++) {
      struct weft_rows rows = weft_rows_of(t, j);
      n_rows += rows.end - rows.begin;
      if (rows.present && t->splits[1]) {
        int64_t slot = t->slots ? t->slots[j] : (int64_t)j;
        n_groups += t->splits[0][slot + 1] - t->splits[0][slot];
      }
    }
    part->n_bytes += n_rows * weft_row_bytes(t);
    if (spec->batching.cost_max && k == spec->batching.cost_input)
      part->cost = n_rows;
    if (limited) {
      part->sums[2 * k] = n_rows;
      part->sums[2 * k + 1] = n_groups;
    }
  }
  return WEFT_OK;
}

/* A call as it is put together. */
struct load {
  const struct part *first;
  int64_t n_items, cost, n_bytes;
  int64_t *sums;
};

/* Tensors of which a dim varies per call can only lie together where it is the same. */
static int is_alike(const struct batcher *batcher, const struct part *a, const struct part *b)
{
  const struct node *node = batcher->node;
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    const struct weft_tensor *x = a->call.inputs[k], *y = b->call.inputs[k];
    if (x->n_slots && y->n_slots && memcmp(x->dims + 1, y->dims + 1, (WEFT_MAX_RANK - 1) * sizeof *x->dims))
      return 0;
  }
  return 1;
}

static int fits(const struct batcher *batcher, const struct load *load, const struct part *part)
{
  const struct weft_limits *limits = &batcher->node->spec->limits;
  int64_t cost_max = batching_of(batcher)->cost_max;
  if (!load->first)
    return 1;
  if (load->n_items + part->n > batcher->n_items_max || (cost_max && load->cost + part->cost > cost_max) ||
      load->n_bytes + part->n_bytes > WEFT_BATCH_BYTES_MAX || !is_alike(batcher, load->first, part))
    return 0;
  for (uint32_t k = 0; part->sums && k < batcher->node->n_inputs; k++)
    if ((limits->n_rows && load->sums[2 * k] + part->sums[2 * k] > limits->n_rows[k]) ||
        (limits->n_groups && load->sums[2 * k + 1] + part->sums[2 * k + 1] > limits->n_groups[k]))
      return 0;
  return 1;
}

static void put_in(const struct batcher *batcher, struct load *load, struct part *part)
{
  if (!load->first)
    load->first = part;
  load->n_items += part->n;
  load->cost += part->cost;
  load->n_bytes += part->n_bytes;
  for (uint32_t k = 0; part->sums && k < 2 * batcher->node->n_inputs; k++)
    load->sums[k] += part->sums[k];
}

static struct part *pop(struct batcher *batcher)
{
  struct part *part = batcher->first;
  batcher->first = part->queue_next;
  if (!batcher->first)
    batcher->last = NULL;
  batcher->n_queued--;
  batcher->n_queued_items -= part->n;
  batcher->queued_cost -= part->cost;
  part->queue_next = NULL;
  return part;
}

/* The part will not be called, or has been. With the gate's lock held; the frame may go on and be gone. */
static void complete(struct part *part)
{
  struct park *park = part->park;
  if (--park->n_left == 0)
    weft_frame_notify(park->frame, park);
}

static struct weft_frame *take_inner(struct batcher *batcher)
{
  struct weft_graph *graph = atomic_load_explicit(&batcher->inner, memory_order_acquire);
  struct weft_frame *inner = NULL;
  if (!graph) {
    if (weft_graph_new_inner(batcher->graph, batcher->node, batcher->n_items_max, &graph))
      return NULL;
    atomic_store_explicit(&batcher->inner, graph, memory_order_release);
  }
  if (weft_frame_take(graph, &inner))
    return NULL;
  inner->mode = MODE_SUBMIT;
  inner->batcher = batcher;
  inner->batch_is_new = 1;
  return inner;
}

/* The first parts that fit into one call. With the gate's lock held. NULL: none is left (they have failed). */
static struct weft_frame *form(struct batcher *batcher, uint32_t beside)
{
  while (batcher->first) {
    struct weft_frame *inner = take_inner(batcher);
    struct load load = {0};
    size_t n_bytes = 2 * (size_t)batcher->node->n_inputs * sizeof *load.sums;
    load.sums = inner ? weft_region_alloc(inner->arena, n_bytes) : NULL;
    if (!load.sums) {
      if (inner)
        weft_frame_release(inner);
      complete(pop(batcher));
      continue;
    }
    memset(load.sums, 0, n_bytes);
    struct part **link = &inner->batch_parts;
    uint32_t n_parts = 0;
    while (batcher->first && fits(batcher, &load, batcher->first)) {
      struct part *part = pop(batcher);
      part->batch_first = (uint32_t)load.n_items;
      part->inner = inner;
      put_in(batcher, &load, part);
      *link = part;
      link = &part->queue_next;
      n_parts++;
    }
    *link = NULL;
    inner->batch_n_items = (uint32_t)load.n_items;
    inner->batch_beside = beside;
    batcher->n_inside = beside ? batcher->n_inside : n_parts;
    inner->batch_number = ++batcher->n_calls;
    atomic_store_explicit(&inner->batch_refs, n_parts, memory_order_relaxed);
    batcher->n_parts += n_parts;
    batcher->n_items += inner->batch_n_items;
    if (inner->batch_n_items > batcher->n_items_largest)
      batcher->n_items_largest = inner->batch_n_items;
    uint32_t size = 31u - (uint32_t)__builtin_clz(inner->batch_n_items);
    batcher->sizes[size < WEFT_BATCH_SIZES ? size : WEFT_BATCH_SIZES - 1]++;
    return inner;
  }
  return NULL;
}

static int is_full(const struct batcher *batcher)
{
  const struct weft_batching *batching = batching_of(batcher);
  return batcher->n_queued_items >= batcher->n_items_max ||
         (batching->cost_max && batcher->queued_cost >= batching->cost_max);
}

/* Whether to wait for those whom the call that has ended released. With the gate's lock held. */
static int linger(struct batcher *batcher)
{
  uint32_t n = batcher->n_inside ? batcher->n_inside : 1, flags = batcher->node->flags;
  batcher->n_inside = 0;
  batcher->n_released = 0;
  /* A client alone is waited for by nobody, nor is anyone kept waiting where calls run side by side. */
  if (batching_of(batcher)->wait_ns || batcher->ns_usual < WEFT_BATCH_LINGER_LEAST_NS || (n == 1 && !batcher->first) ||
      (!(flags & (NODE_ISOLATED | NODE_EXCLUSIVE)) && !atomic_load_explicit(&batcher->splits, memory_order_relaxed)))
    return 0;
  if (batcher->n_skip) {
    batcher->n_skip--;
    return 0;
  }
  uint64_t most = batcher->ns_usual / WEFT_BATCH_LINGER_SHARE;
  batcher->n_released = n;
  batcher->n_before = batcher->n_queued;
  batcher->linger_from = weft_clock_now();
  batcher->linger_until = batcher->linger_from + (most < WEFT_BATCH_LINGER_MOST_NS ? most : WEFT_BATCH_LINGER_MOST_NS);
  batcher->n_lingered++;
  return 1;
}

static uint32_t n_back(const struct batcher *batcher)
{
  return batcher->n_queued > batcher->n_before ? batcher->n_queued - batcher->n_before : 0;
}

/* Whether it still waits for them, until when; otherwise what came of it. With the gate's lock held. */
static int is_lingering(struct batcher *batcher, uint64_t *until)
{
  if (!batcher->n_released)
    return 0;
  uint64_t now = weft_clock_now();
  uint32_t n = n_back(batcher);
  if (2 * n >= batcher->n_released) {
    uint64_t again = now + (now - batcher->linger_from);
    batcher->linger_until = again < batcher->linger_until ? again : batcher->linger_until;
  }
  if (n < batcher->n_released && now < batcher->linger_until && !is_full(batcher)) {
    *until = batcher->linger_until;
    return 1;
  }
  batcher->doubt = 2 * n >= batcher->n_released                      ? 0
                   : batcher->doubt < WEFT_BATCH_LINGER_DOUBT_MAX ? batcher->doubt + 1
                                                                  : WEFT_BATCH_LINGER_DOUBT_MAX;
  batcher->n_skip = batcher->doubt ? 1u << (batcher->doubt - 1) : 0;
  batcher->n_released = 0;
  return 0;
}

/* With the gate's lock held: the call that may begin now; else *due is when the first part has waited long enough. */
static struct weft_frame *try_next(struct batcher *batcher, uint64_t *due)
{
  uint64_t wait_ns = batching_of(batcher)->wait_ns;
  *due = 0;
  if (!batcher->waiting || is_lingering(batcher, due))
    return NULL;
  if (!batcher->first) {
    batcher->waiting = 0;
    atomic_store_explicit(&batcher->node->door, 0, memory_order_release);
    return NULL;
  }
  if (wait_ns && !is_full(batcher)) {
    /* Time in which the node was busy is no waiting for others: who was answered by the call that has just ended may
       well be about to ask again. */
    uint64_t from = batcher->first->t_arrived > batcher->t_idle ? batcher->first->t_arrived : batcher->t_idle;
    uint64_t at = from + wait_ns;
    if (weft_clock_now() < at) {
      *due = at;
      return NULL;
    }
  }
  batcher->waiting = 0;
  struct weft_frame *inner = form(batcher, 0);
  if (!inner)
    atomic_store_explicit(&batcher->node->door, 0, memory_order_release);
  return inner;
}

/* No lock is held. */
static void go(struct batcher *batcher, struct weft_frame *inner, uint64_t due)
{
  if (due && weft_timer_arm(batcher->graph->runtime->timer, &batcher->timer, due)) {
    /* Without a timer nobody waits. */
    pthread_mutex_lock(&batcher->node->gate->lock);
    batcher->n_released = 0;
    if (batcher->waiting)
      inner = batcher->first ? form(batcher, 0) : NULL;
    if (batcher->waiting && !inner)
      atomic_store_explicit(&batcher->node->door, 0, memory_order_release);
    batcher->waiting = 0;
    pthread_mutex_unlock(&batcher->node->gate->lock);
  }
  if (inner && weft_pool_push(batcher->graph->runtime->pool, &inner->job))
    inner->job.run(&inner->job);
}

void weft_batch_leave(struct batcher *batcher)
{
  struct gate *gate = batcher->node->gate;
  struct weft_frame *inner = NULL;
  uint64_t due = 0;
  pthread_mutex_lock(&gate->lock);
  if (batching_of(batcher)->wait_ns)
    batcher->t_idle = weft_clock_now();
  if (linger(batcher) || batcher->first) {
    batcher->waiting = 1;
    inner = try_next(batcher, &due);
  } else {
    atomic_store_explicit(&batcher->node->door, 0, memory_order_release);
  }
  pthread_mutex_unlock(&gate->lock);
  go(batcher, inner, due);
}

void weft_batch_leave_beside(struct batcher *batcher)
{
  struct gate *gate = batcher->node->gate;
  struct weft_frame *inner = NULL;
  pthread_mutex_lock(&gate->lock);
  batcher->n_beside--;
  if (batcher->first && !batcher->waiting) {
    inner = form(batcher, 1);
    batcher->n_beside += inner != NULL;
  }
  pthread_mutex_unlock(&gate->lock);
  go(batcher, inner, 0);
}

static uint64_t patience(const struct batcher *batcher)
{
  uint64_t ns = 4 * batcher->ns_usual;
  return ns > WEFT_BATCH_PATIENCE_NS ? ns : WEFT_BATCH_PATIENCE_NS;
}

/* The call before does not end (a helper that is stopped, perhaps): the queue of a parallel node goes beside it. */
static struct weft_frame *lose_patience(struct batcher *batcher, uint64_t now, uint64_t *due)
{
  if (!batcher->first) {
    batcher->watched = 0;
    return NULL;
  }
  uint64_t at = batcher->first->t_arrived + patience(batcher);
  struct weft_frame *inner = now >= at ? form(batcher, 1) : NULL;
  batcher->n_beside += inner != NULL;
  batcher->watched = batcher->first != NULL;
  if (batcher->first)
    *due = batcher->first->t_arrived + patience(batcher);
  return inner;
}

/* No helper could be started, and the timer's thread runs no plugin: whoever waits here fails. */
static void abandon(struct batcher *batcher, struct weft_frame *inner)
{
  struct gate *gate = batcher->node->gate;
  struct part *part = inner->batch_parts, *next;
  pthread_mutex_lock(&gate->lock);
  for (; part; part = next) {
    next = part->queue_next;
    part->inner = NULL;
    part->status = WEFT_UNAVAILABLE;
    complete(part);
  }
  while (batcher->first) {
    batcher->first->status = WEFT_UNAVAILABLE;
    complete(pop(batcher));
  }
  atomic_store_explicit(&batcher->node->door, 0, memory_order_release);
  pthread_mutex_unlock(&gate->lock);
  weft_frame_release(inner);
}

uint64_t weft_batch_expire(struct weft_timer_entry *entry, uint64_t now)
{
  struct batcher *batcher = (struct batcher *)((char *)entry - offsetof(struct batcher, timer));
  struct gate *gate = batcher->node->gate;
  uint64_t due;
  pthread_mutex_lock(&gate->lock);
  struct weft_frame *inner = try_next(batcher, &due);
  if (!inner && batcher->watched && !batcher->waiting)
    inner = lose_patience(batcher, now, &due);
  pthread_mutex_unlock(&gate->lock);
  if (inner && weft_pool_push(batcher->graph->runtime->pool, &inner->job))
    abandon(batcher, inner);
  return due;
}

/* Whether a call beside that of the door is better than to wait for it. */
static int may_go_beside(const struct batcher *batcher, const struct weft_frame *frame, uint32_t index)
{
  const struct node_stat *stat = &frame->stats[index];
  if (batcher->node->flags & (NODE_ISOLATED | NODE_EXCLUSIVE) || batching_of(batcher)->wait_ns || batcher->waiting)
    return 0;
  uint64_t n_calls = atomic_load_explicit(&stat->n_calls, memory_order_relaxed);
  uint64_t ticks = atomic_load_explicit(&stat->ticks, memory_order_relaxed);
  if (n_calls && weft_clock_ns(ticks / n_calls) < WEFT_BATCH_WORTH_NS)
    return 1;
  return !batcher->first && !atomic_load_explicit(&batcher->splits, memory_order_relaxed) &&
         batcher->n_beside + 1 < weft_pool_n_threads(batcher->graph->runtime->pool);
}

enum { ENTER_DOOR, ENTER_BESIDE, ENTER_QUEUED };

static void queue(struct batcher *batcher, struct exec *exec, struct park *park)
{
  uint64_t now = weft_clock_now();
  park->exec = exec;
  park->queued_ticks = weft_clock_ticks();
  park->queued = park->batched = 1;
  park->n_left = 0;
  for (struct part *part = exec->parts; part; part = part->next) {
    if (part->state != PART_TODO)
      continue;
    part->park = park;
    part->queue_next = NULL;
    part->t_arrived = now;
    if (batcher->last)
      batcher->last->queue_next = part;
    else
      batcher->first = part;
    batcher->last = part;
    batcher->n_queued++;
    batcher->n_queued_items += part->n;
    batcher->queued_cost += part->cost;
    park->n_left++;
  }
}

/* What a call takes, as far as this frame knows; at least `known`. */
static uint64_t usual(const struct exec *exec, uint64_t known)
{
  const struct node_stat *stat = &exec->frame->stats[exec->index];
  uint64_t n_calls = atomic_load_explicit(&stat->n_calls, memory_order_relaxed);
  uint64_t ticks = atomic_load_explicit(&stat->ticks, memory_order_relaxed);
  uint64_t ns = n_calls ? weft_clock_ns(ticks / n_calls) : 0;
  return ns > known ? ns : known;
}

/* Which way: through the door, beside it, or into the queue. */
static int enter(struct batcher *batcher, struct exec *exec, struct park *park)
{
  struct gate *gate = batcher->node->gate;
  uint64_t wait_ns = batching_of(batcher)->wait_ns, due = 0;
  struct weft_frame *inner = NULL;
  pthread_mutex_lock(&gate->lock);
  int open = atomic_exchange_explicit(&batcher->node->door, 2, memory_order_acq_rel) == 0;
  int how = open && !wait_ns ? ENTER_DOOR : ENTER_QUEUED;
  if (how == ENTER_QUEUED && may_go_beside(batcher, exec->frame, exec->index)) {
    how = ENTER_BESIDE;
    batcher->n_beside++;
  }
  if (how == ENTER_QUEUED) {
    queue(batcher, exec, park);
    batcher->waiting |= (uint32_t)open;
    inner = try_next(batcher, &due);
    if (!batcher->waiting && batcher->first && !batcher->watched &&
        !(batcher->node->flags & (NODE_ISOLATED | NODE_EXCLUSIVE))) {
      batcher->ns_usual = usual(exec, batcher->ns_usual);
      batcher->watched = 1;
      due = batcher->first->t_arrived + patience(batcher);
    }
  }
  pthread_mutex_unlock(&gate->lock);
  go(batcher, inner, due);
  return how;
}

/* The inputs of every part, and what they cost; 0: no part is left. */
static int prepare(struct exec *exec)
{
  int any = 0;
  for (struct part *part = exec->parts; part; part = part->next) {
    if (part->state != PART_TODO)
      continue;
    weft_status status = weft_part_inputs(exec, part);
    if (!status)
      status = measure(exec, part);
    if (status)
      weft_part_fail(exec, part, status);
    any |= part->state == PART_TODO;
  }
  return any;
}

int weft_batch_enter(struct weft_frame *frame, struct node *node, uint32_t index, struct exec **out)
{
  struct batcher *batcher = node->gate->batcher;
  struct exec *exec = *out ? *out : weft_exec_new(frame, index);
  *out = exec;
  if (!exec || !exec->parts)
    return BATCH_SKIPPED;
  if (!prepare(exec)) {
    weft_exec_commit(exec);
    return BATCH_DONE;
  }
  int how = enter(batcher, exec, &frame->parks[node->park]);
  if (how == ENTER_QUEUED)
    return BATCH_WAITS;
  if (how == ENTER_DOOR && node->flags & NODE_ISOLATED)
    return BATCH_DOOR;
  uint64_t splits = weft_pool_thread_splits();
  frame->ticks = weft_clock_ticks();
  int all = weft_exec_run(exec);
  if (weft_pool_thread_splits() != splits)
    atomic_store_explicit(&batcher->splits, 1, memory_order_relaxed);
  if (how == ENTER_DOOR)
    weft_gate_leave(node);
  else
    weft_batch_leave_beside(batcher);
  return all ? BATCH_DONE : BATCH_WAITS;
}

int weft_batch_withdraw(struct gate *gate, struct park *park)
{
  struct batcher *batcher = gate->batcher;
  uint32_t n_gone = 0;
  pthread_mutex_lock(&gate->lock);
  struct part **link = &batcher->first, *last = NULL;
  while (*link) {
    struct part *part = *link;
    if (part->park != park) {
      last = part;
      link = &part->queue_next;
      continue;
    }
    *link = part->queue_next;
    batcher->n_queued--;
    batcher->n_queued_items -= part->n;
    batcher->queued_cost -= part->cost;
    park->n_left--;
    n_gone++;
  }
  batcher->last = last;
  if (!batcher->first && batcher->waiting) {
    batcher->waiting = 0;
    atomic_store_explicit(&batcher->node->door, 0, memory_order_release);
  }
  int all = n_gone && !park->n_left;
  pthread_mutex_unlock(&gate->lock);
  /* What other parts of it had from calls that have ended is not wanted. */
  for (struct part *part = park->exec->parts; part && all; part = part->next)
    if (part->inner)
      weft_batch_drop(part->inner);
  return all;
}

void weft_batch_complete(struct weft_frame *inner)
{
  struct gate *gate = inner->batcher->node->gate;
  struct part *next;
  for (struct part *part = inner->batch_parts; part; part = next) {
    next = part->queue_next;
    pthread_mutex_lock(&gate->lock);
    complete(part);
    pthread_mutex_unlock(&gate->lock);
  }
}

void weft_batch_counters(struct gate *gate, struct weft_counters *out)
{
  struct batcher *batcher = gate->batcher;
  pthread_mutex_lock(&gate->lock);
  out->n_waiting = batcher->n_queued;
  out->n_lingered = batcher->n_lingered;
  out->n_batches = batcher->n_calls;
  out->n_batched = batcher->n_parts;
  out->n_batch_items = batcher->n_items;
  out->n_items_largest = batcher->n_items_largest;
  memcpy(out->batch_sizes, batcher->sizes, sizeof out->batch_sizes);
  pthread_mutex_unlock(&gate->lock);
  struct weft_graph *inner = atomic_load_explicit(&batcher->inner, memory_order_acquire);
  if (inner) {
    struct weft_counters own;
    weft_graph_counters(inner, 0, &own);
    out->n_fp_restored += own.n_fp_restored;
  }
}
