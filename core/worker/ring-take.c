/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the ring: taking an answer. The worker may change `out` at
 * any time, so everything is copied first and the copy is checked.
 */
#include "hosttable.h"
#include "ring.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Copies out of `out`; the compiler may not read the original again afterwards. */
static void copy(void *to, const struct weft_ring_host *ring, uint64_t at, uint64_t n_bytes)
{
  if (n_bytes)
    memcpy(to, (const char *)ring->out + at, n_bytes);
  __asm__ volatile("" : : "r"(to) : "memory");
}

/* The worker's words are foreign: an end, and nothing that a terminal obeys. */
static void copy_message(char *to, const struct weft_ring_host *ring, uint64_t at)
{
  copy(to, ring, at, WEFT_MESSAGE_BYTES);
  to[WEFT_MESSAGE_BYTES - 1] = '\0';
  for (char *c = to; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      *c = ' ';
}

struct take {
  struct weft_ring_host *ring;
  struct weft_call *call;
  struct weft_call_host *host;
  char *message;
};

static weft_status broken(struct take *take, uint32_t output, const char *what, int64_t found, int64_t most)
{
  snprintf(take->message, WEFT_MESSAGE_BYTES, "the worker answered %s %" PRId64 " for output %u; allowed: 0..%" PRId64,
           what, found, output, most);
  return WEFT_CONTRACT;
}

static weft_status take_items(struct take *take, uint32_t n_failed)
{
  struct weft_call *call = take->call;
  if (!n_failed)
    return WEFT_OK;
  copy(call->item_status, take->ring, take->ring->item_status, call->n_items * sizeof(weft_status));
  for (uint32_t i = 0; i < call->n_items; i++) {
    weft_status status = call->item_status[i];
    if (status < 0 || status >= WEFT_N_STATUS) {
      memset(call->item_status, 0, call->n_items * sizeof(weft_status));
      snprintf(take->message, WEFT_MESSAGE_BYTES, "the worker answered status %d for item %u; expected 0..%d", status, i,
               WEFT_N_STATUS - 1);
      return WEFT_CONTRACT;
    }
  }
  for (uint32_t i = 0; i < call->n_items; i++) {
    char message[WEFT_MESSAGE_BYTES];
    if (call->item_status[i] == WEFT_OK)
      continue;
    copy_message(message, take->ring, take->ring->messages + (uint64_t)i * WEFT_MESSAGE_BYTES);
    take->host->fail(take->host, call, i, call->item_status[i], message);
  }
  return WEFT_OK;
}

/* dims and byte size of the rows; *n_bytes is what the host may copy. */
static weft_status check_dims(struct take *take, uint32_t index, const struct weft_wire_answer *answer, int64_t *n_bytes)
{
  const struct weft_output *output = &take->call->outputs[index];
  int64_t rows = answer->dims[0], row = output->tensor.dtype.bits / 8;
  /* One row an item, and items were left out: fewer rows. Otherwise exact is exact. */
  int fewer = answer->slots == WEFT_SLOTS_ROOM && !output->tensor.splits[0] && rows < output->tensor.dims[0];
  if (output->rows_kind == WEFT_ROWS_EXACT && rows != output->tensor.dims[0] && !fewer)
    return broken(take, index, "rows", rows, output->tensor.dims[0]);
  if (rows < 0 || (output->rows_kind == WEFT_ROWS_BOUNDED && rows > output->n_rows_max))
    return broken(take, index, "rows", rows, output->n_rows_max);
  for (uint32_t d = 1; d < output->tensor.rank; d++) {
    int64_t preset = take->ring->ports ? take->ring->ports[index].dims[d] : output->tensor.dims[d];
    int64_t found = answer->dims[d];
    if (found < 0 || (preset >= 0 && found != preset) || __builtin_mul_overflow(row, found, &row))
      return broken(take, index, "a dimension", found, preset);
  }
  if (__builtin_mul_overflow(row, rows, n_bytes) || (uint64_t)*n_bytes > take->ring->rooms[index].n_data_bytes)
    return broken(take, index, "rows", rows, (int64_t)take->ring->rooms[index].n_data_bytes / (row > 0 ? row : 1));
  return WEFT_OK;
}

static weft_status check_splits(struct take *take, uint32_t index, const int64_t *splits, int64_t n, int64_t most)
{
  int64_t last = 0;
  for (int64_t i = 0; i <= n; i++) {
    if (splits[i] < last || splits[i] > most)
      return broken(take, index, "a split", splits[i], most);
    last = splits[i];
  }
  return WEFT_OK;
}

static weft_status take_splits(struct take *take, uint32_t index, const struct weft_wire_answer *answer)
{
  struct weft_output *output = &take->call->outputs[index];
  const struct weft_ring_room *room = &take->ring->rooms[index];
  if (output->rows_kind == WEFT_ROWS_EXACT || !room->splits[0])
    return WEFT_OK;
  int64_t groups = room->splits[1] ? answer->n_groups : 0;
  if (groups < 0 || groups > room->n_groups_max)
    return broken(take, index, "groups", groups, room->n_groups_max);
  copy(output->splits[0], take->ring, room->splits[0], ((uint64_t)answer->n_slots + 1) * sizeof(int64_t));
  weft_status status =
      check_splits(take, index, output->splits[0], answer->n_slots, room->splits[1] ? groups : answer->dims[0]);
  if (status == WEFT_OK && room->splits[1]) {
    copy(output->splits[1], take->ring, room->splits[1], ((uint64_t)groups + 1) * sizeof(int64_t));
    status = check_splits(take, index, output->splits[1], groups, answer->dims[0]);
  }
  if (status != WEFT_OK)
    return status;
  output->tensor.splits[0] = output->splits[0];
  output->tensor.splits[1] = room->splits[1] ? output->splits[1] : NULL;
  output->tensor.n_groups = groups;
  return WEFT_OK;
}

static weft_status take_slots(struct take *take, uint32_t index, const struct weft_wire_answer *answer)
{
  struct weft_call *call = take->call;
  struct weft_output *output = &call->outputs[index];
  const struct weft_ring_room *room = &take->ring->rooms[index];
  int64_t n_slots = answer->n_slots;
  if (n_slots < 0 || n_slots > room->n_slots)
    return broken(take, index, "slots", n_slots, room->n_slots);
  if (answer->slots == WEFT_SLOTS_ROOM && room->slots) {
    copy(output->slots, take->ring, room->slots, call->n_items * sizeof(int32_t));
    for (uint32_t i = 0; i < call->n_items; i++) {
      int32_t slot = output->slots[i];
      if (call->item_status[i] != WEFT_OK)
        output->slots[i] = -1;
      else if (slot < -1 || slot >= n_slots)
        return broken(take, index, "slot", slot, n_slots - 1);
    }
    output->tensor.slots = output->slots;
  } else if (answer->slots == WEFT_SLOTS_NONE) {
    if (n_slots < call->n_items)
      return broken(take, index, "slots", n_slots, room->n_slots);
    output->tensor.slots = NULL;
  } else if (answer->slots != WEFT_SLOTS_KEPT || output->rows_kind != WEFT_ROWS_EXACT || n_slots != room->n_slots) {
    return broken(take, index, "a kind of slots", answer->slots, WEFT_SLOTS_ROOM);
  }
  output->tensor.n_slots = n_slots;
  return WEFT_OK;
}

static weft_status take_output(struct take *take, uint32_t index)
{
  struct weft_output *output = &take->call->outputs[index];
  struct weft_ring_room *room = &take->ring->rooms[index];
  struct weft_wire_answer answer;
  int64_t n_bytes;
  if (!output->wanted)
    return WEFT_OK;
  copy(&answer, take->ring, WEFT_RING_ANSWERS + index * sizeof answer, sizeof answer);
  weft_status status = check_dims(take, index, &answer, &n_bytes);
  if (status == WEFT_OK)
    status = take_slots(take, index, &answer);
  if (status == WEFT_OK)
    status = take_splits(take, index, &answer);
  if (status != WEFT_OK)
    return status;
  /* Without splits a slot is a row. */
  if (!output->tensor.splits[0] && answer.n_slots > answer.dims[0])
    return broken(take, index, "slots", answer.n_slots, answer.dims[0]);
  memcpy(output->tensor.dims, answer.dims, output->tensor.rank * sizeof(int64_t));
  if (output->rows_kind == WEFT_ROWS_DYNAMIC) {
    uint64_t used = answer.n_reserved_bytes > room->n_data_bytes ? room->n_data_bytes : answer.n_reserved_bytes;
    used += room->splits[1] ? (uint64_t)answer.n_groups * sizeof(int64_t) : 0;
    room->high = used > room->high ? used : room->high;
    status = take->host->reserve(take->host, take->call, index, answer.dims[0]);
    if (status != WEFT_OK) {
      snprintf(take->message, WEFT_MESSAGE_BYTES, "output %u: no room for %" PRId64 " rows", index, answer.dims[0]);
      return status;
    }
  }
  output->tensor.n_bytes = n_bytes;
  copy(output->tensor.data, take->ring, room->data, (uint64_t)n_bytes);
  return WEFT_OK;
}

static weft_status take_all(struct take *take)
{
  struct weft_ring_out *out = take->ring->out;
  weft_status status = __atomic_load_n(&out->status, __ATOMIC_RELAXED);
  uint32_t n_failed = __atomic_load_n(&out->n_failed, __ATOMIC_RELAXED);
  if (status < 0 || status >= WEFT_N_STATUS) {
    snprintf(take->message, WEFT_MESSAGE_BYTES, "the worker answered status %d; expected 0..%d", status,
             WEFT_N_STATUS - 1);
    return WEFT_CONTRACT;
  }
  if (status != WEFT_OK) {
    take->message[0] = '\0';
    if (__atomic_load_n(&out->has_message, __ATOMIC_RELAXED))
      copy_message(take->message, take->ring, offsetof(struct weft_ring_out, message));
    return status;
  }
  status = take_items(take, n_failed);
  uint32_t failed = 0;
  for (uint32_t i = 0; n_failed && i < take->call->n_items; i++)
    failed += take->call->item_status[i] != WEFT_OK;
  if (status != WEFT_OK || failed == take->call->n_items)
    return status;
  for (uint32_t i = 0; i < take->call->n_outputs && status == WEFT_OK; i++)
    status = take_output(take, i);
  return status;
}

weft_status weft_ring_take(struct weft_ring_host *ring, struct weft_call *call, char *message)
{
  struct take take = {ring, call, call->host_data, message};
  message[0] = '\0';
  weft_status status = take_all(&take);
  weft_ring_trim(ring);
  return status;
}

static void give_back(void *segment, uint64_t begin, uint64_t end)
{
  begin = begin & ~(uint64_t)(WEFT_RING_PAGE - 1);
  end = (end + WEFT_RING_PAGE - 1) & ~(uint64_t)(WEFT_RING_PAGE - 1);
  if (end > begin)
    madvise((char *)segment + begin, end - begin, MADV_REMOVE);
}

void weft_ring_trim(struct weft_ring_host *ring)
{
  if (ring->in_high > WEFT_SEGMENT_KEEP_BYTES) {
    give_back(ring->in, WEFT_SEGMENT_KEEP_BYTES, ring->in_high);
    ring->in_high = WEFT_SEGMENT_KEEP_BYTES;
  }
  if (ring->out_high > WEFT_SEGMENT_KEEP_BYTES) {
    give_back(ring->out, WEFT_SEGMENT_KEEP_BYTES, ring->out_high);
    ring->out_high = WEFT_SEGMENT_KEEP_BYTES;
  }
  uint64_t n = 0;
  for (uint32_t i = 0; i < ring->n_outputs; i++)
    n += ring->rooms[i].high;
  if (n <= WEFT_SEGMENT_KEEP_BYTES)
    return;
  for (uint32_t i = 0; i < ring->n_outputs; i++) {
    give_back(ring->out, ring->rooms[i].range, ring->rooms[i].range + ring->rooms[i].n_range_bytes);
    ring->rooms[i].high = 0;
  }
}
