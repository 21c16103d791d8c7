/* SPDX-License-Identifier: Apache-2.0 */
/** @file int-avx512vnni.h Products of integers, sixteen columns at a time: AVX-512 VNNI. Meaning: int-scalar.h. */
#define I_NAME avx512vnni
#define I_TILE_ROWS 12
#define I_TILE_VECTORS 2
/* vpdpbusd wants one side without sign: the weights, plus 128. */
#define I_OFFSET 128

typedef __m512i vi;

static inline vi i_set1(int32_t x) { return _mm512_set1_epi32(x); }
static inline vi i_load(const uint8_t *p) { return _mm512_load_si512((const void *)p); }
static inline vi i_broadcast(const int8_t *p)
{
  int32_t x;
  memcpy(&x, p, sizeof x);
  return _mm512_set1_epi32(x);
}
static inline vi i_dot(vi sum, vi x, vi b) { return _mm512_dpbusd_epi32(sum, b, x); }
static inline vf i_float(vi x) { return _mm512_cvtepi32_ps(x); }
#ifndef I_KEEP /* a test that emulates this set needs none */
#define I_KEEP(x) __asm__ volatile("" : "+v"(x))
#endif
#include "int-quantise-avx2.h"

#define I_GROUP_ROWS 12
static inline vi i_low_halves(vi x) { return _mm512_and_si512(x, _mm512_set1_epi32(0x0f0f0f0f)); }
static inline vi i_high_halves(vi x) { return _mm512_and_si512(_mm512_srli_epi32(x, 4), _mm512_set1_epi32(0x0f0f0f0f)); }
static inline int32_t i_group_start(const int8_t *q) { return -8 * i_sum(q, 32); }
static inline vi i_group_dot(vi sum, vi x, vi b) { return i_dot(sum, x, b); }
static inline vf i_group_float(vi sum) { return i_float(sum); }
static inline vf i_short_floats(const uint8_t *p)
{
  __m512i x = _mm512_cvtepu16_epi32(_mm256_load_si256((const __m256i *)(const void *)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}
