/* SPDX-License-Identifier: Apache-2.0 */
/* What vit refuses, bad items among good ones, older tensor names; what it computes: tests/golden/test-encoders.c. */
#include <compute.h>
#include <modelfolder.h>
#include <string.h>

#define MODEL "tests/golden/vit-b/model" /* 1 x 13 x 13, 3 x 3 patches, 20 wide, 2 blocks, pooler of 13 */
#define SIDE 13
#define N_TOKENS 10
#define D 20

static WeftDriver *open_model(const char *folder, const char *node)
{
  g_autofree char *golden = g_test_build_filename(G_TEST_DIST, MODEL, NULL);
  WeftDriver *d = weft_driver_new("vit", node);
  weft_driver_model(d, folder ? folder : golden, "0123");
  return d;
}

static WeftDriver *start(const char *folder, const char *node)
{
  WeftDriver *d = open_model(folder, node);
  if (weft_driver_start(d) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  return d;
}

/* Pictures of h x w, one an item, and what their companion says of them. */
typedef struct {
  int32_t h, w, said_h, said_w;
} Picture;

static void run(WeftDriver *d, const Picture *pictures, uint32_t n, gboolean as_values)
{
  g_autofree int64_t *splits = g_new0(int64_t, n + 1);
  g_autofree int32_t *sizes = g_new0(int32_t, 2 * n);
  for (uint32_t i = 0; i < n; i++) {
    splits[i + 1] = splits[i] + pictures[i].h * pictures[i].w;
    sizes[2 * i] = pictures[i].said_h;
    sizes[2 * i + 1] = pictures[i].said_w;
  }
  g_autofree guint8 *bytes = g_new(guint8, 3 * splits[n] + 1);
  g_autofree float *values = g_new(float, 3 * splits[n] + 1);
  for (int64_t i = 0; i < 3 * splits[n]; i++) {
    bytes[i] = (guint8)(i / 3 * 37 % 251);
    values[i] = (float)bytes[i] / 255;
  }
  struct weft_tensor media = {.dtype = as_values ? weft_f32() : weft_u8(), .rank = 2, .dims = {splits[n], 3}};
  struct weft_tensor size = {.dtype = weft_i32(), .rank = 2, .dims = {n, 2}};
  const struct weft_tensor *in[] = {
      weft_driver_tensor(d, &media, as_values ? (const void *)values : bytes, n, splits),
      weft_driver_tensor(d, &size, sizes, n, NULL)};
  g_assert_cmpint(weft_driver_run(d, n, in), ==, WEFT_OK);
}

static const float *tokens_of(WeftDriver *d, uint32_t item)
{
  return (const float *)weft_driver_output(d, "tokens")->data + item * N_TOKENS * D;
}

static void test_vit_refuses(void)
{
  static const struct {
    const char *from, *to, *said[2];
    weft_status status;
  } faults[] = {
      {"\"ViTModel\"", "\"DistilBertModel\"", {"this folder is DistilBertModel", "vit reads ViTModel"}, WEFT_BAD_CONFIG},
      {"\"architectures\"", "\"models\"", {"architectures", "ViTModel"}, WEFT_BAD_CONFIG},
      {"\"relu\"", "\"mish\"", {"hidden_act is mish", "gelu_new"}, WEFT_UNSUPPORTED},
      {"\"num_channels\": 1", "\"num_channels\": 2", {"num_channels is 2", "1 (grey)"}, WEFT_UNSUPPORTED},
      {"\"num_attention_heads\": 4", "\"num_attention_heads\": 3", {"hidden_size 20", "3"}, WEFT_BAD_CONFIG},
      {"\"patch_size\": 4", "\"patch_size\": 14", {"14 x 14", "13 x 13"}, WEFT_BAD_CONFIG},
      {"\"patch_size\": 4", "\"patch_size\": [4, 4, 4]", {"patch_size", "3 numbers"}, WEFT_BAD_CONFIG},
      {"\"image_size\": 13", "\"image_size\": 12", {"preprocessor_config.json", "13 x 13"}, WEFT_BAD_CONFIG},
      {"\"intermediate_size\": 33", "\"intermediate_size\": 32",
       {"encoder.layer.0.intermediate.dense.weight", "[32"}, WEFT_BAD_CONFIG},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", {"encoder.layer.2.", "is missing"}, WEFT_BAD_CONFIG},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 256", {"encoder.layer.2.", "is missing"}, WEFT_BAD_CONFIG},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 257", {"num_hidden_layers", "256"}, WEFT_BAD_CONFIG},
      {"\"intermediate_size\": 33", "\"intermediate_size\": 65536", {"intermediate.dense.weight", "[65536"},
       WEFT_BAD_CONFIG},
      {"\"intermediate_size\": 33", "\"intermediate_size\": 65537", {"config.json", "intermediate_size"},
       WEFT_BAD_CONFIG},
      {"\"layer_norm_eps\": 1e-05", "\"layer_norm_eps\": \"small\"", {"config.json", "layer_norm_eps"},
       WEFT_BAD_CONFIG},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
    char *copy = weft_test_model_copy(MODEL);
    weft_test_model_edit(copy, "config.json", faults[i].from, faults[i].to);
    weft_test_refused(open_model(copy, "vit"), faults[i].status, faults[i].said[0], faults[i].said[1], NULL);
    weft_test_model_free(copy);
  }
}

