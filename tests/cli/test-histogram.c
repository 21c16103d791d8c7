/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

static void test_histogram_small(void)
{
  static WeftHistogram h;
  g_assert_cmpuint(weft_histogram_quantile(&h, .5), ==, 0);
  for (guint64 v = 0; v < 32; v++)
    weft_histogram_add(&h, v);
  g_assert_cmpuint(weft_histogram_quantile(&h, 0), ==, 0); /* exact below 32 */
  g_assert_cmpuint(weft_histogram_quantile(&h, .5), ==, 15);
  g_assert_cmpuint(weft_histogram_quantile(&h, 1), ==, 31);
  g_assert_cmpfloat(weft_histogram_mean(&h), ==, 15.5);
}

static int by_value(gconstpointer a, gconstpointer b)
{
  guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;
  return (x > y) - (x < y);
}

/* Against sorted values: never below the true quantile, at most 1/32 above. */
static void test_histogram_error(void)
{
  enum { N = 20000 };
  static WeftHistogram h;
  static guint64 values[N];
  static const guint ranks[] = {1, 200, 2000, 10000, 18000, 19800, 19980, N};
  guint32 seed = g_test_rand_int();
  g_test_message("seed %u", seed);
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (guint i = 0; i < N; i++) {
    values[i] = (guint64)1 << g_rand_int_range(random, 0, 39);
    values[i] += (guint64)(g_rand_double(random) * (double)values[i]);
    weft_histogram_add(&h, values[i]);
  }
  qsort(values, N, sizeof *values, by_value);
  for (guint i = 0; i < G_N_ELEMENTS(ranks); i++) {
    guint64 exact = values[ranks[i] - 1], told = weft_histogram_quantile(&h, (double)ranks[i] / N);
    g_assert_cmpuint(told, >=, exact);
    g_assert_cmpfloat((double)told, <=, (double)exact * (1 + 1. / 32));
  }
  g_assert_cmpuint(weft_histogram_quantile(&h, 1), ==, values[N - 1]); /* the largest is exact */
}

/* The limit and beyond: counted, and the largest stays exact. */
static void test_histogram_limit(void)
{
  static WeftHistogram h, beyond;
  weft_histogram_add(&h, WEFT_HISTOGRAM_MAX - 1);
  g_assert_cmpuint(weft_histogram_quantile(&h, 1), ==, WEFT_HISTOGRAM_MAX - 1);
  weft_histogram_add(&beyond, 7);
  weft_histogram_add(&beyond, WEFT_HISTOGRAM_MAX);
  weft_histogram_add(&beyond, G_MAXUINT64);
  g_assert_cmpuint(weft_histogram_quantile(&beyond, .3), ==, 7);
  g_assert_cmpuint(weft_histogram_quantile(&beyond, 1), ==, G_MAXUINT64);
}

static gpointer add_many(gpointer data)
{
  for (guint64 i = 0; i < 50000; i++)
    weft_histogram_add(data, i);
  return NULL;
}

static void test_histogram_threads(void)
{
  static WeftHistogram h;
  GThread *threads[4];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("add", add_many, &h);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  guint64 sum = 0;
  for (guint b = 0; b < WEFT_HISTOGRAM_BUCKETS; b++)
    sum += h.buckets[b];
  g_assert_cmpuint(sum, ==, 200000);
  g_assert_cmpuint(h.n, ==, 200000);
  g_assert_cmpuint(h.most, ==, 49999);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/histogram/small", test_histogram_small);
  g_test_add_func("/histogram/error", test_histogram_error);
  g_test_add_func("/histogram/limit", test_histogram_limit);
  g_test_add_func("/histogram/threads", test_histogram_threads);
  return g_test_run();
}
