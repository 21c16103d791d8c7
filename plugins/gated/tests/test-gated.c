/* SPDX-License-Identifier: Apache-2.0 */
/* What gated refuses; what it computes: tests/golden/test-fusion.c. */
#include <compute.h>
#include <math.h>
#include <modelfolder.h>
#include <string.h>

#define MODEL "tests/golden/gated-a/model"

static WeftDriver *bind(const char *folder, const char *key, int64_t d_tokens, const char *space)
{
  g_autofree char *golden = g_test_build_filename(G_TEST_DIST, MODEL, NULL);
  WeftDriver *d = weft_driver_new("gated", "gated");
  weft_driver_model(d, folder ? folder : golden, "0123");
  weft_driver_bind(d, "tokens", "speech", 24);
  weft_driver_bind_attribute(d, "space", "speech0/tokens");
  weft_driver_bind(d, "tokens", key, d_tokens);
  if (space)
    weft_driver_bind_attribute(d, "space", space);
  return d;
}

static void test_gated_names(void)
{
  weft_test_refused(bind(NULL, "pictur", 13, "picture0/tokens"), WEFT_BAD_CONFIG, "'pictur'",
                    "(picture, speech, words)", "did you mean 'picture'?", NULL);
  WeftDriver *d = bind(NULL, "temperature", 13, "picture0/tokens");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_BAD_CONFIG);
  g_assert_null(strstr(weft_driver_message(d), "did you mean"));
  weft_driver_free(d);
}

static void test_gated_width_and_space(void)
{
  weft_test_refused(bind(NULL, "picture", 14, "picture0/tokens"), WEFT_BAD_CONFIG, "14", "13", NULL);
  weft_test_refused(bind(NULL, "picture", 13, "beef/tokens"), WEFT_BAD_CONFIG, "picture0/tokens",
                    "beef/tokens", NULL);
  weft_test_refused(bind(NULL, "picture", 13, NULL), WEFT_BAD_CONFIG, "picture0/tokens", "no named space", NULL);
}

static void test_gated_files(void)
{
  char *copy = weft_test_model_copy(MODEL);
  weft_test_model_edit_header(copy, "inputs.speech.gate2.bias", "inputs.speech.gate3.bias");
  weft_test_refused(bind(copy, "picture", 13, "picture0/tokens"), WEFT_BAD_CONFIG, "inputs.speech.gate2.bias", NULL);
  weft_test_model_edit(copy, "config.json", "\"d_hidden\": 19", "\"d_hidden\": 20");
  weft_test_refused(bind(copy, "picture", 13, "picture0/tokens"), WEFT_BAD_CONFIG, "inputs.speech.value1.weight", "20",
                    "19", NULL);
  weft_test_model_edit(copy, "config.json", "\"inputs\": [", "\"inputs\": [], \"old\": [");
  weft_test_refused(bind(copy, "picture", 13, "picture0/tokens"), WEFT_BAD_CONFIG, "config.json", "`inputs`", NULL);
  weft_test_model_edit(copy, "config.json", "WeftGatedFusion", "WeftClassifier");
  weft_test_refused(bind(copy, "picture", 13, "picture0/tokens"), WEFT_BAD_CONFIG, "this folder is WeftClassifier",
                    "gated reads WeftGatedFusion", NULL);
  weft_test_model_free(copy);
}

/* 64 trained inputs are allowed, and names of tensors up to 255 bytes. */
static void test_gated_model_limits(void)
{
  for (int n = 64; n <= 65; n++) {
    char *copy = weft_test_model_copy(MODEL);
    g_autoptr(GString) list = g_string_new("\"inputs\": [");
    for (int i = 3; i < n; i++)
      g_string_append_printf(list, "{\"name\": \"more%d\", \"d\": 1}, ", i);
    weft_test_model_edit(copy, "config.json", "\"inputs\": [", list->str);
    WeftDriver *d = bind(copy, "picture", 13, "picture0/tokens");
    if (n == 64) {
      g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
      weft_driver_free(d);
    } else {
      weft_test_refused(d, WEFT_BAD_CONFIG, "`inputs`", "64", "65", NULL);
    }
    weft_test_model_free(copy);
  }
  for (gsize n = 255; n <= 256; n++) {
    g_autofree char *name = g_strnfill(n - strlen("inputs..score.weight"), 'x');
    g_autofree char *entry = g_strdup_printf("\"inputs\": [{\"name\": \"%s\", \"d\": 1}, ", name);
    char *copy = weft_test_model_copy(MODEL);
    weft_test_model_edit(copy, "config.json", "\"inputs\": [", entry);
    weft_test_refused(bind(copy, name, 1, NULL), WEFT_BAD_CONFIG, n == 255 ? "is missing" : "at most 255", NULL);
    weft_test_model_free(copy);
  }
}

