/* SPDX-License-Identifier: Apache-2.0 */
/** @file vec-scalar.h One lane: the reference, and what runs where nothing better is. */
#define V_NAME scalar
#define V_LANES 1
#define V_TILE_ROWS 4
#define V_TILE_VECTORS 4
/* x stays in the register it is in: gcc moves sums about otherwise. */
#define V_KEEP(x) (void)(x)

typedef float vf;
typedef int vmask;

static inline vmask v_mask(size_t n) { return (int)n; }
static inline vf v_set1(float x) { return x; }
static inline vf v_load(const float *p) { return *p; }
static inline void v_store(float *p, vf x) { *p = x; }
static inline vf v_load_mask(const float *p, vmask m) { return m ? *p : 0.f; }
static inline void v_store_mask(float *p, vf x, vmask m)
{
  if (m)
    *p = x;
}
/** x where the mask is, other elsewhere. */
static inline vf v_blend(vf other, vf x, vmask m) { return m ? x : other; }
static inline vf v_add(vf a, vf b) { return a + b; }
static inline vf v_sub(vf a, vf b) { return a - b; }
static inline vf v_mul(vf a, vf b) { return a * b; }
static inline vf v_div(vf a, vf b) { return a / b; }
static inline vf v_fma(vf a, vf b, vf c) { return a * b + c; }
/** As the processor's: where either is NaN, the second. */
static inline vf v_max(vf a, vf b) { return a > b ? a : b; }
static inline vf v_min(vf a, vf b) { return a < b ? a : b; }
/** a where a is NaN, else y. */
static inline vf v_nan_of(vf y, vf a) { return a != a ? a : y; }
static inline vf v_abs(vf x) { return fabsf(x); }
static inline vf v_copysign(vf x, vf sign) { return copysignf(x, sign); }
static inline vf v_select_less(vf a, vf b, vf yes, vf no) { return a < b ? yes : no; }
static inline vf v_zero_below(vf y, vf x, vf low) { return x < low ? 0.f : y; }
/** 2^n from t = n + 1.5 2^23: n stands in the lowest bits of t. */
static inline vf v_pow2_of_magic(vf t)
{
  uint32_t bits;
  memcpy(&bits, &t, sizeof bits);
  bits = (bits + 127u) << 23;
  memcpy(&t, &bits, sizeof bits);
  return t;
}
static inline float v_sum(vf x) { return x; }
static inline float v_highest(vf x) { return x; }
/** The even and the odd ones of pairs of bf16, each in a word. */
static inline vf v_even_bf16(const uint32_t *p)
{
  uint32_t bits = *p << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static inline vf v_odd_bf16(const uint32_t *p)
{
  uint32_t bits = *p & 0xffff0000u;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
