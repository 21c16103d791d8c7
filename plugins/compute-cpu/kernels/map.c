/* SPDX-License-Identifier: Apache-2.0 */
/* One element at a time: activations, sums, products; and what the pools are made of. */
#include "vec.h"

#define EACH(n, whole, tail)                                                                                           \
  size_t i = 0;                                                                                                        \
  for (; i + V_LANES <= n; i += V_LANES)                                                                               \
    whole;                                                                                                             \
  if (i < n) {                                                                                                         \
    vmask m = v_mask(n - i);                                                                                           \
    tail;                                                                                                              \
  }

V_INLINE void activate_as(float *y, const float *x, size_t n, const int act)
{
  EACH(n, v_store(y + i, v_activate(v_load(x + i), act)),
       v_store_mask(y + i, v_activate(v_load_mask(x + i, m), act), m))
}

void WEFT_KERNEL(activate)(float *y, const float *x, size_t n, int act)
{
  switch (act) {
  case WEFT_ACT_GELU: activate_as(y, x, n, WEFT_ACT_GELU); break;
  case WEFT_ACT_GELU_TANH: activate_as(y, x, n, WEFT_ACT_GELU_TANH); break;
  case WEFT_ACT_GELU_QUICK: activate_as(y, x, n, WEFT_ACT_GELU_QUICK); break;
  case WEFT_ACT_RELU: activate_as(y, x, n, WEFT_ACT_RELU); break;
  case WEFT_ACT_SILU: activate_as(y, x, n, WEFT_ACT_SILU); break;
  case WEFT_ACT_TANH: activate_as(y, x, n, WEFT_ACT_TANH); break;
  case WEFT_ACT_SIGMOID: activate_as(y, x, n, WEFT_ACT_SIGMOID); break;
  default: activate_as(y, x, n, WEFT_ACT_NONE); break;
  }
}

void WEFT_KERNEL(add)(float *y, const float *a, const float *b, size_t n)
{
  EACH(n, v_store(y + i, v_add(v_load(a + i), v_load(b + i))),
       v_store_mask(y + i, v_add(v_load_mask(a + i, m), v_load_mask(b + i, m)), m))
}

void WEFT_KERNEL(mul)(float *y, const float *a, const float *b, size_t n)
{
  EACH(n, v_store(y + i, v_mul(v_load(a + i), v_load(b + i))),
       v_store_mask(y + i, v_mul(v_load_mask(a + i, m), v_load_mask(b + i, m)), m))
}

void WEFT_KERNEL(scale)(float *y, const float *x, size_t n, float factor, float offset)
{
  vf f = v_set1(factor), o = v_set1(offset);
  EACH(n, v_store(y + i, v_fma(v_load(x + i), f, o)), v_store_mask(y + i, v_fma(v_load_mask(x + i, m), f, o), m))
}

void WEFT_KERNEL(axpy)(float *y, const float *x, size_t n, float factor)
{
  vf f = v_set1(factor);
  EACH(n, v_store(y + i, v_fma(v_load(x + i), f, v_load(y + i))),
       v_store_mask(y + i, v_fma(v_load_mask(x + i, m), f, v_load_mask(y + i, m)), m))
}

float WEFT_KERNEL(dot)(const float *a, const float *b, size_t n)
{
  vf sum = v_set1(0.f);
  EACH(n, sum = v_fma(v_load(a + i), v_load(b + i), sum), sum = v_fma(v_load_mask(a + i, m), v_load_mask(b + i, m), sum))
  return v_sum(sum);
}
