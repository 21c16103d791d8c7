/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <glib.h>
#include <string.h>

static void take(struct weft_rows_store *store, const gint64 *times, gint64 n, const struct weft_rows_rules *rules, int all)
{
  gint32 data[64];
  struct weft_rows_chunk chunk = {.times = times, .data = (const guint8 *)data, .n = n};
  for (gint64 i = 0; i < n; i++)
    data[i] = (gint32)times[i] * 10;
  g_assert_cmpint(weft_rows_take(store, &chunk, rules), ==, all);
}

static void assert_rows(const struct weft_rows_store *store, const gint64 *times, gint64 n)
{
  gint64 n_bytes = 0;
  g_assert_cmpint(weft_rows_n(store), ==, n);
  const guint8 *data = weft_rows_data(store, store->begin, store->end, &n_bytes);
  g_assert_cmpint(n_bytes, ==, n * 4);
  for (gint64 i = 0; i < n; i++) {
    gint32 value;
    memcpy(&value, data + 4 * i, 4);
    g_assert_cmpint(store->times[store->begin + i], ==, times[i]);
    g_assert_cmpint(value, ==, times[i] * 10);
  }
}

static void test_rows_in_order_and_out_of_it(void)
{
  static const gint64 first[] = {100, 110, 120}, mixed[] = {115, 130, 118, 109, 130, 60};
  static const gint64 kept[] = {100, 110, 115, 118, 120, 130, 130};
  const struct weft_rows_rules rules = {.floor = INT64_MIN, .tolerance = 20};
  struct weft_rows_store store;
  g_assert_cmpint(weft_rows_store_init(&store, 4, 4096), ==, WEFT_OK);
  take(&store, first, 3, &rules, 1);
  take(&store, mixed, 6, &rules, 1); /* 109 is more than 20 behind 130, 60 too */
  assert_rows(&store, kept, 7);
  g_assert_cmpuint(store.n_late, ==, 2);
  g_assert_cmpuint(store.n_taken, ==, 7);
  g_assert_cmpint(store.newest, ==, 130);
  g_assert_cmpint(weft_rows_find(&store, 115) - store.begin, ==, 2);
  g_assert_cmpint(weft_rows_find(&store, 131), ==, store.end);
  weft_rows_forget(&store, 118, 1);
  assert_rows(&store, kept + 2, 5);
  weft_rows_forget(&store, 118, 0);
  assert_rows(&store, kept + 3, 4);
  weft_rows_forget(&store, 1000, 0);
  assert_rows(&store, kept, 0);
  weft_rows_store_clear(&store);
}

/* A floor makes rows late; where the last one stands for a window they are kept nevertheless. */
static void test_rows_below_the_floor(void)
{
  static const gint64 times[] = {100, 90, 105}, dropped[] = {105}, kept[] = {90, 100, 105};
  struct weft_rows_rules rules = {.floor = 101, .tolerance = 1000};
  struct weft_rows_store store;
  g_assert_cmpint(weft_rows_store_init(&store, 4, 4096), ==, WEFT_OK);
  take(&store, times, 3, &rules, 1);
  assert_rows(&store, dropped, 1);
  g_assert_cmpuint(store.n_late, ==, 2);
  weft_rows_store_clear(&store);
  rules.keeps_late = 1;
  g_assert_cmpint(weft_rows_store_init(&store, 4, 4096), ==, WEFT_OK);
  take(&store, times, 3, &rules, 1);
  assert_rows(&store, kept, 3);
  g_assert_cmpuint(store.n_late, ==, 2);
  weft_rows_store_clear(&store);
}

/* Ten rows are the most here; the eleventh waits, or the first goes. */
static void test_rows_at_the_limit(void)
{
  gint64 times[24];
  struct weft_rows_rules rules = {.floor = INT64_MIN, .tolerance = 5};
  struct weft_rows_store store;
  for (gint64 i = 0; i < 24; i++)
    times[i] = i;
  g_assert_cmpint(weft_rows_store_init(&store, 4, 120), ==, WEFT_OK);
  g_assert_cmpint(store.n_max, ==, 10);
  take(&store, times, 10, &rules, 1);
  take(&store, times + 10, 1, &rules, 0);
  assert_rows(&store, times, 10);
  g_assert_cmpuint(store.n_dropped, ==, 0);
  rules.drops = 1;
  take(&store, times + 10, 14, &rules, 1);
  assert_rows(&store, times + 14, 10);
  g_assert_cmpuint(store.n_dropped, ==, 14);
  weft_rows_store_clear(&store);
}

