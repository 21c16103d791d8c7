/* SPDX-License-Identifier: Apache-2.0 */
/* What expert-mlp refuses, and the order of rows; what it computes: tests/golden/test-expert.c. */
#include <compute.h>
#include <math.h>
#include <modelfolder.h>
#include <string.h>

#define MODEL "tests/golden/expert-mlp-b/model" /* gated, a bias at the gate alone */
#define D 18
#define D_OUT 13

static WeftDriver *bind(const char *id, const char *folder, int64_t d, const char *space)
{
  g_autofree char *golden = g_test_build_filename(G_TEST_DIST, MODEL, NULL);
  WeftDriver *driver = weft_driver_new("expert-mlp", id);
  weft_driver_model(driver, folder ? folder : golden, "0123");
  weft_driver_bind(driver, "x", NULL, d);
  if (space)
    weft_driver_bind_attribute(driver, "space", space);
  return driver;
}

static void test_expert_input(void)
{
  weft_test_refused(bind("expert-mlp", NULL, D + 1, "f00d/fused"), WEFT_BAD_CONFIG, "19", "18", NULL);
  weft_test_refused(bind("expert-mlp", NULL, D, "beef/fused"), WEFT_BAD_CONFIG, "f00d/fused", "beef/fused", NULL);
  weft_test_refused(bind("expert-mlp-tokens", NULL, D, NULL), WEFT_BAD_CONFIG, "f00d/fused", "no named space", NULL);
}

