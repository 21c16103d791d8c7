/* SPDX-License-Identifier: Apache-2.0 */
/* One run: divides the scratch, checks the splits, goes through the operations. */
#include "chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int64_t rows_of(const int64_t *rows, int64_t n_items, weft_value splits)
{
  return splits == WEFT_NO_VALUE ? n_items : rows[splits];
}

/* at += n * size, on a cache line; 0 beyond WEFT_CPU_SCRATCH_MAX. */
static int reserve(uint64_t *at, uint64_t n, uint64_t size)
{
  if (size && n > WEFT_CPU_SCRATCH_MAX / size)
    return 0;
  *at += (n * size + 63) / 64 * 64;
  return *at <= WEFT_CPU_SCRATCH_MAX;
}

/* Rows of one item of a value at most: more fail. */
static int64_t item_rows(const struct weft_program *program, weft_value v, int64_t n_items, const int64_t *rows)
{
  weft_value splits = program->values[v].splits;
  int64_t n = rows_of(rows, n_items, splits), most = splits == WEFT_NO_VALUE ? 1 : program->values[splits].rows_max;
  return n < most ? n : most;
}

static uint64_t op_work_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_items,
                              const int64_t *rows)
{
  switch (op->code) {
  case WEFT_OP_ATTENTION:
    return weft_cpu_attention_bytes(program, op, item_rows(program, op->inputs[0], n_items, rows),
                                    item_rows(program, op->inputs[1], n_items, rows));
  case WEFT_OP_ATTENTION_POOL:
    return (uint64_t)item_rows(program, op->inputs[0], n_items, rows) * sizeof(float);
  case WEFT_OP_GROUPED_LINEAR:
    return weft_cpu_grouped_bytes(program, op, rows_of(rows, n_items, program->values[op->inputs[0]].splits));
  case WEFT_OP_ROTARY: return weft_cpu_rotary_bytes(op);
  case WEFT_OP_GROUP_NORM: return weft_cpu_group_norm_bytes(program, op);
  default: return 0;
  }
}

/* Memory that the tasks of one operation share: the most that any asks for. */
static uint64_t shared_bytes(const struct weft_program *program, int64_t n_items, const int64_t *rows)
{
  uint64_t most = 0;
  for (uint32_t o = 0; o < program->n_ops; o++) {
    const struct weft_plan_op *op = &program->ops[o];
    if (op->code != WEFT_OP_GROUPED_LINEAR)
      continue;
    uint64_t bytes =
        weft_cpu_grouped_shared_bytes(program, op, rows_of(rows, n_items, program->values[op->inputs[0]].splits));
    most = bytes > most ? bytes : most;
  }
  return most;
}

/* Working memory of one thread: the most that any operation asks for. */
static uint64_t work_bytes(const struct weft_program *program, int64_t n_items, const int64_t *rows)
{
  uint64_t most = 0;
  for (uint32_t o = 0; o < program->n_ops; o++) {
    uint64_t bytes = op_work_bytes(program, &program->ops[o], n_items, rows);
    most = bytes > most ? bytes : most;
  }
  for (uint32_t g = 0; g < program->n_groups; g++) {
    const struct weft_cpu_group *group = &program->groups[g];
    uint64_t bytes = weft_cpu_block_bytes(program, group, (uint64_t)rows_of(rows, n_items, group->splits));
    most = bytes > most ? bytes : most;
  }
  return (most + 63) / 64 * 64;
}

/*
 * How the scratch of a run is divided. The head is what a run needs to learn
 * its row counts; the body follows from them.
 */
struct layout {
  uint64_t at_data, at_rows, at_buffers, at_failed, at_needed, at_steps, at_slots, at_splits, n_head_bytes;
  uint64_t at_body, at_work, n_work_bytes, at_shared, n_bytes;
};

static uint64_t splits_bytes(uint64_t n_items)
{
  return ((n_items + 1) * sizeof(int64_t) + 63) / 64 * 64;
}

/* 0: beyond WEFT_CPU_SCRATCH_MAX. */
static int lay_head(const struct weft_program *program, int64_t n_items, struct layout *out)
{
  uint64_t at = 0, n_splits = 0;
  for (uint32_t v = 0; v < program->n_values; v++)
    n_splits += program->values[v].kind == WEFT_VALUE_SPLITS;
  out->at_data = at;
  int fits = reserve(&at, program->n_values, sizeof(void *));
  out->at_rows = at;
  fits = fits && reserve(&at, program->n_values, sizeof(int64_t));
  out->at_buffers = at;
  fits = fits && reserve(&at, program->n_buffers, sizeof(void *));
  out->at_failed = at;
  fits = fits && reserve(&at, (uint64_t)n_items, 1);
  out->at_needed = at;
  fits = fits && reserve(&at, program->n_ops, 1);
  out->at_steps = at;
  fits = fits && reserve(&at, program->n_steps, 1);
  out->at_slots = at;
  fits = fits && reserve(&at, program->n_threads, WEFT_CPU_SLOT_BYTES);
  out->at_splits = at;
  fits = fits && reserve(&at, n_splits, splits_bytes((uint64_t)n_items));
  out->n_head_bytes = at;
  return fits;
}

