/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file immintrin.h
 * Stands before the compiler's header of this name, so that the kernels of
 * sets which a processor lacks run on it: their instructions in plain C, of
 * the manufacturer's description. Only what the kernels use; what is missing
 * here does not compile. Everything up to AVX2 with FMA is the real one.
 */
#ifndef WEFT_TEST_EMULATED_IMMINTRIN_H
#define WEFT_TEST_EMULATED_IMMINTRIN_H

#include_next <immintrin.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EMULATED static __attribute__((noinline, unused)) /* inlined they take a compiler minutes */

typedef int32_t emulated_i32x16 __attribute__((vector_size(64)));
typedef uint32_t emulated_u32x16 __attribute__((vector_size(64)));

/* All lanes that hold under a condition, as ones. */
#define EMULATED_EACH(i) for (int i = 0; i < 16; i++)

/* Moves. */
#define _mm512_set1_ps(x) emulated_set1_ps(x)
EMULATED __m512 emulated_set1_ps(float x) { return (__m512){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
#define _mm512_set1_epi32(x) emulated_set1_epi32(x)
EMULATED __m512i emulated_set1_epi32(int x)
{
  return (__m512i)(emulated_i32x16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}
#define _mm512_loadu_ps(p) emulated_loadu_ps(p)
EMULATED __m512 emulated_loadu_ps(const void *p)
{
  __m512 x;
  memcpy(&x, p, sizeof x);
  return x;
}
#define _mm512_storeu_ps(p, x) emulated_storeu_ps(p, x)
EMULATED void emulated_storeu_ps(void *p, __m512 x) { memcpy(p, &x, sizeof x); }
#define _mm512_load_si512(p) emulated_load_si512(p)
EMULATED __m512i emulated_load_si512(const void *p)
{
  __m512i x;
  if ((uintptr_t)p % 64)
    __builtin_trap(); /* the processor would refuse it too */
  memcpy(&x, p, sizeof x);
  return x;
}
#define _mm512_maskz_loadu_ps(m, p) emulated_maskz_loadu_ps(m, p)
EMULATED __m512 emulated_maskz_loadu_ps(__mmask16 m, const float *p)
{
  __m512 x;
  EMULATED_EACH(i)
    x[i] = m >> i & 1 ? p[i] : 0.f;
  return x;
}
#define _mm512_mask_storeu_ps(p, m, x) emulated_mask_storeu_ps(p, m, x)
EMULATED void emulated_mask_storeu_ps(float *p, __mmask16 m, __m512 x)
{
  EMULATED_EACH(i)
    if (m >> i & 1)
      p[i] = x[i];
}
#define _mm512_mask_blend_ps(m, no, yes) emulated_mask_blend_ps(m, no, yes)
EMULATED __m512 emulated_mask_blend_ps(__mmask16 m, __m512 no, __m512 yes)
{
  EMULATED_EACH(i)
    no[i] = m >> i & 1 ? yes[i] : no[i];
  return no;
}
#define _mm512_maskz_mov_ps(m, x) emulated_mask_blend_ps(m, emulated_set1_ps(0.f), x)
#define _mm512_castps_si512(x) ((__m512i)(__m512)(x))
#define _mm512_castsi512_ps(x) ((__m512)(__m512i)(x))
#define _mm512_cvtepi32_ps(x) __builtin_convertvector((emulated_i32x16)(__m512i)(x), __m512)
#define _mm512_cvtepu16_epi32(x) emulated_cvtepu16_epi32(x)
EMULATED __m512i emulated_cvtepu16_epi32(__m256i x)
{
  uint16_t from[16];
  emulated_u32x16 to;
  memcpy(from, &x, sizeof from);
  EMULATED_EACH(i)
    to[i] = from[i];
  return (__m512i)to;
}

/* Floats. Where either of two is NaN, the second is the larger and the smaller one. */
#define _mm512_add_ps(a, b) ((__m512)(a) + (__m512)(b))
#define _mm512_sub_ps(a, b) ((__m512)(a) - (__m512)(b))
#define _mm512_mul_ps(a, b) ((__m512)(a) * (__m512)(b))
#define _mm512_div_ps(a, b) ((__m512)(a) / (__m512)(b))
#define _mm512_fmadd_ps(a, b, c) emulated_fmadd_ps(a, b, c)
EMULATED __m512 emulated_fmadd_ps(__m512 a, __m512 b, __m512 c)
{
  EMULATED_EACH(i)
    c[i] = fmaf(a[i], b[i], c[i]);
  return c;
}
#define _mm512_max_ps(a, b) emulated_max_ps(a, b)
EMULATED __m512 emulated_max_ps(__m512 a, __m512 b)
{
  EMULATED_EACH(i)
    a[i] = a[i] > b[i] ? a[i] : b[i];
  return a;
}
#define _mm512_min_ps(a, b) emulated_min_ps(a, b)
EMULATED __m512 emulated_min_ps(__m512 a, __m512 b)
{
  EMULATED_EACH(i)
    a[i] = a[i] < b[i] ? a[i] : b[i];
  return a;
}
#define _mm512_abs_ps(x) ((__m512)((emulated_u32x16)(__m512)(x) & 0x7fffffffu))
#define _mm512_cmp_ps_mask(a, b, how) emulated_cmp_ps_mask(a, b, how)
EMULATED __mmask16 emulated_cmp_ps_mask(__m512 a, __m512 b, int how)
{
  __mmask16 m = 0;
  if (how != _CMP_LT_OQ)
    __builtin_trap();
  EMULATED_EACH(i)
    m |= (__mmask16)((a[i] < b[i]) << i);
  return m;
}
#define _mm512_reduce_add_ps(x) emulated_reduce_add_ps(x)
/* As the compiler's header adds: halves, then halves of these. */
EMULATED float emulated_reduce_add_ps(__m512 x)
{
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      x[i] += x[i + n];
  return x[0];
}
#define _mm512_reduce_max_ps(x) emulated_reduce_max_ps(x)
EMULATED float emulated_reduce_max_ps(__m512 x)
{
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      x[i] = x[i] > x[i + n] ? x[i] : x[i + n];
  return x[0];
}

/* Integers. */
#define _mm512_add_epi32(a, b) ((__m512i)((emulated_u32x16)(__m512i)(a) + (emulated_u32x16)(__m512i)(b)))
#define _mm512_and_epi32(a, b) ((__m512i)(a) & (__m512i)(b))
#define _mm512_and_si512(a, b) ((__m512i)(a) & (__m512i)(b))
#define _mm512_or_epi32(a, b) ((__m512i)(a) | (__m512i)(b))
#define _mm512_andnot_epi32(a, b) (~(__m512i)(a) & (__m512i)(b))
#define _mm512_slli_epi32(x, n) ((__m512i)((emulated_u32x16)(__m512i)(x) << (n)))
#define _mm512_srli_epi32(x, n) ((__m512i)((emulated_u32x16)(__m512i)(x) >> (n)))

/* Four products of a byte without and one with sign, to a sum of 32 bits, which wraps. */
EMULATED void emulated_dpbusd(uint32_t *sum, const uint8_t *a, const int8_t *b, int lanes)
{
  for (int i = 0; i < 4 * lanes; i++)
    sum[i / 4] += (uint32_t)(a[i] * b[i]);
}
#define _mm512_dpbusd_epi32(sum, a, b) emulated_dpbusd_512(sum, a, b)
EMULATED __m512i emulated_dpbusd_512(__m512i sum, __m512i a, __m512i b)
{
  uint32_t s[16];
  uint8_t without[64];
  int8_t with[64];
  memcpy(s, &sum, sizeof s);
  memcpy(without, &a, sizeof without);
  memcpy(with, &b, sizeof with);
  emulated_dpbusd(s, without, with, 16);
  memcpy(&sum, s, sizeof s);
  return sum;
}
#define _mm256_dpbusd_avx_epi32(sum, a, b) emulated_dpbusd_256(sum, a, b)
EMULATED __m256i emulated_dpbusd_256(__m256i sum, __m256i a, __m256i b)
{
  uint32_t s[8];
  uint8_t without[32];
  int8_t with[32];
  memcpy(s, &sum, sizeof s);
  memcpy(without, &a, sizeof without);
  memcpy(with, &b, sizeof with);
  emulated_dpbusd(s, without, with, 8);
  memcpy(&sum, s, sizeof s);
  return sum;
}

/* Tiles: what a thread holds of them. */
struct emulated_tiles {
  uint8_t palette, rows[8];
  uint16_t row_bytes[8];
  uint8_t data[8][16][64];
};
static _Thread_local struct emulated_tiles emulated_tiles __attribute__((unused));

#undef _tile_loadconfig
#define _tile_loadconfig(p) emulated_loadconfig(p)
EMULATED void emulated_loadconfig(const void *p)
{
  const uint8_t *from = p;
  memset(&emulated_tiles, 0, sizeof emulated_tiles);
  emulated_tiles.palette = from[0];
  memcpy(emulated_tiles.row_bytes, from + 16, sizeof emulated_tiles.row_bytes);
  memcpy(emulated_tiles.rows, from + 48, sizeof emulated_tiles.rows);
  for (int t = 0; t < 8; t++)
    if (from[0] != 1 || emulated_tiles.rows[t] > 16 || emulated_tiles.row_bytes[t] > 64)
      __builtin_trap();
}
#undef _tile_release
#define _tile_release() memset(&emulated_tiles, 0, sizeof emulated_tiles)
#undef _tile_zero
#define _tile_zero(t) memset(emulated_tile(t), 0, sizeof emulated_tiles.data[t])
/* A tile that no shape was given to may not be used. */
EMULATED uint8_t *emulated_tile(int t)
{
  if (!emulated_tiles.palette || !emulated_tiles.rows[t])
    __builtin_trap();
  return emulated_tiles.data[t][0];
}
#undef _tile_loadd
#define _tile_loadd(t, p, stride) emulated_tile_loadd(t, p, stride)
EMULATED void emulated_tile_loadd(int t, const void *p, size_t stride)
{
  uint8_t *to = emulated_tile(t);
  memset(to, 0, 1024);
  for (size_t r = 0; r < emulated_tiles.rows[t]; r++)
    memcpy(to + r * 64, (const uint8_t *)p + r * stride, emulated_tiles.row_bytes[t]);
}
#undef _tile_stored
#define _tile_stored(t, p, stride) emulated_tile_stored(t, p, stride)
EMULATED void emulated_tile_stored(int t, void *p, size_t stride)
{
  const uint8_t *from = emulated_tile(t);
  for (size_t r = 0; r < emulated_tiles.rows[t]; r++)
    memcpy((uint8_t *)p + r * stride, from + r * 64, emulated_tiles.row_bytes[t]);
}
#undef _tile_dpbssd
#define _tile_dpbssd(c, a, b) emulated_tile_dpbssd(c, a, b)
/* c: rows of a by columns of b; b's line k holds four bytes of K for each column. */
EMULATED void emulated_tile_dpbssd(int c, int a, int b)
{
  uint8_t *sums = emulated_tile(c);
  const int8_t *x = (const int8_t *)emulated_tile(a), *w = (const int8_t *)emulated_tile(b);
  if (emulated_tiles.rows[c] != emulated_tiles.rows[a] || emulated_tiles.row_bytes[c] != emulated_tiles.row_bytes[b] ||
      emulated_tiles.row_bytes[a] / 4 != emulated_tiles.rows[b])
    __builtin_trap();
  for (size_t m = 0; m < emulated_tiles.rows[c]; m++)
    for (size_t n = 0; n < emulated_tiles.row_bytes[c] / 4u; n++) {
      uint32_t sum;
      memcpy(&sum, sums + m * 64 + n * 4, sizeof sum);
      for (size_t k = 0; k < emulated_tiles.rows[b]; k++)
        for (size_t i = 0; i < 4; i++)
          sum += (uint32_t)(x[m * 64 + k * 4 + i] * w[k * 64 + n * 4 + i]);
      memcpy(sums + m * 64 + n * 4, &sum, sizeof sum);
    }
}

#include "dpbf16.h"

#endif
