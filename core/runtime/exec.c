/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node for one frame, the general way: the items that it is called for,
 * the calls that they make (parts), in process or in a worker.
 */
#include "policy.h"
#include "ring.h"
#include "slots.h"
#include "worker.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void weft_call_note(struct exec *exec, const struct weft_call *call, uint32_t item, const char *format, ...)
{
  struct weft_frame *frame = exec->frame;
  char text[WEFT_MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&frame->lock);
  for (uint32_t j = 0; j < call->n_items; j++) {
    uint32_t target = weft_call_item(exec, j);
    if ((item == j || (item == WEFT_ALL_ITEMS && call->item_status[j] == WEFT_OK)) && frame->live[target])
      memcpy(frame->messages[target], text, sizeof text);
  }
  pthread_mutex_unlock(&frame->lock);
}

void weft_call_fail(struct weft_call_host *host, const struct weft_call *call, uint32_t item, weft_status status,
                    const char *message)
{
  struct exec *exec = (struct exec *)host;
  if (status <= WEFT_OK || status >= WEFT_N_STATUS)
    status = WEFT_CONTRACT;
  weft_call_note(exec, call, item, "%s", message ? message : "");
  for (uint32_t j = 0; j < call->n_items; j++)
    if (item == j || (item == WEFT_ALL_ITEMS && call->item_status[j] == WEFT_OK))
      call->item_status[j] = status;
}

/* Items that the node is called for, in frame->list; the number. */
static uint32_t select_items(struct weft_frame *frame, const struct node *node)
{
  if (node->flags & NODE_POLICY)
    return weft_policy_select(frame, weft_index_of(frame->graph, node));
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  uint32_t n = 0;
  for (uint32_t item = 0; item < frame->n_items; item++) {
    if (!frame->live[item])
      continue;
    int any = 0, all_required = 1;
    for (uint32_t k = 0; k < node->n_inputs; k++) {
      uint8_t state = frame->value_state[ids[k]];
      const int32_t *slots = frame->outputs[ids[k]].tensor.slots;
      int present = state == VALUE_FULL || (state == VALUE_PARTIAL && (!slots || slots[item] >= 0));
      any |= present;
      if (!present && k < 32 && node->required >> k & 1)
        all_required = 0;
    }
    if (any && all_required)
      frame->list[n++] = item;
  }
  return n;
}

static void fail_all(struct exec *exec, struct weft_frame *frame, uint32_t index, weft_status status, const char *why)
{
  const struct node *node = &frame->graph->nodes[index];
  uint32_t n = exec ? exec->n_items : frame->n_items;
  for (uint32_t j = 0; j < n; j++)
    weft_frame_fail(frame, exec && exec->items ? exec->items[j] : j, status, (int32_t)index, "node '%s': %s",
                    node->spec->name, why);
}

static const char no_room[] = "no memory for this call (limit WEFT_ARENA_BYTES_MAX, 8 GiB a frame): send less at once";

struct part *weft_exec_add(struct exec *exec, uint32_t first, uint32_t n)
{
  struct part *part = weft_region_alloc(exec->frame->arena, sizeof *part);
  if (!part)
    return NULL;
  memset(part, 0, sizeof *part);
  part->first = first;
  part->n = n;
  if (exec->last)
    exec->last->next = part;
  else
    exec->parts = part;
  exec->last = part;
  return part;
}

struct part *weft_exec_alone(struct exec *exec, uint32_t j)
{
  struct part *of = exec->current, *at = of, *part = weft_region_alloc(exec->frame->arena, sizeof *part);
  if (!exec->items) {
    uint32_t *items = weft_region_alloc(exec->frame->arena, exec->n_items * sizeof *items);
    for (uint32_t k = 0; items && k < exec->n_items; k++)
      items[k] = k;
    exec->items = items;
  }
  if (!part || !exec->items)
    return NULL;
  *part = (struct part){.first = of->first + j, .n = 1, .gather = of->gather, .after = of};
  while (at->next && at->next->after == of)
    at = at->next;
  part->next = at->next;
  at->next = part;
  if (exec->last == at)
    exec->last = part;
  return part;
}

