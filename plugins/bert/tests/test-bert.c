/* SPDX-License-Identifier: Apache-2.0 */
/* What bert refuses, and bad items among good ones; what it computes: tests/golden/test-encoders.c. */
#include <compute.h>
#include <modelfolder.h>
#include <string.h>

#define MODEL "tests/golden/bert-b/model" /* 19 positions, 28 wide, 3 blocks, 96 words */
#define LONGEST 19
#define D 28

static WeftDriver *open_model(const char *folder)
{
  g_autofree char *golden = g_test_build_filename(G_TEST_DIST, MODEL, NULL);
  WeftDriver *d = weft_driver_new("bert", "bert");
  weft_driver_model(d, folder ? folder : golden, "0123");
  return d;
}

static WeftDriver *start(const char *folder)
{
  WeftDriver *d = open_model(folder);
  if (weft_driver_start(d) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  return d;
}

static void run(WeftDriver *d, const char *const *texts, uint32_t n)
{
  g_autofree GBytes **items = g_new(GBytes *, n);
  for (uint32_t i = 0; i < n; i++)
    items[i] = g_bytes_new(texts[i], strlen(texts[i]));
  const struct weft_tensor *in = weft_driver_bytes(d, n, items);
  g_assert_cmpint(weft_driver_run(d, n, &in), ==, WEFT_OK);
  for (uint32_t i = 0; i < n; i++)
    g_bytes_unref(items[i]);
}

static void test_bert_refuses(void)
{
  static const struct {
    const char *file, *from, *to, *said[2];
    weft_status status;
  } faults[] = {
      {"config.json", "\"BertModel\"", "\"DistilBertModel\"", {"this folder is DistilBertModel", "bert reads BertModel"},
       WEFT_BAD_CONFIG},
      {"config.json", "\"absolute\"", "\"relative_key\"", {"position_embedding_type is relative_key", "absolute"},
       WEFT_UNSUPPORTED},
      {"config.json", "\"use_cache\": true", "\"is_decoder\": true", {"is_decoder is true", "encoders only"},
       WEFT_UNSUPPORTED},
      {"config.json", "\"vocab_size\": 96", "\"vocab_size\": 95", {"ids up to 95", "vocab_size of config.json is 95"},
       WEFT_BAD_CONFIG},
      {"config.json", "\"vocab_size\": 96", "\"vocab_size\": 97", {"embeddings.word_embeddings.weight", "97"},
       WEFT_BAD_CONFIG},
      {"config.json", "\"max_position_embeddings\": 19", "\"max_position_embeddings\": 2",
       {"adds 2 tokens", "max_position_embeddings of config.json is 2"}, WEFT_BAD_CONFIG},
      {"config.json", "\"hidden_size\": 28", "\"hidden_size\": -28", {"config.json", "hidden_size"}, WEFT_BAD_CONFIG},
      {"tokenizer.json", "\"WordPiece\",\n    \"unk", "\"Unigram\",\n    \"unk", {"tokenizer.json", "Unigram"},
       WEFT_UNSUPPORTED},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
    char *copy = weft_test_model_copy(MODEL);
    weft_test_model_edit(copy, faults[i].file, faults[i].from, faults[i].to);
    weft_test_refused(open_model(copy), faults[i].status, faults[i].said[0], faults[i].said[1], NULL);
    weft_test_model_free(copy);
  }
}

/* Layer norms called gamma and beta, and names behind `bert.`: the files of bert-base-uncased. */
static void test_bert_older_names(void)
{
  static const char *const texts[] = {"seven two"};
  char *copy = weft_test_model_copy(MODEL);
  weft_test_model_edit_header(copy, "LayerNorm.weight", "LayerNorm.gamma");
  weft_test_model_edit_header(copy, "LayerNorm.bias", "LayerNorm.beta");
  weft_test_model_edit_header(copy, "\"embeddings.", "\"bert.embeddings.");
  weft_test_model_edit_header(copy, "\"encoder.", "\"bert.encoder.");
  weft_test_model_edit_header(copy, "\"pooler.", "\"bert.pooler.");
  weft_test_model_edit(copy, "config.json", "\"BertModel\"", "\"BertForMaskedLM\"");
  g_autoptr(WeftDriver) old = start(copy), plain = start(NULL);
  run(old, texts, 1);
  run(plain, texts, 1);
  const struct weft_tensor *a = weft_driver_output(old, "pooled"), *b = weft_driver_output(plain, "pooled");
  g_assert_cmpmem(a->data, D * sizeof(float), b->data, D * sizeof(float));
  weft_test_model_free(copy);
}

/* A bad text has no tokens and fails alone; the longest and one longer have as many as there are positions. */
static void test_bert_items(void)
{
  static const char *const texts[] = {
      "seven", "bro\xffken", "", "one one one one one one one one one one one one one one one one one",
      "one one one one one one one one one one one one one one one one one one", "two"};
  static const int64_t n_tokens[] = {3, 0, 2, LONGEST, LONGEST, 3};
  g_autoptr(WeftDriver) d = start(NULL), alone = start(NULL);
  run(d, texts, G_N_ELEMENTS(texts));
  for (uint32_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    struct weft_rows rows = weft_rows_of(weft_driver_output(d, "tokens"), i);
    struct weft_rows origin = weft_rows_of(weft_driver_output(d, "tokens.origin"), i);
    g_assert_cmpint(weft_driver_item_status(d, i), ==, i == 1 ? WEFT_BAD_INPUT : WEFT_OK);
    g_assert_cmpint(rows.end - rows.begin, ==, n_tokens[i]);
    g_assert_cmpint(origin.end - origin.begin, ==, n_tokens[i]);
  }
  g_assert_nonnull(strstr(weft_driver_item_message(d, 1), "3"));
  run(alone, &texts[5], 1);
  const struct weft_tensor *tokens = weft_driver_output(d, "tokens");
  g_assert_cmpmem((const float *)tokens->data + weft_rows_of(tokens, 5).begin * D, 3 * D * sizeof(float),
                  weft_driver_output(alone, "tokens")->data, 3 * D * sizeof(float));
  g_assert_cmpmem((const float *)weft_driver_output(d, "pooled")->data + 5 * D, D * sizeof(float),
                  weft_driver_output(alone, "pooled")->data, D * sizeof(float));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  weft_test_threads(1);
  g_test_add_func("/bert/refuses", test_bert_refuses);
  g_test_add_func("/bert/older-names", test_bert_older_names);
  g_test_add_func("/bert/items", test_bert_items);
  return g_test_run();
}
