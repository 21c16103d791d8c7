/* SPDX-License-Identifier: Apache-2.0 */
/* The operations as a model's author calls them. */
#include "plan-private.h"

#include <math.h>
#include <string.h>

#define WEFT_N_ELEMENTS(array) (sizeof(array) / sizeof *(array))

static weft_value append(struct weft_nn_plan *plan, uint32_t code, uint32_t n_inputs, const weft_value *inputs)
{
  struct weft_plan_op op = weft_nn_op(code, n_inputs, inputs);
  return weft_nn_plan_append(plan, &op);
}

/* Splits derived in the same way twice are one value, so that what they divide fits together. */
static weft_value derive_splits(struct weft_nn_plan *plan, uint32_t code, weft_value from, int64_t i0, int64_t i1)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  int64_t n = weft_nn_rows_per_item(plan, from);
  if (code != WEFT_OP_SPLITS_UNIFORM && n >= 0) {
    int64_t left = n > i0 ? n - i0 : 0;
    i0 = code == WEFT_OP_SPLITS_ADD ? n + i0 : left < i1 ? left : i1;
    i1 = 0;
    code = WEFT_OP_SPLITS_UNIFORM;
    from = WEFT_NO_VALUE;
  }
  for (uint32_t i = 0; i < plan->plan.n_ops; i++) {
    const struct weft_plan_op *op = &plan->ops[i];
    if (op->code == code && op->inputs[0] == from && op->ints[0] == i0 && op->ints[1] == i1)
      return op->outputs[0];
  }
  struct weft_plan_op op = weft_nn_op(code, code == WEFT_OP_SPLITS_UNIFORM ? 0 : 1, &from);
  op.ints[0] = i0;
  op.ints[1] = i1;
  return weft_nn_plan_append(plan, &op);
}

/* The splits of rows; one row an item counts as splits of one each. */
weft_value weft_nn_splits_of(struct weft_nn_plan *plan, weft_value x)
{
  if (weft_nn_plan_status(plan) != WEFT_OK || x >= plan->plan.n_values)
    return WEFT_NO_VALUE;
  weft_value splits = plan->values[x].splits;
  return splits == WEFT_NO_VALUE ? derive_splits(plan, WEFT_OP_SPLITS_UNIFORM, WEFT_NO_VALUE, 1, 0) : splits;
}

weft_value weft_nn_splits_uniform(struct weft_nn_plan *plan, int64_t n)
{
  return derive_splits(plan, WEFT_OP_SPLITS_UNIFORM, WEFT_NO_VALUE, n, 0);
}

weft_value weft_nn_linear(struct weft_nn_plan *plan, weft_value x, weft_value weight, weft_value bias, int activation,
                          weft_value residual)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_LINEAR, 4, (const weft_value[]){x, weight, bias, residual});
  op.ints[0] = activation;
  if (weft_nn_plan_status(plan) == WEFT_OK && weight < plan->plan.n_values)
    op.site = plan->values[weight].weight + 1;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_layer_norm(struct weft_nn_plan *plan, weft_value x, weft_value gamma, weft_value beta, double eps)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_LAYER_NORM, 3, (const weft_value[]){x, gamma, beta});
  op.floats[0] = eps;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_attention(struct weft_nn_plan *plan, const struct weft_nn_attention *attention)
{
  const struct weft_nn_attention *a = attention;
  struct weft_plan_op op = weft_nn_op(WEFT_OP_ATTENTION, 4,
                                      (const weft_value[]){a->q, a->k, a->v, a->relative ? a->bias : WEFT_NO_VALUE});
  const int64_t ints[] = {a->n_heads, a->n_kv_heads,
                          (a->causal ? WEFT_ATTENTION_CAUSAL : 0) | (a->window ? WEFT_ATTENTION_WINDOW : 0) |
                              (a->one_sided ? WEFT_ATTENTION_ONE_SIDED : 0),
                          a->left, a->right, a->global_first, a->global_end, a->max_distance};
  memcpy(op.ints, ints, sizeof ints);
  op.floats[0] = a->scale;
  int64_t d = weft_nn_width(plan, a->q);
  if (a->scale == 0 && a->n_heads > 0 && d >= a->n_heads)
    op.floats[0] = 1 / sqrt((double)(d / a->n_heads));
  if (a->relative && a->bias == WEFT_NO_VALUE)
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "attention: bias: expected a weight, found nothing");
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_embedding(struct weft_nn_plan *plan, weft_value ids, weft_value table)
{
  return append(plan, WEFT_OP_EMBEDDING, 2, (const weft_value[]){ids, table});
}

