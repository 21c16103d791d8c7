/* SPDX-License-Identifier: Apache-2.0 */
/* From the outputs of a node's calls to values whose slots are the frame's items. */
#include "internal.h"

#include <string.h>

static uint32_t frame_item(const struct exec *exec, uint32_t k)
{
  return exec->items ? exec->items[k] : k;
}

static uint8_t state_of(const struct weft_frame *frame, const struct weft_tensor *tensor)
{
  uint32_t n_present = 0;
  int identity = tensor->n_slots == frame->n_items;
  for (uint32_t item = 0; item < frame->n_items; item++) {
    n_present += tensor->slots[item] >= 0;
    identity &= tensor->slots[item] == (int32_t)item;
  }
  return !n_present ? VALUE_ABSENT : identity ? VALUE_FULL : VALUE_PARTIAL;
}

static void settle(struct weft_frame *frame, uint32_t v)
{
  struct weft_tensor *tensor = &frame->outputs[v].tensor;
  frame->value_state[v] = state_of(frame, tensor);
  if (frame->value_state[v] == VALUE_FULL)
    tensor->slots = NULL;
}

/* Slots of one part, spread over the items of the frame from the end, so that they may lie in the same room. */
static void spread(const struct exec *exec, const struct part *part, const struct weft_tensor *tensor, int32_t *to)
{
  struct weft_frame *frame = exec->frame;
  uint32_t end = frame->n_items;
  for (uint32_t j = part->n; j-- > 0;) {
    uint32_t item = frame_item(exec, part->first + j);
    int32_t slot = tensor->slots ? tensor->slots[j] : (int32_t)j;
    while (end > item + 1)
      to[--end] = -1;
    to[item] = weft_item_is_well(frame, exec->index, item) ? slot : -1;
    end = item;
  }
  while (end > 0)
    to[--end] = -1;
}

static void take_one(struct exec *exec, const struct part *part, uint32_t o)
{
  struct weft_frame *frame = exec->frame;
  uint32_t v = exec->node->first_output + o;
  struct weft_output *output = &frame->outputs[v];
  struct weft_tensor tensor = part->call.outputs[o].tensor;
  spread(exec, part, &tensor, output->slots);
  output->tensor = tensor;
  output->tensor.slots = output->slots;
  settle(frame, v);
}

struct totals {
  int64_t n_rows, n_groups, n_slots, row_bytes;
};

static weft_status add_up(const struct exec *exec, uint32_t o, struct totals *sum)
{
  const struct weft_tensor *first = NULL;
  *sum = (struct totals){0};
  for (const struct part *part = exec->parts; part; part = part->next) {
    if (part->state != PART_DONE)
      continue;
    const struct weft_tensor *t = &part->call.outputs[o].tensor;
    for (uint32_t d = 1; first && d < t->rank; d++)
      if (t->dims[d] != first->dims[d])
        return WEFT_UNSUPPORTED;
    first = t;
    sum->n_rows += t->dims[0];
    sum->n_groups += t->n_groups;
    sum->n_slots += t->n_slots;
    sum->row_bytes = weft_row_bytes(t);
  }
  return WEFT_OK;
}

static weft_status make_room(struct exec *exec, uint32_t o, const struct totals *sum, struct weft_tensor *to)
{
  struct weft_frame *frame = exec->frame;
  const struct value *value = &frame->graph->values[exec->node->first_output + o];
  int64_t *splits[2] = {NULL, NULL};
  to->data = NULL;
  if (value->kind == WEFT_ROWS_DYNAMIC)
    /* The parts lie one after the other in the range; they only move together. */
    to->data = frame->ranges[value->range].rows->base;
  else
    to->data = weft_region_alloc(frame->arena, (size_t)(sum->n_rows * sum->row_bytes));
  if (value->levels > 0)
    splits[0] = weft_region_alloc(frame->arena, (size_t)(sum->n_slots + 1) * sizeof(int64_t));
  if (value->levels > 1)
    splits[1] = weft_region_alloc(frame->arena, (size_t)(sum->n_groups + 1) * sizeof(int64_t));
  if (!to->data || (value->levels > 0 && !splits[0]) || (value->levels > 1 && !splits[1]))
    return WEFT_NO_MEMORY;
  to->splits[0] = splits[0];
  to->splits[1] = splits[1];
  to->dims[0] = sum->n_rows;
  to->n_bytes = sum->n_rows * sum->row_bytes;
  to->n_slots = sum->n_slots;
  to->n_groups = sum->n_groups;
  return WEFT_OK;
}

