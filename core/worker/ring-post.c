/* SPDX-License-Identifier: Apache-2.0 */
/* The host's end of the ring: laying out a call, publishing it, waiting. */
#include "ring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct weft_wire_tensor) == 17 * 8 && sizeof(struct weft_wire_output) == 25 * 8 &&
                   sizeof(struct weft_wire_item) == 5 * 8,
               "descriptors are compared as bytes: no padding");

/* Above this, comparing before writing costs more than the cache lines it saves. */
#define COMPARE_BYTES 4096u

struct cursor {
  uint64_t at, end;
  int full;
};

static uint64_t take_room(struct cursor *cursor, uint64_t n_bytes)
{
  uint64_t at = cursor->at;
  if (cursor->full || n_bytes > cursor->end - at) {
    cursor->full = 1;
    return 0;
  }
  cursor->at = (at + n_bytes + 63) & ~63ull;
  if (cursor->at > cursor->end)
    cursor->at = cursor->end;
  return at;
}

static void put(struct weft_ring_host *ring, uint64_t at, const void *from, uint64_t n_bytes)
{
  char *to = (char *)ring->in + at;
  if (!n_bytes || (n_bytes <= COMPARE_BYTES && !memcmp(to, from, n_bytes)))
    return;
  memcpy(to, from, n_bytes);
}

static uint64_t put_new(struct weft_ring_host *ring, struct cursor *cursor, const void *from, uint64_t n_bytes)
{
  if (!from)
    return 0;
  uint64_t at = take_room(cursor, n_bytes);
  if (!cursor->full)
    put(ring, at, from, n_bytes);
  return at;
}

void weft_ring_host_init(struct weft_ring_host *ring, void *in, void *out, uint64_t n_bytes)
{
  memset(ring, 0, sizeof *ring);
  ring->in = in;
  ring->out = out;
  ring->n_bytes = n_bytes;
  ring->in_high = ring->out_high = WEFT_RING_PAGE;
}

/* Every field: clearing the whole first costs more than all that follows. */
static void put_tensor_head(const struct weft_tensor *tensor, struct weft_wire_tensor *wire)
{
  wire->data = wire->slots = wire->splits[0] = wire->splits[1] = 0;
  wire->reserved = 0;
  wire->n_bytes = tensor->n_bytes;
  memcpy(wire->dims, tensor->dims, sizeof wire->dims);
  wire->dtype = tensor->dtype;
  wire->rank = tensor->rank;
  wire->flags = tensor->flags;
  wire->n_slots = tensor->n_slots;
  wire->n_groups = tensor->n_groups;
}

static void put_index(struct weft_ring_host *ring, struct cursor *cursor, const struct weft_tensor *tensor,
                      uint32_t n_items, struct weft_wire_tensor *wire)
{
  wire->slots = put_new(ring, cursor, tensor->slots, n_items * sizeof(int32_t));
  wire->splits[0] = put_new(ring, cursor, tensor->splits[0], ((uint64_t)tensor->n_slots + 1) * sizeof(int64_t));
  wire->splits[1] = put_new(ring, cursor, tensor->splits[1], ((uint64_t)tensor->n_groups + 1) * sizeof(int64_t));
}

static uint64_t put_text(struct weft_ring_host *ring, struct cursor *cursor, const char *text)
{
  return put_new(ring, cursor, text, text ? strlen(text) + 1 : 0);
}

static uint64_t put_context(struct weft_ring_host *ring, struct cursor *cursor, const struct weft_context *context)
{
  const char *text[6] = {context->subject, context->session,  context->tenant,
                         context->tier,    context->language, context->trace_id};
  struct weft_wire_context wire = {.n_entries = context->n_entries};
  for (int k = 0; k < 6; k++)
    wire.text[k] = put_text(ring, cursor, text[k]);
  if (context->n_entries)
    wire.entries = take_room(cursor, context->n_entries * 2 * sizeof(uint64_t));
  for (uint32_t e = 0; e < context->n_entries && !cursor->full; e++) {
    uint64_t pair[2];
    pair[0] = put_text(ring, cursor, context->entries[e].key);
    pair[1] = put_text(ring, cursor, context->entries[e].value);
    if (!cursor->full)
      put(ring, wire.entries + e * sizeof pair, pair, sizeof pair);
  }
  return put_new(ring, cursor, &wire, sizeof wire);
}

