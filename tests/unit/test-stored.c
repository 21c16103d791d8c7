/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as integers with scales: the loss on Gaussian data, what is not finite, and that quantising again changes nothing. */
#include "quantised.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define K 256

static void gaussian(float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = (float)(sqrt(-2 * log(g_test_rand_double_range(1e-9, 1))) * cos(2 * G_PI * g_test_rand_double()));
}

static double loss(const float *x, const float *y, gsize n)
{
  double error = 0, size = 0;
  for (gsize i = 0; i < n; i++) {
    error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    size += (double)x[i] * x[i];
  }
  return error / size;
}

/* Quantises rows of x and gives them back as f32. */
static void round_trip(int bits, const float *x, float *y, gsize n)
{
  g_autofree guint8 *stored = g_malloc0(n * K * 2 + n * K);
  struct weft_plan_weight w = {.data = stored, .rank = 2, .dims = {(gint64)n, K}, .scales = n * K,
                               .dtype = {bits == 8 ? WEFT_DTYPE_INT : WEFT_DTYPE_UINT, (guint8)bits, 1}};
  for (gsize row = 0; bits == 8 && row < n; row++) {
    float scale = weft_nn_quantise_int8((gint8 *)stored + row * K, x + row * K, K);
    memcpy(stored + n * K + row * 4, &scale, 4);
  }
  for (gsize g = 0; bits == 4 && g < n * K / WEFT_NN_INT4_GROUP; g++) {
    float scale = weft_nn_quantise_int4(stored + g * WEFT_NN_INT4_GROUP / 2, x + g * WEFT_NN_INT4_GROUP);
    guint32 whole;
    memcpy(&whole, &scale, 4);
    guint16 half = (guint16)(whole >> 16);
    g_assert_cmpuint(whole & 0xffff, ==, 0);
    memcpy(stored + n * K + g * 2, &half, 2);
  }
  weft_nn_dequantise(&w, 0, n * K, y);
}

static void test_stored_loss(void)
{
  enum { N = 64 };
  static float x[N * K], y[N * K], again[N * K];
  gaussian(x, N * K);
  round_trip(8, x, y, N);
  g_assert_cmpfloat(loss(x, y, N * K), <, 2e-4);
  round_trip(8, y, again, N);
  g_assert_cmpfloat(loss(y, again, N * K), <, 1e-12);
  round_trip(4, x, y, N);
  g_assert_cmpfloat(loss(x, y, N * K), <, 9e-3);
  round_trip(4, y, again, N);
  g_assert_cmpfloat(loss(y, again, N * K), <, 1e-3);
}

static void test_stored_odd_values(void)
{
  float x[K] = {0}, y[K];
  round_trip(8, x, y, 1);
  round_trip(4, x, y, 1);
  for (guint i = 0; i < K; i++)
    g_assert_cmpfloat(y[i], ==, 0);
  x[3] = NAN;
  gint8 q[K];
  guint8 nibbles[16];
  g_assert_true(isnan(weft_nn_quantise_int8(q, x, K)));
  g_assert_true(isnan(weft_nn_quantise_int4(nibbles, x)));
  x[3] = -INFINITY;
  g_assert_true(isnan(weft_nn_quantise_int8(q, x, K)));
  g_assert_true(isnan(weft_nn_quantise_int4(nibbles, x)));
  x[3] = 1e-42f;
  g_assert_cmpfloat(weft_nn_quantise_int8(q, x, K), ==, 0);
  g_assert_cmpfloat(weft_nn_quantise_int4(nibbles, x), ==, 0);
  x[3] = 3e38f;
  g_assert_true(isfinite(weft_nn_quantise_int8(q, x, K)));
  g_assert_cmpint(q[3], ==, 127);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stored/loss", test_stored_loss);
  g_test_add_func("/stored/odd_values", test_stored_odd_values);
  return g_test_run();
}
