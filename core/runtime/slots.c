/* SPDX-License-Identifier: Apache-2.0 */
/* A node calls a slot: a frame within its frame. */
#include "slots.h"

#include "policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- which slot ---- */

static const char *value_of(const struct weft_item *item, const char *key)
{
  const struct weft_context *context = item->context;
  for (uint32_t e = 0; context && e < context->n_entries; e++)
    if (!strcmp(context->entries[e].key, key))
      return context->entries[e].value;
  return NULL;
}

int32_t weft_slots_choose(const struct weft_graph_slots *slots, const struct weft_item *item)
{
  const char *value = value_of(item, slots->select_key);
  for (uint32_t s = 0; value && s < slots->n; s++)
    if (!strcmp(slots->names[s], value))
      return (int32_t)s;
  return -1;
}

static void list_names(const struct weft_graph_slots *slots, char *out, size_t n_bytes)
{
  size_t used = 0;
  out[0] = 0;
  for (uint32_t s = 0; s < slots->n && used < n_bytes; s++)
    used += (size_t)snprintf(out + used, n_bytes - used, "%s%s", s ? ", " : "", slots->names[s]);
}

uint32_t weft_slots_require(struct weft_frame *frame, const struct node *node, uint32_t n)
{
  const struct weft_graph_slots *slots = node->spec->slots;
  char names[WEFT_MESSAGE_BYTES / 2];
  uint32_t n_left = 0;
  if (!slots->select_key || !slots->required)
    return n;
  for (uint32_t j = 0; j < n; j++) {
    uint32_t item = frame->list[j];
    const char *value = value_of(&frame->items[item], slots->select_key);
    if (weft_slots_choose(slots, &frame->items[item]) >= 0) {
      frame->list[n_left++] = item;
      continue;
    }
    list_names(slots, names, sizeof names);
    if (value)
      weft_frame_fail(frame, item, WEFT_BAD_INPUT, (int32_t)weft_index_of(frame->graph, node),
                      "node '%s': context \"%s\" is \"%.64s\", and no slot is called so; the slots are %s", node->spec->name,
                      slots->select_key, value, names);
    else
      weft_frame_fail(frame, item, WEFT_BAD_INPUT, (int32_t)weft_index_of(frame->graph, node),
                      "node '%s': the request brings no context \"%s\", which chooses the slot; the slots are %s",
                      node->spec->name, slots->select_key, names);
  }
  return n_left;
}

/* ---- what the node hands over ---- */

static weft_status problem(struct weft_frame *outer, weft_status status, const char *format, ...) WEFT_PRINTF(3, 4);
static weft_status problem(struct weft_frame *outer, weft_status status, const char *format, ...)
{
  va_list arguments;
  if (!outer->slot_problem)
    outer->slot_problem = weft_region_alloc(outer->arena, WEFT_MESSAGE_BYTES);
  if (!outer->slot_problem)
    return status;
  va_start(arguments, format);
  vsnprintf(outer->slot_problem, WEFT_MESSAGE_BYTES, format, arguments);
  va_end(arguments);
  return status;
}

static int rises(const int64_t *splits, int64_t n, int64_t end)
{
  int64_t last = 0;
  for (int64_t i = 0; i <= n; i++) {
    if (splits[i] < last || splits[i] > end)
      return 0;
    last = splits[i];
  }
  return 1;
}

static const char *wrong_index(const struct weft_tensor *t, uint32_t levels, uint32_t n_items)
{
  if (t->n_slots < 0 || t->n_groups < 0 || (!t->slots && t->n_slots < (int64_t)n_items))
    return "it has fewer slots than items";
  for (uint32_t j = 0; t->slots && j < n_items; j++)
    if (t->slots[j] < -1 || t->slots[j] >= t->n_slots)
      return "an item's slot is out of range";
  if (!levels)
    return t->splits[0] || t->splits[1] ? "it has splits, and one row an item was announced"
           : t->n_slots > t->dims[0]    ? "it has fewer rows than slots"
                                        : NULL;
  if (!t->splits[0] || !t->splits[1] != (levels < 2))
    return "its splits are not those that were announced";
  if (!rises(t->splits[0], t->n_slots, levels == 2 ? t->n_groups : t->dims[0]) ||
      (levels == 2 && !rises(t->splits[1], t->n_groups, t->dims[0])))
    return "its splits do not rise within its rows";
  return NULL;
}