static void post_items(struct weft_ring_host *ring, struct cursor *cursor, const struct weft_call *call, uint64_t at)
{
  const struct weft_context *last = NULL;
  uint64_t last_at = 0;
  for (uint32_t i = 0; i < call->n_items && !cursor->full; i++) {
    const struct weft_item *item = &call->items[i];
    if (item->context && item->context != last) {
      last = item->context;
      last_at = put_context(ring, cursor, last);
    }
    struct weft_wire_item wire = {item->seed, item->stream, item->context ? last_at : 0, item->chunk_flags,
                                  item->slot, item->time_ns};
    if (!cursor->full)
      put(ring, at + i * sizeof wire, &wire, sizeof wire);
  }
}

static void post_inputs(struct weft_ring_host *ring, struct cursor *cursor, const struct weft_call *call, uint64_t at)
{
  for (uint32_t i = 0; i < call->n_inputs && !cursor->full; i++) {
    struct weft_wire_tensor wire;
    put_tensor_head(call->inputs[i], &wire);
    put_index(ring, cursor, call->inputs[i], call->n_items, &wire);
    wire.data = take_room(cursor, (uint64_t)wire.n_bytes);
    if (cursor->full)
      return;
    put(ring, wire.data, call->inputs[i]->data, (uint64_t)wire.n_bytes);
    put(ring, at + i * sizeof wire, &wire, sizeof wire);
  }
}

/* Bytes of the rows that fit; dims that vary per call leave only n_bytes to go by. */
static uint64_t output_bytes(const struct weft_output *output, struct cursor *cursor)
{
  if (output->rows_kind == WEFT_ROWS_EXACT)
    return (uint64_t)output->tensor.n_bytes;
  for (uint32_t d = 1; d < output->tensor.rank; d++)
    if (output->tensor.dims[d] < 0)
      return (uint64_t)output->tensor.n_bytes;
  int64_t n;
  if (__builtin_mul_overflow(output->n_rows_max, weft_row_bytes(&output->tensor), &n) || n < 0) {
    cursor->full = 1;
    return 0;
  }
  return (uint64_t)n;
}

static void lay_room(struct weft_ring_host *ring, struct cursor *out, const struct weft_call *call, uint32_t index)
{
  const struct weft_output *output = &call->outputs[index];
  struct weft_ring_room *room = &ring->rooms[index];
  room->data = room->n_data_bytes = room->slots = room->splits[0] = room->splits[1] = 0;
  room->range = room->n_range_bytes = 0;
  room->n_slots = output->tensor.n_slots;
  room->n_groups_max = 0;
  if (!output->wanted)
    return;
  if (output->slots)
    room->slots = take_room(out, call->n_items * sizeof(int32_t));
  room->n_groups_max = output->n_groups_max;
  if (output->splits[0] && output->rows_kind != WEFT_ROWS_EXACT)
    room->splits[0] = take_room(out, ((uint64_t)room->n_slots + 1) * sizeof(int64_t));
  if (output->rows_kind == WEFT_ROWS_DYNAMIC)
    return;
  if (output->splits[1] && output->rows_kind != WEFT_ROWS_EXACT)
    room->splits[1] = take_room(out, ((uint64_t)output->n_groups_max + 1) * sizeof(int64_t));
  room->n_data_bytes = output_bytes(output, out);
  room->data = take_room(out, room->n_data_bytes);
}

