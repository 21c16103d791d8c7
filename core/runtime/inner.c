/* SPDX-License-Identifier: Apache-2.0 */
/* A batch as a frame of its own: from the parts in it to their frames' outputs. */
#include "policy.h"

#include <string.h>

/* Everything that the spec of an inner graph borrows. */
struct inner_spec {
  struct weft_graph_node node;
  struct weft_graph_value *values;
  uint32_t *inputs;
};

weft_status weft_graph_new_inner(struct weft_graph *outer, const struct node *node, uint32_t n_items_max,
                                 struct weft_graph **out)
{
  const struct weft_graph_node *from = node->spec;
  uint32_t n_values = from->n_inputs + from->n_outputs;
  size_t values_at = weft_align(sizeof(struct inner_spec));
  size_t inputs_at = values_at + weft_align(n_values * sizeof(struct weft_graph_value));
  uint8_t *room = weft_mem_alloc(inputs_at + from->n_inputs * sizeof(uint32_t) + 1);
  *out = NULL;
  if (!room)
    return WEFT_NO_MEMORY;
  struct inner_spec *inner = (struct inner_spec *)room;
  inner->values = (struct weft_graph_value *)(room + values_at);
  inner->inputs = (uint32_t *)(void *)(room + inputs_at);
  for (uint32_t k = 0; k < from->n_inputs; k++) {
    inner->inputs[k] = k;
    inner->values[k] = outer->spec.values[from->inputs[k]];
  }
  for (uint32_t o = 0; o < from->n_outputs; o++)
    inner->values[from->n_inputs + o] = outer->spec.values[from->first_output + o];
  for (uint32_t o = 0; o < from->n_outputs; o++)
    inner->values[from->n_inputs + o].wanted = outer->values[from->first_output + o].wanted;
  /* What concerns a request was decided by its own frame. */
  inner->node = (struct weft_graph_node){.name = from->name, .table = from->table, .instance = from->instance,
                                         .worker = from->worker, .inputs = inner->inputs, .n_inputs = from->n_inputs,
                                         .first_output = from->n_inputs, .n_outputs = from->n_outputs,
                                         .required = from->required, .parallel = from->parallel, .pure = from->pure,
                                         .deadline_ns = from->deadline_ns, .n_scratch_bytes = from->n_scratch_bytes,
                                         .limits = from->limits, .is_filter = from->is_filter,
                                         .slots = from->slots};
  struct weft_graph_spec spec = {.values = inner->values, .nodes = &inner->node, .n_values = n_values,
                                 .n_inputs = from->n_inputs, .n_nodes = 1, .n_items_max = n_items_max,
                                 .n_frames_max = UINT32_MAX};
  weft_status status = weft_graph_make(outer->runtime, &spec, node->gate, out, NULL);
  if (status)
    weft_mem_free(room);
  else
    (*out)->inner_spec = room;
  return status;
}

static uint32_t outer_item(const struct part *part, uint32_t j)
{
  const struct exec *exec = part->park->exec;
  return exec->items ? exec->items[part->first + j] : part->first + j;
}

/* The items as requests: what they are and until when they are wanted. */
static weft_status begin(struct weft_frame *inner)
{
  uint32_t n = inner->batch_n_items;
  struct weft_request *requests = weft_region_alloc(inner->arena, n * sizeof *requests);
  if (!requests)
    return WEFT_NO_MEMORY;
  memset(requests, 0, n * sizeof *requests);
  for (const struct part *part = inner->batch_parts; part; part = part->queue_next) {
    const struct weft_frame *outer = part->park->frame;
    for (uint32_t j = 0; j < part->n; j++)
      requests[part->batch_first + j].deadline_ns = outer->deadlines[outer_item(part, j)];
  }
  weft_frame_begin(inner, requests, n);
  return weft_batch_gather(inner);
}

/* Item j of the part is cancelled in the batch where it is in its own frame; deadlines the batch watches itself. */
static void tell(struct weft_frame *inner, const struct part *part, uint32_t j)
{
  struct weft_frame *outer = part->park->frame;
  pthread_mutex_lock(&outer->lock);
  int cancelled = outer->flags[outer_item(part, j)] == FLAG_CANCELLED;
  pthread_mutex_unlock(&outer->lock);
  if (cancelled)
    weft_frame_cancel(inner, part->batch_first + j);
}

/* From now on who flags an item of these frames finds the batch; before, it is found here. */
static void join_frames(struct weft_frame *inner)
{
  for (struct part *part = inner->batch_parts; part; part = part->queue_next) {
    struct weft_frame *outer = part->park->frame;
    pthread_mutex_lock(&outer->lock);
    part->batch_next = outer->batches;
    outer->batches = part;
    int any = outer->n_flags > 0;
    pthread_mutex_unlock(&outer->lock);
    for (uint32_t j = 0; any && j < part->n; j++)
      tell(inner, part, j);
  }
}

static void leave_frames(struct weft_frame *inner)
{
  for (struct part *part = inner->batch_parts; part; part = part->queue_next) {
    struct weft_frame *outer = part->park->frame;
    pthread_mutex_lock(&outer->lock);
    struct part **link = &outer->batches;
    while (*link != part)
      link = &(*link)->batch_next;
    *link = part->batch_next;
    pthread_mutex_unlock(&outer->lock);
  }
}

void weft_batch_drop(struct weft_frame *inner)
{
  if (atomic_fetch_sub_explicit(&inner->batch_refs, 1, memory_order_acq_rel) == 1)
    weft_frame_release(inner);
}

