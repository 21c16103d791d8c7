/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's end of the ring: makes a call out of what the host laid out and
 * describes what the node left. It trusts `in`, which only the host can write.
 */
#include "hosttable.h"
#include "ring.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct weft_ring_worker {
  struct weft_call_host host; /* first: call->host_data */
  struct weft_ring_worker_spec spec;
  uint32_t number;            /* of the call in hand */
  struct weft_call call;
  struct weft_item *items;
  struct weft_context *contexts;
  struct weft_context_entry *entries; /* [n_items_max x WEFT_CONTEXT_MAX_ENTRIES]: pages come at first use */
  weft_status *status;
  weft_status failed;         /* of fail_call: the call's, also where `process` answers WEFT_OK after it */
  uint8_t *has_message;
  struct weft_tensor *inputs;
  const struct weft_tensor **input_of;
  struct weft_output *outputs;
  uint64_t *reserved;
  void *scratch;
};

static void *in_at(const struct weft_ring_worker *ring, uint64_t at)
{
  return at ? (char *)(uintptr_t)ring->spec.in + at : NULL;
}

static void *out_at(const struct weft_ring_worker *ring, uint64_t at)
{
  return at ? (char *)ring->spec.out + at : NULL;
}

static char *item_message(const struct weft_ring_worker *ring, uint32_t item)
{
  return (char *)ring->spec.out + ring->spec.in->now.messages + (uint64_t)item * WEFT_MESSAGE_BYTES;
}

static void on_fail(struct weft_call_host *self, const struct weft_call *call, uint32_t item, weft_status status,
                    const char *message)
{
  struct weft_ring_worker *ring = (struct weft_ring_worker *)self;
  if (item == WEFT_ALL_ITEMS) {
    snprintf(ring->spec.out->message, WEFT_MESSAGE_BYTES, "%s", message);
    ring->spec.out->has_message = 1;
    ring->failed = status;
  } else if (item < call->n_items) {
    snprintf(item_message(ring, item), WEFT_MESSAGE_BYTES, "%s", message);
    ring->has_message[item] = 1;
    ring->status[item] = status;
  }
}

/* The range is there already: to reserve is to look whether the rows fit. */
static weft_status on_reserve(struct weft_call_host *self, const struct weft_call *call, uint32_t output, int64_t n_rows)
{
  struct weft_ring_worker *ring = (struct weft_ring_worker *)self;
  if (output >= call->n_outputs || n_rows < 0 || call->outputs[output].rows_kind != WEFT_ROWS_DYNAMIC)
    return WEFT_CONTRACT;
  const struct weft_wire_output *wire = in_at(ring, ring->spec.in->now.outputs);
  struct weft_output *o = &call->outputs[output];
  int64_t n_bytes, row = weft_row_bytes(&o->tensor);
  if (!o->wanted)
    return WEFT_OK;
  if (row < 0 || __builtin_mul_overflow(row, n_rows, &n_bytes) || (uint64_t)n_bytes > wire[output].n_data_bytes)
    return WEFT_NO_MEMORY;
  o->tensor.data = out_at(ring, wire[output].data);
  o->n_rows_max = n_rows > o->n_rows_max ? n_rows : o->n_rows_max;
  if ((uint64_t)n_bytes > ring->reserved[output])
    ring->reserved[output] = (uint64_t)n_bytes;
  return WEFT_OK;
}

