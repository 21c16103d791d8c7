/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file int.h
 * What products of integers share: the instruction set they are compiled for
 * (WEFT_INT_*, beside the WEFT_ISA_* that serves floats), and the prepared row.
 *
 * A prepared row: the scale (f32; x is about scale times its integer), then for
 * every WEFT_INT_BLOCK elements their sum (i32; 0 in a set without I_OFFSET),
 * filled up to whole lines; then
 * the integers, one byte each within +-127, filled up to whole lines with
 * zeros. A row with a NaN or an infinity has the scale NaN and zeros: its
 * results are NaN, no other row's. A row whose largest value is below
 * WEFT_INT_TINY has the scale 0.
 */
#ifndef WEFT_CPU_INT_H
#define WEFT_CPU_INT_H

#include "vec.h"

#if defined(WEFT_INT_amx)
#include "int-amx.h"
#elif defined(WEFT_INT_avx512vnni)
#include "int-avx512vnni.h"
#elif defined(WEFT_INT_avxvnni)
#include "int-avxvnni.h"
#elif defined(WEFT_INT_avx2)
#include "int-avx2.h"
#else
#include "int-scalar.h"
#endif

/** K is added in blocks of so many, each an exact sum in 32 bits: 255 * 127 * 65536 < 2^31. */
#define WEFT_INT_BLOCK 65536
/** 127 / x is finite above it. */
#define WEFT_INT_TINY 1e-36f

#define I_COLUMNS (V_LANES * I_TILE_VECTORS)
/** Table of products of this instruction set: weft_product_avx2_int8. */
#define I_PRODUCT1(isa, format) WEFT_PRODUCT2(isa, format)
#define I_PRODUCT(format) I_PRODUCT1(I_NAME, format)

static inline size_t int_lines(size_t n_bytes) { return (n_bytes + 63) / 64 * 64; }
static inline size_t int_head_bytes(size_t k)
{
  return int_lines(sizeof(float) + (k + WEFT_INT_BLOCK - 1) / WEFT_INT_BLOCK * sizeof(int32_t));
}
static inline size_t int_row_bytes(size_t k) { return int_head_bytes(k) + int_lines(k); }

/** Largest |x| of n; NaN where one is NaN or infinite. */
static inline float int_highest(const float *x, size_t n)
{
  enum { CHAINS = 4 };
  vf most[CHAINS], poison[CHAINS], zero = v_set1(0.f);
  for (int c = 0; c < CHAINS; c++)
    most[c] = poison[c] = zero;
  size_t i = 0;
  for (; i + CHAINS * V_LANES <= n; i += CHAINS * V_LANES)
    for (size_t c = 0; c < CHAINS; c++) {
      vf v = v_load(x + i + c * V_LANES);
      most[c] = v_max(most[c], v_abs(v));
      poison[c] = v_fma(v, zero, poison[c]);
    }
  for (; i < n; i += V_LANES) {
    vf v = n - i < V_LANES ? v_load_mask(x + i, v_mask(n - i)) : v_load(x + i);
    most[0] = v_max(most[0], v_abs(v));
    poison[0] = v_fma(v, zero, poison[0]);
  }
  for (int c = 1; c < CHAINS; c++) {
    most[0] = v_max(most[0], most[c]);
    poison[0] = v_add(poison[0], poison[c]);
  }
  float sum = v_sum(poison[0]);
  return sum == sum ? v_highest(most[0]) : NAN;
}

/** Writes n integers; returns the scale. Beyond n: zeros up to a whole chunk. */
static inline float int_quantise(int8_t *to, const float *x, size_t n)
{
  float highest = int_highest(x, n);
  if (!(highest >= WEFT_INT_TINY)) {
    memset(to, 0, (n + I_CHUNK - 1) / I_CHUNK * I_CHUNK);
    return highest == highest ? 0.f : NAN;
  }
  float factor = 127.f / highest;
  size_t i = 0;
  for (; i + I_CHUNK <= n; i += I_CHUNK)
    i_quantise(to + i, x + i, factor);
  if (i < n) {
    float rest[I_CHUNK] = {0};
    memcpy(rest, x + i, (n - i) * sizeof *rest);
    i_quantise(to + i, rest, factor);
  }
  return highest / 127.f;
}

/** Rows as products of int8 read them. */
__attribute__((unused)) static void int_prepare(void *to, const float *a, size_t lda, size_t m, size_t k)
{
  size_t head = int_head_bytes(k), n_bytes = int_row_bytes(k);
  uint8_t *row = to;
  for (size_t i = 0; i < m; i++, row += n_bytes, a += lda) {
    int8_t *q = (int8_t *)row + head;
    memset(row, 0, head);
    memset(q + k / I_CHUNK * I_CHUNK, 0, n_bytes - head - k / I_CHUNK * I_CHUNK);
    float scale = int_quantise(q, a, k);
    memcpy(row, &scale, sizeof scale);
    for (size_t first = 0, b = 0; I_OFFSET && first < k; first += WEFT_INT_BLOCK, b++) {
      size_t n = k - first < WEFT_INT_BLOCK ? k - first : WEFT_INT_BLOCK;
      int32_t sum = i_sum(q + first, (n + I_CHUNK - 1) / I_CHUNK * I_CHUNK);
      memcpy(row + sizeof scale + b * sizeof sum, &sum, sizeof sum);
    }
  }
}

#endif