static void test_vit_older_names(void)
{
  static const Picture picture = {SIDE, SIDE, SIDE, SIDE};
  static const char *const prefixes[] = {"vit.", "encoder."};
  g_autoptr(WeftDriver) plain = start(NULL, "vit");
  run(plain, &picture, 1, FALSE);
  for (int i = 0; i < 2; i++) {
    static const char *const stems[] = {"encoder.", "embeddings.", "layernorm.", "pooler."};
    char *copy = weft_test_model_copy(MODEL);
    for (gsize k = 0; k < G_N_ELEMENTS(stems); k++) {
      g_autofree char *from = g_strdup_printf("\"%s", stems[k]);
      g_autofree char *to = g_strdup_printf("\"%s%s", prefixes[i], stems[k]);
      weft_test_model_edit_header(copy, from, to);
    }
    weft_test_model_edit(copy, "config.json", "\"ViTModel\"", "\"ViTForImageClassification\"");
    g_autoptr(WeftDriver) d = start(copy, "vit");
    run(d, &picture, 1, FALSE);
    g_assert_cmpmem(tokens_of(d, 0), N_TOKENS * D * sizeof(float), tokens_of(plain, 0), N_TOKENS * D * sizeof(float));
    weft_test_model_free(copy);
  }
}

/* A bad picture fails alone, and the others answer as without it. */
static void test_vit_bad_items(void)
{
  static const Picture mixed[] = {{SIDE, SIDE, SIDE, SIDE}, {4, 5, 5, 5}, {7, 9, 7, 9}, {0, 0, 0, 0}, {2, 2, -2, -2}};
  g_autoptr(WeftDriver) d = start(NULL, "vit"), alone = start(NULL, "vit");
  run(d, mixed, G_N_ELEMENTS(mixed), FALSE);
  for (uint32_t i = 0; i < G_N_ELEMENTS(mixed); i++)
    g_assert_cmpint(weft_driver_item_status(d, i), ==, i % 2 == 0 && i < 4 ? WEFT_OK : WEFT_BAD_INPUT);
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "5 x 5"));
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "20"));
  run(alone, mixed, 1, FALSE);
  g_assert_cmpmem(tokens_of(d, 0), N_TOKENS * D * sizeof(float), tokens_of(alone, 0), N_TOKENS * D * sizeof(float));
}

