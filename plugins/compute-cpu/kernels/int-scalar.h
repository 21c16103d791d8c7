/* SPDX-License-Identifier: Apache-2.0 */
/** @file int-scalar.h Products of integers, one column at a time: the reference. */
#define I_NAME scalar
#define I_TILE_ROWS 4
#define I_TILE_VECTORS 4
/** What is added to a weight as it is stored; rows are started with minus so many times their sum. */
#define I_OFFSET 0

typedef int32_t vi;

static inline vi i_set1(int32_t x) { return x; }
/** Four weights of each lane's column. */
static inline vi i_load(const uint8_t *p)
{
  vi x;
  memcpy(&x, p, sizeof x);
  return x;
}
/** The same four elements of a row in each lane. */
static inline vi i_broadcast(const int8_t *p)
{
  vi x;
  memcpy(&x, p, sizeof x);
  return x;
}
/** sum + the four products of x, of a row, and b, of a weight. Exact. */
static inline vi i_dot(vi sum, vi x, vi b)
{
  int8_t xs[4], bs[4];
  memcpy(xs, &x, sizeof xs);
  memcpy(bs, &b, sizeof bs);
  for (int i = 0; i < 4; i++)
    sum += xs[i] * bs[i];
  return sum;
}
static inline vf i_float(vi x) { return (float)x; }
/** Keeps x in a register here: nothing is moved over it. */
#define I_KEEP(x)

/** I_CHUNK elements times `factor`, to the nearest integer; ties to the even one. */
#define I_CHUNK 32
static inline void i_quantise(int8_t *to, const float *x, float factor)
{
  for (int i = 0; i < I_CHUNK; i++)
    to[i] = (int8_t)lrintf(x[i] * factor);
}
/** Sum of n, a multiple of I_CHUNK. */
static inline int32_t i_sum(const int8_t *q, size_t n)
{
  int32_t sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += q[i];
  return sum;
}

/* Groups of WEFT_INT4_GROUP, weights of four bits plus 8. */
#define I_GROUP_ROWS 4
/** Of each byte the lower half, the upper half. */
static inline vi i_low_halves(vi x) { return x & 0x0f0f0f0f; }
static inline vi i_high_halves(vi x) { return x >> 4 & 0x0f0f0f0f; }
/** What a group's sum begins with: it takes away the 8 times the row's integers q[32]. */
static inline int32_t i_group_start(const int8_t *q) { return -8 * i_sum(q, 32); }
/** sum + four products, as i_dot; b within 0..15. Exact once the group is complete. */
static inline vi i_group_dot(vi sum, vi x, vi b) { return i_dot(sum, x, b); }
static inline vf i_group_float(vi sum) { return i_float(sum); }
/** One bf16 for each lane. */
static inline vf i_short_floats(const uint8_t *p)
{
  uint8_t bytes[4] = {0, 0, p[0], p[1]};
  float x;
  memcpy(&x, bytes, sizeof x);
  return x;
}
