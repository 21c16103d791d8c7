/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs of a call: room for them before `process`, and after it the check
 * that every row, split and slot that a consumer will use is where it may be.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int64_t count_of(const struct weft_tensor *input, uint32_t of, uint32_t item)
{
  if (of == WEFT_COUNT_ITEMS)
    return 1;
  struct weft_rows rows = weft_rows_of(input, item);
  if (!rows.present)
    return 0;
  if (of == WEFT_COUNT_ROWS)
    return rows.end - rows.begin;
  if (!input->splits[1])
    return 1;
  int64_t slot = input->slots ? input->slots[item] : (int64_t)item;
  return input->splits[0][slot + 1] - input->splits[0][slot];
}

/* Rows of one item by the port's terms; -1: more than can be counted. */
static int64_t rows_of_item(const struct weft_port *port, const struct weft_call *call, uint32_t item)
{
  int64_t sum = 0;
  for (uint32_t t = 0; t < port->n_terms; t++) {
    const struct weft_rows_term *term = &port->terms[t];
    int64_t n = count_of(term->of == WEFT_COUNT_ITEMS ? NULL : call->inputs[term->input], term->of, item);
    if (__builtin_mul_overflow(n, term->factor, &n) || __builtin_add_overflow(sum, n, &sum))
      return -1;
  }
  return sum < 0 ? 0 : sum;
}

/* Terms come from the plugin, perhaps from a worker: what they add up to must not wrap around, nor the room for splits
   of as many rows: rows of 0 bytes too are at most as many as the arena has bytes. */
static int add_rows(int64_t *n_rows, int64_t n)
{
  return n >= 0 && !__builtin_add_overflow(*n_rows, n, n_rows) && *n_rows <= (int64_t)WEFT_ARENA_BYTES_MAX;
}

/* Rows of one group by the port's terms; -1: more than can be counted. */
static int64_t rows_of_group(const struct weft_port *port, int64_t rows)
{
  int64_t sum = 0;
  for (uint32_t t = 0; t < port->n_terms; t++) {
    int64_t n = port->terms[t].of == WEFT_COUNT_ROWS ? rows : 1;
    if (__builtin_mul_overflow(n, port->terms[t].factor, &n) || __builtin_add_overflow(sum, n, &sum))
      return -1;
  }
  return sum < 0 ? 0 : sum;
}

static weft_status exact_groups(struct weft_frame *frame, const struct weft_port *port, const struct weft_call *call,
                                struct weft_output *output)
{
  const struct weft_tensor *input = call->inputs[port->terms[0].input];
  int64_t n_groups = 0, n_rows = 0;
  for (uint32_t j = 0; j < call->n_items; j++)
    n_groups += weft_rows_of(input, j).present ? count_of(input, WEFT_COUNT_GROUPS, j) : 0;
  output->splits[1] = weft_region_alloc(frame->arena, (size_t)(n_groups + 1) * sizeof(int64_t));
  if (!output->splits[1])
    return WEFT_NO_MEMORY;
  int64_t g = 0;
  output->splits[0][0] = output->splits[1][0] = 0;
  for (uint32_t j = 0; j < call->n_items; j++) {
    int64_t slot = input->slots ? input->slots[j] : (int64_t)j;
    int64_t n = slot < 0 ? 0 : count_of(input, WEFT_COUNT_GROUPS, j);
    for (int64_t k = 0; k < n; k++) {
      int64_t rows = 1;
      if (input->splits[1]) {
        int64_t from = input->splits[0][slot] + k;
        rows = input->splits[1][from + 1] - input->splits[1][from];
      } else {
        rows = weft_rows_of(input, j).end - weft_rows_of(input, j).begin;
      }
      if (!add_rows(&n_rows, rows_of_group(port, rows)))
        return WEFT_NO_MEMORY;
      output->splits[1][++g] = n_rows;
    }
    output->splits[0][j + 1] = g;
  }
  output->n_groups_max = output->tensor.n_groups = n_groups;
  output->n_rows_max = n_rows;
  return WEFT_OK;
}

