/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bf16.h
 * bf16: the upper half of an f32, rounded to nearest, ties to even; NaN stays NaN. And weights of it: one layout for
 * all sets, pairs of k as vdpbf16ps and tdpbf16ps read them. [any thread]
 */
#ifndef WEFT_CPU_BF16_H
#define WEFT_CPU_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t weft_bf16_bits(float x)
{
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 0x40u;
  return (u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
}

/** x rounded. */
static inline float weft_bf16_round(float x)
{
  uint32_t u = weft_bf16_bits(x) << 16;
  float y;
  memcpy(&y, &u, sizeof y);
  return y;
}

/** [n_pairs][nr] words: k even in the lower half, k odd in the upper one; zeros where w has none. n <= nr. */
static inline void weft_bf16_pack(uint32_t *to, const float *w, size_t n, size_t k, size_t nr, size_t n_pairs)
{
  enum { STEP = 8 }; /* lines of both sides that stay in the cache meanwhile */
  memset(to, 0, n_pairs * nr * sizeof *to);
  for (size_t at = 0; at < (k + 1) / 2; at += STEP)
    for (size_t j = 0; j < n; j++)
      for (size_t i = at; i < at + STEP && i < (k + 1) / 2; i++)
        to[i * nr + j] = weft_bf16_bits(w[j * k + 2 * i]) |
                         (2 * i + 1 < k ? weft_bf16_bits(w[j * k + 2 * i + 1]) << 16 : 0);
}

/** Bytes of a prepared row of pairs: whole steps of 32, and not a multiple of 4 KiB. */
static inline size_t weft_bf16_row_bytes(size_t k)
{
  size_t n_bytes = (k + 31) / 32 * 64;
  return n_bytes % 4096 ? n_bytes : n_bytes + 64;
}

/** m rows, zeros behind the last element. */
static inline void weft_bf16_prepare(void *to, const float *a, size_t lda, size_t m, size_t k)
{
  size_t n_bytes = weft_bf16_row_bytes(k);
  for (size_t r = 0; r < m; r++) {
    uint16_t *y = (uint16_t *)((char *)to + r * n_bytes);
    const float *x = a + r * lda;
    for (size_t i = 0; i < k; i++)
      y[i] = (uint16_t)weft_bf16_bits(x[i]);
    memset(y + k, 0, n_bytes - k * sizeof *y);
  }
}

#endif