/* A dynamic output has a range of its own, at the same place in every call; groups take the last eighth of it. */
static void lay_range(const struct weft_output *output, struct weft_ring_room *room, uint64_t begin, uint64_t n_bytes)
{
  room->range = begin;
  room->n_range_bytes = n_bytes;
  if (!output->wanted)
    return;
  room->data = begin;
  room->n_data_bytes = n_bytes;
  if (!output->splits[1])
    return;
  uint64_t n_group_bytes = n_bytes / 8 / WEFT_RING_PAGE * WEFT_RING_PAGE;
  int64_t n_groups = (int64_t)(n_group_bytes / sizeof(int64_t)) - 1;
  room->n_data_bytes = n_bytes - n_group_bytes;
  room->splits[1] = begin + room->n_data_bytes;
  room->n_groups_max = output->n_groups_max < n_groups ? output->n_groups_max : n_groups;
}

static void lay_dynamic(struct weft_ring_host *ring, const struct weft_call *call)
{
  uint32_t n = 0, k = 0;
  for (uint32_t i = 0; i < call->n_outputs; i++)
    n += call->outputs[i].rows_kind == WEFT_ROWS_DYNAMIC;
  if (!n)
    return;
  uint64_t begin = ring->n_bytes / 2, each = (ring->n_bytes - begin) / n / WEFT_RING_PAGE * WEFT_RING_PAGE;
  for (uint32_t i = 0; i < call->n_outputs; i++)
    if (call->outputs[i].rows_kind == WEFT_ROWS_DYNAMIC)
      lay_range(&call->outputs[i], &ring->rooms[i], begin + k++ * each, each);
}

static void post_outputs(struct weft_ring_host *ring, struct cursor *cursor, const struct weft_call *call, uint64_t at)
{
  for (uint32_t i = 0; i < call->n_outputs && !cursor->full; i++) {
    const struct weft_output *output = &call->outputs[i];
    const struct weft_ring_room *room = &ring->rooms[i];
    struct weft_wire_output wire;
    put_tensor_head(&output->tensor, &wire.preset);
    if (output->rows_kind == WEFT_ROWS_EXACT && output->wanted)
      put_index(ring, cursor, &output->tensor, call->n_items, &wire.preset);
    wire.data = room->data;
    wire.n_data_bytes = room->n_data_bytes;
    wire.slots = room->slots;
    wire.splits[0] = room->splits[0];
    wire.splits[1] = room->splits[1];
    wire.n_rows_max = output->n_rows_max;
    wire.n_groups_max = room->n_groups_max;
    wire.wanted = output->wanted;
    wire.rows_kind = output->rows_kind;
    if (!cursor->full)
      put(ring, at + i * sizeof wire, &wire, sizeof wire);
  }
}

static weft_status refuse(struct weft_ring_host *ring, const char *segment, char *message)
{
  snprintf(message, WEFT_MESSAGE_BYTES,
           "the call does not fit into the segment `%s` of %" PRIu64 " bytes; give it fewer or smaller items", segment,
           ring->n_bytes);
  return WEFT_NO_MEMORY;
}

/* The rooms of the outputs; the same page count whatever the worker makes of them. */
static int lay_out(struct weft_ring_host *ring, const struct weft_call *call)
{
  struct cursor out = {WEFT_RING_PAGE, ring->n_bytes / 2, 0};
  take_room(&out, call->n_outputs * sizeof(struct weft_wire_answer));
  ring->item_status = take_room(&out, call->n_items * sizeof(weft_status));
  for (uint32_t i = 0; i < call->n_outputs; i++)
    lay_room(ring, &out, call, i);
  ring->messages = take_room(&out, (uint64_t)call->n_items * WEFT_MESSAGE_BYTES);
  lay_dynamic(ring, call);
  if (out.at > ring->out_high)
    ring->out_high = out.at;
  return !out.full;
}

