/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the nodes of a frame in topological order. While nothing is in flight
 * every earlier node is done, so nothing is looked up but what the items have;
 * a node that must wait (for a worker, for its one instance) turns the frame
 * to passes over the nodes that do not depend on it.
 */
#include "policy.h"
#include "worker.h"

#include <string.h>

static inline void add(_Atomic uint64_t *counter, uint64_t n)
{
  /* One thread has the frame: no locked instruction is needed, readers see a whole word. */
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void count(struct weft_frame *frame, uint32_t i, uint32_t n_items, uint32_t n_failed)
{
  struct node_stat *stat = &frame->stats[i];
  uint64_t now = weft_clock_ticks(), ticks = now - frame->ticks;
  frame->ticks = now;
  add(&stat->ticks, ticks);
  add(&stat->n_calls, 1);
  add(&stat->n_items, n_items);
  if (n_failed)
    add(&stat->n_failed, n_failed);
  stat->last_ticks = ticks;
  stat->last_use = frame->use;
  if (__builtin_expect(frame->trace != NULL, 0))
    weft_trace_node(frame, i, n_items, n_failed, ticks);
}

void weft_frame_count(struct weft_frame *frame, uint32_t node, uint32_t n_items, uint32_t n_failed)
{
  count(frame, node, n_items, n_failed);
}

void weft_frame_queued(struct weft_frame *frame, const struct park *park)
{
  add(&frame->stats[park->node].queued_ticks, park->queued_ticks);
}

void weft_frame_restore_fp(struct weft_frame *frame, uint32_t node)
{
  weft_fp_set(WEFT_FP_DEFAULT);
  add(&frame->stats[node].n_fp_restored, 1);
}

/* Whether every output is as the host left it, so that nothing else needs to be checked. */
static inline int is_plain(const struct weft_frame *frame, const struct node *node)
{
  const struct value *values = frame->graph->values;
  const uint8_t *begin = frame->arena->base, *end = begin + frame->arena->used;
  uint32_t n = frame->n_items;
  for (uint32_t j = 0; j < n; j++)
    if (frame->call_status[j])
      return 0;
  for (uint32_t o = node->first_output; o < node->first_output + node->n_outputs; o++) {
    const struct weft_tensor *t = &frame->outputs[o].tensor;
    const uint8_t *data = t->data;
    int same = !memcmp(&t->dtype, &values[o].form, sizeof values[o].form);
    same &= !t->slots & !t->splits[0] & !t->splits[1] & (t->dims[0] == (int64_t)n) & (t->n_slots == (int64_t)n);
    for (uint32_t d = 1; d < values[o].form.rank; d++)
      same &= t->dims[d] == values[o].port->dims[d];
    if (frame->outputs[o].wanted)
      same &= data >= begin && t->n_bytes <= end - data;
    if (!same)
      return 0;
  }
  return 1;
}

/* Outputs of a simple node: one row an item. 0: the arena is full. */
static inline int give_outputs(struct weft_frame *frame, const struct node *node)
{
  const struct value *values = frame->graph->values;
  uint32_t n = frame->n_items;
  for (uint32_t o = node->first_output; o < node->first_output + node->n_outputs; o++) {
    struct weft_output *output = &frame->outputs[o];
    size_t n_bytes = (size_t)values[o].row_bytes * n;
    output->tensor.dims[0] = n;
    output->tensor.slots = NULL;
    output->tensor.n_slots = n;
    output->n_rows_max = n;
    if (!output->wanted)
      continue;
    output->tensor.n_bytes = (int64_t)n_bytes;
    output->tensor.data = weft_region_alloc(frame->arena, n_bytes);
    if (!output->tensor.data)
      return 0;
  }
  return 1;
}

static void commit_checked(struct weft_frame *frame, uint32_t i, weft_status status)
{
  struct exec *exec = &frame->fast;
  struct part part = {.n = frame->n_items, .call = frame->call};
  exec->n_items = frame->n_items;
  exec->items = NULL;
  exec->parts = exec->last = exec->current = &part;
  uint32_t n_failed = weft_call_settle(exec, &part.call, status, 0);
  part.state = n_failed == part.n ? PART_FAILED : PART_DONE;
  weft_exec_commit(exec);
  exec->parts = exec->last = exec->current = NULL;
  for (uint32_t j = 0; j < frame->n_items; j++)
    frame->call_status[j] = WEFT_OK;
}

/* Every input of every item is there. */
static inline int is_full(const struct weft_frame *frame, const struct node *node)
{
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  for (uint32_t k = 0; k < node->n_inputs; k++)
    if (frame->value_state[ids[k]] != VALUE_FULL)
      return 0;
  return 1;
}

static inline void set_call(struct weft_frame *frame, const struct node *node, uint32_t i)
{
  struct weft_call *call = &frame->call;
  call->n_inputs = node->n_inputs;
  call->n_outputs = node->n_outputs;
  call->inputs = frame->inputs + node->first_input;
  call->outputs = frame->outputs + node->first_output;
  frame->fast.node = (struct node *)node;
  frame->fast.index = i;
}

static inline void commit(struct weft_frame *frame, const struct node *node, uint32_t i, weft_status status)
{
  if (__builtin_expect(status != WEFT_OK || !is_plain(frame, node), 0)) {
    commit_checked(frame, i, status);
    return;
  }
  for (uint32_t o = node->first_output; o < node->first_output + node->n_outputs; o++)
    frame->value_state[o] = frame->outputs[o].wanted ? VALUE_FULL : VALUE_ABSENT;
  count(frame, i, frame->n_items, 0);
}

/* The call failed as a whole: its items go alone. 0: they are not wanted, or there is no room. */
static int retry_fast(struct weft_frame *frame, uint32_t i)
{
  if (atomic_load_explicit(&frame->cancel, memory_order_relaxed))
    return 0;
  struct exec *exec = weft_exec_new(frame, i);
  if (!exec || !exec->parts || !weft_exec_retry(exec))
    return 0;
  memset(frame->call_status, 0, frame->n_items * sizeof *frame->call_status);
  weft_exec_run(exec);
  return 1;
}

/* A simple node, all items of the frame present. 0: it must go the general way. */
static inline int run_fast(struct weft_frame *frame, struct node *node, uint32_t i)
{
  if (!is_full(frame, node))
    return 0;
  if (node->gate) {
    uint32_t free_state = 0;
    if (!atomic_compare_exchange_strong_explicit(&node->door, &free_state, 1, memory_order_acquire,
                                                 memory_order_relaxed))
      return 0;
  }
  if (!give_outputs(frame, node)) {
    if (node->gate)
      weft_gate_leave(node);
    return 0;
  }
  set_call(frame, node, i);
  weft_status status = node->process(node->instance, &frame->call);
  if (__builtin_expect(status != WEFT_OK, 0) && frame->n_items > 1 && node->spec->pure && retry_fast(frame, i)) {
    if (node->gate)
      weft_gate_leave(node);
    return 1;
  }
  if (node->gate)
    weft_gate_leave(node);
  if (__builtin_expect(weft_fp_get() != WEFT_FP_DEFAULT, 0))
    weft_frame_restore_fp(frame, i);
  commit(frame, node, i, status);
  return 1;
}

static void finish(struct weft_frame *frame, const struct node *node, uint32_t i)
{
  frame->node_state[i] = NODE_DONE;
  if (node->flags & NODE_POLICY)
    weft_policy_leave(frame, i);
}

static void skip(struct weft_frame *frame, const struct node *node, uint32_t i)
{
  for (uint32_t o = 0; o < node->n_outputs; o++)
    frame->value_state[node->first_output + o] = VALUE_ABSENT;
  finish(frame, node, i);
}

static void skip_node(struct weft_frame *frame, uint32_t i)
{
  skip(frame, &frame->graph->nodes[i], i);
}

static void wait(struct weft_frame *frame, uint32_t i)
{
  frame->node_state[i] = NODE_WAITING;
  frame->n_pending++;
}

/* The node's gate is this frame's; it is left when the last part has been answered, or is to be tried again later. */
static void launch(struct weft_frame *frame, struct node *node, uint32_t i, struct exec *exec)
{
  int started = weft_exec_start(exec, &frame->parks[node->park], frame->mode == MODE_SUBMIT || frame->n_pending);
  if (started != EXEC_DONE)
    wait(frame, i);
  if (started == EXEC_STARTED)
    return;
  if (started == EXEC_DONE) {
    weft_exec_commit(exec);
    finish(frame, node, i);
  }
  weft_gate_leave(node);
}

/* With the gate, where there is one. */
static void execute(struct weft_frame *frame, struct node *node, uint32_t i)
{
  struct exec *exec = node->flags & NODE_POLICY ? weft_policy_paused(frame, i) : NULL;
  if (!exec)
    exec = weft_exec_new(frame, i);
  if (!exec || !exec->parts) {
    skip(frame, node, i);
  } else if (node->flags & NODE_ISOLATED) {
    exec->ticks = weft_clock_ticks();
    launch(frame, node, i, exec);
    return;
  } else {
    if (weft_exec_run(exec))
      finish(frame, node, i);
    else
      wait(frame, i);
  }
  if (node->gate)
    weft_gate_leave(node);
}

/*
 * An isolated node beside which nothing could run: the caller's thread waits
 * for its worker, and the frame is not parked. 0: it must go the general way.
 */
static int run_direct(struct weft_frame *frame, struct node *node, uint32_t i)
{
  struct park *park = &frame->parks[node->park];
  struct weft_worker *worker = node->gate->worker;
  uint32_t free_state = 0;
  int died = 0;
  if (!is_full(frame, node) || !atomic_compare_exchange_strong_explicit(&node->door, &free_state, 1, memory_order_acquire,
                                                                        memory_order_relaxed))
    return 0;
  if (!give_outputs(frame, node)) {
    weft_gate_leave(node);
    return 0;
  }
  set_call(frame, node, i);
  weft_worker_set_notify(worker, 0);
  weft_status status = weft_worker_start(worker, &frame->call);
  if (status == WEFT_OK) {
    weft_frame_direct_starts(frame, park);
    weft_worker_wait(worker, 0);
    weft_frame_direct_ends(frame, park);
    status = weft_worker_finish(worker, &frame->call, &died);
  }
  if (died && !park->killed) {
    struct exec *exec = weft_exec_new(frame, i);
    if (exec && exec->parts && weft_exec_retry(exec)) {
      memset(frame->call_status, 0, frame->n_items * sizeof *frame->call_status);
      exec->ticks = frame->ticks;
      launch(frame, node, i, exec);
      return 1;
    }
  }
  weft_gate_leave(node);
  commit(frame, node, i, status);
  return 1;
}

/* Whether any item could reach the node; a node without is skipped before its gate. */
static int is_reached(struct weft_frame *frame, const struct node *node)
{
  if (node->flags & NODE_POLICY)
    return frame->n_live && weft_policy_select(frame, weft_index_of(frame->graph, node));
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  int any = 0;
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    int present = frame->value_state[ids[k]] != VALUE_ABSENT;
    any |= present;
    if (!present && k < 32 && node->required >> k & 1)
      return 0;
  }
  return any && frame->n_live;
}