/* rows: [n_values] at each splits value the rows of all items, or their bound. 0: beyond WEFT_CPU_SCRATCH_MAX. */
static int lay_body(const struct weft_program *program, int64_t n_items, const int64_t *rows, struct layout *out)
{
  uint64_t at = out->n_head_bytes;
  out->at_body = at;
  for (uint32_t b = 0; b < program->n_buffers; b++) {
    int64_t n = rows_of(rows, n_items, program->buffers[b].splits);
    if (n < 0 || !reserve(&at, (uint64_t)n, program->buffers[b].width * sizeof(float)))
      return 0;
  }
  out->n_work_bytes = work_bytes(program, n_items, rows);
  out->at_work = at;
  int fits = reserve(&at, program->n_threads, out->n_work_bytes);
  out->at_shared = at;
  fits = fits && reserve(&at, 1, shared_bytes(program, n_items, rows));
  out->n_bytes = at;
  return fits;
}

/* Rows of all items behind derived splits, at most; more than WEFT_CPU_SCRATCH_MAX: whatever is. */
static int64_t bound_of(const struct weft_plan_op *op, int64_t n_items, const int64_t *rows)
{
  const int64_t *i = op->ints, beyond = (int64_t)WEFT_CPU_SCRATCH_MAX + 1;
  int64_t from = op->n_inputs ? rows[op->inputs[0]] : 0, per_item = i[op->code == WEFT_OP_SPLITS_SLICE], more;
  if (op->code == WEFT_OP_SPLITS_SUM)
    return from + rows[op->inputs[1]];
  if (op->code == WEFT_OP_SPLITS_CONV) {
    int64_t added = i[2] - (i[3] ? i[3] : 1) * (i[0] - 1) - 1;
    /* each place but the first of an item takes a stride of its rows */
    return __builtin_mul_overflow(n_items, added > 0 ? added : 0, &more) || more > beyond
               ? beyond
               : (from + more) / i[1] + n_items;
  }
  if (__builtin_mul_overflow(n_items, per_item, &more) || more > beyond)
    more = beyond;
  return op->code == WEFT_OP_SPLITS_SLICE ? (from < more ? from : more) : from + more;
}

/* 0 when the bound of some splits leaves 2^48. */
static int bound_splits(const struct weft_program *program, int64_t n_items, int64_t *rows)
{
  for (uint32_t o = 0; o < program->n_ops; o++) {
    const struct weft_plan_op *op = &program->ops[o];
    if (op->code >= WEFT_OP_SPLITS_END)
      continue;
    rows[op->outputs[0]] = bound_of(op, n_items, rows);
    if (rows[op->outputs[0]] > (int64_t)WEFT_CPU_SCRATCH_MAX)
      return 0;
  }
  return 1;
}

weft_status weft_cpu_scratch(const struct weft_program *program, const struct weft_compute_limits *limits,
                             uint64_t *n_bytes)
{
  *n_bytes = 0;
  if (limits->n_items < 0 || limits->n_items > UINT32_MAX)
    return WEFT_BAD_CONFIG;
  int64_t *rows = program->host->alloc((program->n_values + (size_t)1) * sizeof *rows);
  if (!rows)
    return WEFT_NO_MEMORY;
  memset(rows, 0, (program->n_values + (size_t)1) * sizeof *rows);
  weft_status status = WEFT_OK;
  for (uint32_t i = 0; i < program->n_inputs; i++) {
    const struct weft_cpu_value *v = &program->values[program->inputs[i]];
    if (v->kind != WEFT_VALUE_ROWS || v->splits == WEFT_NO_VALUE)
      continue;
    if (limits->n_rows[i] < 0 || limits->n_rows[i] > (int64_t)WEFT_CPU_SCRATCH_MAX)
      status = WEFT_BAD_CONFIG;
    else if (limits->n_rows[i] > rows[v->splits])
      rows[v->splits] = limits->n_rows[i];
  }
  struct layout layout;
  if (status == WEFT_OK &&
      (!bound_splits(program, limits->n_items, rows) || !lay_head(program, limits->n_items, &layout) ||
       !lay_body(program, limits->n_items, rows, &layout)))
    status = WEFT_BAD_CONFIG;
  program->host->free(rows);
  if (status == WEFT_OK)
    *n_bytes = layout.n_bytes;
  return status;
}

