/* SPDX-License-Identifier: Apache-2.0 */
#include "peak.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

/* Twelve chains of fused multiply-adds, n_lanes floats each, hide their latency. */
#define ROUND(name, needs, vector, op, n_lanes)                                                                        \
  __attribute__((target(needs))) static double name(float *sink)                                                       \
  {                                                                                                                    \
    vector a[12], x = op##set1_ps(0.999f), y = op##set1_ps(0.001f);                                                    \
    _Pragma("GCC unroll 12")                                                                                           \
    for (int k = 0; k < 12; k++)                                                                                       \
      a[k] = op##set1_ps((float)k);                                                                                    \
    for (int i = 0; i < 1000; i++)                                                                                     \
      _Pragma("GCC unroll 12")                                                                                         \
      for (int k = 0; k < 12; k++)                                                                                     \
        a[k] = op##fmadd_ps(a[k], x, y);                                                                               \
    _Pragma("GCC unroll 12")                                                                                           \
    for (int k = 1; k < 12; k++)                                                                                       \
      a[0] = op##add_ps(a[0], a[k]);                                                                                   \
    *sink += op##cvtss_f32(a[0]);                                                                                      \
    return 1000.0 * 12 * n_lanes * 2;                                                                                  \
  }

ROUND(round_avx2, "avx2,fma", __m256, _mm256_, 8)
ROUND(round_avx512, "avx512f", __m512, _mm512_, 16)
#endif

static double round_plain(float *sink)
{
  float a[12];
  for (int k = 0; k < 12; k++)
    a[k] = (float)k;
  for (int i = 0; i < 1000; i++)
    for (int k = 0; k < 12; k++)
      a[k] = a[k] * 0.999f + 0.001f;
  for (int k = 0; k < 12; k++)
    *sink += a[k];
  return 1000.0 * 12 * 2;
}

weft_cpu_peak_round weft_cpu_peak_of(const char *isa)
{
#if defined(__x86_64__)
  if (!strncmp(isa, "avx512", 6) || !strncmp(isa, "amx", 3))
    return round_avx512;
  if (!strncmp(isa, "avx", 3))
    return round_avx2;
#endif
  return round_plain;
}
