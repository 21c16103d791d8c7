/* SPDX-License-Identifier: Apache-2.0 */
/* More operations on rows by themselves. */
#include "chain.h"

#include <math.h>
#include <string.h>

/* Parts of each row, normed one by one. */
static void length_norm(const struct weft_cpu_rows *r, const float *gamma, int rms)
{
  size_t parts = r->op->ints[0] ? (size_t)r->op->ints[0] : 1, d = r->width / parts;
  for (size_t i = 0; i < r->n * parts; i++)
    r->program->kernels->length_norm(r->out + i * d, r->in[0] + i * d, gamma, d, (float)r->op->floats[0], rms);
}

void weft_cpu_rows_rms_norm(const struct weft_cpu_rows *r)
{
  length_norm(r, r->in[1], 1);
}

void weft_cpu_rows_l2_norm(const struct weft_cpu_rows *r)
{
  length_norm(r, NULL, 0);
}

void weft_cpu_rows_binary(const struct weft_cpu_rows *r)
{
  static const enum weft_binary kinds[] = {WEFT_BINARY_SUB, WEFT_BINARY_DIV, WEFT_BINARY_MIN, WEFT_BINARY_MAX};
  const struct weft_cpu_value *y = &r->program->values[r->op->inputs[1]];
  enum weft_binary kind = kinds[r->op->code - WEFT_OP_SUB];
  size_t w = r->width, ld = y->kind == WEFT_VALUE_WEIGHT ? 0 : y->width;
  size_t step = y->kind == WEFT_VALUE_WEIGHT ? y->n_elements > 1 : y->width > 1;
  for (size_t i = 0; i < r->n; i++)
    r->program->kernels->binary(r->out + i * w, r->in[0] + i * w, r->in[1] + i * ld, step, w, kind);
}

void weft_cpu_rows_unary(const struct weft_cpu_rows *r)
{
  static const enum weft_unary kinds[] = {WEFT_UNARY_EXP, WEFT_UNARY_ABS, WEFT_UNARY_CLAMP};
  r->program->kernels->unary(r->out, r->in[0], r->n * r->width, kinds[r->op->code - WEFT_OP_EXP],
                             (float)r->op->floats[0], (float)r->op->floats[1]);
}

void weft_cpu_rows_slice_columns(const struct weft_cpu_rows *r)
{
  size_t n = (size_t)r->op->ints[1];
  const float *from = r->in[0] + r->op->ints[0];
  for (size_t i = 0; i < r->n; i++)
    memcpy(r->out + i * n, from + i * r->width, n * sizeof(float));
}

void weft_cpu_rows_concat_columns(const struct weft_cpu_rows *r)
{
  size_t width = r->program->values[r->op->outputs[0]].width, at = 0;
  for (uint32_t k = 0; k < r->op->n_inputs; k++) {
    if (r->op->inputs[k] == WEFT_NO_VALUE)
      continue;
    size_t n = r->program->values[r->op->inputs[k]].width;
    for (size_t i = 0; i < r->n; i++)
      memcpy(r->out + i * width + at, r->in[k] + i * n, n * sizeof(float));
    at += n;
  }
}

/* Whether column a of x stands before column b, both unlike: the larger number, then the lower column; NaN last. */
static int stands_before(const float *x, int32_t a, int32_t b)
{
  if (x[a] > x[b] || (!isnan(x[a]) && isnan(x[b])))
    return 1;
  return a < b && !(x[b] > x[a]) && !(isnan(x[a]) && !isnan(x[b]));
}

/* By insertion: k is small, and most columns do not come in. */
void weft_cpu_rows_top_k(const struct weft_cpu_rows *r)
{
  size_t k = (size_t)r->op->ints[0];
  int32_t *out = (int32_t *)(void *)r->out;
  for (size_t i = 0; i < r->n; i++, out += k) {
    const float *x = r->in[0] + i * r->width;
    size_t n = 0;
    for (size_t c = 0; c < r->width; c++) {
      if (n == k && !stands_before(x, (int32_t)c, out[k - 1]))
        continue;
      size_t at = n < k ? n++ : k - 1;
      for (; at > 0 && stands_before(x, (int32_t)c, out[at - 1]); at--)
        out[at] = out[at - 1];
      out[at] = (int32_t)c;
    }
  }
}

void weft_cpu_rows_weighted_sum(const struct weft_cpu_rows *r)
{
  size_t k = r->program->values[r->op->inputs[1]].width, n = r->width / k;
  memset(r->out, 0, r->n * n * sizeof(float));
  for (size_t i = 0; i < r->n; i++)
    for (size_t c = 0; c < k; c++)
      if (r->in[1][i * k + c] != 0)
        r->program->kernels->axpy(r->out + i * n, r->in[0] + i * r->width + c * n, n, r->in[1][i * k + c]);
}
