/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"
#include "host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct model *m, const char *name)
{
  *m = (struct model){.name = name, .builder = weft_nn_plan_new(), .weights = g_ptr_array_new_with_free_func(free)};
}

static void finish(struct model *m)
{
  const struct weft_plan *plan = weft_nn_plan_finish(m->builder);
  if (!plan)
    g_error("%s: %s", m->name, weft_nn_plan_error(m->builder));
  m->plan = plan;
}

void model_clear(struct model *model)
{
  weft_nn_plan_free(model->builder);
  g_ptr_array_unref(model->weights);
}

static weft_value weight(struct model *m, int64_t rows, int64_t columns, float scale)
{
  float *data = test_normals((size_t)(rows * columns), scale);
  g_ptr_array_add(m->weights, data);
  char name[32];
  g_snprintf(name, sizeof name, "w%u", m->weights->len);
  struct weft_plan_weight w = {.name = name, .data = data, .dtype = weft_f32(), .rank = rows == 1 ? 1 : 2,
                               .dims = {rows == 1 ? columns : rows, rows == 1 ? 0 : columns}};
  return weft_nn_weight(m->builder, &w);
}

static weft_value out(struct model *m, weft_value x)
{
  weft_nn_output(m->builder, x);
  return x;
}

static weft_value linear(struct model *m, weft_value x, int64_t n, int act, weft_value residual)
{
  int64_t k = weft_nn_width(m->builder, x);
  weft_value w = weight(m, n, k, 1 / sqrtf((float)k)), b = test_random(4) ? weight(m, 1, n, .5f) : WEFT_NO_VALUE;
  /* weight() folds one row into rank 1, and a product wants [1, K] */
  if (n == 1) {
    struct weft_plan_weight row = {.data = g_ptr_array_index(m->weights, m->weights->len - (b == WEFT_NO_VALUE ? 1 : 2)),
                                   .dtype = weft_f32(), .rank = 2, .dims = {1, k}};
    w = weft_nn_weight(m->builder, &row);
  }
  return out(m, weft_nn_linear(m->builder, x, w, b, act, residual));
}

static weft_value norm(struct model *m, weft_value x)
{
  int64_t d = weft_nn_width(m->builder, x);
  weft_value gamma = weight(m, 1, d, 1), beta = weight(m, 1, d, 1);
  return out(m, weft_nn_layer_norm(m->builder, x, gamma, beta, 1e-12));
}