void weft_batch_cancel(struct weft_frame *frame)
{
  for (;;) {
    pthread_mutex_lock(&frame->lock);
    struct part *part = frame->batches;
    while (part && part->told == frame->n_flags)
      part = part->batch_next;
    struct weft_frame *inner = part ? part->inner : NULL;
    if (part) {
      part->told = frame->n_flags;
      /* It stays where it is while somebody holds it. */
      atomic_fetch_add_explicit(&inner->batch_refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&frame->lock);
    if (!part)
      return;
    for (uint32_t j = 0; j < part->n; j++)
      tell(inner, part, j);
    weft_batch_drop(inner);
  }
}

/* The call has ended: the next may begin, then the frames go on. The inner frame is theirs. */
static void finish(struct weft_frame *inner, struct exec *exec)
{
  struct batcher *batcher = inner->batcher;
  if (exec && exec->parts)
    weft_exec_commit(exec);
  leave_frames(inner);
  inner->batch_end = weft_clock_ticks();
  pthread_mutex_lock(&batcher->node->gate->lock);
  batcher->ns_usual = weft_clock_ns(inner->batch_end - inner->batch_begin);
  pthread_mutex_unlock(&batcher->node->gate->lock);
  if (inner->batch_beside)
    weft_batch_leave_beside(batcher);
  else
    weft_batch_leave(batcher);
  weft_batch_complete(inner);
}

static void run_here(struct weft_frame *inner, struct exec *exec)
{
  uint64_t splits = weft_pool_thread_splits();
  weft_exec_run_parts(exec);
  if (weft_pool_thread_splits() != splits)
    atomic_store_explicit(&inner->batcher->splits, 1, memory_order_relaxed);
}

/* 1: a worker has it. */
static int lead(struct weft_frame *inner)
{
  inner->batch_begin = inner->ticks = weft_clock_ticks();
  weft_status status = begin(inner);
  join_frames(inner);
  for (uint32_t j = 0; status && j < inner->n_items; j++)
    weft_frame_fail(inner, j, status, 0, "no memory to gather the inputs of a batch of %u items", inner->n_items);
  weft_frame_drop_flagged(inner);
  struct exec *exec = inner->n_live ? weft_exec_new(inner, 0) : NULL;
  inner->batch_exec = exec;
  if (exec && exec->parts) {
    if (inner->graph->nodes[0].flags & NODE_ISOLATED && weft_exec_start(exec, &inner->parks[0], 1) == EXEC_STARTED)
      return 1;
    if (!(inner->graph->nodes[0].flags & NODE_ISOLATED))
      run_here(inner, exec);
  }
  finish(inner, exec);
  return 0;
}

/* The worker has answered. 1: it has another part; 0: not yet, or that was all: the inner frame is no longer ours. */
static int answer(struct weft_frame *inner)
{
  pthread_mutex_lock(&inner->lock);
  struct park *park = inner->ready_first;
  inner->ready_first = inner->ready_last = NULL;
  inner->woken = 0;
  inner->parked = !park;
  pthread_mutex_unlock(&inner->lock);
  if (!park)
    return 0;
  struct exec *exec = inner->batch_exec;
  weft_exec_answer(exec, park);
  if (weft_exec_start(exec, park, 1) == EXEC_STARTED)
    return 1;
  finish(inner, exec);
  return 0;
}

void weft_batch_job(struct weft_pool_job *job)
{
  struct weft_frame *inner = (struct weft_frame *)job;
  uint64_t fp = weft_fp_get();
  if (fp != WEFT_FP_DEFAULT)
    weft_fp_set(WEFT_FP_DEFAULT);
  int more = 1;
  if (inner->batch_is_new) {
    inner->batch_is_new = 0;
    more = lead(inner);
  }
  while (more)
    more = answer(inner);
  if (fp != WEFT_FP_DEFAULT)
    weft_fp_set(fp);
}

/* One part's outputs, as if its frame had made the call. */
static void collect_part(struct exec *exec, struct part *part)
{
  struct weft_frame *inner = part->inner;
  struct park *park = part->park;
  park->call = inner->batch_number;
  park->n_call_items = inner->batch_n_items;
  park->begin_ticks = inner->batch_begin;
  park->end_ticks = inner->batch_end;
  exec->current = part;
  weft_status status = weft_part_outputs(exec, part);
  if (status) {
    weft_part_fail(exec, part, status);
  } else {
    weft_batch_scatter(exec, part);
    part->status = WEFT_OK;
    weft_part_settle(exec, part, 0);
  }
  weft_batch_drop(inner);
}

int weft_batch_collect(struct weft_frame *frame, struct park *park)
{
  struct exec *exec = park->exec;
  uint64_t queued_at = park->queued_ticks;
  park->begin_ticks = park->end_ticks = weft_clock_ticks();
  for (struct part *part = exec->parts; part; part = part->next) {
    if (part->state != PART_TODO || !part->park)
      continue; /* items that are tried again were not in the queue */
    if (part->inner)
      collect_part(exec, part);
    else
      weft_part_fail(exec, part, part->status ? part->status : WEFT_NO_MEMORY);
  }
  park->queued_ticks = park->begin_ticks > queued_at ? park->begin_ticks - queued_at : 0;
  weft_frame_queued(frame, park);
  frame->ticks = weft_clock_ticks() - (park->end_ticks - park->begin_ticks);
  if (weft_policy_pauses_again(exec))
    return 0;
  weft_exec_commit(exec);
  return 1;
}
