/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs of a call of some of the frame's items. Rows stay where they are and
 * only slots change, unless the call would go beyond the node's limits: then
 * the rows of its items are gathered.
 */
#include "policy.h"
#include "slots.h"

#include <inttypes.h>
#include <string.h>

static const int64_t no_splits[1] = {0};

static uint32_t frame_item(const struct exec *exec, const struct part *part, uint32_t j)
{
  return exec->items ? exec->items[part->first + j] : part->first + j;
}

static void set_absent(struct weft_tensor *tensor, uint32_t levels)
{
  tensor->data = NULL;
  tensor->n_bytes = 0;
  tensor->dims[0] = 0;
  tensor->n_slots = 0;
  tensor->n_groups = 0;
  tensor->splits[0] = levels > 0 ? no_splits : NULL;
  tensor->splits[1] = levels > 1 ? no_splits : NULL;
}

/* Group boundaries of the items' groups, and the rows copied; -1 where memory ends. */
static int gather_rows(struct weft_region *arena, const struct weft_tensor *from, struct weft_tensor *to,
                       const int32_t *chosen, int64_t n)
{
  int64_t row_bytes = weft_row_bytes(from), n_rows = 0, n_groups = 0;
  int64_t *splits = NULL, *groups = NULL;
  for (int64_t s = 0; s < n; s++) {
    int64_t begin = chosen[s], end = begin + 1;
    if (from->splits[0]) {
      begin = from->splits[0][begin];
      end = from->splits[0][end];
    }
    n_groups += end - begin;
    n_rows += from->splits[1] ? from->splits[1][end] - from->splits[1][begin] : end - begin;
  }
  uint8_t *data = weft_region_alloc(arena, (size_t)(n_rows * row_bytes));
  if (from->splits[0])
    splits = weft_region_alloc(arena, (size_t)(n + 1) * sizeof *splits);
  if (from->splits[1])
    groups = weft_region_alloc(arena, (size_t)(n_groups + 1) * sizeof *groups);
  if (!data || (from->splits[0] && !splits) || (from->splits[1] && !groups))
    return -1;
  int64_t row = 0, group = 0;
  for (int64_t s = 0; s < n; s++) {
    int64_t begin = chosen[s], end = begin + 1;
    if (splits) {
      splits[s] = groups ? group : row;
      begin = from->splits[0][begin];
      end = from->splits[0][end];
    }
    if (groups) {
      int64_t first = from->splits[1][begin];
      for (int64_t g = begin; g < end; g++)
        groups[group++] = row + from->splits[1][g] - first;
      end = from->splits[1][end];
      begin = first;
    }
    memcpy(data + row * row_bytes, (const uint8_t *)from->data + begin * row_bytes,
           (size_t)((end - begin) * row_bytes));
    row += end - begin;
  }
  if (splits)
    splits[n] = groups ? group : row;
  if (groups)
    groups[group] = row;
  to->data = data;
  to->n_bytes = n_rows * row_bytes;
  to->dims[0] = n_rows;
  to->splits[0] = splits;
  to->splits[1] = groups;
  to->n_groups = groups ? n_groups : 0;
  to->n_slots = n;
  return 0;
}

static weft_status subset(struct exec *exec, struct part *part, uint32_t value, int gather, struct weft_tensor *to)
{
  struct weft_frame *frame = exec->frame;
  const struct weft_tensor *from = &frame->outputs[value].tensor;
  uint8_t state = frame->value_state[value];
  int32_t *slots = weft_region_alloc(frame->arena, part->n * sizeof *slots);
  int32_t *chosen = gather ? weft_region_alloc(frame->arena, part->n * sizeof *chosen) : NULL;
  if (!slots || (gather && !chosen))
    return WEFT_NO_MEMORY;
  *to = *from;
  int64_t n_present = 0;
  int identity = 1;
  for (uint32_t j = 0; j < part->n; j++) {
    uint32_t item = frame_item(exec, part, j);
    int32_t slot = state == VALUE_ABSENT ? -1 : from->slots ? from->slots[item] : (int32_t)item;
    if (slot >= 0 && gather) {
      chosen[n_present] = slot;
      slot = (int32_t)n_present;
    }
    n_present += slot >= 0;
    slots[j] = slot;
    identity &= slot == (int32_t)j;
  }
  if (!n_present)
    set_absent(to, frame->graph->values[value].levels);
  else if (gather && gather_rows(frame->arena, from, to, chosen, n_present))
    return WEFT_NO_MEMORY;
  to->slots = identity && to->n_slots == part->n ? NULL : slots;
  return WEFT_OK;
}

