/* SPDX-License-Identifier: Apache-2.0 */
#include "encoder-model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PICTURE 224
#define PATCH 16
#define POSITIONS 512

static float uniform(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (float)(*state >> 40) * (2.f / (1 << 24)) - 1;
}

/* Hands out the weights one after the other; `at` counts floats. */
struct recorder {
  struct encoder_model *m;
  size_t at;
  uint64_t state;
};

static weft_value weight(struct recorder *r, int64_t rows, int64_t columns, float scale, float offset)
{
  float *data = r->m->weights + r->at;
  size_t n = (size_t)(rows * columns);
  for (size_t i = 0; i < n; i++)
    data[i] = offset + scale * uniform(&r->state);
  r->at += n;
  struct weft_plan_weight w = {.data = data, .dtype = weft_f32(), .rank = rows == 1 ? 1 : 2,
                               .dims = {rows == 1 ? columns : rows, rows == 1 ? 0 : columns}};
  return weft_nn_weight(r->m->builder, &w);
}

static weft_value dense(struct recorder *r, weft_value x, int64_t n, int act, weft_value residual)
{
  int64_t k = weft_nn_width(r->m->builder, x);
  weft_value w = weight(r, n, k, sqrtf(3.f / (float)k), 0), b = weight(r, 1, n, .1f, 0);
  return weft_nn_linear(r->m->builder, x, w, b, act, residual);
}

static weft_value norm(struct recorder *r, weft_value x)
{
  int64_t d = r->m->shape.d;
  weft_value gamma = weight(r, 1, d, .1f, 1), beta = weight(r, 1, d, .1f, 0);
  return weft_nn_layer_norm(r->m->builder, x, gamma, beta, 1e-12);
}

static weft_value attention(struct recorder *r, weft_value x, weft_value residual)
{
  int64_t d = r->m->shape.d;
  struct weft_nn_attention a = {.n_heads = r->m->shape.n_heads};
  a.q = dense(r, x, d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  a.k = dense(r, x, d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  a.v = dense(r, x, d, WEFT_ACT_NONE, WEFT_NO_VALUE);
  return dense(r, weft_nn_attention(r->m->builder, &a), d, WEFT_ACT_NONE, residual);
}

static weft_value feed_forward(struct recorder *r, weft_value x, weft_value residual)
{
  weft_value hidden = dense(r, x, r->m->shape.d_hidden, WEFT_ACT_GELU, WEFT_NO_VALUE);
  return dense(r, hidden, r->m->shape.d, WEFT_ACT_NONE, residual);
}

static weft_value embed_picture(struct recorder *r)
{
  struct weft_nn_plan *p = r->m->builder;
  int64_t d = r->m->shape.d;
  weft_value splits = weft_nn_splits_uniform(p, PICTURE * PICTURE);
  weft_value x = weft_nn_input(p, "pixels", weft_f32(), splits, 3);
  struct weft_nn_conv2d conv = {.height = PICTURE, .width = PICTURE, .channels = 3, .kernel_y = PATCH,
                                .kernel_x = PATCH, .stride_y = PATCH, .stride_x = PATCH};
  weft_value kernel = weight(r, d, 3 * PATCH * PATCH, .05f, 0), bias = weight(r, 1, d, .1f, 0);
  x = weft_nn_conv2d(p, x, &conv, kernel, bias);
  x = weft_nn_prepend(p, x, weight(r, 1, d, 1, 0));
  return weft_nn_add_position(p, x, weight(r, weft_nn_rows_per_item(p, x), d, 1, 0), 0);
}

static weft_value embed_words(struct recorder *r)
{
  struct weft_nn_plan *p = r->m->builder;
  int64_t d = r->m->shape.d;
  weft_value ids = weft_nn_input(p, "ids", weft_i32(), weft_nn_input_splits(p, "text"), 0);
  weft_value x = weft_nn_embedding(p, ids, weight(r, ENCODER_WORDS, d, 1, 0));
  x = weft_nn_add(p, x, weight(r, 1, d, 1, 0));
  x = weft_nn_add_position(p, x, weight(r, POSITIONS, d, 1, 0), 0);
  return norm(r, x);
}

void encoder_model_init(struct encoder_model *model, const struct encoder_shape *shape)
{
  *model = (struct encoder_model){.shape = *shape, .builder = weft_nn_plan_new()};
  size_t d = (size_t)shape->d, hidden = (size_t)shape->d_hidden, layers = (size_t)shape->n_layers;
  size_t n = layers * (4 * d * (d + 1) + hidden * (2 * d + 1) + 5 * d) + 4 * d;
  n += shape->is_vit ? d * (3 * PATCH * PATCH + 4 + 197) : d * (ENCODER_WORDS + POSITIONS + 4);
  model->weights = malloc(n * sizeof *model->weights);
  if (!model->weights)
    return;
  struct recorder r = {.m = model, .state = 1};
  weft_value x = shape->is_vit ? embed_picture(&r) : embed_words(&r);
  for (int64_t i = 0; i < shape->n_layers; i++) {
    if (shape->is_vit) {
      x = attention(&r, norm(&r, x), x);
      x = feed_forward(&r, norm(&r, x), x);
    } else {
      x = norm(&r, attention(&r, x, x));
      x = norm(&r, feed_forward(&r, x, x));
    }
  }
  weft_nn_output(model->builder, shape->is_vit ? norm(&r, x) : x);
  model->plan = weft_nn_plan_finish(model->builder);
  if (!model->plan)
    fprintf(stderr, "encoder: %s: %s\n", shape->name, weft_nn_plan_error(model->builder));
}

void encoder_model_clear(struct encoder_model *model)
{
  weft_nn_plan_free(model->builder);
  free(model->weights);
}

double encoder_model_flops(const struct encoder_shape *s, int64_t n_tokens)
{
  double d = (double)s->d, n = (double)n_tokens;
  double layer = n * (4 * d * d + 2 * d * (double)s->d_hidden) + 2 * n * n * d;
  return 2 * ((double)s->n_layers * layer + (s->is_vit ? (n - 1) * d * 3 * PATCH * PATCH : 0));
}

void *encoder_model_input(const struct encoder_shape *s, int64_t n_tokens)
{
  uint64_t state = 7;
  size_t n = s->is_vit ? (size_t)3 * PICTURE * PICTURE : (size_t)n_tokens;
  float *floats = malloc(n * sizeof *floats);
  int32_t *ids = (int32_t *)(void *)floats;
  for (size_t i = 0; floats && i < n; i++)
    if (s->is_vit)
      floats[i] = uniform(&state);
    else
      ids[i] = (int32_t)((uniform(&state) + 1) * .5f * (ENCODER_WORDS - 1));
  return floats;
}
