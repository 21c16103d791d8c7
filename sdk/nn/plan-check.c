/* SPDX-License-Identifier: Apache-2.0 */
/* Whole plans, weights, and which check belongs to which operation. */
#include "op-check.h"
#include "plan-check.h"
#include "plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *dtype_text(struct weft_dtype dtype, char *text, size_t n_bytes)
{
  static const char *const names[] = {"i", "u", "f", "?", "bf"};
  snprintf(text, n_bytes, "%s%u", dtype.code < sizeof names / sizeof *names ? names[dtype.code] : "?", dtype.bits);
  return text;
}

const char *weft_nn_value_text(const struct weft_plan *plan, weft_value value, char *text, size_t n_bytes)
{
  if (value >= plan->n_values) {
    snprintf(text, n_bytes, "nothing");
    return text;
  }
  const struct weft_plan_value *v = &plan->values[value];
  char dtype[16];
  int n = v->name ? snprintf(text, n_bytes, "%.80s ", v->name) : snprintf(text, n_bytes, "value %u ", value);
  if (v->kind == WEFT_VALUE_SPLITS) {
    snprintf(text + n, n_bytes - (size_t)n, "splits");
    return text;
  }
  n += snprintf(text + n, n_bytes - (size_t)n, "%s [", dtype_text(v->dtype, dtype, sizeof dtype));
  for (uint32_t d = 0; d < v->rank && d < WEFT_PLAN_RANK && (size_t)n < n_bytes; d++)
    n += v->dims[d] < 0 ? snprintf(text + n, n_bytes - (size_t)n, "%s*", d ? ", " : "")
                        : snprintf(text + n, n_bytes - (size_t)n, "%s%lld", d ? ", " : "", (long long)v->dims[d]);
  if ((size_t)n < n_bytes)
    snprintf(text + n, n_bytes - (size_t)n, "]");
  return text;
}

static const struct {
  uint32_t code;
  const char *name;
  weft_status (*check)(const struct weft_nn_check *c);
} ops[] = {
    {WEFT_OP_SPLITS_UNIFORM, "splits_uniform", weft_nn_check_splits_op},
    {WEFT_OP_SPLITS_ADD, "splits_add", weft_nn_check_splits_op},
    {WEFT_OP_SPLITS_SLICE, "splits_slice", weft_nn_check_splits_op},
    {WEFT_OP_LINEAR, "linear", weft_nn_check_linear},
    {WEFT_OP_LAYER_NORM, "layer_norm", weft_nn_check_layer_norm},
    {WEFT_OP_ATTENTION, "attention", weft_nn_check_attention},
    {WEFT_OP_EMBEDDING, "embedding", weft_nn_check_embedding},
    {WEFT_OP_ADD_POSITION, "add_position", weft_nn_check_add_position},
    {WEFT_OP_PATCHES, "patches", weft_nn_check_patches},
    {WEFT_OP_PREPEND, "prepend", weft_nn_check_prepend},
    {WEFT_OP_SELECT_ROW, "select_row", weft_nn_check_pool},
    {WEFT_OP_SLICE_ROWS, "slice_rows", weft_nn_check_slice_rows},
    {WEFT_OP_MEAN_ROWS, "mean_rows", weft_nn_check_pool},
    {WEFT_OP_ATTENTION_POOL, "attention_pool", weft_nn_check_pool},
    {WEFT_OP_SOFTMAX, "softmax", weft_nn_check_unary},
    {WEFT_OP_ADD, "add", weft_nn_check_binary},
    {WEFT_OP_MUL, "mul", weft_nn_check_binary},
    {WEFT_OP_SCALE, "scale", weft_nn_check_unary},
    {WEFT_OP_ACTIVATION, "activation", weft_nn_check_unary},
    {WEFT_OP_SPLITS_CONV, "splits_conv", weft_nn_check_splits_conv},
    {WEFT_OP_SPLITS_SUM, "splits_sum", weft_nn_check_splits_sum},
    {WEFT_OP_RMS_NORM, "rms_norm", weft_nn_check_length_norm},
    {WEFT_OP_L2_NORM, "l2_norm", weft_nn_check_length_norm},
    {WEFT_OP_ROTARY, "rotary", weft_nn_check_rotary},
    {WEFT_OP_SUB, "sub", weft_nn_check_binary},
    {WEFT_OP_DIV, "div", weft_nn_check_binary},
    {WEFT_OP_MIN, "min", weft_nn_check_binary},
    {WEFT_OP_MAX, "max", weft_nn_check_binary},
    {WEFT_OP_EXP, "exp", weft_nn_check_clamp},
    {WEFT_OP_ABS, "abs", weft_nn_check_clamp},
    {WEFT_OP_CLAMP, "clamp", weft_nn_check_clamp},
    {WEFT_OP_SLICE_COLUMNS, "slice_columns", weft_nn_check_columns},
    {WEFT_OP_CONCAT_COLUMNS, "concat_columns", weft_nn_check_concat_columns},
    {WEFT_OP_CONCAT_ROWS, "concat_rows", weft_nn_check_concat_rows},
    {WEFT_OP_GATHER_ROWS, "gather_rows", weft_nn_check_gather_rows},
    {WEFT_OP_REPEAT_ROW, "repeat_row", weft_nn_check_repeat_row},
    {WEFT_OP_MAX_ROWS, "max_rows", weft_nn_check_pool},
    {WEFT_OP_TOP_K, "top_k", weft_nn_check_columns},
    {WEFT_OP_TAKE_COLUMNS, "take_columns", weft_nn_check_take_columns},
    {WEFT_OP_GROUPED_LINEAR, "grouped_linear", weft_nn_check_grouped_linear},
    {WEFT_OP_WEIGHTED_SUM, "weighted_sum", weft_nn_check_weighted_sum},
    {WEFT_OP_GROUP_NORM, "group_norm", weft_nn_check_group_norm},
};