/* The node takes items of several frames in one call. */
static void step_batching(struct weft_frame *frame, struct node *node, uint32_t i)
{
  uint32_t free_state = 0;
  if (!node->spec->batching.wait_ns && atomic_compare_exchange_strong_explicit(&node->door, &free_state, 1,
                                                                               memory_order_acquire, memory_order_relaxed)) {
    execute(frame, node, i);
    return;
  }
  struct exec *exec = node->flags & NODE_POLICY ? weft_policy_paused(frame, i) : NULL;
  switch (weft_batch_enter(frame, node, i, &exec)) {
  case BATCH_WAITS:
    wait(frame, i);
    break;
  case BATCH_DOOR:
    exec->ticks = weft_clock_ticks();
    launch(frame, node, i, exec);
    break;
  case BATCH_SKIPPED:
    skip(frame, node, i);
    break;
  default:
    finish(frame, node, i);
  }
}

static void enter(struct weft_frame *frame, struct node *node, uint32_t i)
{
  if (node->gate && node->gate->batcher)
    step_batching(frame, node, i);
  else if (node->gate && !weft_gate_take(node, &frame->parks[node->park]))
    wait(frame, i);
  else
    execute(frame, node, i);
}

static void step(struct weft_frame *frame, uint32_t i)
{
  struct node *node = &frame->graph->nodes[i];
  if (node->flags & NODE_POLICY && !weft_policy_enter(frame, i)) {
    wait(frame, i);
    return;
  }
  if (is_reached(frame, node))
    enter(frame, node, i);
  else
    skip(frame, node, i);
}

