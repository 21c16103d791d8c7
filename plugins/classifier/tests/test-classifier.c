/* SPDX-License-Identifier: Apache-2.0 */
/* What classifier refuses, and items that are left out; what it computes: tests/golden/test-fusion.c. */
#include <compute.h>
#include <math.h>
#include <modelfolder.h>
#include <string.h>

#define MODEL "tests/golden/classifier-a/model"
#define D 21

static WeftDriver *bind(const char *folder, int64_t d_features, const char *space)
{
  g_autofree char *golden = g_test_build_filename(G_TEST_DIST, MODEL, NULL);
  WeftDriver *d = weft_driver_new("classifier", "classifier");
  weft_driver_model(d, folder ? folder : golden, "0123");
  weft_driver_bind(d, "features", NULL, d_features);
  if (space)
    weft_driver_bind_attribute(d, "space", space);
  return d;
}

static void test_classifier_input(void)
{
  weft_test_refused(bind(NULL, D + 1, "f00d/fused"), WEFT_BAD_CONFIG, "22", "21", NULL);
  weft_test_refused(bind(NULL, D, "beef/fused"), WEFT_BAD_CONFIG, "f00d/fused", "beef/fused", NULL);
  weft_test_refused(bind(NULL, D, NULL), WEFT_BAD_CONFIG, "f00d/fused", "no named space", NULL);
}

static void test_classifier_files(void)
{
  char *copy = weft_test_model_copy(MODEL);
  weft_test_model_edit(copy, "config.json", "\"3\":", "\"8\":");
  weft_test_refused(bind(copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "config.json", "id2label.3", NULL);
  weft_test_model_edit(copy, "config.json", "\"8\":", "\"3\":");
  weft_test_model_edit(copy, "config.json", "\"temperature\": 1.7", "\"temperature\": 0");
  weft_test_refused(bind(copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "config.json", "temperature", NULL);
  weft_test_model_edit(copy, "config.json", "\"6\": \"7\"", "\"6\": \"7\", \"7\": \"8\"");
  weft_test_refused(bind(copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "weight", "[8", "[7", NULL);
  weft_test_model_edit(copy, "config.json", "id2label", "label2id");
  weft_test_refused(bind(copy, D, "f00d/fused"), WEFT_BAD_CONFIG, "id2label", NULL);
  weft_test_model_free(copy);
}

/* 65536 classes are allowed: then it is the tensor that does not fit. */
static void test_classifier_limits(void)
{
  for (int n = 65536; n <= 65537; n++) {
    char *copy = weft_test_model_copy(MODEL);
    g_autoptr(GString) labels = g_string_new("\"6\": \"7\"");
    for (int i = 7; i < n; i++)
      g_string_append_printf(labels, ", \"%d\": \"c\"", i);
    weft_test_model_edit(copy, "config.json", "\"6\": \"7\"", labels->str);
    weft_test_refused(bind(copy, D, "f00d/fused"), WEFT_BAD_CONFIG, n == 65536 ? "should be [65536" : "id2label",
                      n == 65536 ? "[7" : "65537", NULL);
    weft_test_model_free(copy);
  }
}

static void test_classifier_presence(void)
{
  g_autoptr(WeftDriver) d = bind(NULL, D, "f00d/fused"), alone = bind(NULL, D, "f00d/fused");
  static const int32_t slots[] = {1, 0};
  float features[2 * D] = {0};
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_start(alone), ==, WEFT_OK);
  for (int i = 0; i < 2 * D; i++)
    features[i] = (float)sin(i);
  struct weft_tensor both = {.dtype = weft_f32(), .rank = 2, .dims = {2, D}};
  struct weft_tensor one = {.dtype = weft_f32(), .rank = 2, .dims = {1, D}};
  struct weft_tensor *in = (struct weft_tensor *)weft_driver_tensor(d, &both, features, 2, NULL);
  in->slots = slots; /* the items stand the other way round */
  g_assert_cmpint(weft_driver_run(d, 2, (const struct weft_tensor *[]){in}), ==, WEFT_OK);
  const float *p = weft_driver_output(d, "probabilities")->data;
  for (int i = 0; i < 2; i++) {
    const struct weft_tensor *x = weft_driver_tensor(alone, &one, features + (1 - i) * D, 1, NULL);
    g_assert_cmpint(weft_driver_run(alone, 1, &x), ==, WEFT_OK);
    g_assert_cmpmem(p + i * 7, 7 * sizeof *p, weft_driver_output(alone, "probabilities")->data, 7 * sizeof *p);
  }
}

/* Numbers that are none are bad input of their item alone, never a silent answer. */
static void test_classifier_not_finite(void)
{
  g_autoptr(WeftDriver) d = bind(NULL, D, "f00d/fused");
  float features[3 * D] = {0};
  features[3] = NAN;
  features[D + 5] = INFINITY;
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {3, D}};
  const struct weft_tensor *in = weft_driver_tensor(d, &shape, features, 3, NULL);
  g_assert_cmpint(weft_driver_run(d, 3, &in), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(weft_driver_item_status(d, 1), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(weft_driver_item_status(d, 2), ==, WEFT_OK);
  g_assert_nonnull(strstr(weft_driver_item_message(d, 0), "not finite"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  weft_test_threads(1);
  g_test_add_func("/classifier/input", test_classifier_input);
  g_test_add_func("/classifier/files", test_classifier_files);
  g_test_add_func("/classifier/limits", test_classifier_limits);
  g_test_add_func("/classifier/presence", test_classifier_presence);
  g_test_add_func("/classifier/not-finite", test_classifier_not_finite);
  return g_test_run();
}