struct exec *weft_exec_new(struct weft_frame *frame, uint32_t index)
{
  struct node *node = &frame->graph->nodes[index];
  uint32_t n = select_items(frame, node);
  if (node->flags & NODE_SLOTS)
    n = weft_slots_require(frame, node, n);
  struct exec *exec = weft_region_alloc(frame->arena, sizeof *exec);
  if (!exec) {
    fail_all(NULL, frame, index, WEFT_NO_MEMORY, no_room);
    return NULL;
  }
  memset(exec, 0, sizeof *exec);
  exec->host = frame->fast.host;
  exec->frame = frame;
  exec->node = node;
  exec->index = index;
  exec->n_items = n;
  if (!n)
    return exec;
  weft_status status = WEFT_OK;
  if (n < frame->n_items) {
    uint32_t *items = weft_region_alloc(frame->arena, n * sizeof *items);
    if (items)
      memcpy(items, frame->list, n * sizeof *items);
    else
      status = WEFT_NO_MEMORY;
    exec->items = items;
  }
  if (!status && node->flags & NODE_LIMITED)
    status = weft_exec_split(exec);
  else if (!status && !weft_exec_add(exec, 0, n))
    status = WEFT_NO_MEMORY;
  if (status) {
    fail_all(NULL, frame, index, status, no_room);
    exec->parts = NULL;
  }
  exec->current = exec->parts;
  return exec;
}

/* The first and only part writes into the frame's own outputs. */
weft_status weft_part_outputs(struct exec *exec, struct part *part)
{
  struct weft_frame *frame = exec->frame;
  const struct node *node = exec->node;
  struct weft_call *call = &part->call;
  call->host_data = &exec->host;
  call->item_status = weft_region_alloc(frame->arena, part->n * sizeof *call->item_status);
  if (!call->item_status)
    return WEFT_NO_MEMORY;
  memset(call->item_status, 0, part->n * sizeof *call->item_status);
  call->outputs = frame->outputs + node->first_output;
  /* Some of its items may be tried again, in parts of their own. */
  int more = node->flags & NODE_POLICY && node->spec->n_retries;
  if (more || exec->parts->next || part != exec->parts) {
    call->outputs = weft_region_alloc(frame->arena, node->n_outputs * sizeof *call->outputs);
    if (!call->outputs)
      return WEFT_NO_MEMORY;
    memset(call->outputs, 0, node->n_outputs * sizeof *call->outputs);
    for (uint32_t o = 0; o < node->n_outputs; o++) {
      struct weft_output *output = &call->outputs[o];
      output->slots = weft_region_alloc(frame->arena, part->n * sizeof(int32_t));
      if (frame->graph->values[node->first_output + o].levels)
        output->splits[0] = weft_region_alloc(frame->arena, (part->n + 1) * sizeof(int64_t));
      if (!output->slots || (frame->graph->values[node->first_output + o].levels && !output->splits[0]))
        return WEFT_NO_MEMORY;
    }
  }
  weft_status status = weft_outputs_prepare(exec, part);
  if (!status && node->flags & NODE_MARKS) {
    /* A verdict that is not written is no verdict, and not that of the call before either. */
    memset(call->outputs[0].tensor.data, WEFT_RING_UNWRITTEN, (size_t)call->outputs[0].tensor.n_bytes);
    call->flags = node->flags & NODE_ISOLATED ? WEFT_RING_MARKS_FIRST : 0;
  }
  return status;
}

/* Everything that `process` gets. */
static weft_status prepare(struct exec *exec, struct part *part)
{
  struct weft_frame *frame = exec->frame;
  struct weft_call *call = &part->call;
  call->cancel = (const uint32_t *)&frame->cancel;
  if (!exec->node->spec->worker) {
    call->scratch = frame->scratch;
    call->n_scratch_bytes = frame->graph->n_scratch_bytes;
  }
  if (exec->node->flags & NODE_STATE)
    weft_state_give(exec, part);
  weft_status status = weft_part_inputs(exec, part);
  return status ? status : weft_part_outputs(exec, part);
}

void weft_part_fail(struct exec *exec, struct part *part, weft_status status)
{
  const char *why = status == WEFT_UNAVAILABLE ? "no helper could be started for its batch" : no_room;
  for (uint32_t j = 0; j < part->n; j++)
    weft_frame_fail(exec->frame, exec->items ? exec->items[part->first + j] : part->first + j, status,
                    (int32_t)exec->index, "node '%s': %s", exec->node->spec->name, why);
  part->state = PART_FAILED;
}