/* Nothing is in flight: straight on, until something is. */
static void run_through(struct weft_frame *frame)
{
  const struct weft_graph *graph = frame->graph;
  uint32_t n = graph->spec.n_nodes, i = frame->cursor;
  frame->call.n_items = frame->n_items;
  for (; i < n && !frame->n_pending; i++) {
    struct node *node = &graph->nodes[i];
    if (__builtin_expect(atomic_load_explicit(&frame->attention, memory_order_relaxed), 0))
      weft_frame_drop_flagged(frame);
    if (frame->node_state[i] == NODE_DONE)
      continue;
    if (node->flags & NODE_SIMPLE && frame->n_live == frame->n_items && run_fast(frame, node, i))
      continue;
    if (node->flags & NODE_DIRECT && frame->mode == MODE_RUN && frame->n_live == frame->n_items &&
        run_direct(frame, node, i))
      continue;
    if (!frame->n_live) {
      i = n;
      break;
    }
    step(frame, i);
  }
  frame->cursor = i;
  if (frame->n_pending)
    frame->cursor = i - 1;
}

static int is_ready(const struct weft_frame *frame, const struct node *node)
{
  if (node->flags & NODE_POLICY)
    return weft_policy_is_ready(frame, weft_index_of(frame->graph, node));
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  for (uint32_t k = 0; k < node->n_inputs; k++)
    if (frame->value_state[ids[k]] == VALUE_PENDING)
      return 0;
  return 1;
}

