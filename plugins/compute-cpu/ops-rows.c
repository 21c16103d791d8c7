/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on each row by itself. */
#include "ops.h"

static void layer_norm_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->n_rows);
  const float *gamma = weft_cpu_operand_data(t, 1), *beta = weft_cpu_operand_data(t, 2);
  for (size_t r = task * t->step; r < end; r++)
    t->kernels->layer_norm(t->out + r * t->width, t->in + r * t->width, gamma, beta, t->width,
                           (float)t->op->floats[0]);
}

static void softmax_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->n_rows);
  for (size_t r = task * t->step; r < end; r++)
    t->kernels->softmax(t->out + r * t->width, t->in + r * t->width, t->width, (float)t->op->floats[0]);
}

static void binary_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  const struct weft_cpu_value *y = weft_cpu_operand(t, 1);
  const float *b = weft_cpu_operand_data(t, 1);
  size_t begin = task * t->step, end = weft_cpu_smaller(begin + t->step, t->n_rows), w = t->width;
  int add = t->op->code == WEFT_OP_ADD;
  void (*kernel)(float *, const float *, const float *, size_t) = add ? t->kernels->add : t->kernels->mul;
  if (y->kind == WEFT_VALUE_ROWS && y->width == w) {
    kernel(t->out + begin * w, t->in + begin * w, b + begin * w, (end - begin) * w);
    return;
  }
  for (size_t r = begin; r < end; r++) {
    if (y->kind == WEFT_VALUE_WEIGHT)
      kernel(t->out + r * w, t->in + r * w, b, w);
    else
      t->kernels->scale(t->out + r * w, t->in + r * w, w, add ? 1.f : b[r], add ? b[r] : 0.f);
  }
}

static void unary_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t begin = task * t->step, end = weft_cpu_smaller(begin + t->step, t->n_rows);
  const float *in = t->in + begin * t->width;
  float *out = t->out + begin * t->width;
  if (t->op->code == WEFT_OP_SCALE)
    t->kernels->scale(out, in, (end - begin) * t->width, (float)t->op->floats[0], (float)t->op->floats[1]);
  else
    t->kernels->activate(out, in, (end - begin) * t->width, (int)t->op->ints[0]);
}

void weft_cpu_layer_norm(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->n_rows, t->width, .3, layer_norm_task);
}

void weft_cpu_softmax(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->n_rows, t->width, 1, softmax_task);
}

void weft_cpu_binary(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->n_rows, t->width, .15, binary_task);
}

void weft_cpu_unary(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->n_rows, t->width, 1, unary_task);
}
