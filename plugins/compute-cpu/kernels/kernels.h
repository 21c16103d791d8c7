/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kernels.h
 * The kernels of one instruction set, as a table of pointers. The sources
 * gemm.c, map.c, norm.c and attention.c are compiled once for each set
 * (vec-scalar.h, vec-avx2.h, vec-avx512.h); table.c collects them.
 *
 * All data is f32, any 4-byte alignment; nothing is read or written beyond the
 * extents given. Within one set a result depends on its own row's operands
 * only: tails run the same operations as whole vectors. [any thread]
 */
#ifndef WEFT_CPU_KERNELS_H
#define WEFT_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/** Products add K in blocks of this many, in order. */
#define WEFT_CPU_KC 256

/** c[m, n] = act(a[m, k] b + bias) + residual, b being packed panels of nr columns. */
struct weft_gemm {
  const float *a;
  const float *b;        /**< [ceil(n / nr)][k][nr], the last panel filled up with zeros; 64-byte aligned */
  float *c;
  const float *bias;     /**< [n] or NULL */
  const float *residual; /**< [m, n] of row stride ld_residual, or NULL */
  size_t lda, ldc, ld_residual;
  size_t m, n, k;        /**< k == 0 gives zeros (then bias, act, residual) */
  int act;               /**< WEFT_ACT_* */
};

/** One head of one item: out = softmax(q k^T scale) v. Row stride ld for q, k and v, ldo for out. */
struct weft_attention {
  const float *q, *k, *v;
  float *out;
  size_t ld, ldo;
  size_t n, d;        /**< rows of the item, width of the head */
  float scale;
  void *work;         /**< attention_bytes(n, d), 64-byte aligned */
  const uint32_t *cancel; /**< looked at between blocks of rows; NULL: never */
};

struct weft_kernels {
  const char *name;
  size_t mr, nr; /**< rows and columns of a product's tile */

  void (*gemm)(const struct weft_gemm *g);
  size_t (*attention_bytes)(size_t n, size_t d);
  void (*attention)(const struct weft_attention *a);
  /** y = (x - mean) / sqrt(var + eps) gamma + beta over d; beta may be NULL. */
  void (*layer_norm)(float *y, const float *x, const float *gamma, const float *beta, size_t d, float eps);
  /** y = softmax(x factor) over n; y may be x. */
  void (*softmax)(float *y, const float *x, size_t n, float factor);
  /** y = act(x); y may be x. */
  void (*activate)(float *y, const float *x, size_t n, int act);
  void (*add)(float *y, const float *a, const float *b, size_t n);
  void (*mul)(float *y, const float *a, const float *b, size_t n);
  void (*scale)(float *y, const float *x, size_t n, float factor, float offset);
  /** y += factor x. */
  void (*axpy)(float *y, const float *x, size_t n, float factor);
  float (*dot)(const float *a, const float *b, size_t n);
};

extern const struct weft_kernels weft_kernels_scalar;
#if defined(__x86_64__)
extern const struct weft_kernels weft_kernels_avx2;
extern const struct weft_kernels weft_kernels_avx512;
#endif

#endif