/* No item is left: nodes that wait for their turn are skipped, those in flight have been told to end. */
static void withdraw(struct weft_frame *frame)
{
  const struct weft_graph *graph = frame->graph;
  for (uint32_t k = 0; k < graph->n_gates; k++) {
    struct park *park = &frame->parks[k];
    const struct node *node = &graph->nodes[park->node];
    if (frame->node_state[park->node] != NODE_WAITING || !park->queued ||
        !(park->batched ? weft_batch_withdraw : weft_gate_withdraw)(node->gate, park))
      continue;
    park->queued = park->batched = 0;
    frame->n_pending--;
    skip(frame, node, park->node);
  }
  if (frame->policy)
    weft_policy_withdraw(frame, skip_node);
}

/* Something is in flight: whatever does not wait for it. */
static void pass(struct weft_frame *frame)
{
  const struct weft_graph *graph = frame->graph;
  uint32_t n = graph->spec.n_nodes;
  if (atomic_load_explicit(&frame->attention, memory_order_relaxed))
    weft_frame_drop_flagged(frame);
  if (!frame->n_live)
    withdraw(frame);
  for (uint32_t i = frame->cursor; i < n; i++) {
    if (frame->node_state[i] != NODE_TODO || !is_ready(frame, &graph->nodes[i]))
      continue;
    if (atomic_load_explicit(&frame->attention, memory_order_relaxed))
      weft_frame_drop_flagged(frame);
    frame->ticks = weft_clock_ticks();
    step(frame, i);
  }
  while (frame->cursor < n && frame->node_state[frame->cursor] == NODE_DONE)
    frame->cursor++;
}

/* A gate was handed over, or a worker has answered. */
static void resume(struct weft_frame *frame, struct park *park)
{
  uint32_t i = park->node;
  struct node *node = &frame->graph->nodes[i];
  frame->n_pending--;
  frame->node_state[i] = NODE_TODO;
  if (atomic_load_explicit(&frame->attention, memory_order_relaxed))
    weft_frame_drop_flagged(frame);
  if (park->batched) {
    int all = weft_batch_collect(frame, park);
    park->batched = park->queued = 0;
    if (all)
      finish(frame, node, i);
    else
      wait(frame, i);
    return;
  }
  if (park->waits) {
    int turn = park->waits == WAIT_TURN;
    park->waits = WAIT_NONE;
    frame->ticks = weft_clock_ticks();
    if (turn)
      step(frame, i);
    else
      enter(frame, node, i);
    return;
  }
  if (park->granted) {
    park->granted = park->queued = 0;
    frame->ticks = weft_clock_ticks();
    park->queued_ticks = frame->ticks - park->queued_ticks;
    weft_frame_queued(frame, park);
    execute(frame, node, i);
    return;
  }
  struct exec *exec = park->exec;
  weft_exec_answer(exec, park);
  frame->ticks = exec->ticks;
  launch(frame, node, i, exec);
}

