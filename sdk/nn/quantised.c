/* SPDX-License-Identifier: Apache-2.0 */
#include "quantised.h"

#include <math.h>
#include <string.h>

#define GROUP WEFT_NN_INT4_GROUP

static float largest_of(const float *x, size_t n)
{
  float largest = 0;
  for (size_t i = 0; i < n; i++) {
    float a = fabsf(x[i]);
    if (!(a <= largest))
      largest = a;
    if (a != a)
      return NAN;
  }
  return isfinite(largest) ? largest : NAN;
}

float weft_nn_quantise_int8(int8_t *q, const float *x, size_t k)
{
  float largest = largest_of(x, k), inverse = largest > 0 ? 127.f / largest : 0;
  for (size_t i = 0; i < k; i++)
    q[i] = inverse > 0 && isfinite(inverse) ? (int8_t)lrintf(x[i] * inverse) : 0;
  return isfinite(inverse) || largest != largest ? largest / 127.f : 0;
}

/* The nearest number with eight bits of mantissa. */
static float short_of(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&x, &bits, sizeof bits);
  return x;
}

static double fit(int8_t *q, const float *x, float scale)
{
  double error = 0;
  for (size_t i = 0; i < GROUP; i++) {
    float r = rintf(x[i] / scale);
    q[i] = (int8_t)(r < -8 ? -8 : r > 7 ? 7 : r);
    double d = (double)x[i] - (double)q[i] * (double)scale;
    error += d * d;
  }
  return error;
}

float weft_nn_quantise_int4(uint8_t *q, const float *x)
{
  float largest = largest_of(x, GROUP), best_scale = largest;
  int8_t now[GROUP], best[GROUP] = {0};
  double least = INFINITY;
  if (largest > 1e-36f) {
    for (int step = 0; step < 16; step++) {
      float scale = short_of(largest / (6.0f + 0.2f * (float)step));
      double error = fit(now, x, scale);
      if (error >= least)
        continue;
      least = error;
      best_scale = scale;
      memcpy(best, now, sizeof best);
    }
  } else if (largest == largest) {
    best_scale = 0;
  }
  for (size_t i = 0; i < GROUP / 2; i++)
    q[i] = (uint8_t)((best[2 * i] + 8) | (best[2 * i + 1] + 8) << 4);
  return best_scale;
}

static void from_int4(const struct weft_plan_weight *weight, size_t first, size_t n, float *to)
{
  const uint8_t *from = (const uint8_t *)weight->data + weight->offset;
  const uint8_t *scales = (const uint8_t *)weight->data + weight->scales;
  for (size_t i = 0; i < n; i++) {
    size_t at = first + i;
    uint16_t half;
    float scale;
    memcpy(&half, scales + at / GROUP * sizeof half, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(&scale, &bits, sizeof scale);
    to[i] = (float)((at % 2 ? from[at / 2] >> 4 : from[at / 2] & 15) - 8) * scale;
  }
}

void weft_nn_dequantise(const struct weft_plan_weight *weight, size_t first, size_t n, float *to)
{
  if (weight->dtype.bits == 4) {
    from_int4(weight, first, n, to);
    return;
  }
  const int8_t *from = (const int8_t *)weight->data + weight->offset;
  const uint8_t *scales = (const uint8_t *)weight->data + weight->scales;
  size_t k = (size_t)weight->dims[1];
  for (size_t i = 0; i < n; i++) {
    float scale;
    memcpy(&scale, scales + (first + i) / k * sizeof scale, sizeof scale);
    to[i] = (float)from[first + i] * scale;
  }
}