const char *weft_nn_op_name(uint32_t code)
{
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (ops[i].code == code)
      return ops[i].name;
  return NULL;
}

weft_status weft_nn_op_check(const struct weft_plan *plan, const struct weft_plan_op *op,
                             struct weft_plan_value *result, char *message)
{
  struct weft_nn_check c = {plan, op, result, message};
  if (op->n_inputs > WEFT_PLAN_INPUTS)
    return weft_nn_check_fail(&c, "%u inputs, %d are the most", op->n_inputs, WEFT_PLAN_INPUTS);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (ops[i].code == op->code)
      return ops[i].check(&c);
  weft_nn_check_fail(&c, "operation number %u is not known", op->code);
  return WEFT_UNSUPPORTED;
}

/* Integers have scales, and rows that these belong to. */
static int is_quantised(const struct weft_plan_weight *w)
{
  int int8 = w->dtype.code == WEFT_DTYPE_INT && w->dtype.bits == 8, int4 = w->dtype.code == WEFT_DTYPE_UINT && w->dtype.bits == 4;
  return w->dtype.lanes == 1 && w->rank == 2 && w->scales && (int8 || (int4 && w->dims[1] % 32 == 0));
}

static int weight_dtype_known(struct weft_dtype t)
{
  return t.lanes == 1 && ((t.code == WEFT_DTYPE_FLOAT && (t.bits == 32 || t.bits == 16)) ||
                          (t.code == WEFT_DTYPE_BFLOAT && t.bits == 16));
}

weft_status weft_nn_weight_check(const struct weft_plan_weight *weight, char *message)
{
  const char *name = weight->name ? weight->name : "?";
  char dtype[16];
  if (!weight->data) {
    snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: has no data", name);
    return WEFT_BAD_CONFIG;
  }
  if (!weight_dtype_known(weight->dtype) && !is_quantised(weight)) {
    snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: expected element type f32, f16 or bf16, or i8 or u4 with scales and two "
             "dims, found %s", name,
             dtype_text(weight->dtype, dtype, sizeof dtype));
    return WEFT_BAD_CONFIG;
  }
  if (weight->rank < 1 || weight->rank > WEFT_PLAN_RANK) {
    snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: expected 1 to %d dims, found %u", name, WEFT_PLAN_RANK,
             weight->rank);
    return WEFT_BAD_CONFIG;
  }
  int64_t n = 1;
  for (uint32_t d = 0; d < weight->rank; d++) {
    if (weight->dims[d] < 1 || weight->dims[d] > WEFT_PLAN_DIM_MAX / n) {
      snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: expected 1 to 2^31 elements, found %lld in dim %u", name,
               (long long)weight->dims[d], d);
      return WEFT_BAD_CONFIG;
    }
    n *= weight->dims[d];
  }
  return WEFT_OK;
}

