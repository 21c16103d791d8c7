/* SPDX-License-Identifier: Apache-2.0 */
/** @file vec-avx2.h Eight lanes: AVX2 with FMA. Meaning: vec-scalar.h. */
#include <immintrin.h>

#define V_NAME avx2
#define V_LANES 8
#define V_TILE_ROWS 6
#define V_TILE_VECTORS 2
#define V_KEEP(x) __asm__("" : "+x"(x))

typedef __m256 vf;
typedef __m256i vmask;

static inline vmask v_mask(size_t n)
{
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_set1(float x) { return _mm256_set1_ps(x); }
static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
static inline vf v_load_mask(const float *p, vmask m) { return _mm256_maskload_ps(p, m); }
static inline void v_store_mask(float *p, vf x, vmask m) { _mm256_maskstore_ps(p, m, x); }
static inline vf v_blend(vf other, vf x, vmask m) { return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(m)); }
static inline vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf v_sign(void) { return _mm256_set1_ps(-0.f); }
/** a where a is NaN, else y. */
static inline vf v_nan_of(vf y, vf a) { return _mm256_blendv_ps(y, a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
static inline vf v_abs(vf x) { return _mm256_andnot_ps(v_sign(), x); }
static inline vf v_copysign(vf x, vf sign)
{
  return _mm256_or_ps(_mm256_andnot_ps(v_sign(), x), _mm256_and_ps(v_sign(), sign));
}
static inline vf v_select_less(vf a, vf b, vf yes, vf no)
{
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline vf v_zero_below(vf y, vf x, vf low) { return _mm256_andnot_ps(_mm256_cmp_ps(x, low, _CMP_LT_OQ), y); }
static inline vf v_pow2_of_magic(vf t)
{
  __m256i bits = _mm256_add_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}
static inline float v_sum(vf x)
{
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float v_highest(vf x)
{
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
/* The even and the odd ones of pairs of bf16, each in a word. */
static inline vf v_even_bf16(const uint32_t *p)
{
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p), 16));
}
static inline vf v_odd_bf16(const uint32_t *p)
{
  __m256i high = _mm256_set1_epi32((int)0xffff0000u);
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)p), high));
}
