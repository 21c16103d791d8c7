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
#include "int-quantise-avx2.h"