static uint8_t flag_of(struct weft_frame *frame, uint32_t item)
{
  pthread_mutex_lock(&frame->lock);
  uint8_t why = frame->flags[item];
  pthread_mutex_unlock(&frame->lock);
  return why;
}

static void fail_one(struct exec *exec, uint32_t item, weft_status status)
{
  struct weft_frame *frame = exec->frame;
  const char *name = exec->node->spec->name;
  int32_t index = (int32_t)exec->index;
  uint8_t why = flag_of(frame, item);
  if (why)
    weft_frame_fail_flagged(frame, item, why, index);
  else if (status == WEFT_CANCELLED)
    weft_frame_fail(frame, item, WEFT_CONTRACT, index, "node '%s' answered cancelled, but nobody cancelled its call", name);
  else if (status < WEFT_OK || status >= WEFT_N_STATUS)
    weft_frame_fail(frame, item, WEFT_CONTRACT, index, "node '%s' answered %d, which is no status", name, status);
  else if (!frame->messages[item][0])
    weft_frame_fail(frame, item, status, index, "node '%s' answered status %d without a message", name, status);
  else
    weft_frame_fail(frame, item, status, index, NULL);
}

uint32_t weft_call_settle(struct exec *exec, const struct weft_call *call, weft_status status, int expired)
{
  struct weft_frame *frame = exec->frame;
  char message[WEFT_MESSAGE_BYTES];
  uint32_t n_failed = 0;
  int broken = !expired && status == WEFT_OK && weft_outputs_check(exec, call, message);
  for (uint32_t j = 0; j < call->n_items; j++) {
    uint32_t item = weft_call_item(exec, j);
    weft_status own = call->item_status[j] ? call->item_status[j] : status;
    if (own == WEFT_OK && !expired && !broken)
      continue;
    n_failed++;
    if (own == WEFT_UNAVAILABLE && !expired && weft_policy_retries(exec, call, j))
      continue;
    if (expired)
      weft_frame_fail(frame, item, WEFT_DEADLINE, (int32_t)exec->index,
                      "node '%s' did not end within its deadline of %llu us", exec->node->spec->name,
                      (unsigned long long)(exec->node->spec->deadline_ns / 1000));
    else if (own == WEFT_OK)
      weft_frame_fail(frame, item, WEFT_CONTRACT, (int32_t)exec->index, "%s", message);
    else
      fail_one(exec, item, own);
  }
  return n_failed;
}

void weft_part_settle(struct exec *exec, struct part *part, int expired)
{
  uint32_t n_failed = weft_call_settle(exec, &part->call, part->status, expired);
  part->state = n_failed == part->n ? PART_FAILED : PART_DONE;
  if (exec->node->flags & NODE_STATE && part->state == PART_DONE)
    weft_state_keep(exec, part);
}

/*
 * A call that failed as a whole, or took longer than its node may, goes item by item where the node is pure, so that
 * only the culprit fails.
 */
static int retry_whole(struct exec *exec, struct part *part, int expired)
{
  struct weft_frame *frame = exec->frame;
  char message[WEFT_MESSAGE_BYTES];
  if (!exec->node->spec->pure || part->n < 2 || atomic_load_explicit(&frame->cancel, memory_order_relaxed))
    return 0;
  if (!expired && ((part->status == WEFT_UNAVAILABLE && exec->node->spec->n_retries) ||
                   (part->status == WEFT_OK && !weft_outputs_broken(exec, &part->call, message))))
    return 0;
  return weft_exec_retry(exec);
}

/* Its one item, which was to be tried again, has ended meanwhile. */
static int is_over(const struct exec *exec, struct part *part)
{
  if (!part->after || exec->frame->live[exec->items[part->first]])
    return 0;
  part->state = PART_FAILED;
  return 1;
}

int weft_exec_run_parts(struct exec *exec)
{
  struct weft_frame *frame = exec->frame;
  for (struct part *part = exec->current; part; part = part->next) {
    if (part->state != PART_TODO || is_over(exec, part))
      continue;
    exec->current = part;
    if (weft_policy_pauses(exec, part))
      return 0;
    weft_status status = prepare(exec, part);
    if (status) {
      weft_part_fail(exec, part, status);
      continue;
    }
    weft_frame_call_begins(frame, exec, part);
    part->status = exec->node->process(exec->node->instance, &part->call);
    if (frame->held)
      weft_slots_end(frame);
    int expired = weft_frame_call_ends(frame);
    if (weft_fp_get() != WEFT_FP_DEFAULT)
      weft_frame_restore_fp(frame, exec->index);
    if (!retry_whole(exec, part, expired))
      weft_part_settle(exec, part, expired);
  }
  return 1;
}

