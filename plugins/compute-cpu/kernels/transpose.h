/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file transpose.h
 * Keys by columns: to[i * step + j] = from[j * ld + i] for 0 <= i < d, 0 <= j < n.
 * Included by kernel sources only, behind vec.h.
 */
#ifndef WEFT_CPU_TRANSPOSE_H
#define WEFT_CPU_TRANSPOSE_H

#if defined(__AVX2__)
/* Eight by eight floats: pairs of rows, pairs of pairs, then the halves. */
V_INLINE void transpose_8x8(float *to, size_t step, const float *from, size_t ld)
{
  __m256 r[8], s[8];
#pragma GCC unroll 8
  for (int i = 0; i < 4; i++) {
    r[2 * i] = _mm256_unpacklo_ps(_mm256_loadu_ps(from + (size_t)(2 * i) * ld),
                                  _mm256_loadu_ps(from + (size_t)(2 * i + 1) * ld));
    r[2 * i + 1] = _mm256_unpackhi_ps(_mm256_loadu_ps(from + (size_t)(2 * i) * ld),
                                      _mm256_loadu_ps(from + (size_t)(2 * i + 1) * ld));
  }
#pragma GCC unroll 8
  for (int i = 0; i < 2; i++) {
    s[4 * i] = _mm256_shuffle_ps(r[4 * i], r[4 * i + 2], 0x44);
    s[4 * i + 1] = _mm256_shuffle_ps(r[4 * i], r[4 * i + 2], 0xee);
    s[4 * i + 2] = _mm256_shuffle_ps(r[4 * i + 1], r[4 * i + 3], 0x44);
    s[4 * i + 3] = _mm256_shuffle_ps(r[4 * i + 1], r[4 * i + 3], 0xee);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(to + (size_t)i * step, _mm256_permute2f128_ps(s[i], s[i + 4], 0x20));
    _mm256_storeu_ps(to + (size_t)(i + 4) * step, _mm256_permute2f128_ps(s[i], s[i + 4], 0x31));
  }
}
#endif

static void transpose(float *to, size_t step, const float *from, size_t ld, size_t n, size_t d)
{
  size_t j = 0;
#if defined(__AVX2__)
  for (; j + 8 <= n; j += 8) {
    size_t i = 0;
    for (size_t c = j + 8; c < j + 16; c++)
      __builtin_prefetch(from + c * ld);
    for (; i + 8 <= d; i += 8)
      transpose_8x8(to + i * step + j, step, from + j * ld + i, ld);
    for (; i < d; i++)
      for (size_t c = j; c < j + 8; c++)
        to[i * step + c] = from[c * ld + i];
  }
#endif
  for (; j < n; j++)
    for (size_t i = 0; i < d; i++)
      to[i * step + j] = from[j * ld + i];
}

#endif