weft_status weft_ring_worker_new(const struct weft_ring_worker_spec *spec, struct weft_ring_worker **out)
{
  struct weft_ring_worker *ring = weft_mem_alloc(sizeof *ring);
  if (!ring)
    return WEFT_NO_MEMORY;
  memset(ring, 0, sizeof *ring);
  ring->spec = *spec;
  ring->number = spec->base;
  ring->host.fail = on_fail;
  ring->host.reserve = on_reserve;
  ring->items = weft_mem_alloc(spec->n_items_max * sizeof *ring->items + 1);
  ring->contexts = weft_mem_alloc(spec->n_items_max * sizeof *ring->contexts + 1);
  ring->entries = weft_mem_alloc(spec->n_items_max * WEFT_CONTEXT_MAX_ENTRIES * sizeof *ring->entries + 1);
  ring->status = weft_mem_alloc(spec->n_items_max * sizeof *ring->status + 1);
  ring->has_message = weft_mem_alloc(spec->n_items_max + 1);
  ring->inputs = weft_mem_alloc(spec->n_inputs * sizeof *ring->inputs + 1);
  ring->input_of = weft_mem_alloc(spec->n_inputs * sizeof *ring->input_of + 1);
  ring->outputs = weft_mem_alloc(spec->n_outputs * sizeof *ring->outputs + 1);
  ring->reserved = weft_mem_alloc(spec->n_outputs * sizeof *ring->reserved + 1);
  ring->scratch = weft_mem_alloc(spec->n_scratch_bytes + 1);
  if (!ring->items || !ring->contexts || !ring->entries || !ring->status || !ring->has_message || !ring->inputs ||
      !ring->input_of || !ring->outputs || !ring->reserved || !ring->scratch) {
    weft_ring_worker_free(ring);
    return WEFT_NO_MEMORY;
  }
  atomic_store(&spec->out->worker_sleeps, 0);
  *out = ring;
  return WEFT_OK;
}

void weft_ring_worker_free(struct weft_ring_worker *ring)
{
  if (!ring)
    return;
  weft_mem_free(ring->items);
  weft_mem_free(ring->contexts);
  weft_mem_free(ring->entries);
  weft_mem_free(ring->status);
  weft_mem_free(ring->has_message);
  weft_mem_free(ring->inputs);
  weft_mem_free(ring->input_of);
  weft_mem_free(ring->outputs);
  weft_mem_free(ring->reserved);
  weft_mem_free(ring->scratch);
  weft_mem_free(ring);
}

static int spin(const struct weft_ring_worker *ring)
{
  uint64_t until = 0, now = 0;
  if (!ring->spec.spin_ns)
    return 0;
  while (!until || now < until) {
    for (int i = 0; i < WEFT_SPIN_ROUNDS; i++) {
      if (atomic_load(&ring->spec.in->call) != ring->number)
        return 1;
      weft_pause();
    }
    now = weft_now_ns();
    until = until ? until : now + ring->spec.spin_ns;
  }
  return 0;
}

static void await_call(struct weft_ring_worker *ring)
{
  const struct weft_ring_in *in = ring->spec.in;
  if (atomic_load(&in->call) == ring->number && !spin(ring)) {
    atomic_store(&ring->spec.out->worker_sleeps, 1);
    while (atomic_load(&in->call) == ring->number)
      weft_futex_wait(&in->call, ring->number, 0);
    atomic_store(&ring->spec.out->worker_sleeps, 0);
  }
  ring->number = atomic_load(&in->call);
}

static void build_tensor(const struct weft_ring_worker *ring, const struct weft_wire_tensor *wire,
                         struct weft_tensor *tensor)
{
  tensor->data = in_at(ring, wire->data);
  tensor->n_bytes = wire->n_bytes;
  memcpy(tensor->dims, wire->dims, sizeof tensor->dims);
  tensor->dtype = wire->dtype;
  tensor->rank = wire->rank;
  tensor->device = WEFT_DEVICE_CPU;
  tensor->flags = wire->flags;
  tensor->slots = in_at(ring, wire->slots);
  tensor->splits[0] = in_at(ring, wire->splits[0]);
  tensor->splits[1] = in_at(ring, wire->splits[1]);
  tensor->n_slots = wire->n_slots;
  tensor->n_groups = wire->n_groups;
}

static struct weft_context *build_context(struct weft_ring_worker *ring, uint32_t item, uint64_t at)
{
  const struct weft_wire_context *wire = in_at(ring, at);
  const uint64_t *pairs = in_at(ring, wire->entries);
  struct weft_context *context = &ring->contexts[item];
  struct weft_context_entry *entries = ring->entries + (size_t)item * WEFT_CONTEXT_MAX_ENTRIES;
  context->subject = in_at(ring, wire->text[0]);
  context->session = in_at(ring, wire->text[1]);
  context->tenant = in_at(ring, wire->text[2]);
  context->tier = in_at(ring, wire->text[3]);
  context->language = in_at(ring, wire->text[4]);
  context->trace_id = in_at(ring, wire->text[5]);
  context->n_entries = wire->n_entries < WEFT_CONTEXT_MAX_ENTRIES ? (uint32_t)wire->n_entries : WEFT_CONTEXT_MAX_ENTRIES;
  context->entries = context->n_entries ? entries : NULL;
  for (uint32_t e = 0; e < context->n_entries; e++) {
    entries[e].key = in_at(ring, pairs[2 * e]);
    entries[e].value = in_at(ring, pairs[2 * e + 1]);
  }
  return context;
}

