/* SPDX-License-Identifier: Apache-2.0 */
/* What ast refuses, and bad items among good ones; what it computes: tests/golden/test-encoders.c. */
#include <compute.h>
#include <math.h>
#include <modelfolder.h>
#include <string.h>

#define MODEL "tests/golden/ast-a/model" /* 16 kHz, 19 bins x 23 frames, patches of 4 every 3 bins and 2 frames */
#define RATE 16000
#define N_TOKENS 62
#define N_TIMES 10
#define D 24
#define FULL (400 + 160 * 22)

static WeftDriver *open_model(const char *folder)
{
  g_autofree char *golden = g_test_build_filename(G_TEST_DIST, MODEL, NULL);
  WeftDriver *d = weft_driver_new("ast", "ast");
  weft_driver_model(d, folder ? folder : golden, "0123");
  return d;
}

static WeftDriver *start(void)
{
  WeftDriver *d = open_model(NULL);
  if (weft_driver_start(d) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  return d;
}

static void run(WeftDriver *d, const int64_t *lengths, const int32_t *rates, uint32_t n)
{
  g_autofree int64_t *splits = g_new0(int64_t, n + 1);
  for (uint32_t i = 0; i < n; i++)
    splits[i + 1] = splits[i] + lengths[i];
  g_autofree float *samples = g_new(float, splits[n] + 1);
  for (uint32_t i = 0; i < n; i++)
    for (int64_t k = 0; k < lengths[i]; k++)
      samples[splits[i] + k] = (float)sin((double)k * 0.1);
  struct weft_tensor sound = {.dtype = weft_f32(), .rank = 2, .dims = {splits[n], 1}};
  struct weft_tensor rate = {.dtype = weft_i32(), .rank = 1, .dims = {n}};
  const struct weft_tensor *in[] = {weft_driver_tensor(d, &sound, samples, n, splits),
                                    weft_driver_tensor(d, &rate, rates, n, NULL)};
  g_assert_cmpint(weft_driver_run(d, n, in), ==, WEFT_OK);
}

static const float *tokens_of(WeftDriver *d, uint32_t item)
{
  return (const float *)weft_driver_output(d, "tokens")->data + item * N_TOKENS * D;
}

static void test_ast_refuses(void)
{
  static const struct {
    const char *file, *from, *to, *said[2];
    weft_status status;
  } faults[] = {
      {"config.json", "\"ASTModel\"", "\"Wav2Vec2Model\"", {"this folder is Wav2Vec2Model", "ast reads ASTModel"},
       WEFT_BAD_CONFIG},
      {"config.json", "\"patch_size\": 4", "\"patch_size\": 20", {"20 x 20", "19 bins"}, WEFT_BAD_CONFIG},
      {"config.json", "\"time_stride\": 2", "\"time_stride\": 3", {"embeddings.position_embeddings", "62"},
       WEFT_BAD_CONFIG},
      {"config.json", "\"time_stride\": 2", "\"time_stride\": 0", {"config.json", "time_stride"}, WEFT_BAD_CONFIG},
      {"preprocessor_config.json", "\"num_mel_bins\": 19", "\"num_mel_bins\": 20", {"20 mel bins", "num_mel_bins 19"},
       WEFT_BAD_CONFIG},
      {"preprocessor_config.json", "\"max_length\": 23", "\"max_length\": 24", {"24 frames", "max_length 23"},
       WEFT_BAD_CONFIG},
      {"preprocessor_config.json", "{", "[", {"preprocessor_config.json", ""}, WEFT_BAD_CONFIG},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
    char *copy = weft_test_model_copy(MODEL);
    weft_test_model_edit(copy, faults[i].file, faults[i].from, faults[i].to);
    weft_test_refused(open_model(copy), faults[i].status, faults[i].said[0], faults[i].said[1], NULL);
    weft_test_model_free(copy);
  }
  char *copy = weft_test_model_copy(MODEL);
  weft_test_model_edit_header(copy, "embeddings.distillation_token", "embeddings.distilled_token");
  weft_test_refused(open_model(copy), WEFT_BAD_CONFIG, "embeddings.distillation_token", "24", NULL);
  weft_test_model_free(copy);
}

/* A wrong rate names both rates and a way out; too short a clip fails alone. */
static void test_ast_bad_items(void)
{
  static const int64_t lengths[] = {FULL, FULL, 399, 400, 0, 3 * FULL};
  static const int32_t rates[] = {RATE, 44100, RATE, RATE, RATE, RATE};
  g_autoptr(WeftDriver) d = start(), alone = start();
  run(d, lengths, rates, G_N_ELEMENTS(lengths));
  for (uint32_t i = 0; i < G_N_ELEMENTS(lengths); i++)
    g_assert_cmpint(weft_driver_item_status(d, i), ==, i == 1 || i == 2 || i == 4 ? WEFT_BAD_INPUT : WEFT_OK);
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "44100"));
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "16000"));
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "sox IN.wav -r 16000"));
  run(alone, lengths, rates, 1);
  g_assert_cmpmem(tokens_of(d, 0), N_TOKENS * D * sizeof(float), tokens_of(alone, 0), N_TOKENS * D * sizeof(float));
  /* what is beyond the model's frames is not heard */
  g_assert_cmpmem(tokens_of(d, 5), N_TOKENS * D * sizeof(float), tokens_of(alone, 0), N_TOKENS * D * sizeof(float));
}

static void test_ast_origin(void)
{
  static const int64_t length = 1500;
  static const int32_t rate = RATE;
  g_autoptr(WeftDriver) d = start();
  run(d, &length, &rate, 1);
  const int32_t *span = weft_driver_output(d, "tokens.origin")->data;
  static const int32_t all[] = {0, 1500, 0, 1500}, first[] = {0, 880, 320, 1200}, padding[] = {1500, 1500};
  g_assert_cmpmem(span, sizeof all, all, sizeof all);
  g_assert_cmpmem(span + 4, sizeof first, first, sizeof first);
  g_assert_cmpmem(span + 4 + 2 * N_TIMES, sizeof first, first, sizeof first); /* the next band */
  g_assert_cmpmem(span + 2 * (N_TOKENS - 1), sizeof padding, padding, sizeof padding);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  weft_test_threads(1);
  g_test_add_func("/ast/refuses", test_ast_refuses);
  g_test_add_func("/ast/bad-items", test_ast_bad_items);
  g_test_add_func("/ast/origin", test_ast_origin);
  return g_test_run();
}