/* Rows by terms; for exact ports the splits too. */
static weft_status ragged_rows(struct weft_frame *frame, const struct value *value, const struct weft_call *call,
                               struct weft_output *output)
{
  const struct weft_port *port = value->port;
  if (value->levels == 2 && value->kind == WEFT_ROWS_EXACT)
    return exact_groups(frame, port, call, output);
  int64_t n_rows = 0, n_groups = 0;
  output->splits[0][0] = 0;
  for (uint32_t j = 0; j < call->n_items; j++) {
    if (!add_rows(&n_rows, rows_of_item(port, call, j)))
      return WEFT_NO_MEMORY;
    output->splits[0][j + 1] = value->kind == WEFT_ROWS_EXACT ? n_rows : 0;
    for (uint32_t k = 0; k < call->n_inputs; k++)
      if (call->inputs[k]->splits[1])
        n_groups += count_of(call->inputs[k], WEFT_COUNT_GROUPS, j);
  }
  output->n_rows_max = n_rows;
  if (value->levels < 2)
    return WEFT_OK;
  /* A bounded port names no groups: as many as its inputs have, or one a row and one an item. */
  output->n_groups_max = n_groups ? n_groups : n_rows + call->n_items;
  output->splits[1] = weft_region_alloc(frame->arena, (size_t)(output->n_groups_max + 1) * sizeof(int64_t));
  return output->splits[1] ? WEFT_OK : WEFT_NO_MEMORY;
}

static weft_status prepare(struct weft_frame *frame, const struct value *value, const struct weft_call *call,
                           struct weft_output *output)
{
  struct weft_tensor *tensor = &output->tensor;
  const struct weft_port *port = value->port;
  uint32_t n = call->n_items;
  memset(tensor, 0, sizeof *tensor);
  tensor->dtype = port->dtype;
  tensor->rank = port->rank;
  tensor->device = WEFT_DEVICE_CPU;
  for (uint32_t d = 1; d < port->rank; d++)
    tensor->dims[d] = port->dims[d] < 0 ? 0 : port->dims[d];
  tensor->n_slots = n;
  output->wanted = value->wanted;
  output->rows_kind = value->kind;
  output->n_rows_max = value->levels ? 0 : n;
  output->n_groups_max = 0;
  if (value->kind == WEFT_ROWS_DYNAMIC) {
    struct range *range = &frame->ranges[value->range];
    tensor->data = range->rows->base + range->rows->used;
    output->n_rows_max = 0;
    if (value->levels)
      memset(output->splits[0], 0, (n + 1) * sizeof(int64_t));
    if (value->levels == 2) {
      output->splits[1] = (int64_t *)(void *)(range->groups->base + range->groups->used);
      output->n_groups_max = (int64_t)((range->groups->n_bytes - range->groups->used) / sizeof(int64_t)) - 1;
    }
  } else if (value->levels) {
    weft_status status = ragged_rows(frame, value, call, output);
    if (status)
      return status;
  }
  for (uint32_t k = 0; k < value->levels; k++)
    tensor->splits[k] = output->splits[k];
  tensor->dims[0] = value->kind == WEFT_ROWS_EXACT || !value->levels ? output->n_rows_max : 0;
  return WEFT_OK;
}

/* Data of bounded outputs comes last, so that what they leave can be given back. */
static weft_status give_data(struct weft_frame *frame, const struct value *value, struct weft_output *output)
{
  int64_t n_bytes;
  if (!output->wanted) {
    output->n_rows_max = 0;
    return WEFT_OK;
  }
  if (__builtin_mul_overflow(output->n_rows_max, value->row_bytes, &n_bytes) ||
      (uint64_t)n_bytes > WEFT_ARENA_BYTES_MAX)
    return WEFT_NO_MEMORY;
  output->tensor.data = weft_region_alloc(frame->arena, (size_t)n_bytes);
  output->tensor.n_bytes = output->tensor.dims[0] * value->row_bytes;
  return output->tensor.data ? WEFT_OK : WEFT_NO_MEMORY;
}

weft_status weft_outputs_prepare(struct exec *exec, struct part *part)
{
  struct weft_frame *frame = exec->frame;
  struct weft_call *call = &part->call;
  const struct value *values = frame->graph->values + exec->node->first_output;
  for (uint32_t o = 0; o < call->n_outputs; o++) {
    weft_status status = prepare(frame, &values[o], call, &call->outputs[o]);
    if (status)
      return status;
  }
  static const uint32_t order[] = {WEFT_ROWS_EXACT, WEFT_ROWS_BOUNDED};
  for (int k = 0; k < 2; k++)
    for (uint32_t o = 0; o < call->n_outputs; o++) {
      weft_status status = values[o].kind == order[k] ? give_data(frame, &values[o], &call->outputs[o]) : WEFT_OK;
      if (status)
        return status;
    }
  return WEFT_OK;
}

