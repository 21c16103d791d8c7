/* SPDX-License-Identifier: Apache-2.0 */
#include "quantise.h"

#include <math.h>
#include <string.h>

#define N WEFT_INT4_GROUP
#define N_VECTORS (N / 4)
/* Adding and taking it away rounds to the nearest integer. */
#define MAGIC 12582912.f
#define TINY 1e-36f

/* Vectors of any machine that has them, and the same sums on one that has not. */
typedef float vector __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));

static inline vector all(float x)
{
  return (vector){x, x, x, x};
}

static inline vector chosen(mask m, vector yes, vector no)
{
  return (vector)(((mask)yes & m) | ((mask)no & ~m));
}

/* To the nearest number of eight bits of mantissa. */
static float short_of(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float total(vector parts)
{
  return (parts[0] + parts[2]) + (parts[1] + parts[3]);
}

/* q: integers of x steps; returns the scale that fits them best, *gain: how much less the squared error is than that of zeros. */
static float fit(vector q[N_VECTORS], const vector x[N_VECTORS], float steps, float *gain)
{
  vector xq = all(0), qq = all(0), low = all(-8), high = all(7), magic = all(MAGIC), factor = all(steps);
  for (int i = 0; i < N_VECTORS; i++) {
    vector y = x[i] * factor;
    y = chosen(y < low, low, y);
    y = chosen(y > high, high, y);
    y = (y + magic) - magic;
    q[i] = y;
    xq += x[i] * y;
    qq += y * y;
  }
  float product = total(xq), square = total(qq), scale = square > 0 ? short_of(product / square) : 0;
  *gain = scale * (2 * product - scale * square);
  return scale;
}

float weft_int4_quantise(int8_t to[N], const float x[N])
{
  /* What the value farthest from 0 becomes: -8 has no counterpart, so its side is worth trying both ways. */
  static const float ends[] = {-8, -7.6f, -7.2f, -8.4f, -6.8f, -8.8f, 7, 7.4f, 6.6f, 6.2f};
  float most = 0, poison = 0;
  for (int i = 0; i < N; i++) {
    most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    poison += x[i] * 0.f;
  }
  memset(to, 0, N);
  if (poison != poison)
    return NAN;
  if (fabsf(most) < TINY)
    return 0;
  /* an exact power of two near the largest: squares neither vanish nor overflow */
  int exponent;
  frexpf(most, &exponent);
  vector unit[N_VECTORS], tried[N_VECTORS], kept[N_VECTORS] = {{0}}, power = all(ldexpf(1, -exponent));
  for (int i = 0; i < N_VECTORS; i++) {
    memcpy(&unit[i], x + 4 * i, sizeof *unit);
    unit[i] *= power;
  }
  most *= power[0];
  float best = -1, scale = 0;
  for (unsigned e = 0; e < sizeof ends / sizeof *ends; e++) {
    float gain, s = fit(tried, unit, ends[e] / most, &gain);
    if (gain > best) {
      best = gain;
      scale = s;
      memcpy(kept, tried, sizeof kept);
    }
  }
  for (int i = 0; i < N; i++)
    to[i] = (int8_t)kept[i / 4][i % 4];
  return short_of(ldexpf(scale, exponent));
}