static void build_items(struct weft_ring_worker *ring)
{
  const struct weft_wire_item *wire = in_at(ring, ring->spec.in->now.items);
  uint64_t last = 0;
  struct weft_context *context = NULL;
  for (uint32_t i = 0; i < ring->call.n_items; i++) {
    if (wire[i].context && wire[i].context != last) {
      context = build_context(ring, i, wire[i].context);
      last = wire[i].context;
    }
    ring->items[i].seed = wire[i].seed;
    ring->items[i].stream = wire[i].stream;
    ring->items[i].context = wire[i].context ? context : NULL;
    ring->items[i].chunk_flags = wire[i].chunk_flags;
    ring->items[i].slot = wire[i].slot;
    ring->items[i].time_ns = wire[i].time_ns;
  }
}

static void build_outputs(struct weft_ring_worker *ring)
{
  const struct weft_wire_output *wire = in_at(ring, ring->spec.in->now.outputs);
  for (uint32_t i = 0; i < ring->call.n_outputs; i++) {
    struct weft_output *output = &ring->outputs[i];
    build_tensor(ring, &wire[i].preset, &output->tensor);
    output->slots = out_at(ring, wire[i].slots);
    output->splits[0] = out_at(ring, wire[i].splits[0]);
    output->splits[1] = out_at(ring, wire[i].splits[1]);
    output->n_rows_max = wire[i].n_rows_max;
    output->n_groups_max = wire[i].n_groups_max;
    output->wanted = wire[i].wanted;
    output->rows_kind = wire[i].rows_kind;
    output->tensor.data = out_at(ring, wire[i].data);
    ring->reserved[i] = 0;
    if (output->rows_kind == WEFT_ROWS_DYNAMIC) {
      output->tensor.data = NULL;
      output->n_rows_max = 0;
    }
    /* Exact splits are the host's and stand in `in`: whoever writes to them is stopped by the processor. */
    for (int k = 0; k < 2; k++) {
      if (output->rows_kind == WEFT_ROWS_EXACT)
        output->splits[k] = in_at(ring, wire[i].preset.splits[k]);
      else
        output->tensor.splits[k] = output->splits[k];
    }
  }
}

struct weft_call *weft_ring_worker_next(struct weft_ring_worker *ring)
{
  await_call(ring);
  const struct weft_ring_in *in = ring->spec.in;
  struct weft_call *call = &ring->call;
  call->n_items = in->now.n_items;
  call->n_inputs = in->now.n_inputs;
  call->n_outputs = in->now.n_outputs;
  call->flags = 0;
  build_items(ring);
  const struct weft_wire_tensor *inputs = in_at(ring, in->now.inputs);
  for (uint32_t i = 0; i < call->n_inputs; i++) {
    build_tensor(ring, &inputs[i], &ring->inputs[i]);
    ring->input_of[i] = &ring->inputs[i];
  }
  build_outputs(ring);
  if (in->now.flags & WEFT_RING_MARKS_FIRST && call->n_outputs && ring->outputs[0].tensor.data)
    memset(ring->outputs[0].tensor.data, WEFT_RING_UNWRITTEN, (size_t)ring->outputs[0].tensor.n_bytes);
  memset(ring->status, 0, call->n_items * sizeof *ring->status);
  memset(ring->has_message, 0, call->n_items);
  ring->failed = WEFT_OK;
  if (ring->spec.out->has_message)
    ring->spec.out->has_message = 0;
  call->items = ring->items;
  call->inputs = ring->input_of;
  call->outputs = ring->outputs;
  call->item_status = ring->status;
  call->scratch = ring->scratch;
  call->n_scratch_bytes = ring->spec.n_scratch_bytes;
  call->cancel = &in->cancel;
  call->host_data = &ring->host;
  return call;
}

