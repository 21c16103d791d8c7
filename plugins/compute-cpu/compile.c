/* SPDX-License-Identifier: Apache-2.0 */
/* From a plan to a program: checks, packs weights, gives values their buffers. */
#include "program.h"

#include "plan-check.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)1 << 21)

void weft_cpu_free(struct weft_program *program)
{
  if (!program)
    return;
  const struct weft_host *host = program->host;
  host->free(program->values);
  host->free(program->ops);
  host->free(program->buffers);
  host->free(program->inputs);
  host->free(program->outputs);
  host->free(program->names);
  host->free(program->weights_memory);
  host->free(program);
}

static float half_to_float(uint16_t h)
{
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 1023u, bits;
  if (exponent == 31)
    bits = sign | 0x7f800000u | mantissa << 13;
  else if (exponent)
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  else {
    float small = (float)mantissa * 0x1p-24f;
    return sign ? -small : small;
  }
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* Elements [first, first + n) of a weight as f32. */
static void convert(float *to, const struct weft_plan_weight *w, size_t first, size_t n)
{
  const uint8_t *from = (const uint8_t *)w->data + w->offset + first * (w->dtype.bits / 8);
  if (w->dtype.bits == 32) {
    memcpy(to, from, n * sizeof *to);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    uint16_t h;
    memcpy(&h, from + i * 2, sizeof h);
    uint32_t bits = (uint32_t)h << 16;
    if (w->dtype.code == WEFT_DTYPE_FLOAT)
      to[i] = half_to_float(h);
    else
      memcpy(to + i, &bits, sizeof *to);
  }
}

static size_t round_up(size_t n, size_t to)
{
  return (n + to - 1) / to * to;
}

/* [N, K] -> panels [ceil(N / nr)][K][nr]; in blocks that fit into the first-level cache, whole lines of both sides. */
static void pack(float *to, const struct weft_plan_weight *w, size_t n, size_t k, size_t nr)
{
  enum { STEP = 16 };
  for (size_t first = 0; first < n; first += nr, to += k * nr) {
    size_t columns = n - first < nr ? n - first : nr;
    if (columns < nr)
      memset(to, 0, k * nr * sizeof *to);
    for (size_t at = 0; at < k; at += STEP) {
      size_t step = k - at < STEP ? k - at : STEP;
      for (size_t j = 0; j < columns; j++) {
        float block[STEP];
        const uint8_t *from = (const uint8_t *)block;
        if (w->dtype.bits == 32)
          from = (const uint8_t *)w->data + w->offset + ((first + j) * k + at) * sizeof(float);
        else
          convert(block, w, (first + j) * k + at, step);
        for (size_t i = 0; i < step; i++)
          memcpy(&to[(at + i) * nr + j], from + i * sizeof(float), sizeof(float));
      }
    }
  }
}

/* A weight that can be read where it lies. */
static int readable(const struct weft_plan_weight *w)
{
  return w->dtype.bits == 32 && ((uintptr_t)w->data + w->offset) % sizeof(float) == 0;
}

/* How the operations read each weight: bit 0 plain, bit 1 packed. */
static void weight_uses(const struct weft_plan *plan, uint8_t *uses)
{
  for (uint32_t o = 0; o < plan->n_ops; o++)
    for (uint32_t i = 0; i < plan->ops[o].n_inputs; i++) {
      weft_value v = plan->ops[o].inputs[i];
      if (v != WEFT_NO_VALUE && plan->values[v].kind == WEFT_VALUE_WEIGHT)
        uses[v] |= plan->ops[o].code == WEFT_OP_LINEAR && i == 1 ? 2 : 1;
    }
}

/* Packs and converts into program->weights; with to == NULL only counts. Returns the floats. */
static size_t place_weights(struct weft_program *program, const struct weft_plan *plan, const uint8_t *uses, float *to)
{
  size_t n = 0, nr = program->kernels->nr;
  for (uint32_t v = 0; v < plan->n_values; v++) {
    if (!uses[v])
      continue;
    const struct weft_plan_weight *w = &plan->weights[plan->values[v].weight];
    struct weft_cpu_value *value = &program->values[v];
    size_t rows = (size_t)w->dims[0], k = value->n_elements / rows;
    if (uses[v] & 2) {
      if (to) {
        pack(to + n, w, rows, k, nr);
        value->packed = to + n;
      }
      n += round_up(round_up(rows, nr) * k, 16);
    }
    if ((uses[v] & 1) && readable(w)) {
      value->plain = (const float *)(const void *)((const uint8_t *)w->data + w->offset);
    } else if (uses[v] & 1) {
      if (to)
        convert(to + n, w, 0, value->n_elements);
      value->plain = to ? to + n : NULL;
      n += round_up(value->n_elements, 16);
    }
  }
  return n;
}

static void describe_values(struct weft_program *program, const struct weft_plan *plan)
{
  char *name = program->names;
  for (uint32_t v = 0; v < plan->n_values; v++) {
    const struct weft_plan_value *from = &plan->values[v];
    struct weft_cpu_value *value = &program->values[v];
    *value = (struct weft_cpu_value){.kind = from->kind, .splits = from->splits, .buffer = WEFT_CPU_NO_BUFFER,
                                     .width = 1, .rows_max = INT64_MAX, .n_elements = 1};
    if (from->name) {
      size_t n = strlen(from->name) + 1;
      memcpy(name, from->name, n);
      value->name = name;
      name += n;
    }
    for (uint32_t d = 0; d < from->rank; d++)
      if (from->kind == WEFT_VALUE_WEIGHT)
        value->n_elements *= (size_t)from->dims[d];
      else if (d > 0)
        value->width *= (size_t)from->dims[d];
    if (from->kind == WEFT_VALUE_WEIGHT)
      value->n_rows = value->n_elements / (size_t)from->dims[from->rank - 1];
  }
}

/* Rows that an item can have at most: from constant splits, and from tables of positions. */
static void bound_items(struct weft_program *program)
{
  struct weft_cpu_value *values = program->values;
  for (uint32_t o = 0; o < program->n_ops; o++) {
    const struct weft_plan_op *op = &program->ops[o];
    int64_t from = op->n_inputs ? values[op->inputs[0]].rows_max : 0;
    if (op->code == WEFT_OP_SPLITS_UNIFORM)
      values[op->outputs[0]].rows_max = op->ints[0];
    else if (op->code == WEFT_OP_SPLITS_ADD)
      values[op->outputs[0]].rows_max = from == INT64_MAX ? from : from + op->ints[0];
    else if (op->code == WEFT_OP_SPLITS_SLICE)
      values[op->outputs[0]].rows_max = op->ints[1] < from ? op->ints[1] : from;
    if (op->code != WEFT_OP_ADD_POSITION || values[op->inputs[0]].splits == WEFT_NO_VALUE)
      continue;
    struct weft_cpu_value *splits = &values[values[op->inputs[0]].splits];
    int64_t n = (int64_t)(values[op->inputs[1]].n_elements / values[op->inputs[0]].width) - op->ints[0];
    if (n < splits->rows_max)
      splits->rows_max = n;
  }
}

/* The buffer of those free (last used before) that fits best, or a new one. */
static uint32_t take_buffer(struct weft_program *program, uint8_t *taken, const struct weft_cpu_value *value)
{
  uint32_t best = WEFT_CPU_NO_BUFFER;
  for (uint32_t b = 0; b < program->n_buffers; b++) {
    const struct weft_cpu_buffer *buffer = &program->buffers[b];
    if (taken[b] || buffer->splits != value->splits)
      continue;
    if (best == WEFT_CPU_NO_BUFFER || (buffer->width >= value->width) > (program->buffers[best].width >= value->width) ||
        ((buffer->width >= value->width) == (program->buffers[best].width >= value->width) &&
         buffer->width < program->buffers[best].width))
      best = b;
  }
  if (best == WEFT_CPU_NO_BUFFER) {
    best = program->n_buffers++;
    program->buffers[best] = (struct weft_cpu_buffer){.splits = value->splits};
  }
  if (program->buffers[best].width < value->width)
    program->buffers[best].width = value->width;
  taken[best] = 1;
  return best;
}

/* last, taken: [n_values]. A result never takes the buffer of an operand. */
static void give_buffers(struct weft_program *program, uint32_t *last, uint8_t *taken)
{
  for (uint32_t o = 0; o < program->n_ops; o++)
    for (uint32_t i = 0; i < program->ops[o].n_inputs; i++)
      if (program->ops[o].inputs[i] != WEFT_NO_VALUE)
        last[program->ops[o].inputs[i]] = o;
  for (uint32_t o = 0; o < program->n_ops; o++) {
    const struct weft_plan_op *op = &program->ops[o];
    struct weft_cpu_value *value = &program->values[op->outputs[0]];
    if (value->kind == WEFT_VALUE_ROWS) {
      value->buffer = take_buffer(program, taken, value);
      if (last[op->outputs[0]] <= o)
        taken[value->buffer] = 0;
    }
    for (uint32_t i = 0; i < op->n_inputs; i++) {
      weft_value v = op->inputs[i];
      if (v != WEFT_NO_VALUE && program->values[v].buffer != WEFT_CPU_NO_BUFFER && last[v] == o)
        taken[program->values[v].buffer] = 0;
    }
  }
}

static void *copy_of(const struct weft_host *host, const void *from, size_t n_bytes)
{
  void *to = host->alloc(n_bytes ? n_bytes : 1);
  if (to && n_bytes)
    memcpy(to, from, n_bytes);
  return to;
}

static int allocate(struct weft_program *program, const struct weft_plan *plan)
{
  const struct weft_host *host = program->host;
  size_t n_names = 1;
  for (uint32_t v = 0; v < plan->n_values; v++)
    n_names += plan->values[v].name ? strlen(plan->values[v].name) + 1 : 0;
  program->names = host->alloc(n_names);
  program->values = host->alloc((plan->n_values + (size_t)1) * sizeof *program->values);
  program->buffers = host->alloc((plan->n_values + (size_t)1) * sizeof *program->buffers);
  program->ops = copy_of(host, plan->ops, plan->n_ops * sizeof *plan->ops);
  program->inputs = copy_of(host, plan->inputs, plan->n_inputs * sizeof *plan->inputs);
  program->outputs = copy_of(host, plan->outputs, plan->n_outputs * sizeof *plan->outputs);
  return program->names && program->values && program->buffers && program->ops && program->inputs &&
         program->outputs;
}

/*
 * Room for the packed weights, in huge pages where it fills at least half of
 * one: a fault costs most of what filling 4 KB takes (1.8 MB: 1.4 ms without,
 * 0.1 with), and products miss fewer addresses.
 */
static float *allocate_weights(struct weft_program *program, size_t n_floats)
{
  size_t n_bytes = (n_floats + 16) * sizeof(float), huge = (n_bytes + HUGE_PAGE / 2) / HUGE_PAGE * HUGE_PAGE;
  size_t room = huge ? (n_bytes > huge ? n_bytes : huge) + HUGE_PAGE : n_bytes;
  program->weights_memory = program->host->alloc(room);
  if (!program->weights_memory || !huge)
    return program->weights_memory;
  uint8_t *memory = program->weights_memory;
  memory += (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
  /* advice: what follows is right without it */
  (void)madvise(memory, huge, MADV_HUGEPAGE);
  return (float *)(void *)memory;
}

/* Everything after the checks; 0: no memory. */
static int build(struct weft_program *program, const struct weft_plan *plan)
{
  if (!allocate(program, plan))
    return 0;
  describe_values(program, plan);
  size_t n = plan->n_values + (size_t)1;
  uint8_t *bytes = calloc(n, 2);
  uint32_t *last = calloc(n, sizeof *last);
  if (!bytes || !last) {
    free(bytes);
    free(last);
    return 0;
  }
  bound_items(program);
  give_buffers(program, last, bytes);
  uint8_t *uses = bytes + n;
  weight_uses(plan, uses);
  size_t n_floats = place_weights(program, plan, uses, NULL);
  float *weights = allocate_weights(program, n_floats);
  if (weights)
    place_weights(program, plan, uses, weights);
  free(bytes);
  free(last);
  return weights != NULL;
}

weft_status weft_cpu_compile(const struct weft_host *host, const struct weft_kernels *kernels,
                             struct weft_setup *setup, const struct weft_plan *plan, struct weft_program **out)
{
  char message[WEFT_MESSAGE_BYTES];
  weft_status status = weft_nn_plan_check(plan, message);
  if (status != WEFT_OK)
    return host->fail(setup, status, "compute-cpu: %s", message);
  struct weft_program *program = host->alloc(sizeof *program);
  if (!program)
    return host->fail(setup, WEFT_NO_MEMORY, "compute-cpu: no memory for a program");
  *program = (struct weft_program){.host = host, .kernels = kernels, .n_values = plan->n_values, .n_ops = plan->n_ops,
                                   .n_inputs = plan->n_inputs, .n_outputs = plan->n_outputs, .n_threads = 1};
  program->pool = host->get_extension(WEFT_POOL_ID);
  if (program->pool)
    program->n_threads = program->pool->n_threads();
  if (program->n_threads < 1)
    program->n_threads = 1;
  if (!build(program, plan)) {
    weft_cpu_free(program);
    return host->fail(setup, WEFT_NO_MEMORY, "compute-cpu: no memory for a plan of %u operations and its weights",
                      plan->n_ops);
  }
  *out = program;
  return WEFT_OK;
}
