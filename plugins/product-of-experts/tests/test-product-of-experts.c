/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <modelfolder.h>
#include <string.h>

#define N 3
#define LABELS "[\"a\", \"b\", \"c\"]"

static WeftDriver *bind(const char *const *keys, const char *const *labels)
{
  WeftDriver *d = weft_driver_new("product-of-experts", "product-of-experts");
  for (int k = 0; keys[k]; k++) {
    weft_driver_bind(d, "probabilities", keys[k], N);
    if (labels[k])
      weft_driver_bind_attribute(d, "labels", labels[k]);
  }
  return d;
}

static WeftDriver *two(void)
{
  return bind((const char *[]){"left", "right", NULL}, (const char *[]){LABELS, "[\"a\",\"b\",\"c\"]"});
}

/* p: [n_slots, N]; slots: [n_items] or NULL */
static const struct weft_tensor *expert(WeftDriver *d, const float *p, uint32_t n_slots, const int32_t *slots)
{
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {n_slots, N}};
  struct weft_tensor *tensor = (struct weft_tensor *)weft_driver_tensor(d, &shape, p, n_slots, NULL);
  tensor->slots = slots;
  return tensor;
}

static const float *row_of(WeftDriver *d, const char *output, uint32_t item, int64_t width)
{
  return (const float *)weft_driver_output(d, output)->data + item * width;
}

static void check_label(WeftDriver *d, uint32_t item, const char *expected)
{
  const struct weft_tensor *label = weft_driver_output(d, "label");
  struct weft_rows rows = weft_rows_of(label, item);
  g_assert_cmpmem((const char *)label->data + rows.begin, (gsize)(rows.end - rows.begin), expected, strlen(expected));
}

static void check_row(const float *actual, double a, double b, double c)
{
  g_assert_cmpfloat_with_epsilon(actual[0], a, 1e-6);
  g_assert_cmpfloat_with_epsilon(actual[1], b, 1e-6);
  g_assert_cmpfloat_with_epsilon(actual[2], c, 1e-6);
}

static void test_product_presence(void)
{
  static const float left[] = {.5f, .3f, .2f, .1f, .1f, .8f}, right[] = {.2f, .6f, .2f, .25f, .5f, .25f};
  static const int32_t left_slots[] = {0, 1, -1}, right_slots[] = {0, -1, 1};
  g_autoptr(WeftDriver) d = two();
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *in[] = {expert(d, left, 2, left_slots), expert(d, right, 2, right_slots)};
  g_assert_cmpint(weft_driver_run(d, 3, in), ==, WEFT_OK);
  check_row(row_of(d, "probabilities", 0, N), .10 / .32, .18 / .32, .04 / .32);
  check_row(row_of(d, "probabilities", 1, N), .1, .1, .8); /* one expert alone: its own answer */
  check_row(row_of(d, "probabilities", 2, N), .25, .5, .25);
  check_label(d, 0, "b");
  check_label(d, 1, "c");
  check_label(d, 2, "b");
  g_assert_cmpfloat_with_epsilon(*row_of(d, "probability", 0, 1), .18 / .32, 1e-6);
  g_assert_true(row_of(d, "weights", 0, 2)[0] == .5f && row_of(d, "weights", 0, 2)[1] == .5f);
  g_assert_true(row_of(d, "weights", 1, 2)[0] == 1 && row_of(d, "weights", 1, 2)[1] == 0);
  g_assert_true(row_of(d, "weights", 2, 2)[0] == 0 && row_of(d, "weights", 2, 2)[1] == 1);
}

static void test_product_zeros(void)
{
  static const float left[] = {1, 0, 0, 0, 0, 0, 1e-30f, 1e-30f, 1}, right[] = {0, 1, 0, .2f, .3f, .5f, 0, 1e-38f, 1};
  g_autoptr(WeftDriver) d = two();
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *in[] = {expert(d, left, 3, NULL), expert(d, right, 3, NULL)};
  g_assert_cmpint(weft_driver_run(d, 3, in), ==, WEFT_OK);
  check_row(row_of(d, "probabilities", 0, N), .5, .5, 0); /* they contradict: neither wins */
  check_row(row_of(d, "probabilities", 1, N), .2, .3, .5); /* all zeros say nothing */
  check_row(row_of(d, "probabilities", 2, N), 0, 0, 1);
}

static void test_product_temperature(void)
{
  static const float left[] = {.5f, .3f, .2f}, right[] = {.2f, .6f, .2f};
  double p[] = {sqrt(.10), sqrt(.18), sqrt(.04)}, sum = p[0] + p[1] + p[2];
  g_autoptr(WeftDriver) d = two();
  weft_driver_set(d, "temperature", "2");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *in[] = {expert(d, left, 1, NULL), expert(d, right, 1, NULL)};
  g_assert_cmpint(weft_driver_run(d, 1, in), ==, WEFT_OK);
  check_row(row_of(d, "probabilities", 0, N), p[0] / sum, p[1] / sum, p[2] / sum);
}

static void test_product_bad_item(void)
{
  static const float left[] = {.5f, .3f, .2f, .5f, NAN, .2f, .5f, 2, .2f, .2f, .3f, .5f};
  static const float right[] = {1, 0, 0, 1, 0, 0, 1, 0, 0, .2f, .3f, .5f};
  g_autoptr(WeftDriver) d = two();
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *in[] = {expert(d, left, 4, NULL), expert(d, right, 4, NULL)};
  g_assert_cmpint(weft_driver_run(d, 4, in), ==, WEFT_OK);
  for (uint32_t i = 0; i < 4; i++)
    g_assert_cmpint(weft_driver_item_status(d, i), ==, i == 1 || i == 2 ? WEFT_BAD_INPUT : WEFT_OK);
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "'left'"));
  check_label(d, 3, "c");
}

static void test_product_labels(void)
{
  const char *const keys[] = {"left", "right", NULL};
  weft_test_refused(bind(keys, (const char *[]){LABELS, "[\"a\", \"c\", \"b\"]"}), WEFT_BAD_CONFIG, "'left'", "'right'",
                    "[\"a\",\"b\",\"c\"]", "[\"a\",\"c\",\"b\"]", NULL);
  weft_test_refused(bind(keys, (const char *[]){LABELS, NULL}), WEFT_BAD_CONFIG, "'right'", "names no labels", NULL);
  weft_test_refused(bind(keys, (const char *[]){LABELS, "a,b,c"}), WEFT_BAD_CONFIG, "'right'", "JSON array", NULL);
  weft_test_refused(bind(keys, (const char *[]){"[\"a\",\"b\"]", LABELS}), WEFT_BAD_CONFIG, "'left'", "3", "2", NULL);
  weft_test_refused(weft_driver_new("product-of-experts", "product-of-experts"), WEFT_BAD_CONFIG, "no input", NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/product-of-experts/presence", test_product_presence);
  g_test_add_func("/product-of-experts/zeros", test_product_zeros);
  g_test_add_func("/product-of-experts/temperature", test_product_temperature);
  g_test_add_func("/product-of-experts/bad-item", test_product_bad_item);
  g_test_add_func("/product-of-experts/labels", test_product_labels);
  return g_test_run();
}
