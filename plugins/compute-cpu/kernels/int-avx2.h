/* SPDX-License-Identifier: Apache-2.0 */
/** @file int-avx2.h Products of integers, eight columns at a time: AVX2. Meaning: int-scalar.h. */
#define I_NAME avx2
#define I_TILE_ROWS 4
#define I_TILE_VECTORS 2
#define I_OFFSET 0

typedef __m256i vi;

static inline vi i_set1(int32_t x) { return _mm256_set1_epi32(x); }
static inline vi i_load(const uint8_t *p) { return _mm256_load_si256((const __m256i *)(const void *)p); }
static inline vi i_broadcast(const int8_t *p)
{
  int32_t x;
  memcpy(&x, p, sizeof x);
  return _mm256_set1_epi32(x);
}
/* Both sides lie within +-127, so two products fill 16 bits and no more: vpmaddubsw never saturates. */
static inline vi i_dot(vi sum, vi x, vi b)
{
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(b), _mm256_sign_epi8(x, b));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
static inline vf i_float(vi x) { return _mm256_cvtepi32_ps(x); }
#define I_KEEP(x) __asm__ volatile("" : "+x"(x))

#define I_GROUP_ROWS 6
static inline vi i_low_halves(vi x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
static inline vi i_high_halves(vi x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
/*
 * A group's sums are two of 16 bits for each column: of sixteen products each,
 * which fit (16 * 8 * 127) once their own start has taken the 8 away; on the
 * way there they may wrap.
 */
static inline int32_t i_group_start(const int8_t *q)
{
  __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i *)(const void *)q));
  __m128i sums = _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0x4e));
  sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0xb1));
  return _mm_cvtsi128_si32(_mm_sub_epi16(_mm_setzero_si128(), _mm_slli_epi16(sums, 3)));
}
static inline vi i_group_dot(vi sum, vi x, vi b) { return _mm256_add_epi16(sum, _mm256_maddubs_epi16(b, x)); }
static inline vf i_group_float(vi sum)
{
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
}
static inline vf i_short_floats(const uint8_t *p)
{
  __m256i x = _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)(const void *)p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}
#include "int-quantise-avx2.h"
