/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on each row by itself. */
#include "chain.h"

void weft_cpu_rows_layer_norm(const struct weft_cpu_rows *r)
{
  for (size_t i = 0; i < r->n; i++)
    r->program->kernels->layer_norm(r->out + i * r->width, r->in[0] + i * r->width, r->in[1], r->in[2], r->width,
                                    (float)r->op->floats[0]);
}

void weft_cpu_rows_softmax(const struct weft_cpu_rows *r)
{
  for (size_t i = 0; i < r->n; i++)
    r->program->kernels->softmax(r->out + i * r->width, r->in[0] + i * r->width, r->width, (float)r->op->floats[0]);
}

/* y: rows like x, a weight for every row, or one number a row. */
static void binary(const struct weft_cpu_rows *r, int add)
{
  const struct weft_cpu_value *y = &r->program->values[r->op->inputs[1]];
  const struct weft_kernels *kernels = r->program->kernels;
  void (*kernel)(float *, const float *, const float *, size_t) = add ? kernels->add : kernels->mul;
  const float *x = r->in[0], *b = r->in[1];
  size_t w = r->width;
  if (y->kind == WEFT_VALUE_ROWS && y->width == w) {
    kernel(r->out, x, b, r->n * w);
    return;
  }
  for (size_t i = 0; i < r->n; i++) {
    if (y->kind == WEFT_VALUE_WEIGHT)
      kernel(r->out + i * w, x + i * w, b, w);
    else
      kernels->scale(r->out + i * w, x + i * w, w, add ? 1.f : b[i], add ? b[i] : 0.f);
  }
}

void weft_cpu_rows_add(const struct weft_cpu_rows *r)
{
  binary(r, 1);
}

void weft_cpu_rows_mul(const struct weft_cpu_rows *r)
{
  binary(r, 0);
}

void weft_cpu_rows_scale(const struct weft_cpu_rows *r)
{
  r->program->kernels->scale(r->out, r->in[0], r->n * r->width, (float)r->op->floats[0], (float)r->op->floats[1]);
}

void weft_cpu_rows_activation(const struct weft_cpu_rows *r)
{
  r->program->kernels->activate(r->out, r->in[0], r->n * r->width, (int)r->op->ints[0]);
}
