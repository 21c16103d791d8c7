/* SPDX-License-Identifier: Apache-2.0 */
/** @file vec-avx512.h Sixteen lanes: AVX-512F. Meaning: vec-scalar.h. */
#include <immintrin.h>

#define V_NAME avx512
#define V_LANES 16
#define V_TILE_ROWS 12
#define V_TILE_VECTORS 2
#ifndef V_KEEP /* a test that emulates this set needs none */
#define V_KEEP(x) __asm__("" : "+v"(x))
#endif

typedef __m512 vf;
typedef __mmask16 vmask;

static inline vmask v_mask(size_t n) { return (vmask)((1u << n) - 1); }
static inline vf v_set1(float x) { return _mm512_set1_ps(x); }
static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf v_load_mask(const float *p, vmask m) { return _mm512_maskz_loadu_ps(m, p); }
static inline void v_store_mask(float *p, vf x, vmask m) { _mm512_mask_storeu_ps(p, m, x); }
static inline vf v_blend(vf other, vf x, vmask m) { return _mm512_mask_blend_ps(m, other, x); }
static inline vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
/** a where a is NaN, else y. */
static inline vf v_nan_of(vf y, vf a) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), y, a); }
static inline vf v_abs(vf x) { return _mm512_abs_ps(x); }
static inline vf v_copysign(vf x, vf sign)
{
  __m512i bit = _mm512_set1_epi32((int)0x80000000u);
  return _mm512_castsi512_ps(_mm512_or_epi32(_mm512_andnot_epi32(bit, _mm512_castps_si512(x)),
                                             _mm512_and_epi32(bit, _mm512_castps_si512(sign))));
}
static inline vf v_select_less(vf a, vf b, vf yes, vf no)
{
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
static inline vf v_zero_below(vf y, vf x, vf low)
{
  return _mm512_maskz_mov_ps((__mmask16)~_mm512_cmp_ps_mask(x, low, _CMP_LT_OQ), y);
}
static inline vf v_pow2_of_magic(vf t)
{
  __m512i bits = _mm512_add_epi32(_mm512_castps_si512(t), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 23));
}
static inline float v_sum(vf x) { return _mm512_reduce_add_ps(x); }
static inline float v_highest(vf x) { return _mm512_reduce_max_ps(x); }
static inline vf v_even_bf16(const uint32_t *p)
{
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_load_si512(p), 16));
}
static inline vf v_odd_bf16(const uint32_t *p)
{
  return _mm512_castsi512_ps(_mm512_and_epi32(_mm512_load_si512(p), _mm512_set1_epi32((int)0xffff0000u)));
}
