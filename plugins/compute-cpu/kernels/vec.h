/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file vec.h
 * The instruction set this file is compiled for, and what is built on it:
 * polynomials for exp, tanh, erf and the activations. Included by kernel
 * sources only. A mask `m` covers the first n lanes (0 < n <= V_LANES).
 */
#ifndef WEFT_CPU_VEC_H
#define WEFT_CPU_VEC_H

#include "kernels.h"
#include "product.h"

#include <math.h>
#include <string.h>
#include <weft/compute.h>

#if defined(WEFT_ISA_avx512)
#include "vec-avx512.h"
#elif defined(WEFT_ISA_avx2)
#include "vec-avx2.h"
#else
#include "vec-scalar.h"
#endif

#define WEFT_GLUE2(isa, name) weft_##isa##_##name
#define WEFT_GLUE(isa, name) WEFT_GLUE2(isa, name)
/** Name of a kernel of this instruction set: weft_avx2_gemm. */
#define WEFT_KERNEL(name) WEFT_GLUE(V_NAME, name)

/** Table of products of this instruction set: weft_product_avx2_f32. */
#define WEFT_PRODUCT2(isa, format) weft_product_##isa##_##format
#define WEFT_PRODUCT1(isa, format) WEFT_PRODUCT2(isa, format)
#define WEFT_PRODUCT(format) WEFT_PRODUCT1(V_NAME, format)
#define V_STRING2(x) #x
#define V_STRING(x) V_STRING2(x)

/** What follows the sums, on rows [row, row + rows) and columns [column, column + columns) of c. */
void WEFT_KERNEL(epilogue)(const struct weft_product *g, size_t row, size_t rows, size_t column, size_t columns);
/** Whether anything does. */
static inline int weft_product_finishes(const struct weft_product *g)
{
  return g->bias || g->multiplier || g->residual || g->act != WEFT_ACT_NONE;
}
extern const struct weft_product_kernels WEFT_PRODUCT(f32), WEFT_PRODUCT(bf16);
void WEFT_KERNEL(activate)(float *y, const float *x, size_t n, int act);
void WEFT_KERNEL(add)(float *y, const float *a, const float *b, size_t n);
void WEFT_KERNEL(mul)(float *y, const float *a, const float *b, size_t n);
void WEFT_KERNEL(scale)(float *y, const float *x, size_t n, float factor, float offset);
void WEFT_KERNEL(axpy)(float *y, const float *x, size_t n, float factor);
float WEFT_KERNEL(dot)(const float *a, const float *b, size_t n);
void WEFT_KERNEL(layer_norm)(float *y, const float *x, const float *gamma, const float *beta, size_t d, float eps);
void WEFT_KERNEL(length_norm)(float *y, const float *x, const float *gamma, size_t d, float eps, int rms);
void WEFT_KERNEL(binary)(float *y, const float *a, const float *b, size_t b_step, size_t n, enum weft_binary kind);
void WEFT_KERNEL(unary)(float *y, const float *x, size_t n, enum weft_unary kind, float low, float high);
void WEFT_KERNEL(turn)(float *y, const float *x, const float *cosines, const float *sines, size_t half);
void WEFT_KERNEL(column_sums)(double *sums, const float *x, size_t ld, size_t rows, size_t columns, const float *mean);
void WEFT_KERNEL(column_map)(float *y, const float *x, const float *mean, const float *factor, const float *beta, size_t n);
void WEFT_KERNEL(softmax)(float *y, const float *x, size_t n, float factor);
size_t WEFT_KERNEL(attention_bytes)(const struct weft_attention *a);
void WEFT_KERNEL(attention)(const struct weft_attention *a);

#define V_INLINE static inline __attribute__((always_inline))

/**
 * e^x, relative error below 2e-7 (x is split into n ln 2 + r, |r| <= ln 2 / 2;
 * e^r is a polynomial of degree 6). Below -87.33: 0. Above 88.37: e^88.37.
 * NaN stays NaN.
 */