/* Against an array that is sorted: random times, chunks, forgetting. */
static void test_rows_random(void)
{
  const struct weft_rows_rules rules = {.floor = INT64_MIN, .tolerance = 50};
  struct weft_rows_store store;
  g_autoptr(GArray) model = g_array_new(FALSE, FALSE, sizeof(gint64));
  gint64 now = 1000;
  g_assert_cmpint(weft_rows_store_init(&store, 4, 2400), ==, WEFT_OK);
  for (guint round = 0; round < 5000; round++) {
    gint64 times[16];
    gint64 n = g_test_rand_int_range(1, 16);
    for (gint64 i = 0; i < n; i++) {
      times[i] = now - g_test_rand_int_range(0, 20);
      now += g_test_rand_int_range(0, 10);
      guint at = model->len;
      while (at > 0 && g_array_index(model, gint64, at - 1) > times[i])
        at--;
      g_array_insert_val(model, at, times[i]);
    }
    take(&store, times, n, &rules, 1);
    gint64 before = now - g_test_rand_int_range(60, 300);
    weft_rows_forget(&store, before, 0);
    while (model->len && g_array_index(model, gint64, 0) < before)
      g_array_remove_index(model, 0);
    assert_rows(&store, (const gint64 *)(const void *)model->data, model->len);
  }
  weft_rows_store_clear(&store);
}

static void take_texts(struct weft_rows_store *store, const gint64 *times, const char *text, const gint64 *splits, gint64 n)
{
  const struct weft_rows_rules rules = {.floor = INT64_MIN, .tolerance = 100};
  struct weft_rows_chunk chunk = {.times = times, .data = (const guint8 *)text, .splits = splits, .n = n};
  g_assert_cmpint(weft_rows_take(store, &chunk, &rules), ==, 1);
}

static void test_rows_texts(void)
{
  static const gint64 times[] = {10, 30, 20}, splits[] = {0, 3, 3, 8}, later[] = {40}, more[] = {0, 130};
  struct weft_rows_store store;
  gint64 n_bytes = 0;
  g_assert_cmpint(weft_rows_store_init(&store, 0, 256), ==, WEFT_OK);
  g_assert_cmpint(store.n_max, ==, 4);
  take_texts(&store, times, "onethree", splits, 3);
  const guint8 *data = weft_rows_data(&store, store.begin + 1, store.begin + 2, &n_bytes);
  g_assert_cmpmem(data, (gsize)n_bytes, "three", 5);
  data = weft_rows_data(&store, store.begin, store.end, &n_bytes);
  g_assert_cmpmem(data, (gsize)n_bytes, "onethree", 8);
  g_assert_cmpint(store.times[store.begin + 2], ==, 30);
  weft_rows_forget(&store, 20, 0);
  for (gint64 i = 0; i < 40; i++) { /* moves to the front again and again */
    g_autofree char *line = g_strnfill(130, (char)('a' + i % 26));
    gint64 at[] = {later[0] + i};
    weft_rows_forget(&store, at[0], 0);
    take_texts(&store, at, line, more, 1);
    data = weft_rows_data(&store, store.end - 1, store.end, &n_bytes);
    g_assert_cmpmem(data, (gsize)n_bytes, line, 130);
  }
  g_autofree char *huge = g_strnfill(300, 'x');
  static const gint64 huge_splits[] = {0, 257, 258}, huge_times[] = {90, 91};
  take_texts(&store, huge_times, huge, huge_splits, 2); /* one beyond the limit is lost, and counted */
  g_assert_cmpuint(store.n_dropped, ==, 1);
  weft_rows_store_clear(&store);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/live-rows/in-order-and-out-of-it", test_rows_in_order_and_out_of_it);
  g_test_add_func("/live-rows/below-the-floor", test_rows_below_the_floor);
  g_test_add_func("/live-rows/at-the-limit", test_rows_at_the_limit);
  g_test_add_func("/live-rows/random", test_rows_random);
  g_test_add_func("/live-rows/texts", test_rows_texts);
  return g_test_run();
}