/* Takes a flight whose worker has answered while nobody was told to look. */
static struct park *poll_flights(struct weft_frame *frame)
{
  for (struct park *park = frame->flights; park; park = park->flight_next) {
    struct gate *gate = frame->graph->nodes[park->node].gate;
    pthread_mutex_lock(&gate->lock);
    int mine = gate->in_flight == park && weft_worker_poll(gate->worker);
    if (mine)
      gate->in_flight = NULL;
    pthread_mutex_unlock(&gate->lock);
    if (mine)
      return park;
  }
  return NULL;
}

/* Mode run: the caller itself waits, on the worker where there is one thing to wait for. */
static struct park *wait_for_one(struct weft_frame *frame)
{
  if (frame->n_pending == 1 && frame->flights) {
    struct park *park = frame->flights;
    struct gate *gate = frame->graph->nodes[park->node].gate;
    weft_worker_wait(gate->worker, 0);
    pthread_mutex_lock(&gate->lock);
    int mine = gate->in_flight == park;
    if (mine)
      gate->in_flight = NULL;
    pthread_mutex_unlock(&gate->lock);
    if (mine)
      return park;
  } else {
    for (struct park *park = frame->flights; park; park = park->flight_next)
      weft_worker_set_notify(frame->graph->nodes[park->node].gate->worker, 1);
    struct park *park = poll_flights(frame);
    if (park)
      return park;
  }
  pthread_mutex_lock(&frame->lock);
  while (!frame->ready_first && !frame->woken) {
    frame->parked = 1;
    pthread_cond_wait(&frame->cond, &frame->lock);
  }
  frame->parked = 0;
  pthread_mutex_unlock(&frame->lock);
  return NULL;
}

/* Resumes what is ready. 0: nothing is; the frame is parked and no longer ours. */
static int collect(struct weft_frame *frame)
{
  struct park *direct = NULL;
  pthread_mutex_lock(&frame->lock);
  int any = frame->ready_first || frame->woken;
  if (!any && frame->mode == MODE_SUBMIT) {
    frame->parked = 1;
    pthread_mutex_unlock(&frame->lock);
    return 0;
  }
  pthread_mutex_unlock(&frame->lock);
  if (!any)
    direct = wait_for_one(frame);
  if (direct)
    resume(frame, direct);
  pthread_mutex_lock(&frame->lock);
  struct park *park = frame->ready_first;
  frame->ready_first = frame->ready_last = NULL;
  frame->woken = 0;
  pthread_mutex_unlock(&frame->lock);
  while (park) {
    struct park *next = park->ready_next;
    resume(frame, park);
    park = next;
  }
  return 1;
}

int weft_frame_advance(struct weft_frame *frame)
{
  uint32_t n = frame->graph->spec.n_nodes;
  uint64_t fp = weft_fp_get();
  int done = 0, ours = 1;
  if (fp != WEFT_FP_DEFAULT)
    weft_fp_set(WEFT_FP_DEFAULT);
  if (frame->trace && !frame->t_begin)
    frame->t_begin = weft_clock_now();
  while (ours && !done) {
    if (frame->n_pending) {
      pass(frame);
      if (frame->n_pending)
        ours = collect(frame);
    } else if (frame->cursor < n) {
      frame->ticks = weft_clock_ticks();
      run_through(frame);
    } else {
      done = 1;
    }
  }
  if (fp != WEFT_FP_DEFAULT)
    weft_fp_set(fp);
  if (done && frame->graph->store)
    weft_store_leave(frame);
  if (done && frame->trace)
    weft_trace_frame(frame);
  return done;
}

void weft_frame_advance_job(struct weft_pool_job *job)
{
  struct weft_frame *frame = (struct weft_frame *)job;
  if (weft_frame_advance(frame))
    weft_late_finish(frame);
}