V_INLINE vf v_exp(vf x)
{
  vf low = v_set1(-87.33f), magic = v_set1(12582912.f); /* 1.5 2^23: adding it rounds to an integer */
  vf clamped = v_max(low, v_min(v_set1(88.37f), x));
  vf t = v_fma(clamped, v_set1(1.44269504088896341f), magic);
  vf n = v_sub(t, magic);
  vf r = v_fma(n, v_set1(-0.693359375f), clamped);
  r = v_fma(n, v_set1(2.12194440e-4f), r);
  vf p = v_set1(1.f / 720);
  p = v_fma(p, r, v_set1(1.f / 120));
  p = v_fma(p, r, v_set1(1.f / 24));
  p = v_fma(p, r, v_set1(1.f / 6));
  p = v_fma(p, r, v_set1(.5f));
  p = v_fma(p, r, v_set1(1.f));
  p = v_fma(p, r, v_set1(1.f));
  return v_zero_below(v_mul(p, v_pow2_of_magic(t)), x, low);
}

V_INLINE vf v_sigmoid(vf x)
{
  vf one = v_set1(1.f);
  return v_div(one, v_add(one, v_exp(v_sub(v_set1(0.f), x))));
}

/** tanh x: an odd polynomial below 0.625 (Moshier's Cephes), 1 - 2 / (e^2x + 1) above. */
V_INLINE vf v_tanh(vf x)
{
  vf a = v_abs(x), s = v_mul(x, x), one = v_set1(1.f);
  vf p = v_set1(-5.70498872745e-3f);
  p = v_fma(p, s, v_set1(2.06390887954e-2f));
  p = v_fma(p, s, v_set1(-5.37397155531e-2f));
  p = v_fma(p, s, v_set1(1.33314422036e-1f));
  p = v_fma(p, s, v_set1(-3.33332819422e-1f));
  vf small = v_fma(v_mul(p, s), x, x);
  vf large = v_sub(one, v_div(v_set1(2.f), v_add(v_exp(v_add(a, a)), one)));
  return v_select_less(a, v_set1(.625f), small, v_copysign(large, x));
}

/**
 * x Phi(x) with Phi(-|x|) = q(t) e^(-x^2/2) / 2, t = 1 / (1 + p |x| / sqrt 2)
 * (Abramowitz and Stegun 7.1.26: |error of erf| <= 1.5e-7).
 */
V_INLINE vf v_gelu(vf x)
{
  vf one = v_set1(1.f), z = v_mul(v_abs(x), v_set1(.70710678118654752f));
  vf t = v_div(one, v_fma(v_set1(.3275911f), z, one));
  vf p = v_set1(1.061405429f);
  p = v_fma(p, t, v_set1(-1.453152027f));
  p = v_fma(p, t, v_set1(1.421413741f));
  p = v_fma(p, t, v_set1(-.284496736f));
  p = v_fma(p, t, v_set1(.254829592f));
  vf e = v_exp(v_sub(v_set1(0.f), v_mul(z, z)));
  vf q = v_mul(v_mul(v_set1(.5f), v_mul(p, t)), e);
  return v_mul(x, v_select_less(x, v_set1(0.f), q, v_sub(one, q)));
}

/** x / 2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3). */
V_INLINE vf v_gelu_tanh(vf x)
{
  vf u = v_fma(v_mul(v_mul(x, x), x), v_set1(.044715f), x);
  return v_mul(x, v_sigmoid(v_mul(u, v_set1(1.59576912160573f))));
}

V_INLINE vf v_activate(vf x, const int act)
{
  switch (act) {
  case WEFT_ACT_GELU: return v_gelu(x);
  case WEFT_ACT_GELU_TANH: return v_gelu_tanh(x);
  case WEFT_ACT_GELU_QUICK: return v_mul(x, v_sigmoid(v_mul(x, v_set1(1.702f))));
  case WEFT_ACT_RELU: return v_max(v_set1(0.f), x);
  case WEFT_ACT_SILU: return v_mul(x, v_sigmoid(x));
  case WEFT_ACT_TANH: return v_tanh(x);
  case WEFT_ACT_SIGMOID: return v_sigmoid(x);
  default: return x;
  }
}

#endif
