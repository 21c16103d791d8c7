/* SPDX-License-Identifier: Apache-2.0 */
/* Over one row: layer normalisation and softmax. */
#include "vec.h"

void WEFT_KERNEL(layer_norm)(float *y, const float *x, const float *gamma, const float *beta, size_t d, float eps)
{
  const size_t whole = d - d % V_LANES;
  const vmask m = v_mask(d - whole);
  vf sum = v_set1(0.f), squares = v_set1(0.f), zero = v_set1(0.f);
  for (size_t i = 0; i < whole; i += V_LANES)
    sum = v_add(sum, v_load(x + i));
  if (whole < d)
    sum = v_add(sum, v_load_mask(x + whole, m));
  vf mean = v_set1(v_sum(sum) / (float)d);
  for (size_t i = 0; i < whole; i += V_LANES) {
    vf c = v_sub(v_load(x + i), mean);
    squares = v_fma(c, c, squares);
  }
  if (whole < d) {
    vf c = v_blend(zero, v_sub(v_load_mask(x + whole, m), mean), m);
    squares = v_fma(c, c, squares);
  }
  vf scale = v_set1(1.f / sqrtf(v_sum(squares) / (float)d + eps));
  for (size_t i = 0; i < whole; i += V_LANES) {
    vf c = v_mul(v_sub(v_load(x + i), mean), scale);
    v_store(y + i, v_fma(c, v_load(gamma + i), beta ? v_load(beta + i) : zero));
  }
  if (whole < d) {
    vf c = v_mul(v_sub(v_load_mask(x + whole, m), mean), scale);
    v_store_mask(y + whole, v_fma(c, v_load_mask(gamma + whole, m), beta ? v_load_mask(beta + whole, m) : zero), m);
  }
}

void WEFT_KERNEL(softmax)(float *y, const float *x, size_t n, float factor)
{
  if (n == 0)
    return;
  const size_t whole = n - n % V_LANES;
  const vmask m = v_mask(n - whole);
  vf f = v_set1(factor), low = v_set1(-INFINITY), sum = v_set1(0.f), zero = sum;
  vf most = low;
  for (size_t i = 0; i < whole; i += V_LANES)
    most = v_max(most, v_mul(v_load(x + i), f));
  if (whole < n)
    most = v_max(most, v_blend(low, v_mul(v_load_mask(x + whole, m), f), m));
  most = v_set1(v_highest(most));
  for (size_t i = 0; i < whole; i += V_LANES) {
    vf e = v_exp(v_sub(v_mul(v_load(x + i), f), most));
    sum = v_add(sum, e);
    v_store(y + i, e);
  }
  if (whole < n) {
    vf e = v_blend(zero, v_exp(v_sub(v_mul(v_load_mask(x + whole, m), f), most)), m);
    sum = v_add(sum, e);
    v_store_mask(y + whole, e, m);
  }
  vf scale = v_set1(1.f / v_sum(sum));
  for (size_t i = 0; i < whole; i += V_LANES)
    v_store(y + i, v_mul(v_load(y + i), scale));
  if (whole < n)
    v_store_mask(y + whole, v_mul(v_load_mask(y + whole, m), scale), m);
}