void weft_cpu_fail_item(struct weft_cpu_run *run, uint32_t item, const char *format, ...)
{
  if (run->failed[item])
    return;
  run->failed[item] = 1;
  if (!run->run->fail_item)
    return;
  char message[WEFT_MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  run->run->fail_item(run->run->fail_data, item, WEFT_BAD_INPUT, message);
}

/* Every number used as an index is checked: from 0, never falling, within what the inputs hold. */
static weft_status bind_inputs(struct weft_cpu_run *r)
{
  const struct weft_program *program = r->program;
  const struct weft_compute_run *run = r->run;
  for (uint32_t i = 0; i < program->n_inputs; i++) {
    weft_value v = program->inputs[i];
    /* the data is only read, never written through this pointer */
    memcpy(&r->data[v], &run->inputs[i].data, sizeof r->data[v]);
    if (program->values[v].kind != WEFT_VALUE_SPLITS)
      continue;
    const int64_t *splits = run->inputs[i].data;
    if (!splits || splits[0] != 0)
      return WEFT_BAD_INPUT;
    r->rows[v] = splits[run->n_items];
    for (uint32_t k = 0; k < run->n_items; k++)
      if (splits[k + 1] < splits[k] || splits[k + 1] > (int64_t)WEFT_CPU_SCRATCH_MAX)
        return WEFT_BAD_INPUT;
  }
  return WEFT_OK;
}

static weft_status check_rows(const struct weft_cpu_run *r)
{
  for (uint32_t i = 0; i < r->program->n_inputs; i++) {
    weft_value v = r->program->inputs[i];
    const struct weft_cpu_value *value = &r->program->values[v];
    if (value->kind != WEFT_VALUE_ROWS)
      continue;
    int64_t n = weft_cpu_rows(r, value->splits);
    if (n > r->run->inputs[i].n_rows || (n > 0 && !r->run->inputs[i].data))
      return WEFT_BAD_INPUT;
  }
  return WEFT_OK;
}

/* Which operations wanted outputs stand on. */
static void find_needed(struct weft_cpu_run *r)
{
  const struct weft_program *program = r->program;
  uint32_t n_wanted = 0;
  for (uint32_t i = 0; i < program->n_outputs; i++)
    n_wanted += r->run->outputs[i].data != NULL;
  memset(r->needed, n_wanted == program->n_outputs, program->n_ops);
  if (n_wanted == program->n_outputs)
    return;
  /* data[v] serves as the mark of a value that is needed, before it gets its place */
  for (uint32_t o = program->n_ops; o-- > 0;) {
    const struct weft_plan_op *op = &program->ops[o];
    int needed = program->values[op->outputs[0]].kind == WEFT_VALUE_SPLITS || r->data[op->outputs[0]] != NULL;
    for (uint32_t i = 0; i < program->n_outputs && !needed; i++)
      needed = program->outputs[i] == op->outputs[0] && r->run->outputs[i].data;
    r->needed[o] = (uint8_t)needed;
    for (uint32_t i = 0; i < op->n_inputs && needed; i++)
      if (op->inputs[i] != WEFT_NO_VALUE && weft_cpu_written(&program->values[op->inputs[i]]))
        r->data[op->inputs[i]] = r->needed;
  }
}

/* Rows are prepared where any product that reads them is needed. */
static void find_needed_steps(struct weft_cpu_run *r)
{
  const struct weft_program *program = r->program;
  const struct weft_cpu_step *steps = program->steps;
  for (uint32_t s = program->n_steps; s-- > 0;) {
    r->needed_steps[s] = r->needed[steps[s].op];
    if (steps[s].kind != WEFT_CPU_PREPARE)
      continue;
    /* its products stand behind it in the same chain */
    r->needed_steps[s] = 0;
    for (uint32_t k = s + 1; k < program->n_steps && program->group_of[steps[k].op] == program->group_of[steps[s].op]; k++)
      if (steps[k].kind == WEFT_CPU_PRODUCT && steps[k].prepared == steps[s].prepared)
        r->needed_steps[s] |= r->needed_steps[k];
  }
}

/* Splits first: they say how much room everything else takes. */
static void derive_splits(struct weft_cpu_run *r, uint8_t *at)
{
  for (uint32_t o = 0; o < r->program->n_ops; o++) {
    const struct weft_plan_op *op = &r->program->ops[o];
    if (op->code >= WEFT_OP_SPLITS_END)
      continue;
    r->data[op->outputs[0]] = at;
    at += splits_bytes(r->run->n_items);
    weft_cpu_splits_op(r, op);
    r->rows[op->outputs[0]] = ((const int64_t *)r->data[op->outputs[0]])[r->run->n_items];
  }
}

/* Gives every result its buffer, or the caller's memory where it is wanted. */
static weft_status place_values(struct weft_cpu_run *r, uint8_t *at)
{
  const struct weft_program *program = r->program;
  for (uint32_t b = 0; b < program->n_buffers; b++) {
    int64_t n = weft_cpu_rows(r, program->buffers[b].splits);
    r->buffers[b] = at;
    at += ((uint64_t)n * program->buffers[b].width * sizeof(float) + 63) / 64 * 64;
  }
  for (uint32_t v = 0; v < program->n_values; v++)
    if (program->values[v].buffer != WEFT_CPU_NO_BUFFER)
      r->data[v] = r->buffers[program->values[v].buffer];
    else if (program->values[v].local_at != SIZE_MAX)
      r->data[v] = NULL; /* in its block's memory, unless it is wanted */
  for (uint32_t i = program->n_outputs; i-- > 0;) {
    struct weft_compute_output *output = &r->run->outputs[i];
    weft_value v = program->outputs[i], splits = program->values[v].splits;
    output->n_rows = weft_cpu_rows(r, splits);
    if (output->data && output->n_rows > output->n_rows_max)
      return WEFT_CONTRACT;
    if (output->data)
      r->data[v] = output->data;
    if (output->splits && splits != WEFT_NO_VALUE)
      memcpy(output->splits, r->data[splits], (r->run->n_items + (size_t)1) * sizeof(int64_t));
  }
  return WEFT_OK;
}

static weft_status prepare(struct weft_cpu_run *r)
{
  const struct weft_program *program = r->program;
  const struct weft_compute_run *run = r->run;
  uint8_t *scratch = run->scratch;
  struct layout layout;
  if (run->n_inputs != program->n_inputs || run->n_outputs != program->n_outputs)
    return WEFT_CONTRACT;
  if (!lay_head(program, run->n_items, &layout) || layout.n_head_bytes > run->n_scratch_bytes ||
      (uintptr_t)scratch % WEFT_ALIGNMENT)
    return WEFT_CONTRACT;
  r->data = (void **)(void *)(scratch + layout.at_data);
  r->rows = (int64_t *)(void *)(scratch + layout.at_rows);
  r->buffers = (void **)(void *)(scratch + layout.at_buffers);
  r->failed = scratch + layout.at_failed;
  r->needed = scratch + layout.at_needed;
  r->needed_steps = scratch + layout.at_steps;
  r->slots = scratch + layout.at_slots;
  memset(scratch, 0, layout.at_splits);
  weft_status status = bind_inputs(r);
  if (status != WEFT_OK)
    return status;
  derive_splits(r, scratch + layout.at_splits);
  status = check_rows(r);
  if (status != WEFT_OK)
    return status;
  if (!lay_body(program, run->n_items, r->rows, &layout) || layout.n_bytes > run->n_scratch_bytes)
    return WEFT_CONTRACT;
  r->n_work_bytes = layout.n_work_bytes;
  r->work = scratch + layout.at_work;
  r->shared = scratch + layout.at_shared;
  find_needed(r);
  find_needed_steps(r);
  return place_values(r, scratch + layout.at_body);
}

/* A value that is an output twice was written to the first place. */
static void copy_twins(struct weft_cpu_run *r)
{
  const struct weft_program *program = r->program;
  for (uint32_t i = 0; i < program->n_outputs; i++) {
    const struct weft_compute_output *output = &r->run->outputs[i];
    weft_value v = program->outputs[i];
    if (output->data && output->data != r->data[v])
      memcpy(output->data, r->data[v], (size_t)output->n_rows * program->values[v].width * sizeof(float));
  }
}

weft_status weft_cpu_run(const struct weft_program *program, struct weft_compute_run *run)
{
  struct weft_cpu_run r = {.program = program, .run = run};
  weft_status status = prepare(&r);
  if (status != WEFT_OK)
    return status;
  for (uint32_t o = 0; o < program->n_ops; o++) {
    uint32_t group = program->group_of[o];
    if (weft_cpu_cancelled(&r))
      return WEFT_CANCELLED;
    if (group != UINT32_MAX) {
      weft_cpu_run_group(&r, &program->groups[group]);
      o = program->groups[group].end_op - 1;
    } else if (r.needed[o] && program->ops[o].code >= WEFT_OP_SPLITS_END) {
      weft_cpu_op(&r, &program->ops[o]);
    }
  }
  if (weft_cpu_cancelled(&r))
    return WEFT_CANCELLED;
  copy_twins(&r);
  return WEFT_OK;
}
