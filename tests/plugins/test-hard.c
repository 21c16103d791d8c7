/* SPDX-License-Identifier: Apache-2.0 */
/* noise and mix: the nodes of the hard setting of evaluations. */
#include <driver.h>
#include <math.h>
#include <string.h>

static WeftDriver *open_node(const char *id)
{
  g_autofree char *file = g_strdup_printf("test-%s.so", id);
  g_autofree char *path = g_test_build_filename(G_TEST_BUILT, "tests", "plugins", file, NULL);
  return weft_driver_new(path, id);
}

static void run_noise(WeftDriver *d, guint8 brightness, int32_t side, uint32_t n)
{
  gint64 n_pixels = (gint64)side * side;
  g_autofree guint8 *pixels = g_malloc((gsize)(3 * n_pixels * n));
  g_autofree int64_t *splits = g_new0(int64_t, n + 1);
  g_autofree int32_t *sizes = g_new(int32_t, 2 * n);
  memset(pixels, brightness, (gsize)(3 * n_pixels * n));
  for (uint32_t i = 0; i < n; i++) {
    splits[i + 1] = splits[i] + n_pixels;
    sizes[2 * i] = sizes[2 * i + 1] = side;
  }
  struct weft_tensor media = {.dtype = weft_u8(), .rank = 2, .dims = {n_pixels * n, 3}};
  struct weft_tensor size = {.dtype = weft_i32(), .rank = 2, .dims = {n, 2}};
  const struct weft_tensor *in[] = {weft_driver_tensor(d, &media, pixels, n, splits),
                                    weft_driver_tensor(d, &size, sizes, n, NULL)};
  g_assert_cmpint(weft_driver_run(d, n, in), ==, WEFT_OK);
}

/* Mean and deviation are what was asked for, unclipped; grey stays grey; the seed alone decides. */
static void test_noise_statistics(void)
{
  enum { SIDE = 200, N = SIDE * SIDE };
  g_autoptr(WeftDriver) d = open_node("noise"), alone = open_node("noise");
  weft_driver_set(d, "sigma", "1");
  weft_driver_set(alone, "sigma", "1");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_start(alone), ==, WEFT_OK);
  run_noise(d, 51, SIDE, 2);
  run_noise(alone, 51, SIDE, 1);
  const float *v = weft_driver_output(d, "values")->data;
  double sum = 0, square = 0;
  gboolean beyond = FALSE;
  for (int i = 0; i < N; i++) {
    g_assert_true(v[3 * i] == v[3 * i + 1] && v[3 * i] == v[3 * i + 2]);
    sum += v[3 * i];
    square += (v[3 * i] - 0.2) * (v[3 * i] - 0.2);
    beyond |= v[3 * i] < -2 || v[3 * i] > 3;
  }
  g_assert_cmpfloat_with_epsilon(sum / N, 0.2, 0.02);
  g_assert_cmpfloat_with_epsilon(sqrt(square / N), 1, 0.02);
  g_assert_true(beyond);
  g_assert_cmpmem(v, 3 * N * sizeof *v, weft_driver_output(alone, "values")->data, 3 * N * sizeof *v);
  g_assert_true(memcmp(v, v + 3 * N, 3 * N * sizeof *v) != 0);
  static const int32_t sizes[] = {SIDE, SIDE, SIDE, SIDE};
  g_assert_cmpmem(weft_driver_output(d, "values.size")->data, sizeof sizes, sizes, sizeof sizes);
}

static const struct weft_tensor *clip(WeftDriver *d, double frequency, double gain, int64_t n)
{
  g_autofree float *x = g_new(float, n + 1);
  for (int64_t i = 0; i < n; i++)
    x[i] = (float)(gain * sin(frequency * (double)i));
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {n, 1}};
  return weft_driver_tensor(d, &shape, x, 1, (int64_t[]){0, n});
}

static const struct weft_tensor *rate(WeftDriver *d, int32_t hz)
{
  struct weft_tensor shape = {.dtype = weft_i32(), .rank = 1, .dims = {1}};
  return weft_driver_tensor(d, &shape, &hz, 1, NULL);
}

static double power_of(const float *x, int64_t n)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += (double)x[i] * x[i];
  return sum / (double)n;
}

/* The sum of the others has the power of the speech, however loud and long they are. */
static void test_mix_power(void)
{
  enum { N = 8000 };
  g_autoptr(WeftDriver) d = open_node("mix");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *in[] = {clip(d, 0.3, 0.5, N),  rate(d, 8000), clip(d, 0.7, 0.01, 500), rate(d, 8000),
                                    clip(d, 1.1, 0.9, N), rate(d, 8000), clip(d, 1.9, 0.3, 20000), rate(d, 8000)};
  g_assert_cmpint(weft_driver_run(d, 1, in), ==, WEFT_OK);
  const float *speech = in[0]->data, *mixed = weft_driver_output(d, "samples")->data;
  g_autofree float *added = g_new(float, N);
  for (int i = 0; i < N; i++)
    added[i] = mixed[i] - speech[i];
  g_assert_cmpfloat_with_epsilon(power_of(added, N) / power_of(speech, N), 1, 1e-3);
  g_assert_cmpint(*(const int32_t *)weft_driver_output(d, "samples.rate")->data, ==, 8000);
}

static void test_mix_rates(void)
{
  g_autoptr(WeftDriver) d = open_node("mix");
  weft_driver_bind(d, "speech", NULL, -1);
  weft_driver_bind(d, "speech.rate", NULL, -1);
  weft_driver_bind(d, "n2", NULL, -1);
  weft_driver_bind(d, "n2.rate", NULL, -1);
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *in[] = {clip(d, 0.3, 0.5, 900), rate(d, 8000), clip(d, 0.7, 0.01, 500), rate(d, 16000)};
  g_assert_cmpint(weft_driver_run(d, 1, in), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
  g_assert_nonnull(strstr(weft_driver_item_message(d, 0), "8000 and 16000"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/noise/statistics", test_noise_statistics);
  g_test_add_func("/mix/power", test_mix_power);
  g_test_add_func("/mix/rates", test_mix_rates);
  return g_test_run();
}
