/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file product.h
 * Products of rows with packed weights: one table for each instruction set and
 * format. A weight [n, k] is packed once into panels of nr of its rows; the
 * rows that it multiplies are prepared (quantised, rounded, padded) once, for
 * all products that read them.
 *
 * Same bytes: an element of c depends on its own row of a and of the weight
 * only, whatever m, n and the rows beside it: K is added in blocks of
 * WEFT_CPU_KC in order, tails run the same operations as whole vectors. [any thread]
 */
#ifndef WEFT_CPU_PRODUCT_H
#define WEFT_CPU_PRODUCT_H

#include <stddef.h>
#include <stdint.h>

/** Products add K in blocks of this many, in order. */
#define WEFT_CPU_KC 256

/* How a weight is stored; the same numbers as WEFT_PRECISION_* (weft/compute.h). */
enum weft_format { WEFT_FORMAT_F32, WEFT_FORMAT_BF16, WEFT_FORMAT_INT8, WEFT_FORMAT_INT4, WEFT_N_FORMATS };

/** c[m, n] = act(a w^T + bias) multiplier + residual. */
struct weft_product {
  const void *a;           /**< m rows: floats of stride lda where row_bytes is NULL, else what `prepare` wrote */
  const void *b;           /**< panels of columns [0, n): what `pack` wrote; 64-byte aligned */
  float *c;
  const float *bias;       /**< [n] or NULL */
  const float *multiplier; /**< [m, n] of row stride ld_multiplier, or NULL */
  const float *residual;   /**< [m, n] of row stride ld_residual, or NULL */
  size_t lda;              /**< floats between rows of a; not read where rows are prepared */
  size_t ldc, ld_multiplier, ld_residual;
  size_t m, n, k;          /**< k == 0: a w^T is zeros */
  int act;                 /**< WEFT_ACT_* */
};

struct weft_product_kernels {
  const char *name;  /**< "avx2-int8": of the layout too, equal names have equal packed bytes */
  const char *isa;   /**< the instruction set that runs it: isa.h */
  uint32_t format;   /**< WEFT_FORMAT_* */
  size_t mr, nr;     /**< rows and columns of a tile; a panel holds nr columns */

  /** Bytes of one panel; panel p of a weight starts p * panel_bytes(k) behind the first, which is 64-byte aligned. */
  size_t (*panel_bytes)(size_t k);
  /** Packs rows [0, n), 0 < n <= nr, of w [n, k] f32 into one panel, all of whose bytes it writes. */
  void (*pack)(void *panel, const float *w, size_t n, size_t k);
  /** Bytes of one prepared row, a multiple of 64; NULL: rows are read as they are. */
  size_t (*row_bytes)(size_t k);
  /** Prepares m rows of k floats, stride lda, one row_bytes(k) behind the other; `to` is 64-byte aligned. */
  void (*prepare)(void *to, const float *a, size_t lda, size_t m, size_t k);
  void (*product)(const struct weft_product *p);
};

#endif