weft_status weft_ring_post(struct weft_ring_host *ring, const struct weft_call *call, char *message)
{
  if (call->n_items > ring->n_items_max) {
    snprintf(message, WEFT_MESSAGE_BYTES, "a call of %u items; the node was activated for at most %u", call->n_items,
             ring->n_items_max);
    return WEFT_BAD_INPUT;
  }
  for (uint32_t i = 0; i < call->n_items; i++)
    if (call->items[i].context && call->items[i].context->n_entries > WEFT_CONTEXT_MAX_ENTRIES) {
      snprintf(message, WEFT_MESSAGE_BYTES, "a context of %u entries; at most %d (WEFT_CONTEXT_MAX_ENTRIES)",
               call->items[i].context->n_entries, WEFT_CONTEXT_MAX_ENTRIES);
      return WEFT_BAD_INPUT;
    }
  struct cursor in = {WEFT_RING_PAGE, ring->n_bytes, 0};
  uint64_t items = take_room(&in, call->n_items * sizeof(struct weft_wire_item));
  uint64_t inputs = take_room(&in, call->n_inputs * sizeof(struct weft_wire_tensor));
  uint64_t outputs = take_room(&in, call->n_outputs * sizeof(struct weft_wire_output));
  if (in.full)
    return refuse(ring, "in", message);
  if (!lay_out(ring, call))
    return refuse(ring, "out", message);
  post_outputs(ring, &in, call, outputs);
  post_items(ring, &in, call, items);
  post_inputs(ring, &in, call, inputs);
  if (in.full)
    return refuse(ring, "in", message);
  if (in.at > ring->in_high)
    ring->in_high = in.at;

  struct weft_wire_call now;
  memset(&now, 0, sizeof now);
  now.n_items = call->n_items;
  now.n_inputs = call->n_inputs;
  now.n_outputs = call->n_outputs;
  now.flags = call->flags;
  now.items = items;
  now.inputs = inputs;
  now.outputs = outputs;
  now.messages = ring->messages;
  now.item_status = ring->item_status;
  put(ring, offsetof(struct weft_ring_in, now), &now, sizeof now);
  if (__atomic_load_n(&ring->in->cancel, __ATOMIC_RELAXED))
    __atomic_store_n(&ring->in->cancel, 0, __ATOMIC_RELAXED);
  ring->number = ring->number == UINT32_MAX ? 1 : ring->number + 1;
  weft_publish(&ring->in->call, ring->number);
  if (atomic_load(&ring->out->worker_sleeps))
    weft_futex_wake(&ring->in->call);
  return WEFT_OK;
}

int weft_ring_answered(const struct weft_ring_host *ring)
{
  return atomic_load(&ring->out->answer) == ring->number;
}

int weft_ring_ready(const struct weft_ring_host *ring)
{
  return weft_ring_answered(ring) || atomic_load(&ring->lost) == ring->number;
}

/* The clock is read only once the answer has been a while coming: reading it takes as long as a small call. */
static int spin(const struct weft_ring_host *ring)
{
  uint64_t until = 0, now = 0;
  if (!ring->spin_ns)
    return 0;
  while (!until || now < until) {
    for (int i = 0; i < WEFT_SPIN_ROUNDS; i++) {
      if (weft_ring_ready(ring))
        return 1;
      weft_pause();
    }
    now = weft_now_ns();
    until = until ? until : now + ring->spin_ns;
  }
  return 0;
}

int weft_ring_wait(struct weft_ring_host *ring, uint64_t deadline_ns)
{
  if (weft_ring_ready(ring))
    return 1;
  if (spin(ring))
    return 1;
  int ready = 0;
  atomic_store(&ring->in->host_sleeps, 1);
  for (;;) {
    /* The value is read before `ready`: a worker that dies in between has it changed by weft_ring_bury. */
    uint32_t value = atomic_load(&ring->out->answer);
    ready = weft_ring_ready(ring);
    if (ready || weft_futex_wait(&ring->out->answer, value, deadline_ns) == ETIMEDOUT)
      break;
  }
  atomic_store(&ring->in->host_sleeps, 0);
  return ready || weft_ring_ready(ring);
}

uint32_t weft_ring_bury(struct weft_ring_host *ring, int *lost)
{
  uint32_t call = atomic_load(&ring->in->call), answer = atomic_load(&ring->out->answer);
  *lost = call && answer != call && atomic_load(&ring->lost) != call;
  if (*lost) {
    atomic_store(&ring->lost, call);
    uint32_t other = answer + 0x40000000u;
    atomic_store(&ring->out->answer, other == call ? other + 1 : other);
    weft_futex_wake(&ring->out->answer);
  }
  return call;
}
