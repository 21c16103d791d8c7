/* SPDX-License-Identifier: Apache-2.0 */
/* The graph's inputs: what the requests bring for one value, one item after the other. */
#include "internal.h"

#include <string.h>

/* Rows and groups of an input so far, over the items that have it. */
struct tally {
  int64_t n_rows, n_groups;
  int32_t n_slots;
  uint32_t only; /* the last item that has it */
};

/* 0: the blob is not made of whole rows, or its groups do not cover them. */
static int is_whole(const struct value *value, const struct weft_blob *blob, const struct weft_blob_groups *groups)
{
  int64_t row_bytes = value->row_bytes ? value->row_bytes : 1;
  if ((row_bytes > 1 && blob->n_bytes % (uint64_t)row_bytes) || (value->levels == 0 && blob->n_bytes != (uint64_t)value->row_bytes))
    return 0;
  if (value->levels < 2)
    return 1;
  if (!groups || groups->n < 0 || !groups->splits || groups->splits[0] != 0 ||
      groups->splits[groups->n] != (int64_t)blob->n_bytes / row_bytes)
    return 0;
  for (int64_t g = 0; g < groups->n; g++)
    if (groups->splits[g] > groups->splits[g + 1])
      return 0;
  return 1;
}

/* Slots and splits; WEFT_NO_MEMORY where all together are beyond the arena. */
static weft_status count(struct weft_frame *frame, const struct weft_request *requests, uint32_t v, struct tally *tally)
{
  const struct value *value = &frame->graph->values[v];
  struct weft_output *output = &frame->outputs[v];
  int64_t row_bytes = value->row_bytes ? value->row_bytes : 1;
  for (uint32_t i = 0; i < frame->n_items; i++) {
    const struct weft_blob *blob = &requests[i].inputs[v];
    const struct weft_blob_groups *groups = requests[i].groups ? &requests[i].groups[v] : NULL;
    int present = blob->present && frame->live[i];
    if (present && !is_whole(value, blob, groups)) {
      weft_frame_fail(frame, i, WEFT_BAD_INPUT, -1,
                      "input '%s': %llu bytes are not whole rows of %lld bytes, or its groups do not cover them",
                      value->port->name, (unsigned long long)blob->n_bytes, (long long)row_bytes);
      present = 0;
    }
    output->slots[i] = present ? tally->n_slots : -1;
    if (!present)
      continue;
    tally->only = i;
    if (value->levels)
      output->splits[0][tally->n_slots] = value->levels == 2 ? tally->n_groups : tally->n_rows;
    tally->n_slots++;
    if (blob->n_bytes > WEFT_ARENA_BYTES_MAX - (uint64_t)(tally->n_rows * row_bytes))
      return WEFT_NO_MEMORY;
    tally->n_rows += (int64_t)blob->n_bytes / row_bytes;
    tally->n_groups += value->levels == 2 ? groups->n : 0;
  }
  if (value->levels)
    output->splits[0][tally->n_slots] = value->levels == 2 ? tally->n_groups : tally->n_rows;
  return WEFT_OK;
}

static weft_status join_groups(struct weft_frame *frame, const struct weft_request *requests, uint32_t v,
                               const struct tally *tally)
{
  struct weft_output *output = &frame->outputs[v];
  output->tensor.n_groups = tally->n_groups;
  if (tally->n_slots == 1 && !frame->owns) {
    output->tensor.splits[1] = requests[tally->only].groups[v].splits;
    return WEFT_OK;
  }
  int64_t *splits = weft_region_alloc(frame->arena, ((size_t)tally->n_groups + 1) * sizeof *splits), row = 0, n = 0;
  if (!splits)
    return WEFT_NO_MEMORY;
  for (uint32_t i = 0; i < frame->n_items; i++) {
    if (output->slots[i] < 0)
      continue;
    const struct weft_blob_groups *groups = &requests[i].groups[v];
    for (int64_t g = 0; g < groups->n; g++)
      splits[n++] = row + groups->splits[g];
    row += groups->splits[groups->n];
  }
  splits[n] = row;
  output->tensor.splits[1] = splits;
  return WEFT_OK;
}

static weft_status join(struct weft_frame *frame, const struct weft_request *requests, uint32_t v,
                        const struct tally *tally)
{
  struct weft_output *output = &frame->outputs[v];
  /* One aligned blob is used where it lies. */
  const void *only = requests[tally->only].inputs[v].data;
  if (tally->n_slots == 1 && !frame->owns && (uintptr_t)only % WEFT_ALIGNMENT == 0) {
    output->tensor.data = (void *)(uintptr_t)only;
    return WEFT_OK;
  }
  uint8_t *to = weft_region_alloc(frame->arena, (size_t)output->tensor.n_bytes);
  if (!to)
    return WEFT_NO_MEMORY;
  output->tensor.data = to;
  for (uint32_t i = 0; i < frame->n_items; i++)
    if (output->slots[i] >= 0 && requests[i].inputs[v].n_bytes) {
      memcpy(to, requests[i].inputs[v].data, requests[i].inputs[v].n_bytes);
      to += requests[i].inputs[v].n_bytes;
    }
  return WEFT_OK;
}

void weft_frame_gather(struct weft_frame *frame, const struct weft_request *requests, uint32_t v)
{
  const struct value *value = &frame->graph->values[v];
  struct weft_output *output = &frame->outputs[v];
  struct weft_tensor *tensor = &output->tensor;
  struct tally tally = {0};
  weft_status status = count(frame, requests, v, &tally);
  tensor->splits[0] = output->splits[0];
  tensor->dims[0] = tally.n_rows;
  tensor->n_bytes = tally.n_rows * value->row_bytes;
  tensor->n_slots = tally.n_slots;
  tensor->slots = tally.n_slots == (int32_t)frame->n_items ? NULL : output->slots;
  tensor->data = NULL;
  frame->value_state[v] = !tally.n_slots ? VALUE_ABSENT : tensor->slots ? VALUE_PARTIAL : VALUE_FULL;
  if (!status && value->levels == 2 && tally.n_slots)
    status = join_groups(frame, requests, v, &tally);
  if (!status && tensor->n_bytes)
    status = join(frame, requests, v, &tally);
  for (uint32_t i = 0; status && i < frame->n_items; i++)
    weft_frame_fail(frame, i, WEFT_NO_MEMORY, -1,
                    "no memory for input '%s' of %u items (limit WEFT_ARENA_BYTES_MAX, 8 GiB a frame): send less at once",
                    value->port->name, frame->n_items);
}