static void test_vit_origin(void)
{
  static const Picture picture = {26, 39, 26, 39}; /* twice and three times the model's sides */
  g_autoptr(WeftDriver) d = start(NULL, "vit");
  run(d, &picture, 1, FALSE);
  const int32_t *box = weft_driver_output(d, "tokens.origin")->data;
  static const int32_t all[] = {0, 0, 26, 39}, first[] = {0, 0, 8, 12}, last[] = {16, 24, 24, 36};
  g_assert_cmpmem(box, sizeof all, all, sizeof all);
  g_assert_cmpmem(box + 4, sizeof first, first, sizeof first);
  g_assert_cmpmem(box + 4 * (N_TOKENS - 1), sizeof last, last, sizeof last);
}

/* Floats that are bytes / 255 answer as the bytes do; they are not resized. */
static void test_vit_values(void)
{
  static const Picture pictures[] = {{SIDE, SIDE, SIDE, SIDE}, {SIDE, SIDE + 1, SIDE, SIDE + 1}};
  g_autoptr(WeftDriver) values = start(NULL, "vit-values"), bytes = start(NULL, "vit");
  run(values, pictures, 2, TRUE);
  run(bytes, pictures, 1, FALSE);
  for (int i = 0; i < N_TOKENS * D; i++)
    g_assert_cmpfloat_with_epsilon(tokens_of(values, 0)[i], tokens_of(bytes, 0)[i], 1e-4);
  g_assert_cmpint(weft_driver_item_status(values, 1), ==, WEFT_BAD_INPUT);
  g_assert_nonnull(strstr(weft_driver_item_message(values, 1), "13 x 14"));
}

static void test_vit_unwanted_and_cancelled(void)
{
  static const Picture picture = {SIDE, SIDE, SIDE, SIDE};
  g_autoptr(WeftDriver) all = start(NULL, "vit"), some = start(NULL, "vit");
  static const char *const others[] = {"pooled", "tokens.origin", "layers"};
  for (int i = 0; i < 3; i++)
    weft_driver_unwanted(some, others[i]);
  run(all, &picture, 1, FALSE);
  run(some, &picture, 1, FALSE);
  g_assert_cmpmem(tokens_of(all, 0), N_TOKENS * D * sizeof(float), tokens_of(some, 0), N_TOKENS * D * sizeof(float));
  struct weft_tensor media = {.dtype = weft_u8(), .rank = 2, .dims = {1, 3}};
  struct weft_tensor size = {.dtype = weft_i32(), .rank = 2, .dims = {1, 2}};
  const struct weft_tensor *in[] = {weft_driver_tensor(all, &media, "abc", 1, (int64_t[]){0, 1}),
                                    weft_driver_tensor(all, &size, (int32_t[]){1, 1}, 1, NULL)};
  weft_driver_cancel_next(all);
  g_assert_cmpint(weft_driver_run(all, 1, in), ==, WEFT_CANCELLED);
}

static void test_vit_spaces(void)
{
  g_autoptr(WeftDriver) d = start(NULL, "vit");
  const struct weft_port *outputs = weft_driver_ports(d)->outputs;
  g_assert_cmpstr(weft_attribute_find(&outputs[0], "space"), ==, "0123/tokens");
  g_assert_cmpstr(weft_attribute_find(&outputs[1], "space"), ==, "0123/pooled");
  g_assert_cmpint(outputs[0].dims[1], ==, D);
  g_assert_cmpint(outputs[1].dims[1], ==, 13);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  weft_test_threads(1);
  g_test_add_func("/vit/refuses", test_vit_refuses);
  g_test_add_func("/vit/older-names", test_vit_older_names);
  g_test_add_func("/vit/bad-items", test_vit_bad_items);
  g_test_add_func("/vit/origin", test_vit_origin);
  g_test_add_func("/vit/values", test_vit_values);
  g_test_add_func("/vit/unwanted-and-cancelled", test_vit_unwanted_and_cancelled);
  g_test_add_func("/vit/spaces", test_vit_spaces);
  return g_test_run();
}
