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

struct weft_product_kernels;
extern const struct weft_kernels weft_kernels_scalar;
extern const struct weft_product_kernels weft_product_scalar_f32;
extern const struct weft_product_kernels weft_product_scalar_int8;
#if defined(__x86_64__)
extern const struct weft_kernels weft_kernels_avx2;
extern const struct weft_kernels weft_kernels_avx512;
extern const struct weft_product_kernels weft_product_avx2_f32, weft_product_avx512_f32;
extern const struct weft_product_kernels weft_product_avx2_int8;
#endif

#endif