/* NULL: a slot may be called with it. */
static const char *wrong_input(const struct value *value, const struct weft_tensor *t, uint32_t n_items)
{
  if (!t)
    return "it is NULL";
  if (memcmp(&t->dtype, &value->form, sizeof value->form))
    return "its type or rank is not what was announced";
  for (uint32_t d = 1; d < value->form.rank; d++)
    if (t->dims[d] != value->port->dims[d])
      return "a dim is not what was announced";
  if (t->dims[0] < 0 || (value->row_bytes && t->dims[0] > INT64_MAX / value->row_bytes) ||
      t->n_bytes != t->dims[0] * value->row_bytes)
    return "its bytes are not those of its rows";
  if ((!t->data && t->n_bytes) || (uintptr_t)t->data % WEFT_ALIGNMENT)
    return "its data is not there, or not aligned to 64 bytes";
  return wrong_index(t, value->levels, n_items);
}

static weft_status check(struct exec *exec, const struct weft_call *call, uint32_t slot, const struct weft_slot_call *c)
{
  struct weft_frame *outer = exec->frame;
  const struct weft_graph_slots *slots = exec->node->spec->slots;
  if (!slots || slot >= slots->n || !slots->graphs[slot])
    return problem(outer, WEFT_CONTRACT, "slot %u is called; the node has %u, and calls what it made and activated", slot,
                   slots ? slots->n : 0);
  const struct weft_graph *graph = slots->graphs[slot];
  const char *name = graph->spec.nodes[0].name;
  if (!c->n_items || c->n_items > graph->spec.n_items_max || c->n_inputs != graph->spec.n_inputs)
    return problem(outer, WEFT_CONTRACT, "'%s' is called with %u items and %u inputs; announced were 1 to %u and %u", name,
                   c->n_items, c->n_inputs, graph->spec.n_items_max, graph->spec.n_inputs);
  for (uint32_t j = 0; j < c->n_items; j++)
    if ((c->items ? c->items[j] : j) >= call->n_items)
      return problem(outer, WEFT_CONTRACT, "'%s' is called for item %u of a call of %u", name, c->items ? c->items[j] : j,
                     call->n_items);
  for (uint32_t v = 0; v < c->n_inputs; v++) {
    const char *wrong = wrong_input(&graph->values[v], c->inputs[v], c->n_items);
    if (wrong)
      return problem(outer, WEFT_CONTRACT, "'%s' is called with an input '%s' that cannot be right: %s", name,
                     graph->values[v].port->name, wrong);
  }
  return WEFT_OK;
}

/* ---- the frame ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
  return !a || (b && b < a) ? b : a;
}

static void give_input(struct weft_frame *inner, uint32_t v, const struct weft_tensor *tensor)
{
  uint32_t n_present = 0;
  inner->outputs[v].tensor = *tensor;
  for (uint32_t j = 0; tensor->slots && j < inner->n_items; j++)
    n_present += tensor->slots[j] >= 0;
  inner->value_state[v] = !tensor->slots ? VALUE_FULL : n_present ? VALUE_PARTIAL : VALUE_ABSENT;
}

/* Room for what the call answers; the items as requests, with what they and the node may still take. */
static weft_status begin(struct exec *exec, const struct weft_call *call, const struct weft_slot_call *c,
                         struct weft_frame *inner)
{
  struct weft_frame *outer = exec->frame;
  const struct weft_graph_spec *spec = &inner->graph->spec;
  size_t n_outputs = spec->n_values - spec->n_inputs;
  struct weft_request *requests = weft_region_alloc(inner->arena, c->n_items * sizeof *requests);
  inner->outer_items = weft_region_alloc(inner->arena, c->n_items * sizeof *inner->outer_items);
  inner->slot_status = weft_region_alloc(inner->arena, c->n_items * sizeof *inner->slot_status);
  inner->slot_outputs = weft_region_alloc(inner->arena, (n_outputs + 1) * sizeof *inner->slot_outputs);
  if (!requests || !inner->outer_items || !inner->slot_status || !inner->slot_outputs)
    return WEFT_NO_MEMORY;
  memset(requests, 0, c->n_items * sizeof *requests);
  pthread_mutex_lock(&outer->lock);
  uint64_t call_deadline = outer->call_deadline;
  pthread_mutex_unlock(&outer->lock);
  for (uint32_t j = 0; j < c->n_items; j++) {
    uint32_t of = c->items ? c->items[j] : j;
    const struct weft_item *item = &call->items[of];
    inner->outer_items[j] = weft_call_item(exec, of);
    requests[j].context = item->context;
    requests[j].seed = item->seed;
    requests[j].stream = item->stream;
    requests[j].chunk_flags = item->chunk_flags;
    requests[j].time_ns = item->time_ns;
    requests[j].deadline_ns = earlier(outer->deadlines[inner->outer_items[j]], call_deadline);
  }
  inner->mode = MODE_RUN;
  weft_frame_begin(inner, requests, c->n_items);
  for (uint32_t v = 0; v < spec->n_inputs; v++)
    give_input(inner, v, c->inputs[v]);
  return WEFT_OK;
}