weft_status weft_call_reserve(struct weft_call_host *host, const struct weft_call *call, uint32_t o, int64_t n_rows)
{
  struct exec *exec = (struct exec *)host;
  struct weft_frame *frame = exec->frame;
  const struct value *value = &frame->graph->values[exec->node->first_output + o];
  if (o >= call->n_outputs || value->kind != WEFT_ROWS_DYNAMIC || n_rows < 0)
    return WEFT_CONTRACT;
  struct weft_output *output = &call->outputs[o];
  const struct weft_region *region = frame->ranges[value->range].rows;
  int64_t row_bytes = value->row_bytes >= 0 ? value->row_bytes : weft_row_bytes(&output->tensor), n_bytes;
  if (row_bytes < 0 || __builtin_mul_overflow(n_rows, row_bytes, &n_bytes) ||
      (uint64_t)n_bytes > region->n_bytes - region->used) {
    weft_call_note(exec, call, WEFT_ALL_ITEMS,
                   "node '%s': output '%s' was to have %" PRId64 " rows of %" PRId64
                   " bytes; the limit of the output is %zu bytes a frame",
                   exec->node->spec->name, value->port->name, n_rows, row_bytes, region->n_bytes);
    return WEFT_NO_MEMORY;
  }
  if (n_rows > output->n_rows_max)
    output->n_rows_max = n_rows;
  return WEFT_OK;
}

/* The first place at which splits go wrong, or -1. */
static int64_t bad_split(const int64_t *splits, int64_t n, int64_t end)
{
  int64_t last = 0;
  for (int64_t k = 0; k <= n; k++) {
    if (splits[k] < last || splits[k] > end)
      return k;
    last = splits[k];
  }
  return -1;
}

static int is_shaped(const struct value *value, const struct weft_tensor *tensor)
{
  const struct weft_port *port = value->port;
  if (!weft_dtype_equal(tensor->dtype, port->dtype) || tensor->rank != port->rank ||
      tensor->device != WEFT_DEVICE_CPU || tensor->flags)
    return 0;
  for (uint32_t d = 1; d < port->rank; d++)
    if (port->dims[d] < 0 ? tensor->dims[d] < 0 : tensor->dims[d] != port->dims[d])
      return 0;
  return 1;
}

/* Data is where the host put it. */
static int is_placed(const struct weft_frame *frame, const struct value *value, const struct weft_output *output)
{
  const uint8_t *data = output->tensor.data;
  if (value->kind == WEFT_ROWS_DYNAMIC)
    return data == frame->ranges[value->range].rows->base + frame->ranges[value->range].rows->used;
  const uint8_t *begin = frame->arena->base, *end = begin + frame->arena->used;
  return data >= begin && data <= end && output->n_rows_max * value->row_bytes <= end - data;
}