/* As in process: a node writes into the room it was given; values left elsewhere would be answered as something else. */
static const char *misplaced(const struct weft_ring_worker *ring, uint32_t index)
{
  const struct weft_wire_output *wire = (struct weft_wire_output *)in_at(ring, ring->spec.in->now.outputs) + index;
  const struct weft_output *output = &ring->outputs[index];
  const struct weft_tensor *tensor = &output->tensor;
  int dynamic = output->rows_kind == WEFT_ROWS_DYNAMIC;
  if (!weft_dtype_equal(tensor->dtype, wire->preset.dtype) || tensor->rank != wire->preset.rank ||
      tensor->flags != wire->preset.flags)
    return "its type or rank is not that of the port";
  if (tensor->data != out_at(ring, wire->data) && (tensor->data || !dynamic))
    return "data points elsewhere than at the room given";
  if (dynamic && tensor->dims[0] > output->n_rows_max)
    return "it has more rows than were reserved";
  if (tensor->slots && tensor->slots != out_at(ring, wire->slots) && tensor->slots != in_at(ring, wire->preset.slots))
    return "its slots point elsewhere than at the room given";
  for (int k = 0; k < 2; k++)
    if (tensor->splits[k] != (output->rows_kind == WEFT_ROWS_EXACT ? in_at(ring, wire->preset.splits[k])
                                                                   : out_at(ring, wire->splits[k])))
      return "its splits point elsewhere than at the room given";
  return NULL;
}

static weft_status describe_output(struct weft_ring_worker *ring, uint32_t index)
{
  const struct weft_wire_output *wire = (struct weft_wire_output *)in_at(ring, ring->spec.in->now.outputs) + index;
  const struct weft_output *output = &ring->outputs[index];
  const struct weft_tensor *tensor = &output->tensor;
  const char *wrong = misplaced(ring, index);
  if (wrong) {
    snprintf(ring->spec.out->message, WEFT_MESSAGE_BYTES, "it broke the contract at output %u: %s", index, wrong);
    ring->spec.out->has_message = 1;
    return WEFT_CONTRACT;
  }
  struct weft_wire_answer answer;
  memset(&answer, 0, sizeof answer);
  memcpy(answer.dims, tensor->dims, sizeof answer.dims);
  answer.n_slots = tensor->n_slots;
  answer.n_groups = tensor->n_groups;
  answer.n_reserved_bytes = ring->reserved[index];
  if (!tensor->slots)
    answer.slots = WEFT_SLOTS_NONE;
  else
    answer.slots = tensor->slots == in_at(ring, wire->preset.slots) ? WEFT_SLOTS_KEPT : WEFT_SLOTS_ROOM;
  struct weft_wire_answer *to = (struct weft_wire_answer *)out_at(ring, WEFT_RING_ANSWERS) + index;
  if (memcmp(to, &answer, sizeof answer))
    memcpy(to, &answer, sizeof answer);
  return WEFT_OK;
}

static uint32_t describe_items(struct weft_ring_worker *ring)
{
  uint32_t n_failed = 0;
  for (uint32_t i = 0; i < ring->call.n_items; i++) {
    if (ring->status[i] == WEFT_OK)
      continue;
    n_failed++;
    if (!ring->has_message[i])
      item_message(ring, i)[0] = '\0';
  }
  if (n_failed)
    memcpy(out_at(ring, ring->spec.in->now.item_status), ring->status, ring->call.n_items * sizeof(weft_status));
  return n_failed;
}

void weft_ring_worker_answer(struct weft_ring_worker *ring, weft_status status)
{
  struct weft_ring_out *out = ring->spec.out;
  const struct weft_ring_in *in = ring->spec.in;
  uint32_t n_failed = describe_items(ring);
  if (status == WEFT_OK)
    status = ring->failed;
  for (uint32_t i = 0; i < ring->call.n_outputs && status == WEFT_OK && n_failed < ring->call.n_items; i++)
    if (ring->outputs[i].wanted)
      status = describe_output(ring, i);
  /* The host is looking at this line: each store of its own may have to fetch it back. */
  if (out->n_failed != n_failed)
    out->n_failed = n_failed;
  if (out->status != status)
    out->status = status;
  weft_publish(&out->answer, ring->number);
  if (atomic_load(&in->host_sleeps))
    weft_futex_wake(&out->answer);
  if (atomic_load(&in->notify) && ring->spec.eventfd >= 0) {
    uint64_t one = 1;
    /* A full counter is readable already, which is all that matters. */
    ssize_t n = write(ring->spec.eventfd, &one, sizeof one);
    (void)n;
  }
}
