/* SPDX-License-Identifier: Apache-2.0 */
/* Which function runs which operation. */
#include "chain.h"
#include "ops.h"

void weft_cpu_divide(struct weft_cpu_task *t, size_t n, size_t elements, double ns, void (*fn)(void *, uint32_t, void *))
{
  size_t step = elements ? WEFT_CPU_TASK_ELEMENTS / elements : n;
  t->step = step ? step : 1;
  if (n > 0)
    weft_cpu_parallel(t->run, (uint32_t)((n + t->step - 1) / t->step), (double)n * (double)elements * ns, fn, t);
}

void weft_cpu_splits_op(struct weft_cpu_run *run, const struct weft_plan_op *op)
{
  int64_t *out = run->data[op->outputs[0]];
  const int64_t *in = op->n_inputs ? run->data[op->inputs[0]] : NULL;
  out[0] = 0;
  for (uint32_t i = 0; i < run->run->n_items; i++) {
    int64_t n = in ? in[i + 1] - in[i] : 0;
    if (op->code == WEFT_OP_SPLITS_SLICE) {
      n = n > op->ints[0] ? n - op->ints[0] : 0;
      n = n < op->ints[1] ? n : op->ints[1];
    } else if (op->code == WEFT_OP_SPLITS_CONV) {
      n = weft_cpu_conv_rows(op->ints, n);
    } else if (op->code == WEFT_OP_SPLITS_SUM) {
      const int64_t *other = run->data[op->inputs[1]];
      n += other[i + 1] - other[i];
    } else {
      n += op->ints[0];
    }
    /* too many rows stay too many, and no sum overflows: the layout refuses them */
    out[i + 1] = out[i] + n < (int64_t)WEFT_CPU_SCRATCH_MAX ? out[i] + n : (int64_t)WEFT_CPU_SCRATCH_MAX;
  }
}

/* By number; NULL: splits, which stand before everything else. */
static void (*const operations[])(struct weft_cpu_task *t) = {
    [WEFT_OP_ATTENTION] = weft_cpu_attention,
    [WEFT_OP_EMBEDDING] = weft_cpu_embedding,
    [WEFT_OP_ADD_POSITION] = weft_cpu_add_position,
    [WEFT_OP_PATCHES] = weft_cpu_patches,
    [WEFT_OP_PREPEND] = weft_cpu_move,
    [WEFT_OP_SELECT_ROW] = weft_cpu_select_row,
    [WEFT_OP_SLICE_ROWS] = weft_cpu_move,
    [WEFT_OP_MEAN_ROWS] = weft_cpu_pool,
    [WEFT_OP_ATTENTION_POOL] = weft_cpu_pool,
    [WEFT_OP_ROTARY] = weft_cpu_rotary,
    [WEFT_OP_CONCAT_ROWS] = weft_cpu_concat_rows,
    [WEFT_OP_GATHER_ROWS] = weft_cpu_gather_rows,
    [WEFT_OP_REPEAT_ROW] = weft_cpu_repeat_row,
    [WEFT_OP_MAX_ROWS] = weft_cpu_max_rows,
    [WEFT_OP_TAKE_COLUMNS] = weft_cpu_take_columns,
    [WEFT_OP_GROUPED_LINEAR] = weft_cpu_grouped_linear,
    [WEFT_OP_GROUP_NORM] = weft_cpu_group_norm,
};

/* By number: operations on rows by themselves, which chains run. */
static void (*const row_operations[])(const struct weft_cpu_rows *r) = {
    [WEFT_OP_LAYER_NORM] = weft_cpu_rows_layer_norm,
    [WEFT_OP_SOFTMAX] = weft_cpu_rows_softmax,
    [WEFT_OP_ADD] = weft_cpu_rows_add,
    [WEFT_OP_MUL] = weft_cpu_rows_mul,
    [WEFT_OP_SCALE] = weft_cpu_rows_scale,
    [WEFT_OP_ACTIVATION] = weft_cpu_rows_activation,
    [WEFT_OP_RMS_NORM] = weft_cpu_rows_rms_norm,
    [WEFT_OP_L2_NORM] = weft_cpu_rows_l2_norm,
    [WEFT_OP_SUB] = weft_cpu_rows_binary,
    [WEFT_OP_DIV] = weft_cpu_rows_binary,
    [WEFT_OP_MIN] = weft_cpu_rows_binary,
    [WEFT_OP_MAX] = weft_cpu_rows_binary,
    [WEFT_OP_EXP] = weft_cpu_rows_unary,
    [WEFT_OP_ABS] = weft_cpu_rows_unary,
    [WEFT_OP_CLAMP] = weft_cpu_rows_unary,
    [WEFT_OP_SLICE_COLUMNS] = weft_cpu_rows_slice_columns,
    [WEFT_OP_CONCAT_COLUMNS] = weft_cpu_rows_concat_columns,
    [WEFT_OP_TOP_K] = weft_cpu_rows_top_k,
    [WEFT_OP_WEIGHTED_SUM] = weft_cpu_rows_weighted_sum,
};

void (*weft_cpu_rows_find(uint32_t code))(const struct weft_cpu_rows *r)
{
  return code < sizeof row_operations / sizeof *row_operations ? row_operations[code] : NULL;
}

int weft_cpu_row_local(uint32_t code)
{
  return code == WEFT_OP_LINEAR || weft_cpu_rows_find(code) != NULL;
}

int weft_cpu_offers(uint32_t code)
{
  return (code >= WEFT_OP_SPLITS_UNIFORM && code <= WEFT_OP_SPLITS_SUM) || weft_cpu_row_local(code) ||
         (code < sizeof operations / sizeof *operations && operations[code]);
}

void weft_cpu_op(struct weft_cpu_run *run, const struct weft_plan_op *op)
{
  const struct weft_cpu_value *x = &run->program->values[op->inputs[0]];
  struct weft_cpu_task t = {.run = run, .program = run->program, .kernels = run->program->kernels, .op = op, .x = x,
                            .in = run->data[op->inputs[0]], .out = run->data[op->outputs[0]],
                            .n_rows = (size_t)weft_cpu_rows(run, x->splits), .width = x->width};
  operations[op->code](&t);
}
