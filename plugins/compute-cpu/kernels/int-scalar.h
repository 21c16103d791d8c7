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
/** I_CHUNK elements times `factor`, to the nearest integer; ties to the even one. */
#define I_CHUNK 32
static inline void i_quantise(int8_t *to, const float *x, float factor)
{
  for (int i = 0; i < I_CHUNK; i++)
    to[i] = (int8_t)lrintf(x[i] * factor);
}
