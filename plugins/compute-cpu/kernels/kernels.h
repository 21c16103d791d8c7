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

/**
 * The heads of queries of one item that share one head of keys and values:
 * out = softmax(q k^T scale + bias) v, each row over the keys that it sees. A
 * query sees the keys up to its own place (causal), and where there is a
 * window those from `left` before to `right` behind it; rows of the global
 * range see every key, and its keys are seen by every row. A row that sees no
 * key is zeros. Rows are numbered within the item.
 */
struct weft_attention {
  const float *q, *k, *v;   /**< of row 0 of the item, first of these heads */
  float *out;
  size_t ld_q, ld_k, ld_v, ld_o; /**< floats between rows */
  size_t n_q, n_k;          /**< rows of the item */
  size_t d, d_v;            /**< width of a head of keys, of values */
  size_t n_heads;           /**< one beside the other in q and out */
  size_t first, end;        /**< rows to write; first: a multiple of WEFT_ATTENTION_ROWS */
  int causal, window;
  size_t left, right;
  size_t global_first, global_end;
  const float *bias;        /**< [n_heads][ld_bias] or NULL: of key j for query i at j - i + n_q - 1, times log2(e);
                                 readable up to WEFT_ATTENTION_BIAS_PAD beyond */
  size_t ld_bias;
  double scale;
  void *work;               /**< attention_bytes, 64-byte aligned */
  const uint32_t *cancel;   /**< looked at between blocks; NULL: never */
};

/** Rows that one call of `attention` may begin with: multiples of every set's block of queries. */
#define WEFT_ATTENTION_ROWS 336
#define WEFT_ATTENTION_BIAS_PAD 64

enum weft_binary { WEFT_BINARY_SUB, WEFT_BINARY_DIV, WEFT_BINARY_MIN, WEFT_BINARY_MAX };
enum weft_unary { WEFT_UNARY_EXP, WEFT_UNARY_ABS, WEFT_UNARY_CLAMP };

struct weft_kernels {
  const char *name;

  /** Of n_q, n_k, d and d_v; never less for more of them. */
  size_t (*attention_bytes)(const struct weft_attention *a);
  void (*attention)(const struct weft_attention *a);
  /** y = (x - mean) / sqrt(var + eps) gamma + beta over d; beta may be NULL. */
  void (*layer_norm)(float *y, const float *x, const float *gamma, const float *beta, size_t d, float eps);
  /** y = softmax(x factor) over n; y may be x. */
  void (*softmax)(float *y, const float *x, size_t n, float factor);
  /** rms: y = x / sqrt(mean(x^2) + eps) gamma; else y = x / max(sqrt(sum x^2), eps) gamma. gamma: NULL is ones. */
  void (*length_norm)(float *y, const float *x, const float *gamma, size_t d, float eps, int rms);
  /** y[i] = a[i] KIND b[i b_step], b_step 0 or 1; MIN and MAX are NaN where either is. y may be a or b. */
  void (*binary)(float *y, const float *a, const float *b, size_t b_step, size_t n, enum weft_binary kind);
  /** low, high: of CLAMP; NaN stays. y may be x. */
  void (*unary)(float *y, const float *x, size_t n, enum weft_unary kind, float low, float high);
  /** y[k] = x[k] cos[k] - x[k + half] sin[k]; y[k + half] = x[k + half] cos[k] + x[k] sin[k]. y may be x. */
  void (*turn)(float *y, const float *x, const float *cosines, const float *sines, size_t half);
  /** sums[c] += x, or (x - mean[c])^2 where there is a mean, over the rows in order. */
  void (*column_sums)(double *sums, const float *x, size_t ld, size_t rows, size_t columns, const float *mean);
  /** y[c] = (x[c] - mean[c]) factor[c] + beta[c]; beta may be NULL. */
  void (*column_map)(float *y, const float *x, const float *mean, const float *factor, const float *beta, size_t n);
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
extern const struct weft_product_kernels weft_product_scalar_f32, weft_product_scalar_bf16;
extern const struct weft_product_kernels weft_product_scalar_int8, weft_product_scalar_int4;
#if defined(__x86_64__)
extern const struct weft_kernels weft_kernels_avx2;
extern const struct weft_kernels weft_kernels_avx512;
extern const struct weft_product_kernels weft_product_avx2_f32, weft_product_avx512_f32;
extern const struct weft_product_kernels weft_product_avx2_bf16, weft_product_avx512_bf16;
extern const struct weft_product_kernels weft_product_avx512bf16_bf16, weft_product_amx_bf16;
extern const struct weft_product_kernels weft_product_avx2_int8, weft_product_avx2_int4;
extern const struct weft_product_kernels weft_product_avxvnni_int8, weft_product_avxvnni_int4;
extern const struct weft_product_kernels weft_product_avx512vnni_int8, weft_product_avx512vnni_int4;
extern const struct weft_product_kernels weft_product_amx_int8;
#endif

#endif
