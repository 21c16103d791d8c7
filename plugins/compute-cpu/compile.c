/* SPDX-License-Identifier: Apache-2.0 */
/* From a plan to a program: checks, packs weights, gives values their buffers. */
#include "chain.h"

#include "plan-check.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

void weft_cpu_free(struct weft_program *program)
{
  if (!program)
    return;
  const struct weft_host *host = program->host;
  host->free(program->values);
  host->free(program->ops);
  host->free(program->buffers);
  host->free(program->groups);
  host->free(program->phases);
  host->free(program->steps);
  host->free(program->group_of);
  host->free(program->inputs);
  host->free(program->outputs);
  host->free(program->names);
  host->free(program->weights_memory);
  host->free(program);
}

static void describe_values(struct weft_program *program, const struct weft_plan *plan)
{
  char *name = program->names;
  for (uint32_t v = 0; v < plan->n_values; v++) {
    const struct weft_plan_value *from = &plan->values[v];
    struct weft_cpu_value *value = &program->values[v];
    *value = (struct weft_cpu_value){.kind = from->kind, .splits = from->splits, .buffer = WEFT_CPU_NO_BUFFER,
                                     .local_at = SIZE_MAX, .width = 1, .rows_max = INT64_MAX, .n_elements = 1};
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
    else if (op->code == WEFT_OP_SPLITS_SUM && from != INT64_MAX && values[op->inputs[1]].rows_max != INT64_MAX)
      values[op->outputs[0]].rows_max = from + values[op->inputs[1]].rows_max;
    else if (op->code == WEFT_OP_SPLITS_CONV && from != INT64_MAX)
      values[op->outputs[0]].rows_max = weft_cpu_conv_rows(op->ints, from);
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

/* The last operation of the chain that o is in, or o: all of a chain runs at once. */
static uint32_t unit_end(const struct weft_program *program, uint32_t o)
{
  return program->group_of[o] == UINT32_MAX ? o : program->groups[program->group_of[o]].end_op - 1;
}

/* Frees the buffers of values that nobody reads behind the operations [first, end]. */
static void release_buffers(struct weft_program *program, uint32_t first, uint32_t end, const uint32_t *last, uint8_t *taken)
{
  for (uint32_t o = first; o <= end; o++) {
    const struct weft_plan_op *op = &program->ops[o];
    for (uint32_t i = 0; i <= op->n_inputs; i++) {
      weft_value v = i < op->n_inputs ? op->inputs[i] : op->outputs[0];
      if (v != WEFT_NO_VALUE && program->values[v].buffer != WEFT_CPU_NO_BUFFER && last[v] <= end)
        taken[program->values[v].buffer] = 0;
    }
  }
}

/* last, taken: [n_values]. A result never takes the buffer of an operand, nor of anything that its chain reads. */
static void give_buffers(struct weft_program *program, uint32_t *last, uint8_t *taken)
{
  for (uint32_t o = 0; o < program->n_ops; o++)
    for (uint32_t i = 0; i < program->ops[o].n_inputs; i++)
      if (program->ops[o].inputs[i] != WEFT_NO_VALUE)
        last[program->ops[o].inputs[i]] = unit_end(program, o);
  for (uint32_t o = 0; o < program->n_ops;) {
    uint32_t first = o, end = unit_end(program, o);
    for (; o <= end; o++) {
      struct weft_cpu_value *value = &program->values[program->ops[o].outputs[0]];
      if (value->kind == WEFT_VALUE_ROWS && value->local_at == SIZE_MAX)
        value->buffer = take_buffer(program, taken, value);
    }
    release_buffers(program, first, end, last, taken);
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

/* Everything after the checks; 0: no memory. */
static int build(struct weft_program *program, struct weft_setup *setup, const struct weft_plan *plan)
{
  if (!allocate(program, plan))
    return 0;
  describe_values(program, plan);
  size_t n = plan->n_values + (size_t)1;
  uint8_t *taken = calloc(n, 1);
  uint32_t *last = calloc(n, sizeof *last);
  int done = taken && last;
  if (done) {
    bound_items(program);
    done = weft_cpu_weights(program, setup, plan) && weft_cpu_chains(program);
    if (done)
      give_buffers(program, last, taken);
  }
  free(taken);
  free(last);
  return done;
}

weft_status weft_cpu_compile(const struct weft_host *host, const struct weft_cpu_isa *isa, uint32_t precision,
                             struct weft_setup *setup, const struct weft_plan *plan, struct weft_program **out)
{
  char message[WEFT_MESSAGE_BYTES];
  weft_status status = weft_nn_plan_check(plan, message);
  if (status != WEFT_OK)
    return host->fail(setup, status, "compute-cpu: %s", message);
  struct weft_program *program = host->alloc(sizeof *program);
  if (!program)
    return host->fail(setup, WEFT_NO_MEMORY, "compute-cpu: no memory for a program");
  *program = (struct weft_program){.host = host, .isa = isa, .kernels = isa->kernels, .precision = precision,
                                   .n_values = plan->n_values, .n_ops = plan->n_ops, .n_inputs = plan->n_inputs,
                                   .n_outputs = plan->n_outputs, .n_threads = 1};
  program->pool = host->get_extension(WEFT_POOL_ID);
  if (program->pool)
    program->n_threads = program->pool->n_threads();
  if (program->n_threads < 1)
    program->n_threads = 1;
  if (!build(program, setup, plan)) {
    weft_cpu_free(program);
    return host->fail(setup, WEFT_NO_MEMORY, "compute-cpu: no memory for a plan of %u operations and its weights",
                      plan->n_ops);
  }
  *out = program;
  return WEFT_OK;
}
