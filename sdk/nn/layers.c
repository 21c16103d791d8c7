/* SPDX-License-Identifier: Apache-2.0 */
#include "layers.h"
#include "plan-private.h"
#include "quantised.h"

static weft_value append(struct weft_nn_plan *plan, uint32_t code, uint32_t n_inputs, const weft_value *inputs, int64_t i0,
                         int64_t i1)
{
  struct weft_plan_op op = weft_nn_op(code, n_inputs, inputs);
  op.ints[0] = i0;
  op.ints[1] = i1;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_weight_rows(struct weft_nn_plan *plan, weft_value weight, int64_t first, int64_t n)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  if (weight >= plan->plan.n_values || plan->values[weight].kind != WEFT_VALUE_WEIGHT)
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "value %u is not a weight whose rows can be taken", weight);
  struct weft_plan_weight part = plan->weights[plan->values[weight].weight];
  if (first < 0 || n < 1 || first > part.dims[0] - n)
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "weight %s: rows [%lld, +%lld) are outside of its %lld",
                             part.name ? part.name : "?", (long long)first, (long long)n, (long long)part.dims[0]);
  uint64_t row = part.dtype.bits;
  for (uint32_t d = 1; d < part.rank; d++)
    row *= (uint64_t)part.dims[d];
  part.offset += (uint64_t)first * row / 8;
  if (part.dtype.bits == 8)
    part.scales += (uint64_t)first * sizeof(float);
  else if (part.dtype.bits == 4)
    part.scales += (uint64_t)first * (uint64_t)(part.dims[1] / WEFT_NN_INT4_GROUP) * sizeof(uint16_t);
  part.dims[0] = n;
  return weft_nn_weight(plan, &part);
}

weft_value weft_nn_gated_linear(struct weft_nn_plan *plan, const struct weft_nn_gated *g)
{
  weft_value up = weft_nn_linear(plan, g->x, g->up, g->up_bias, WEFT_ACT_NONE, WEFT_NO_VALUE);
  weft_value gate = weft_nn_linear(plan, g->x, g->gate, g->gate_bias, g->activation, WEFT_NO_VALUE);
  return weft_nn_mul(plan, gate, up);
}

weft_value weft_nn_rms_norm(struct weft_nn_plan *plan, weft_value x, weft_value gamma, double eps, int64_t parts)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_RMS_NORM, 2, (const weft_value[]){x, gamma});
  op.ints[0] = parts;
  op.floats[0] = eps;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_l2_norm(struct weft_nn_plan *plan, weft_value x, double eps)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_L2_NORM, 1, &x);
  op.floats[0] = eps;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_group_norm(struct weft_nn_plan *plan, weft_value x, weft_value gamma, weft_value beta, double eps,
                              int64_t groups)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_GROUP_NORM, 3, (const weft_value[]){x, gamma, beta});
  op.ints[0] = groups;
  op.floats[0] = eps;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_rotary(struct weft_nn_plan *plan, weft_value x, const struct weft_nn_rotary *rotary)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_ROTARY, 1, &x);
  int64_t width = weft_nn_width(plan, x);
  op.ints[0] = rotary->n_heads;
  op.ints[1] = rotary->d_rotated || rotary->n_heads < 1 ? rotary->d_rotated : width / rotary->n_heads;
  op.ints[2] = rotary->pairs;
  op.ints[3] = rotary->first;
  op.floats[0] = rotary->base;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_sub(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  return append(plan, WEFT_OP_SUB, 2, (const weft_value[]){x, y}, 0, 0);
}

weft_value weft_nn_div(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  return append(plan, WEFT_OP_DIV, 2, (const weft_value[]){x, y}, 0, 0);
}

weft_value weft_nn_min(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  return append(plan, WEFT_OP_MIN, 2, (const weft_value[]){x, y}, 0, 0);
}

weft_value weft_nn_max(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  return append(plan, WEFT_OP_MAX, 2, (const weft_value[]){x, y}, 0, 0);
}

weft_value weft_nn_exp(struct weft_nn_plan *plan, weft_value x)
{
  return append(plan, WEFT_OP_EXP, 1, &x, 0, 0);
}