void weft_slots_tell(struct weft_frame *outer)
{
  pthread_mutex_lock(&outer->lock);
  struct weft_frame *inner = outer->nested;
  outer->n_telling += inner != NULL; /* it stays what it is while somebody does */
  pthread_mutex_unlock(&outer->lock);
  if (!inner)
    return;
  for (uint32_t j = 0; j < inner->n_items; j++) {
    pthread_mutex_lock(&outer->lock);
    int cancelled = outer->flags[inner->outer_items[j]] == FLAG_CANCELLED;
    pthread_mutex_unlock(&outer->lock);
    if (cancelled) /* deadlines it watches itself */
      weft_frame_cancel(inner, j);
  }
  pthread_mutex_lock(&outer->lock);
  outer->n_telling--;
  pthread_cond_broadcast(&outer->told);
  pthread_mutex_unlock(&outer->lock);
}

/* Runs it on this thread; another helper works while that waits for a worker. */
static void run(struct weft_frame *outer, struct weft_frame *inner)
{
  struct weft_pool_impl *pool = outer->graph->runtime->pool;
  int lends = inner->graph->nodes[0].flags & NODE_ISOLATED && outer->mode == MODE_SUBMIT;
  pthread_mutex_lock(&outer->lock);
  outer->nested = inner;
  int any = outer->n_flags > 0;
  pthread_mutex_unlock(&outer->lock);
  if (any)
    weft_slots_tell(outer);
  if (lends)
    weft_pool_lend(pool);
  weft_frame_advance(inner);
  if (lends)
    weft_pool_return(pool);
  pthread_mutex_lock(&outer->lock);
  outer->nested = NULL;
  while (outer->n_telling)
    pthread_cond_wait(&outer->told, &outer->lock);
  pthread_mutex_unlock(&outer->lock);
}

static void answer(struct weft_frame *inner, struct weft_slot_call *c)
{
  const struct weft_graph_spec *spec = &inner->graph->spec;
  c->n_outputs = spec->n_values - spec->n_inputs;
  for (uint32_t o = 0; o < c->n_outputs; o++)
    inner->slot_outputs[o] = weft_frame_value(inner, spec->n_inputs + o);
  for (uint32_t j = 0; j < c->n_items; j++) {
    inner->slot_status[j] = weft_frame_status(inner, j);
    c->n_failed += inner->slot_status[j] != WEFT_OK;
  }
  c->outputs = inner->slot_outputs;
  c->status = inner->slot_status;
}

/* The frame that holds what the slot answered last, or NULL. */
static struct weft_frame **held_of(struct weft_frame *outer, const struct weft_graph *graph)
{
  struct weft_frame **link = &outer->held;
  while (*link && (*link)->graph != graph)
    link = &(*link)->held_next;
  return link;
}

weft_status weft_slot_call(struct weft_call_host *host, const struct weft_call *call, uint32_t slot,
                           struct weft_slot_call *c)
{
  struct exec *exec = (struct exec *)host;
  struct weft_frame *outer = exec->frame, *inner = NULL;
  c->n_outputs = c->n_failed = 0;
  c->outputs = NULL;
  c->status = NULL;
  outer->slot_problem = NULL;
  weft_status status = check(exec, call, slot, c);
  if (status)
    return status;
  struct weft_graph *graph = exec->node->spec->slots->graphs[slot];
  struct weft_frame **held = held_of(outer, graph);
  if (*held) {
    struct weft_frame *last = *held;
    *held = last->held_next;
    weft_frame_release(last);
  }
  status = weft_frame_take(graph, &inner);
  if (!status)
    status = begin(exec, call, c, inner);
  if (status) {
    if (inner)
      weft_frame_release(inner);
    return problem(outer, WEFT_NO_MEMORY, "there is no memory for a call of '%s'", graph->spec.nodes[0].name);
  }
  run(outer, inner);
  answer(inner, c);
  inner->held_next = outer->held;
  outer->held = inner;
  return WEFT_OK;
}

const char *weft_slot_message(struct weft_call_host *host, uint32_t slot, uint32_t item)
{
  const struct exec *exec = (const struct exec *)host;
  const struct weft_graph_slots *slots = exec->node->spec->slots;
  if (exec->frame->slot_problem)
    return exec->frame->slot_problem;
  const struct weft_frame *held = slots && slot < slots->n ? *held_of(exec->frame, slots->graphs[slot]) : NULL;
  return held && item < held->n_items ? weft_frame_message(held, item) : "";
}

void weft_slots_end(struct weft_frame *frame)
{
  while (frame->held) {
    struct weft_frame *held = frame->held;
    frame->held = held->held_next;
    weft_frame_release(held);
  }
  frame->slot_problem = NULL;
}