/* Appends one part after n_rows, n_groups and n_slots of `at`, and moves them on. */
static void append(struct exec *exec, const struct part *part, uint32_t o, struct weft_tensor *to, struct totals *at)
{
  struct weft_frame *frame = exec->frame;
  const struct weft_tensor *from = &part->call.outputs[o].tensor;
  int32_t *slots = frame->outputs[exec->node->first_output + o].slots;
  int64_t *splits = (int64_t *)(uintptr_t)to->splits[0], *groups = (int64_t *)(uintptr_t)to->splits[1];
  memmove((uint8_t *)to->data + at->n_rows * at->row_bytes, from->data, (size_t)from->n_bytes);
  for (int64_t s = 0; splits && s <= from->n_slots; s++)
    splits[at->n_slots + s] = from->splits[0][s] + (groups ? at->n_groups : at->n_rows);
  for (int64_t g = 0; groups && g <= from->n_groups; g++)
    groups[at->n_groups + g] = from->splits[1][g] + at->n_rows;
  for (uint32_t j = 0; j < part->n; j++) {
    uint32_t item = frame_item(exec, part->first + j);
    int32_t slot = from->slots ? from->slots[j] : (int32_t)j;
    if (slot >= 0 && part->call.item_status[j] == WEFT_OK && weft_item_is_well(frame, exec->index, item))
      slots[item] = (int32_t)at->n_slots + slot;
  }
  at->n_rows += from->dims[0];
  at->n_groups += from->n_groups;
  at->n_slots += from->n_slots;
}

static weft_status take_many(struct exec *exec, uint32_t o)
{
  struct weft_frame *frame = exec->frame;
  uint32_t v = exec->node->first_output + o;
  struct weft_output *output = &frame->outputs[v];
  struct totals sum, at = {0};
  weft_status status = add_up(exec, o, &sum);
  for (const struct part *part = exec->parts; part; part = part->next)
    if (part->state == PART_DONE)
      output->tensor = part->call.outputs[o].tensor;
  if (!status)
    status = make_room(exec, o, &sum, &output->tensor);
  if (status)
    return status;
  for (uint32_t item = 0; item < frame->n_items; item++)
    output->slots[item] = -1;
  at.row_bytes = sum.row_bytes;
  for (const struct part *part = exec->parts; part; part = part->next)
    if (part->state == PART_DONE)
      append(exec, part, o, &output->tensor, &at);
  output->tensor.slots = output->slots;
  settle(frame, v);
  return WEFT_OK;
}

weft_status weft_outputs_merge(struct exec *exec)
{
  struct weft_frame *frame = exec->frame;
  const struct part *only = NULL;
  uint32_t n_done = 0;
  weft_status status = WEFT_OK;
  for (const struct part *part = exec->parts; part; part = part->next)
    if (part->state == PART_DONE) {
      only = part;
      n_done++;
    }
  for (uint32_t o = 0; o < exec->node->n_outputs; o++) {
    uint32_t v = exec->node->first_output + o;
    frame->value_state[v] = VALUE_ABSENT;
    if (!n_done || !frame->outputs[v].wanted)
      continue;
    if (n_done == 1)
      take_one(exec, only, o);
    else if (!status)
      status = take_many(exec, o);
  }
  return status;
}