static void test_expert_files(void)
{
  char *copy = weft_test_model_copy(MODEL);
  weft_test_model_edit(copy, "config.json", "\"silu\"", "\"sillu\"");
  weft_test_refused(bind("expert-mlp", copy, D, "f00d/fused"), WEFT_UNSUPPORTED, "activation", "sillu", "silu", NULL);
  weft_test_model_edit(copy, "config.json", "\"sillu\"", "\"silu\"");
  weft_test_model_edit(copy, "config.json", "\"d_hidden\": 61", "\"d_hidden\": 60");
  weft_test_refused(bind("expert-mlp", copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "up.weight", "60", "61", NULL);
  weft_test_model_edit(copy, "config.json", "\"d_hidden\": 60", "\"d_hidden\": 61");
  weft_test_model_edit(copy, "config.json", "\"gated\": true", "\"gated\": \"yes\"");
  weft_test_refused(bind("expert-mlp", copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "config.json", "gated", NULL);
  weft_test_model_edit(copy, "config.json", "\"gated\": \"yes\"", "\"gated\": true");
  weft_test_model_edit_header(copy, "gate.weight", "gone.weight");
  weft_test_refused(bind("expert-mlp", copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "gate.weight", NULL);
  weft_test_model_edit(copy, "config.json", "WeftExpertMlp", "WeftClassifier");
  weft_test_refused(bind("expert-mlp", copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "this folder is WeftClassifier", NULL);
  weft_test_model_free(copy);
}

/* 65536 is allowed: then it is the tensor that does not fit. */
static void test_expert_limits(void)
{
  for (int n = 65536; n <= 65537; n++) {
    char *copy = weft_test_model_copy(MODEL);
    g_autofree char *line = g_strdup_printf("\"d_hidden\": %d", n);
    weft_test_model_edit(copy, "config.json", "\"d_hidden\": 61", line);
    weft_test_refused(bind("expert-mlp", copy, D, "f00d/fused"), WEFT_BAD_CONFIG, n == 65536 ? "[65536" : "d_hidden",
                      n == 65536 ? "up.weight" : "65537", NULL);
    weft_test_model_free(copy);
  }
}

static WeftDriver *started(const char *id)
{
  WeftDriver *d = bind(id, NULL, D, "f00d/fused");
  if (weft_driver_start(d) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  return d;
}

/* Answers of single rows, the reference for all mixes. */
static void alone(const float *rows, int n, float *y)
{
  g_autoptr(WeftDriver) d = started("expert-mlp");
  struct weft_tensor one = {.dtype = weft_f32(), .rank = 2, .dims = {1, D}};
  for (int i = 0; i < n; i++) {
    const struct weft_tensor *x = weft_driver_tensor(d, &one, rows + i * D, 1, NULL);
    g_assert_cmpint(weft_driver_run(d, 1, &x), ==, WEFT_OK);
    memcpy(y + i * D_OUT, weft_driver_output(d, "y")->data, D_OUT * sizeof *y);
  }
}

static void test_expert_rows(void)
{
  static const int32_t backwards[] = {3, 1, 0};
  g_autoptr(WeftDriver) d = started("expert-mlp");
  float rows[4 * D], expected[4 * D_OUT];
  for (int i = 0; i < 4 * D; i++)
    rows[i] = (float)sin(i);
  alone(rows, 4, expected);
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {4, D}};
  struct weft_tensor *x = (struct weft_tensor *)weft_driver_tensor(d, &shape, rows, 4, NULL);
  g_assert_cmpint(weft_driver_run(d, 4, (const struct weft_tensor *[]){x}), ==, WEFT_OK);
  g_assert_cmpmem(weft_driver_output(d, "y")->data, sizeof expected, expected, sizeof expected);
  x->slots = backwards; /* three items, one of the four slots is nobody's */
  g_assert_cmpint(weft_driver_run(d, 3, (const struct weft_tensor *[]){x}), ==, WEFT_OK);
  for (int i = 0; i < 3; i++)
    g_assert_cmpmem((const float *)weft_driver_output(d, "y")->data + i * D_OUT, D_OUT * sizeof(float),
                    expected + backwards[i] * D_OUT, D_OUT * sizeof(float));
}

static void test_expert_tokens(void)
{
  static const int64_t splits[] = {0, 0, 3, 4, 6}; /* the first item has no tokens */
  static const int32_t order[] = {3, 0, 1, 2};
  g_autoptr(WeftDriver) d = started("expert-mlp-tokens");
  float rows[6 * D], expected[6 * D_OUT];
  for (int i = 0; i < 6 * D; i++)
    rows[i] = (float)cos(i);
  alone(rows, 6, expected);
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {6, D}};
  struct weft_tensor *x = (struct weft_tensor *)weft_driver_tensor(d, &shape, rows, 4, splits);
  g_assert_cmpint(weft_driver_run(d, 4, (const struct weft_tensor *[]){x}), ==, WEFT_OK);
  const struct weft_tensor *y = weft_driver_output(d, "y");
  g_assert_cmpmem(y->data, sizeof expected, expected, sizeof expected);
  g_assert_cmpmem(y->splits[0], sizeof splits, splits, sizeof splits);
  x->slots = order;
  g_assert_cmpint(weft_driver_run(d, 4, (const struct weft_tensor *[]){x}), ==, WEFT_OK);
  y = weft_driver_output(d, "y");
  for (uint32_t i = 0; i < 4; i++) {
    struct weft_rows to = weft_rows_of(y, i), from = weft_rows_of(x, i);
    g_assert_cmpint(to.end - to.begin, ==, from.end - from.begin);
    gsize n = (gsize)(to.end - to.begin) * D_OUT * sizeof(float);
    if (n)
      g_assert_cmpmem((const float *)y->data + to.begin * D_OUT, n, expected + from.begin * D_OUT, n);
  }
}

/* A row that is not finite spoils itself alone. */
static void test_expert_not_finite(void)
{
  g_autoptr(WeftDriver) d = started("expert-mlp");
  float rows[2 * D] = {0}, expected[D_OUT];
  rows[3] = NAN;
  rows[D] = 1;
  alone(rows + D, 1, expected);
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {2, D}};
  const struct weft_tensor *x = weft_driver_tensor(d, &shape, rows, 2, NULL);
  g_assert_cmpint(weft_driver_run(d, 2, &x), ==, WEFT_OK);
  const float *y = weft_driver_output(d, "y")->data;
  g_assert_true(isnan(y[0]));
  g_assert_cmpmem(y + D_OUT, sizeof expected, expected, sizeof expected);
}

static void test_expert_cancel(void)
{
  g_autoptr(WeftDriver) d = started("expert-mlp");
  float rows[D] = {0};
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {1, D}};
  const struct weft_tensor *x = weft_driver_tensor(d, &shape, rows, 1, NULL);
  weft_driver_cancel_next(d);
  g_assert_cmpint(weft_driver_run(d, 1, &x), ==, WEFT_CANCELLED);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  weft_test_threads(1);
  g_test_add_func("/expert-mlp/input", test_expert_input);
  g_test_add_func("/expert-mlp/files", test_expert_files);
  g_test_add_func("/expert-mlp/limits", test_expert_limits);
  g_test_add_func("/expert-mlp/rows", test_expert_rows);
  g_test_add_func("/expert-mlp/tokens", test_expert_tokens);
  g_test_add_func("/expert-mlp/not-finite", test_expert_not_finite);
  g_test_add_func("/expert-mlp/cancel", test_expert_cancel);
  return g_test_run();
}