weft_status weft_part_inputs(struct exec *exec, struct part *part)
{
  struct weft_frame *frame = exec->frame;
  const struct node *node = exec->node;
  struct weft_call *call = &part->call;
  const uint32_t *ids = frame->graph->inputs + node->first_input;
  int whole = !exec->items && part->first == 0 && part->n == frame->n_items;
  call->n_items = part->n;
  call->n_inputs = node->n_inputs;
  call->n_outputs = node->n_outputs;
  call->items = frame->items;
  call->inputs = frame->inputs + node->first_input;
  for (uint32_t k = 0; k < node->n_inputs; k++)
    whole &= frame->value_state[ids[k]] != VALUE_ABSENT;
  const struct weft_graph_slots *slots = node->spec->slots;
  int selects = slots && slots->select_key;
  if (!selects && !exec->items && part->first == 0 && part->n == frame->n_items) {
    call->items = frame->items;
  } else {
    struct weft_item *items = weft_region_alloc(frame->arena, part->n * sizeof *items);
    if (!items)
      return WEFT_NO_MEMORY;
    for (uint32_t j = 0; j < part->n; j++)
      items[j] = frame->items[frame_item(exec, part, j)];
    for (uint32_t j = 0; selects && j < part->n; j++)
      items[j].slot = weft_slots_choose(slots, &items[j]);
    call->items = items;
  }
  if (whole && !part->gather)
    return WEFT_OK;
  struct weft_tensor *tensors = weft_region_alloc(frame->arena, node->n_inputs * sizeof *tensors);
  const struct weft_tensor **inputs = weft_region_alloc(frame->arena, node->n_inputs * sizeof *inputs);
  if (!tensors || !inputs)
    return WEFT_NO_MEMORY;
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    inputs[k] = &tensors[k];
    weft_status status = subset(exec, part, ids[k], part->gather, &tensors[k]);
    if (status)
      return status;
  }
  call->inputs = inputs;
  return WEFT_OK;
}

/* Rows and groups of one item in one input of the frame. */
static void measure(const struct weft_frame *frame, uint32_t value, uint32_t item, int64_t *n_rows, int64_t *n_groups)
{
  const struct weft_tensor *t = &frame->outputs[value].tensor;
  *n_rows = *n_groups = 0;
  if (frame->value_state[value] == VALUE_ABSENT)
    return;
  struct weft_rows rows = weft_rows_of(t, item);
  *n_rows = rows.end - rows.begin;
  if (rows.present && t->splits[1]) {
    int64_t slot = t->slots ? t->slots[item] : (int64_t)item;
    *n_groups = t->splits[0][slot + 1] - t->splits[0][slot];
  }
}

/* Fails an item that is beyond a limit by itself; 1: it is. */
static int too_large(struct exec *exec, uint32_t item)
{
  const struct node *node = exec->node;
  const struct weft_limits *limits = &node->spec->limits;
  const uint32_t *ids = exec->frame->graph->inputs + node->first_input;
  for (uint32_t k = 0; k < node->n_inputs; k++) {
    int64_t n_rows, n_groups;
    measure(exec->frame, ids[k], item, &n_rows, &n_groups);
    int rows = limits->n_rows && n_rows > limits->n_rows[k];
    if (!rows && !(limits->n_groups && n_groups > limits->n_groups[k]))
      continue;
    weft_frame_fail(exec->frame, item, WEFT_BAD_INPUT, (int32_t)exec->index,
                    "node '%s': input '%s' has %" PRId64 " %s in one item; the limit n_%s of a call is %" PRId64,
                    node->spec->name, exec->frame->graph->values[ids[k]].port->name, rows ? n_rows : n_groups,
                    rows ? "rows" : "groups", rows ? "rows" : "groups",
                    rows ? limits->n_rows[k] : limits->n_groups[k]);
    return 1;
  }
  return 0;
}

