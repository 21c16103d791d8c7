/* SPDX-License-Identifier: Apache-2.0 */
/* Over one row: norms of its length, rotations, element by element; and down the columns of many rows. */
#include "vec.h"

void WEFT_KERNEL(length_norm)(float *y, const float *x, const float *gamma, size_t d, float eps, int rms)
{
  const size_t whole = d - d % V_LANES;
  const vmask m = v_mask(d - whole);
  vf squares = v_set1(0.f);
  for (size_t i = 0; i < whole; i += V_LANES) {
    vf v = v_load(x + i);
    squares = v_fma(v, v, squares);
  }
  if (whole < d) {
    vf v = v_load_mask(x + whole, m);
    squares = v_fma(v, v, squares);
  }
  float sum = v_sum(squares), length = sqrtf(rms ? sum / (float)d + eps : sum);
  vf factor = v_set1(1.f / (!rms && length < eps ? eps : length));
  for (size_t i = 0; i < whole; i += V_LANES) {
    vf v = v_mul(v_load(x + i), factor);
    v_store(y + i, gamma ? v_mul(v, v_load(gamma + i)) : v);
  }
  if (whole < d) {
    vf v = v_mul(v_load_mask(x + whole, m), factor);
    v_store_mask(y + whole, gamma ? v_mul(v, v_load_mask(gamma + whole, m)) : v, m);
  }
}

V_INLINE vf binary_of(vf a, vf b, const enum weft_binary kind)
{
  switch (kind) {
  case WEFT_BINARY_SUB: return v_sub(a, b);
  case WEFT_BINARY_DIV: return v_div(a, b);
  case WEFT_BINARY_MIN: return v_nan_of(v_min(a, b), a);
  default: return v_nan_of(v_max(a, b), a);
  }
}

V_INLINE void binary_as(float *y, const float *a, const float *b, const size_t step, size_t n, const enum weft_binary kind)
{
  size_t i = 0;
  vf same = v_set1(step ? 0.f : n ? *b : 0.f);
  for (; i + V_LANES <= n; i += V_LANES)
    v_store(y + i, binary_of(v_load(a + i), step ? v_load(b + i) : same, kind));
  if (i < n) {
    vmask m = v_mask(n - i);
    v_store_mask(y + i, binary_of(v_load_mask(a + i, m), step ? v_load_mask(b + i, m) : same, kind), m);
  }
}

#define BINARY_OF(kind)                                                                                                \
  case kind:                                                                                                           \
    if (b_step)                                                                                                        \
      binary_as(y, a, b, 1, n, kind);                                                                                  \
    else                                                                                                               \
      binary_as(y, a, b, 0, n, kind);                                                                                  \
    break

void WEFT_KERNEL(binary)(float *y, const float *a, const float *b, size_t b_step, size_t n, enum weft_binary kind)
{
  switch (kind) {
    BINARY_OF(WEFT_BINARY_SUB);
    BINARY_OF(WEFT_BINARY_DIV);
    BINARY_OF(WEFT_BINARY_MIN);
    BINARY_OF(WEFT_BINARY_MAX);
  }
}

V_INLINE vf unary_of(vf x, const enum weft_unary kind, vf low, vf high)
{
  switch (kind) {
  case WEFT_UNARY_EXP: return v_exp(x);
  case WEFT_UNARY_ABS: return v_abs(x);
  default: return v_max(low, v_min(high, x));
  }
}

V_INLINE void unary_as(float *y, const float *x, size_t n, const enum weft_unary kind, vf low, vf high)
{
  size_t i = 0;
  for (; i + V_LANES <= n; i += V_LANES)
    v_store(y + i, unary_of(v_load(x + i), kind, low, high));
  if (i < n) {
    vmask m = v_mask(n - i);
    v_store_mask(y + i, unary_of(v_load_mask(x + i, m), kind, low, high), m);
  }
}

void WEFT_KERNEL(unary)(float *y, const float *x, size_t n, enum weft_unary kind, float low, float high)
{
  vf l = v_set1(low), h = v_set1(high);
  switch (kind) {
  case WEFT_UNARY_EXP: unary_as(y, x, n, WEFT_UNARY_EXP, l, h); break;
  case WEFT_UNARY_ABS: unary_as(y, x, n, WEFT_UNARY_ABS, l, h); break;
  case WEFT_UNARY_CLAMP: unary_as(y, x, n, WEFT_UNARY_CLAMP, l, h); break;
  }
}

void WEFT_KERNEL(turn)(float *y, const float *x, const float *cosines, const float *sines, size_t half)
{
  vf zero = v_set1(0.f);
  size_t i = 0;
  for (; i + V_LANES <= half; i += V_LANES) {
    vf a = v_load(x + i), b = v_load(x + half + i), c = v_load(cosines + i), s = v_load(sines + i);
    v_store(y + i, v_fma(a, c, v_sub(zero, v_mul(b, s))));
    v_store(y + half + i, v_fma(b, c, v_mul(a, s)));
  }
  if (i < half) {
    vmask m = v_mask(half - i);
    vf a = v_load_mask(x + i, m), b = v_load_mask(x + half + i, m), c = v_load_mask(cosines + i, m);
    vf s = v_load_mask(sines + i, m);
    v_store_mask(y + i, v_fma(a, c, v_sub(zero, v_mul(b, s))), m);
    v_store_mask(y + half + i, v_fma(b, c, v_mul(a, s)), m);
  }
}

/* In double: a recording has hundreds of thousands of rows. */
void WEFT_KERNEL(column_sums)(double *sums, const float *x, size_t ld, size_t rows, size_t columns, const float *mean)
{
  for (size_t r = 0; r < rows; r++, x += ld) {
    if (!mean) {
      for (size_t c = 0; c < columns; c++)
        sums[c] += (double)x[c];
      continue;
    }
    for (size_t c = 0; c < columns; c++) {
      double distance = (double)(x[c] - mean[c]);
      sums[c] += distance * distance;
    }
  }
}

void WEFT_KERNEL(column_map)(float *y, const float *x, const float *mean, const float *factor, const float *beta, size_t n)
{
  vf zero = v_set1(0.f);
  size_t i = 0;
  for (; i + V_LANES <= n; i += V_LANES)
    v_store(y + i, v_fma(v_sub(v_load(x + i), v_load(mean + i)), v_load(factor + i), beta ? v_load(beta + i) : zero));
  if (i < n) {
    vmask m = v_mask(n - i);
    vf d = v_sub(v_load_mask(x + i, m), v_load_mask(mean + i, m));
    v_store_mask(y + i, v_fma(d, v_load_mask(factor + i, m), beta ? v_load_mask(beta + i, m) : zero), m);
  }
}
