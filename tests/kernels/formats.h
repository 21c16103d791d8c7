/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file formats.h
 * What a product in each format multiplies, in plain C: the reference rounds
 * copies of its operands so, and computes on in double precision.
 */
#ifndef WEFT_TEST_KERNELS_FORMATS_H
#define WEFT_TEST_KERNELS_FORMATS_H

#include <glib.h>
#include <kernels/product.h>

struct test_format {
  /** w: [n, k] becomes the numbers that the packed weight stands for. */
  void (*weights)(float *w, size_t n, size_t k);
  /** a: [m, k] of row stride lda becomes the numbers that the prepared rows stand for. */
  void (*rows)(float *a, size_t lda, size_t m, size_t k);
  double nmse_max; /**< of a product against double precision on these operands */
};

/** format: WEFT_FORMAT_* */
const struct test_format *test_format(uint32_t format);

struct test_product_case {
  const char *name;
  void (*test)(gconstpointer product); /**< struct weft_product_kernels */
};
/** Adds /GROUP/PRODUCT/CASE for every product that runs of the formats in the mask (1 << WEFT_FORMAT_*). */
void test_products_add(const char *group, uint32_t formats, const struct test_product_case *cases, size_t n_cases);

/** Rows as `product` reads them: prepared, or a copy of stride k. Caller frees. */
void *test_prepared(const struct weft_product_kernels *kernels, const float *a, size_t lda, size_t m, size_t k);
/** Bytes between the rows of test_prepared. */
size_t test_row_bytes(const struct weft_product_kernels *kernels, size_t k);
/** w: [n, k] into panels, as a program holds them; 64-byte aligned. Caller frees. */
void *test_packed(const struct weft_product_kernels *kernels, const float *w, size_t n, size_t k);

#endif