weft_value weft_nn_add_position(struct weft_nn_plan *plan, weft_value x, weft_value table, int64_t first)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_ADD_POSITION, 2, (const weft_value[]){x, table});
  op.ints[0] = first;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_conv2d(struct weft_nn_plan *plan, weft_value x, const struct weft_nn_conv2d *geometry,
                          weft_value weight, weft_value bias)
{
  const struct weft_nn_conv2d *g = geometry;
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  if (g->stride_y < 1 || g->stride_x < 1 || g->kernel_y < 1 || g->kernel_x < 1 || g->channels < 1 ||
      g->height < g->kernel_y || g->width < g->kernel_x)
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG,
                             "conv2d: a kernel of %lld x %lld with strides %lld x %lld does not fit into a picture of "
                             "%lld x %lld with %lld channels",
                             (long long)g->kernel_y, (long long)g->kernel_x, (long long)g->stride_y,
                             (long long)g->stride_x, (long long)g->height, (long long)g->width,
                             (long long)g->channels);
  int64_t n_y = (g->height - g->kernel_y) / g->stride_y + 1, n_x = (g->width - g->kernel_x) / g->stride_x + 1;
  weft_value splits = derive_splits(plan, WEFT_OP_SPLITS_UNIFORM, WEFT_NO_VALUE, n_y * n_x, 0);
  int dense = !g->at_y && !g->at_x && !g->at_channel;
  const int64_t ints[] = {g->height, g->width, g->channels, g->kernel_y, g->kernel_x, g->stride_y, g->stride_x,
                          dense ? g->width * g->channels : g->at_y, dense ? g->channels : g->at_x,
                          dense ? 1 : g->at_channel};
  struct weft_plan_op op = weft_nn_op(WEFT_OP_PATCHES, 2, (const weft_value[]){x, splits});
  memcpy(op.ints, ints, sizeof ints);
  weft_value patches = weft_nn_plan_append(plan, &op);
  return weft_nn_linear(plan, patches, weight, bias, WEFT_ACT_NONE, WEFT_NO_VALUE);
}

weft_value weft_nn_prepend(struct weft_nn_plan *plan, weft_value x, weft_value tokens)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  int64_t k = 1;
  if (tokens < plan->plan.n_values)
    for (uint32_t d = 0; d + 1 < plan->values[tokens].rank; d++)
      k *= plan->values[tokens].dims[d];
  weft_value splits = derive_splits(plan, WEFT_OP_SPLITS_ADD, weft_nn_splits_of(plan, x), k, 0);
  return append(plan, WEFT_OP_PREPEND, 3, (const weft_value[]){x, tokens, splits});
}

weft_value weft_nn_select_row(struct weft_nn_plan *plan, weft_value x, int64_t index)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_SELECT_ROW, 1, &x);
  op.ints[0] = index;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_slice_rows(struct weft_nn_plan *plan, weft_value x, int64_t first, int64_t count)
{
  weft_value splits = derive_splits(plan, WEFT_OP_SPLITS_SLICE, weft_nn_splits_of(plan, x), first, count);
  struct weft_plan_op op = weft_nn_op(WEFT_OP_SLICE_ROWS, 2, (const weft_value[]){x, splits});
  op.ints[0] = first;
  op.ints[1] = count;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_mean_rows(struct weft_nn_plan *plan, weft_value x)
{
  return append(plan, WEFT_OP_MEAN_ROWS, 1, &x);
}

weft_value weft_nn_attention_pool(struct weft_nn_plan *plan, weft_value x, weft_value score)
{
  return append(plan, WEFT_OP_ATTENTION_POOL, 2, (const weft_value[]){x, score});
}

weft_value weft_nn_add(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  return append(plan, WEFT_OP_ADD, 2, (const weft_value[]){x, y});
}

weft_value weft_nn_mul(struct weft_nn_plan *plan, weft_value x, weft_value y)
{
  return append(plan, WEFT_OP_MUL, 2, (const weft_value[]){x, y});
}

weft_value weft_nn_scale(struct weft_nn_plan *plan, weft_value x, double factor, double offset)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_SCALE, 1, &x);
  op.floats[0] = factor;
  op.floats[1] = offset;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_activation(struct weft_nn_plan *plan, weft_value x, int activation)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_ACTIVATION, 1, &x);
  op.ints[0] = activation;
  return weft_nn_plan_append(plan, &op);
}

weft_value weft_nn_softmax(struct weft_nn_plan *plan, weft_value x, double factor)
{
  struct weft_plan_op op = weft_nn_op(WEFT_OP_SOFTMAX, 1, &x);
  op.floats[0] = factor;
  return weft_nn_plan_append(plan, &op);
}

int weft_nn_activation_find(const char *hidden_act)
{
  static const struct {
    const char *name;
    int activation;
  } names[] = {
      {"gelu", WEFT_ACT_GELU},           {"gelu_new", WEFT_ACT_GELU_TANH},
      {"gelu_fast", WEFT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", WEFT_ACT_GELU_TANH},
      {"quick_gelu", WEFT_ACT_GELU_QUICK}, {"relu", WEFT_ACT_RELU},
      {"silu", WEFT_ACT_SILU},           {"swish", WEFT_ACT_SILU},
      {"tanh", WEFT_ACT_TANH},           {"sigmoid", WEFT_ACT_SIGMOID},
      {"linear", WEFT_ACT_NONE},
  };
  for (size_t i = 0; hidden_act && i < WEFT_N_ELEMENTS(names); i++)
    if (strcmp(names[i].name, hidden_act) == 0)
      return names[i].activation;
  return -1;
}