static int check_rows(const struct value *value, const struct weft_output *output, uint32_t n_items, char *message,
                      int n)
{
  const struct weft_tensor *t = &output->tensor;
  size_t room = WEFT_MESSAGE_BYTES - (size_t)n;
  message += n;
  if (!is_shaped(value, t))
    return snprintf(message, room, "its type, rank or dims are not those of the port");
  if ((t->slots && t->slots != output->slots) || (value->levels > 0 && t->splits[0] != output->splits[0]) ||
      (value->levels > 1 && t->splits[1] != output->splits[1]) || (value->levels < 2 && t->splits[value->levels]))
    return snprintf(message, room, "its slots or splits point elsewhere than at the room given");
  if (t->n_slots < 0 || t->n_slots > n_items || (!t->slots && t->n_slots != n_items))
    return snprintf(message, room, "it has %" PRId64 " slots; expected %s%u", t->n_slots, t->slots ? "at most " : "",
                    n_items);
  for (uint32_t j = 0; t->slots && j < n_items; j++)
    if (t->slots[j] < -1 || t->slots[j] >= t->n_slots)
      return snprintf(message, room, "slots[%u] is %d; expected -1..%" PRId64, j, t->slots[j], t->n_slots - 1);
  if (t->dims[0] < 0 || t->dims[0] > output->n_rows_max)
    return snprintf(message, room, "dims[0] is %" PRId64 "; expected 0..%" PRId64 " rows", t->dims[0],
                    output->n_rows_max);
  if (value->kind == WEFT_ROWS_EXACT && t->dims[0] != output->n_rows_max && !(t->slots && !value->levels))
    return snprintf(message, room, "dims[0] is %" PRId64 "; expected exactly %" PRId64 " rows", t->dims[0],
                    output->n_rows_max);
  if (!value->levels)
    return t->n_slots > t->dims[0] ? snprintf(message, room, "it has %" PRId64 " slots but %" PRId64 " rows",
                                              t->n_slots, t->dims[0])
                                   : 0;
  int64_t end = t->dims[0];
  if (value->levels == 2) {
    if (t->n_groups < 0 || t->n_groups > output->n_groups_max)
      return snprintf(message, room, "n_groups is %" PRId64 "; expected 0..%" PRId64, t->n_groups,
                      output->n_groups_max);
    int64_t k = bad_split(t->splits[1], t->n_groups, end);
    if (k >= 0)
      return snprintf(message, room, "splits[1][%" PRId64 "] is %" PRId64 "; splits must rise within 0..%" PRId64 " rows",
                      k, t->splits[1][k], end);
    end = t->n_groups;
  }
  int64_t k = bad_split(t->splits[0], t->n_slots, end);
  if (k >= 0)
    return snprintf(message, room, "splits[0][%" PRId64 "] is %" PRId64 "; splits must rise within 0..%" PRId64 " %s", k,
                    t->splits[0][k], end, value->levels == 2 ? "groups" : "rows");
  return 0;
}

/* What the node left is given back where it was last in the arena. */
static void settle(struct weft_frame *frame, const struct value *value, struct weft_output *output)
{
  struct weft_tensor *t = &output->tensor;
  int64_t row_bytes = value->row_bytes >= 0 ? value->row_bytes : weft_row_bytes(t);
  t->n_bytes = t->dims[0] * row_bytes;
  if (value->kind == WEFT_ROWS_DYNAMIC) {
    struct range *range = &frame->ranges[value->range];
    range->rows->used += weft_align((size_t)t->n_bytes);
    if (range->groups)
      range->groups->used += weft_align((size_t)(t->n_groups + 1) * sizeof(int64_t));
    return;
  }
  uint8_t *data = t->data;
  size_t given = weft_align((size_t)(output->n_rows_max * row_bytes));
  if (data && data + given == frame->arena->base + frame->arena->used)
    frame->arena->used -= given - weft_align((size_t)t->n_bytes);
}

int weft_outputs_broken(const struct exec *exec, const struct weft_call *call, char *message)
{
  struct weft_frame *frame = exec->frame;
  const struct value *values = frame->graph->values + exec->node->first_output;
  for (uint32_t o = call->n_outputs; o-- > 0;) {
    struct weft_output *output = &call->outputs[o];
    if (!output->wanted)
      continue;
    int n = snprintf(message, WEFT_MESSAGE_BYTES, "node '%s' broke the contract at output '%s': ",
                     exec->node->spec->name, values[o].port->name);
    if (n < 0 || n >= WEFT_MESSAGE_BYTES)
      n = WEFT_MESSAGE_BYTES - 1;
    if (!is_placed(frame, &values[o], output)) {
      snprintf(message + n, WEFT_MESSAGE_BYTES - (size_t)n, "data points elsewhere than at the room given");
      return 1;
    }
    if (check_rows(&values[o], output, call->n_items, message, n))
      return 1;
  }
  return 0;
}

int weft_outputs_check(const struct exec *exec, const struct weft_call *call, char *message)
{
  const struct value *values = exec->frame->graph->values + exec->node->first_output;
  if (weft_outputs_broken(exec, call, message))
    return 1;
  for (uint32_t o = call->n_outputs; o-- > 0;)
    if (call->outputs[o].wanted)
      settle(exec->frame, &values[o], &call->outputs[o]);
  return 0;
}
