/* SPDX-License-Identifier: Apache-2.0 */
/** @file dpbf16.h Products of bf16, in vectors and in tiles. Included by immintrin.h only. */
#ifndef WEFT_TEST_EMULATED_DPBF16_H
#define WEFT_TEST_EMULATED_DPBF16_H

EMULATED float emulated_of_bf16(uint16_t bits)
{
  uint32_t u = (bits & 0x7f80u ? bits : bits & 0x8000u) * UINT32_C(65536); /* subnormal: zero */
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* The odd product first, each sum rounded. */
EMULATED float emulated_dpbf16(float sum, uint32_t a, uint32_t b)
{
  sum = fmaf(emulated_of_bf16((uint16_t)(a >> 16)), emulated_of_bf16((uint16_t)(b >> 16)), sum);
  return fmaf(emulated_of_bf16((uint16_t)a), emulated_of_bf16((uint16_t)b), sum);
}

EMULATED __m512 emulated_dpbf16_ps(__m512 sum, __m512 a, __m512 b)
{
  uint32_t x[16], y[16];
  memcpy(x, &a, sizeof x);
  memcpy(y, &b, sizeof y);
  for (int i = 0; i < 16; i++)
    sum[i] = emulated_dpbf16(sum[i], x[i], y[i]);
  return sum;
}
#define __m512bh __m512
#define _mm512_dpbf16_ps(sum, a, b) emulated_dpbf16_ps(sum, a, b)

#undef _tile_dpbf16ps
#define _tile_dpbf16ps(c, a, b) emulated_tile_dpbf16(c, a, b)
EMULATED void emulated_tile_dpbf16(int c, int a, int b)
{
  uint8_t *sums = emulated_tile(c), *rows = emulated_tile(a), *columns = emulated_tile(b);
  if (emulated_tiles.rows[c] != emulated_tiles.rows[a] || emulated_tiles.rows[b] != 16)
    __builtin_trap();
  for (size_t m = 0; m < emulated_tiles.rows[c]; m++) {
    float sum[16];
    uint32_t x[16], y[16];
    memcpy(sum, sums + m * 64, sizeof sum);
    memcpy(x, rows + m * 64, sizeof x);
    for (size_t k = 0; k < 16; k++) {
      memcpy(y, columns + k * 64, sizeof y);
      EMULATED_EACH(n)
        sum[n] = emulated_dpbf16(sum[n], x[k], y[n]);
    }
    memcpy(sums + m * 64, sum, sizeof sum);
  }
}

#endif