int weft_exec_run(struct exec *exec)
{
  if (!weft_exec_run_parts(exec))
    return 0;
  weft_exec_commit(exec);
  return 1;
}

void weft_exec_commit(struct exec *exec)
{
  weft_status status = weft_outputs_merge(exec);
  if (status)
    fail_all(exec, exec->frame, exec->index, status,
             status == WEFT_UNSUPPORTED ? "its calls were split and their outputs differ in a dim" : no_room);
  uint32_t n_failed = 0;
  for (uint32_t j = 0; j < exec->n_items; j++)
    n_failed += !weft_item_is_well(exec->frame, exec->index, exec->items ? exec->items[j] : j);
  weft_frame_count(exec->frame, exec->index, exec->n_items, n_failed);
}

static void end_flight(struct weft_frame *frame, struct park *park)
{
  pthread_mutex_lock(&frame->lock);
  struct park **link = &frame->flights;
  while (*link != park)
    link = &(*link)->flight_next;
  *link = park->flight_next;
  pthread_mutex_unlock(&frame->lock);
}

static void begin_flight(struct weft_frame *frame, struct park *park, struct exec *exec)
{
  uint64_t deadline_ns = exec->node->spec->deadline_ns;
  pthread_mutex_lock(&frame->lock);
  park->exec = exec;
  park->deadline = deadline_ns ? weft_clock_now() + deadline_ns : 0;
  park->kill_at = 0;
  park->started = park->expired = park->killed = 0;
  park->flight_next = frame->flights;
  frame->flights = park;
  pthread_mutex_unlock(&frame->lock);
}

/*
 * From now on the I/O thread looks for the answer; before the start it would
 * find that of the call before. One that it has looked for in vain is here.
 */
static void watch_flight(struct weft_frame *frame, struct park *park, struct gate *gate)
{
  pthread_mutex_lock(&gate->lock);
  if (weft_worker_poll(gate->worker))
    weft_frame_notify(frame, park);
  else
    gate->in_flight = park;
  pthread_mutex_unlock(&gate->lock);
}

int weft_exec_start(struct exec *exec, struct park *park, int notify)
{
  struct weft_frame *frame = exec->frame;
  struct gate *gate = exec->node->gate;
  for (struct part *part = exec->current; part; part = part->next) {
    if (part->state != PART_TODO || is_over(exec, part))
      continue;
    exec->current = part;
    if (weft_policy_pauses(exec, part))
      return EXEC_PAUSES;
    weft_status status = prepare(exec, part);
    if (status) {
      weft_part_fail(exec, part, status);
      continue;
    }
    weft_worker_set_notify(gate->worker, notify);
    begin_flight(frame, park, exec);
    status = weft_worker_start(gate->worker, &part->call);
    if (status == WEFT_OK) {
      weft_frame_flight_starts(frame, park);
      watch_flight(frame, park, gate);
      return EXEC_STARTED;
    }
    end_flight(frame, park);
    part->status = status;
    weft_part_settle(exec, part, 0);
  }
  return EXEC_DONE;
}

int weft_exec_retry(struct exec *exec)
{
  struct part *part = exec->current;
  if (!exec->node->spec->pure || part->n < 2)
    return 0;
  for (uint32_t j = 0; j < part->n; j++) {
    if (!weft_exec_alone(exec, j))
      return 0;
    exec->frame->messages[weft_call_item(exec, j)][0] = 0;
  }
  part->state = PART_FAILED;
  return 1;
}

void weft_exec_answer(struct exec *exec, struct park *park)
{
  struct weft_frame *frame = exec->frame;
  struct gate *gate = exec->node->gate;
  struct part *part = exec->current;
  int died = 0;
  end_flight(frame, park);
  part->status = weft_worker_finish(gate->worker, &part->call, &died);
  /* Killed, but not at the node's deadline: nobody wants the items any more. */
  int wanted = park->expired || !park->killed;
  if (wanted && (died ? weft_exec_retry(exec) : retry_whole(exec, part, (int)park->expired)))
    return;
  weft_part_settle(exec, part, (int)park->expired);
}