weft_value weft_nn_abs(struct weft_nn_plan *plan, weft_value x)
{
  return append(plan, WEFT_OP_ABS, 1, &x, 0, 0);
}

weft_value weft_nn_clamp(struct weft_nn_plan *plan, weft_value x, double low, double high)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_CLAMP, 1, &x);
  op.floats[0] = low;
  op.floats[1] = high;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_slice_columns(struct weft_nn_plan *plan, weft_value x, int64_t first, int64_t n)
{
  return append(plan, WEFT_OP_SLICE_COLUMNS, 1, &x, first, n);
}

weft_value weft_nn_concat_columns(struct weft_nn_plan *plan, const weft_value *x, uint32_t n)
{
  if (n < 1 || n > WEFT_PLAN_INPUTS)
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "concat_columns: expected 1 to %d values, found %u", WEFT_PLAN_INPUTS, n);
  return append(plan, WEFT_OP_CONCAT_COLUMNS, n, x, 0, 0);
}

weft_value weft_nn_concat_rows(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  weft_value a = weft_nn_splits_of(plan, x), b = weft_nn_splits_of(plan, y);
  int64_t n_a = weft_nn_rows_per_item(plan, a), n_b = weft_nn_rows_per_item(plan, b);
  weft_value splits = n_a >= 0 && n_b >= 0 ? weft_nn_splits_uniform(plan, n_a + n_b) : WEFT_NO_VALUE;
  for (uint32_t i = 0; weft_nn_plan_status(plan) == WEFT_OK && splits == WEFT_NO_VALUE && i < plan->plan.n_ops; i++) {
    const struct weft_plan_op *op = &plan->ops[i];
    if (op->code == WEFT_OP_SPLITS_SUM && op->inputs[0] == a && op->inputs[1] == b)
      splits = op->outputs[0];
  }
  if (splits == WEFT_NO_VALUE)
    splits = append(plan, WEFT_OP_SPLITS_SUM, 2, (const weft_value[]){a, b}, 0, 0);
  return append(plan, WEFT_OP_CONCAT_ROWS, 3, (const weft_value[]){x, y, splits}, 0, 0);
}

weft_value weft_nn_gather_rows(struct weft_nn_plan *plan, weft_value x, weft_value rows)
{
  return append(plan, WEFT_OP_GATHER_ROWS, 2, (const weft_value[]){x, rows}, 0, 0);
}

weft_value weft_nn_repeat_row(struct weft_nn_plan *plan, weft_value x, weft_value like)
{
  return append(plan, WEFT_OP_REPEAT_ROW, 2, (const weft_value[]){x, weft_nn_splits_of(plan, like)}, 0, 0);
}

weft_value weft_nn_max_rows(struct weft_nn_plan *plan, weft_value x)
{
  return append(plan, WEFT_OP_MAX_ROWS, 1, &x, 0, 0);
}

weft_value weft_nn_top_k(struct weft_nn_plan *plan, weft_value x, int64_t k)
{
  return append(plan, WEFT_OP_TOP_K, 1, &x, k, 0);
}

weft_value weft_nn_take_columns(struct weft_nn_plan *plan, weft_value x, weft_value columns)
{
  return append(plan, WEFT_OP_TAKE_COLUMNS, 2, (const weft_value[]){x, columns}, 0, 0);
}

weft_value weft_nn_grouped_linear(struct weft_nn_plan *plan, const struct weft_nn_grouped *g)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_GROUPED_LINEAR, 5,
                                      (const weft_value[]){g->x, g->ids, g->weight, g->bias, g->multiplier});
  op.ints[0] = g->activation;
  op.ints[1] = g->by_choice;
  if (weft_nn_plan_status(plan) == WEFT_OK && g->weight < plan->plan.n_values)
    op.site = plan->values[g->weight].weight + 1;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_weighted_sum(struct weft_nn_plan *plan, weft_value x, weft_value p)
{
  return append(plan, WEFT_OP_WEIGHTED_SUM, 2, (const weft_value[]){x, p}, 0, 0);
}
