/* SPDX-License-Identifier: Apache-2.0 */
/** @file int-avxvnni.h Products of integers, eight columns at a time: AVX-VNNI. Meaning: int-scalar.h. */
#define I_NAME avxvnni
#define I_TILE_ROWS 6
#define I_TILE_VECTORS 2
/* vpdpbusd wants one side without sign: the weights, plus 128. */
#define I_OFFSET 128

typedef __m256i vi;

static inline vi i_set1(int32_t x) { return _mm256_set1_epi32(x); }
static inline vi i_load(const uint8_t *p) { return _mm256_load_si256((const __m256i *)(const void *)p); }
static inline vi i_broadcast(const int8_t *p)
{
  int32_t x;
  memcpy(&x, p, sizeof x);
  return _mm256_set1_epi32(x);
}
static inline vi i_dot(vi sum, vi x, vi b) { return _mm256_dpbusd_avx_epi32(sum, b, x); }
static inline vf i_float(vi x) { return _mm256_cvtepi32_ps(x); }
#ifndef I_KEEP /* a test that emulates this set needs none */
#define I_KEEP(x) __asm__ volatile("" : "+x"(x))
#endif
#include "int-quantise-avx2.h"

#define I_GROUP_ROWS 6
static inline vi i_low_halves(vi x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
static inline vi i_high_halves(vi x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
static inline int32_t i_group_start(const int8_t *q) { return -8 * i_sum(q, 32); }
static inline vi i_group_dot(vi sum, vi x, vi b) { return i_dot(sum, x, b); }
static inline vf i_group_float(vi sum) { return i_float(sum); }
static inline vf i_short_floats(const uint8_t *p)
{
  __m256i x = _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)(const void *)p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}