static weft_value attention(struct model *m, weft_value x, int64_t n_heads, int64_t d)
{
  struct weft_nn_attention a = {.n_heads = n_heads};
  a.q = linear(m, x, d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  a.k = linear(m, x, d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  a.v = linear(m, x, d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  return out(m, weft_nn_attention(m->builder, &a));
}

/* norm first: ViT and AST; norm last: BERT. */
static weft_value block(struct model *m, weft_value x, int64_t n_heads, int act, int norm_first)
{
  int64_t d = weft_nn_width(m->builder, x);
  weft_value h = attention(m, norm_first ? norm(m, x) : x, n_heads, d);
  x = linear(m, h, d, WEFT_ACT_NONE, x);
  if (!norm_first)
    x = norm(m, x);
  h = linear(m, norm_first ? norm(m, x) : x, 2 * d + 3, act, WEFT_NO_VALUE);
  x = linear(m, h, d, WEFT_ACT_NONE, x);
  return norm_first ? x : norm(m, x);
}

void model_vit(struct model *m)
{
  begin(m, "vit");
  const int64_t h = 14, w = 19, d = 40;
  m->item_floats = h * w * 3;
  weft_value splits = weft_nn_splits_uniform(m->builder, h * w);
  weft_value x = weft_nn_input(m->builder, "pixels", weft_f32(), splits, 3);
  struct weft_nn_conv2d conv = {.height = h, .width = w, .channels = 3, .kernel_y = 4, .kernel_x = 5, .stride_y = 4,
                                .stride_x = 5};
  weft_value kernel = weight(m, d, 3 * 4 * 5, .1f), bias = weight(m, 1, d, 1);
  x = out(m, weft_nn_conv2d(m->builder, x, &conv, kernel, bias));
  x = out(m, weft_nn_prepend(m->builder, x, weight(m, 1, d, 1)));
  x = out(m, weft_nn_add_position(m->builder, x, weight(m, weft_nn_rows_per_item(m->builder, x), d, 1), 0));
  for (int i = 0; i < 2; i++)
    x = block(m, x, 5, i ? WEFT_ACT_GELU : WEFT_ACT_GELU_QUICK, 1);
  x = norm(m, x);
  linear(m, out(m, weft_nn_select_row(m->builder, x, 0)), d, WEFT_ACT_TANH, WEFT_NO_VALUE);
  finish(m);
}

void model_ast(struct model *m)
{
  begin(m, "ast");
  const int64_t n_mels = 24, n_frames = 50, d = 33;
  m->item_floats = n_mels * n_frames;
  weft_value x = weft_nn_input(m->builder, "features", weft_f32(), weft_nn_splits_uniform(m->builder, n_frames), n_mels);
  struct weft_nn_conv2d conv = {.height = n_mels, .width = n_frames, .channels = 1, .kernel_y = 8, .kernel_x = 8,
                                .stride_y = 5, .stride_x = 6, .at_y = 1, .at_x = n_mels, .at_channel = 1};
  weft_value kernel = weight(m, d, 64, .1f), bias = weight(m, 1, d, 1);
  x = out(m, weft_nn_conv2d(m->builder, x, &conv, kernel, bias));
  x = out(m, weft_nn_prepend(m->builder, x, weight(m, 1, d, 1)));
  x = out(m, weft_nn_prepend(m->builder, x, weight(m, 1, d, 1)));
  x = out(m, weft_nn_add_position(m->builder, x, weight(m, weft_nn_rows_per_item(m->builder, x), d, 1), 0));
  x = norm(m, block(m, x, 3, WEFT_ACT_GELU_TANH, 1));
  weft_value cls = out(m, weft_nn_select_row(m->builder, x, 0)), distilled = out(m, weft_nn_select_row(m->builder, x, 1));
  out(m, weft_nn_scale(m->builder, out(m, weft_nn_add(m->builder, cls, distilled)), .5, 0));
  out(m, weft_nn_slice_rows(m->builder, x, 2, 1 << 20));
  finish(m);
}

void model_bert(struct model *m)
{
  begin(m, "bert");
  const int64_t d = 48;
  m->n_ids = 101;
  m->rows_max = 37;
  weft_value splits = weft_nn_input_splits(m->builder, "text");
  weft_value ids = weft_nn_input(m->builder, "ids", weft_i32(), splits, 0);
  weft_value x = out(m, weft_nn_embedding(m->builder, ids, weight(m, m->n_ids, d, 1)));
  x = out(m, weft_nn_add_position(m->builder, x, weight(m, m->rows_max + 2, d, 1), 2));
  x = norm(m, out(m, weft_nn_add(m->builder, x, weight(m, 1, d, 1))));
  x = block(m, x, 4, WEFT_ACT_GELU, 0);
  x = block(m, x, 6, WEFT_ACT_RELU, 0);
  out(m, weft_nn_mean_rows(m->builder, x));
  out(m, weft_nn_slice_rows(m->builder, x, 1, 3));
  linear(m, x, 1, WEFT_ACT_SILU, WEFT_NO_VALUE);
  finish(m);
}

void model_fusion(struct model *m)
{
  begin(m, "fusion");
  const int64_t d = 45, hidden = 31, n_classes = 10;
  m->d_rows = d;
  m->rows_max = 60;
  weft_value splits = weft_nn_input_splits(m->builder, "tokens");
  weft_value x = weft_nn_input(m->builder, "rows", weft_f32(), splits, d);
  weft_value p = out(m, weft_nn_attention_pool(m->builder, x, weight(m, 1, d, 1)));
  weft_value h = linear(m, linear(m, p, hidden, WEFT_ACT_GELU, WEFT_NO_VALUE), d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  weft_value g = linear(m, linear(m, p, hidden, WEFT_ACT_GELU, WEFT_NO_VALUE), 1, WEFT_ACT_NONE, WEFT_NO_VALUE);
  weft_value q = out(m, weft_nn_activation(m->builder, g, WEFT_ACT_SIGMOID));
  weft_value fused = out(m, weft_nn_mul(m->builder, h, q));
  fused = out(m, weft_nn_mul(m->builder, fused, weight(m, 1, d, 1)));
  fused = out(m, weft_nn_add(m->builder, fused, g));
  out(m, weft_nn_softmax(m->builder, linear(m, fused, n_classes, WEFT_ACT_NONE, WEFT_NO_VALUE), 1 / 1.7));
  finish(m);
}

static void bind(struct batch *b, const struct model *m)
{
  int64_t n = b->splits[b->n_items];
  if (m->item_floats) {
    const struct weft_plan_value *v = &m->plan->values[m->plan->inputs[0]];
    b->inputs[0] = (struct weft_compute_input){b->data, n / v->dims[1]};
    return;
  }
  b->inputs[0] = (struct weft_compute_input){b->splits, 0};
  b->inputs[1] = (struct weft_compute_input){b->data, n};
}

void batch_random(struct batch *b, const struct model *m, uint32_t n_items)
{
  *b = (struct batch){.n_items = n_items, .splits = g_new0(int64_t, n_items + 1u), .width = m->d_rows ? m->d_rows : 1};
  for (uint32_t i = 0; i < n_items; i++)
    b->splits[i + 1] = b->splits[i] + (m->item_floats ? m->item_floats : test_random((uint32_t)m->rows_max + 1));
  size_t n = (size_t)(b->splits[n_items] * b->width);
  float *data = test_normals(n, 1);
  int32_t *ids = (int32_t *)(void *)data;
  for (size_t i = 0; m->n_ids && i < n; i++)
    ids[i] = (int32_t)test_random((uint32_t)m->n_ids);
  b->data = data;
  bind(b, m);
}

void batch_pick(struct batch *b, const struct model *m, const struct batch *from, const uint32_t *which,
                uint32_t n_items)
{
  *b = (struct batch){.n_items = n_items, .splits = g_new0(int64_t, n_items + 1u), .width = from->width};
  for (uint32_t i = 0; i < n_items; i++)
    b->splits[i + 1] = b->splits[i] + from->splits[which[i] + 1] - from->splits[which[i]];
  float *data = malloc(((size_t)(b->splits[n_items] * b->width) + 1) * sizeof *data);
  for (uint32_t i = 0; i < n_items; i++)
    memcpy(data + b->splits[i] * b->width, (const float *)from->data + from->splits[which[i]] * b->width,
           (size_t)((b->splits[i + 1] - b->splits[i]) * b->width) * sizeof *data);
  b->data = data;
  bind(b, m);
}

void batch_clear(struct batch *b)
{
  g_free(b->splits);
  free(b->data);
}