/* A trained input may be left out of the pipeline; the fused space is named after the model. */
static void test_gated_subset(void)
{
  g_autoptr(WeftDriver) d = bind(NULL, "picture", 13, "picture0/tokens");
  float tokens[2 * 24] = {1, 2, 3}, none[1];
  const int64_t two[] = {0, 2}, empty[] = {0, 0};
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  g_assert_cmpstr(weft_attribute_find(&weft_driver_ports(d)->outputs[0], "space"), ==, "0123/fused");
  g_assert_cmpint(weft_driver_ports(d)->outputs[1].dims[1], ==, 2);
  struct weft_tensor speech = {.dtype = weft_f32(), .rank = 2, .dims = {2, 24}};
  struct weft_tensor picture = {.dtype = weft_f32(), .rank = 2, .dims = {0, 13}};
  /* present but without tokens is not absent: it has a weight */
  const struct weft_tensor *in[] = {weft_driver_tensor(d, &speech, tokens, 1, two),
                                    weft_driver_tensor(d, &picture, none, 1, empty)};
  g_assert_cmpint(weft_driver_run(d, 1, in), ==, WEFT_OK);
  const float *weights = weft_driver_output(d, "weights")->data;
  g_assert_true(weights[0] > 0 && weights[1] > 0);
}

static void test_gated_not_finite(void)
{
  g_autoptr(WeftDriver) d = bind(NULL, "picture", 13, "picture0/tokens");
  float speech[2 * 24] = {0}, picture[2 * 13] = {0};
  const int64_t one_each[] = {0, 1, 2};
  speech[30] = NAN;
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  struct weft_tensor a = {.dtype = weft_f32(), .rank = 2, .dims = {2, 24}};
  struct weft_tensor b = {.dtype = weft_f32(), .rank = 2, .dims = {2, 13}};
  const struct weft_tensor *in[] = {weft_driver_tensor(d, &a, speech, 2, one_each),
                                    weft_driver_tensor(d, &b, picture, 2, one_each)};
  g_assert_cmpint(weft_driver_run(d, 2, in), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 1), ==, WEFT_BAD_INPUT);
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "'speech'"));
}

static void test_gated_limits(void)
{
  g_autoptr(WeftDriver) d = bind(NULL, "picture", 13, "picture0/tokens");
  float tokens[3 * 24] = {0};
  weft_driver_limits(d, 1, 2, 1);
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  for (int64_t n = 2; n <= 3; n++) { /* at the limit, and one past it */
    const int64_t rows[] = {0, n};
    struct weft_tensor speech = {.dtype = weft_f32(), .rank = 2, .dims = {n, 24}};
    struct weft_tensor picture = {.dtype = weft_f32(), .rank = 2, .dims = {1, 13}};
    const struct weft_tensor *in[] = {weft_driver_tensor(d, &speech, tokens, 1, rows),
                                      weft_driver_tensor(d, &picture, tokens, 1, (int64_t[]){0, 1})};
    g_assert_cmpint(weft_driver_run(d, 1, in), ==, n == 2 ? WEFT_OK : WEFT_CONTRACT);
  }
  g_assert_nonnull(strstr(weft_driver_message(d), "'speech'"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  weft_test_threads(1);
  g_test_add_func("/gated/names", test_gated_names);
  g_test_add_func("/gated/width-and-space", test_gated_width_and_space);
  g_test_add_func("/gated/files", test_gated_files);
  g_test_add_func("/gated/model-limits", test_gated_model_limits);
  g_test_add_func("/gated/subset", test_gated_subset);
  g_test_add_func("/gated/not-finite", test_gated_not_finite);
  g_test_add_func("/gated/limits", test_gated_limits);
  return g_test_run();
}