/* Values that exist before any operation: inputs and weights. */
static weft_status check_givens(const struct weft_plan *plan, uint8_t *written, char *message)
{
  for (uint32_t i = 0; i < plan->n_weights; i++) {
    weft_status status = weft_nn_weight_check(&plan->weights[i], message);
    if (status != WEFT_OK)
      return status;
  }
  for (uint32_t i = 0; i < plan->n_values; i++) {
    const struct weft_plan_value *v = &plan->values[i];
    int weight_fits = v->kind == WEFT_VALUE_WEIGHT && v->weight < plan->n_weights &&
                      plan->weights[v->weight].rank == v->rank &&
                      memcmp(plan->weights[v->weight].dims, v->dims, v->rank * sizeof v->dims[0]) == 0;
    written[i] = (uint8_t)weight_fits;
    if (v->rank < 1 || v->rank > WEFT_PLAN_RANK || v->kind > WEFT_VALUE_SPLITS ||
        (v->kind == WEFT_VALUE_WEIGHT && !weight_fits) ||
        (v->kind == WEFT_VALUE_ROWS && v->splits != WEFT_NO_VALUE &&
         (v->splits >= plan->n_values || plan->values[v->splits].kind != WEFT_VALUE_SPLITS)) ||
        (v->kind == WEFT_VALUE_ROWS && v->rank == 2 && (v->dims[1] < 1 || v->dims[1] > WEFT_PLAN_DIM_MAX))) {
      snprintf(message, WEFT_MESSAGE_BYTES, "value %u is not well formed (kind %u, rank %u)", i, v->kind, v->rank);
      return WEFT_BAD_CONFIG;
    }
  }
  for (uint32_t i = 0; i < plan->n_inputs; i++) {
    weft_value v = plan->inputs[i];
    if (v >= plan->n_values || written[v]) {
      snprintf(message, WEFT_MESSAGE_BYTES, "input %u: value %u does not exist or is given twice", i, v);
      return WEFT_BAD_CONFIG;
    }
    written[v] = 1;
  }
  return WEFT_OK;
}

static weft_status check_op_in_plan(struct weft_plan *before, const struct weft_plan_op *op, uint8_t *written,
                                    char *message)
{
  for (uint32_t i = 0; i < op->n_inputs && i < WEFT_PLAN_INPUTS; i++)
    if (op->inputs[i] != WEFT_NO_VALUE && (op->inputs[i] >= before->n_values || !written[op->inputs[i]])) {
      snprintf(message, WEFT_MESSAGE_BYTES, "operation %u reads value %u, which is not written before", before->n_ops,
               op->inputs[i]);
      return WEFT_BAD_CONFIG;
    }
  struct weft_plan_value result;
  weft_status status = weft_nn_op_check(before, op, &result, message);
  if (status != WEFT_OK)
    return status;
  weft_value out = op->outputs[0];
  if (op->n_outputs != 1 || out >= before->n_values || written[out]) {
    snprintf(message, WEFT_MESSAGE_BYTES, "operation %u: expected one result that nothing wrote before, found value %u",
             before->n_ops, out);
    return WEFT_BAD_CONFIG;
  }
  const struct weft_plan_value *v = &before->values[out];
  if (v->kind != result.kind || v->rank != result.rank || v->splits != result.splits ||
      !weft_dtype_equal(v->dtype, result.dtype) || v->dims[0] != result.dims[0] ||
      (v->rank == 2 && v->dims[1] != result.dims[1])) {
    snprintf(message, WEFT_MESSAGE_BYTES, "operation %u: value %u is not declared as what the operation gives",
             before->n_ops, out);
    return WEFT_BAD_CONFIG;
  }
  written[out] = 1;
  return WEFT_OK;
}

weft_status weft_nn_plan_check(const struct weft_plan *plan, char *message)
{
  uint8_t *written = calloc(plan->n_values + 1u, 1);
  if (!written) {
    snprintf(message, WEFT_MESSAGE_BYTES, "no memory to check a plan of %u values", plan->n_values);
    return WEFT_NO_MEMORY;
  }
  weft_status status = check_givens(plan, written, message);
  struct weft_plan before = *plan;
  for (before.n_ops = 0; before.n_ops < plan->n_ops && status == WEFT_OK; before.n_ops++)
    status = check_op_in_plan(&before, &plan->ops[before.n_ops], written, message);
  for (uint32_t i = 0; i < plan->n_outputs && status == WEFT_OK; i++) {
    weft_value v = plan->outputs[i];
    int is_input = 0;
    for (uint32_t k = 0; k < plan->n_inputs; k++)
      is_input |= plan->inputs[k] == v;
    if (v >= plan->n_values || plan->values[v].kind != WEFT_VALUE_ROWS || !written[v] || is_input) {
      snprintf(message, WEFT_MESSAGE_BYTES, "output %u: value %u is not the rows that an operation writes", i, v);
      status = WEFT_BAD_CONFIG;
    }
  }
  free(written);
  return status;
}