/* Whether items [first, end) are beyond a limit together. */
static int too_many(const struct exec *exec, const int64_t *sums)
{
  const struct weft_limits *limits = &exec->node->spec->limits;
  for (uint32_t k = 0; k < exec->node->n_inputs; k++)
    if ((limits->n_rows && sums[2 * k] > limits->n_rows[k]) ||
        (limits->n_groups && sums[2 * k + 1] > limits->n_groups[k]))
      return 1;
  const struct weft_batching *batching = &exec->node->spec->batching;
  return batching->cost_max && sums[2 * batching->cost_input] > batching->cost_max;
}

static void add(const struct exec *exec, uint32_t item, int64_t *sums)
{
  const uint32_t *ids = exec->frame->graph->inputs + exec->node->first_input;
  for (uint32_t k = 0; k < exec->node->n_inputs; k++) {
    int64_t n_rows, n_groups;
    measure(exec->frame, ids[k], item, &n_rows, &n_groups);
    sums[2 * k] += n_rows;
    sums[2 * k + 1] += n_groups;
  }
}

/* Rows that belong to no item of the call count too, unless they are gathered away. */
static int has_more_rows(const struct exec *exec)
{
  const struct weft_limits *limits = &exec->node->spec->limits;
  const struct weft_frame *frame = exec->frame;
  const uint32_t *ids = frame->graph->inputs + exec->node->first_input;
  for (uint32_t k = 0; k < exec->node->n_inputs; k++) {
    const struct weft_tensor *t = &frame->outputs[ids[k]].tensor;
    if (frame->value_state[ids[k]] == VALUE_ABSENT)
      continue;
    if ((limits->n_rows && t->dims[0] > limits->n_rows[k]) || (limits->n_groups && t->n_groups > limits->n_groups[k]))
      return 1;
  }
  return 0;
}

weft_status weft_exec_split(struct exec *exec)
{
  struct weft_frame *frame = exec->frame;
  size_t n_sums = 2 * (size_t)exec->node->n_inputs;
  int64_t *sums = weft_region_alloc(frame->arena, (n_sums + 1) * sizeof *sums);
  uint32_t *items = weft_region_alloc(frame->arena, exec->n_items * sizeof *items);
  uint32_t n = 0, first = 0;
  int64_t n_items_max = exec->node->spec->limits.n_items, n_batch_max = exec->node->spec->batching.n_items_max;
  if (n_batch_max && (!n_items_max || n_batch_max < n_items_max))
    n_items_max = n_batch_max;
  if (!sums || !items)
    return WEFT_NO_MEMORY;
  for (uint32_t j = 0; j < exec->n_items; j++) {
    uint32_t item = exec->items ? exec->items[j] : j;
    if (!too_large(exec, item))
      items[n++] = item;
  }
  int all = n == exec->n_items;
  exec->n_items = n;
  memset(sums, 0, n_sums * sizeof *sums);
  for (uint32_t j = 0; j < n; j++) {
    add(exec, items[j], sums);
    if (j == first || (!too_many(exec, sums) && (!n_items_max || (int64_t)(j - first) < n_items_max) &&
                       !weft_state_breaks(exec, items, first, j)))
      continue;
    if (!weft_exec_add(exec, first, j - first))
      return WEFT_NO_MEMORY;
    first = j;
    memset(sums, 0, n_sums * sizeof *sums);
    add(exec, items[j], sums);
  }
  if (n > first && !weft_exec_add(exec, first, n - first))
    return WEFT_NO_MEMORY;
  if (!all || (exec->parts && exec->parts->next))
    exec->items = items;
  int gather = exec->parts && (exec->parts->next || has_more_rows(exec));
  for (struct part *part = exec->parts; part; part = part->next)
    part->gather = (uint32_t)gather;
  return WEFT_OK;
}
