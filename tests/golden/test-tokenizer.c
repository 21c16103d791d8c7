/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"
#include "tokenizer-private.h"
#include "utf8.h"

#include <jansson.h>

#define MANY 4096

static struct weft_tokenizer *open_tokenizer(const char *id)
{
  char message[WEFT_MESSAGE_BYTES];
  g_autofree char *name = g_strdup_printf("tokenizer/%s.json", id);
  struct weft_resource file;
  struct weft_tokenizer *tokenizer;
  golden_read(name, &file);
  if (weft_tokenizer_open(&file, name, &tokenizer, message) != WEFT_OK)
    g_error("%s", message);
  g_free((void *)file.data);
  return tokenizer;
}

static void check_case(const struct weft_tokenizer *tokenizer, const json_t *row)
{
  static int32_t ids[MANY], origin[2 * MANY];
  const json_t *text = json_array_get(row, 1), *want = json_array_get(row, 3), *offsets = json_array_get(row, 4);
  char message[WEFT_MESSAGE_BYTES];
  gsize n = json_string_length(text);
  int64_t limit = json_integer_value(json_array_get(row, 2));
  /* Exactly as much scratch and text as promised, so that a sanitizer sees any step beyond. */
  g_autofree void *scratch = g_malloc(weft_tokenizer_scratch_bytes(tokenizer, n));
  g_autofree char *copy = g_memdup2(json_string_value(text), n);
  struct weft_tokens tokens = {.ids = ids, .origin = origin, .n_max = limit ? limit : MANY};
  if (weft_tokenizer_encode(tokenizer, copy, n, &tokens, scratch, message) != WEFT_OK)
    g_error("%s", message);
  g_autofree char *shown = json_dumps(row, JSON_ENSURE_ASCII | JSON_COMPACT);
  if (tokens.n != (int64_t)json_array_size(want))
    g_error("%s: %d tokens", shown, (int)tokens.n);
  for (int64_t i = 0; i < tokens.n; i++) {
    if (ids[i] != json_integer_value(json_array_get(want, (gsize)i)))
      g_error("%s: token %d is %d", shown, (int)i, ids[i]);
    for (int k = 0; k < 2; k++)
      if (origin[2 * i + k] != json_integer_value(json_array_get(offsets, (gsize)(2 * i + k))))
        g_error("%s: token %d: offset %d is %d", shown, (int)i, k, origin[2 * i + k]);
  }
}

static void test_tokenizer_golden(void)
{
  struct weft_resource file;
  golden_read("tokenizer/cases.json", &file);
  json_error_t error;
  json_t *cases = json_loadb(file.data, file.n_bytes, JSON_ALLOW_NUL, &error);
  g_assert_nonnull(cases);
  g_free((void *)file.data);
  struct weft_tokenizer *tokenizer = NULL;
  g_autofree char *open = g_strdup("");
  gsize i;
  json_t *row;
  json_array_foreach(cases, i, row) {
    const char *id = json_string_value(json_array_get(row, 0));
    if (!g_str_equal(open, id)) {
      weft_tokenizer_close(tokenizer);
      tokenizer = open_tokenizer(id);
      g_free(open);
      open = g_strdup(id);
    }
    check_case(tokenizer, row);
  }
  g_test_message("%u cases", (guint)i);
  g_assert_cmpuint(i, >, 1000);
  weft_tokenizer_close(tokenizer);
  json_decref(cases);
}

/* The words of a normalised text, each followed by a line feed, as make_tokenizer.py hashes them. */
static uint64_t hash_words(uint64_t hash, const struct weft_piece *piece)
{
  gboolean in_word = FALSE;
  for (size_t at = 0, next; at < piece->n; at = next) {
    uint32_t code = weft_utf8_decode(piece->text + at);
    gboolean space = weft_is_space(code), punctuation = !space && weft_is_bert_punctuation(code);
    next = at + weft_utf8_length((unsigned char)piece->text[at]);
    if (in_word && (space || punctuation))
      hash = weft_hash_more(hash, '\n');
    for (size_t i = at; i < next && !space; i++)
      hash = weft_hash_more(hash, piece->text[i]);
    if (punctuation)
      hash = weft_hash_more(hash, '\n');
    in_word = !space && !punctuation;
  }
  return in_word ? weft_hash_more(hash, '\n') : hash;
}

static void test_tokenizer_every_character(void)
{
  static const struct {
    const char *id;
    struct weft_normalizer normalizer;
  } cases[] = {
      {"uncased", {1, 1, 1, 1, 1}}, {"cased", {1, 1, 1, 0, 0}}, {"accents", {1, 1, 1, 0, 1}}, {"raw", {1, 0, 0, 0, 0}},
  };
  struct weft_json *golden = golden_json("tokenizer/sweep.json");
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    uint64_t hash = WEFT_HASH_START;
    for (uint32_t code = 1; code < 0x110000; code++) {
      if (code >= 0xD800 && code < 0xE000)
        continue;
      char source[8] = "a", text[8 * WEFT_NORMALIZED_PER_BYTE];
      uint32_t from[8 * WEFT_NORMALIZED_PER_BYTE];
      unsigned n = 1 + weft_utf8_encode(code, source + 1);
      source[n++] = 'b';
      struct weft_piece piece = {source, text, from, 0};
      weft_normalize(&cases[i].normalizer, 0, n, &piece);
      g_assert_cmpuint(piece.n, <=, n * WEFT_NORMALIZED_PER_BYTE);
      hash = hash_words(hash, &piece);
    }
    g_autofree char *found = g_strdup_printf("%016" G_GINT64_MODIFIER "x", hash);
    g_test_message("%s", cases[i].id);
    g_assert_cmpstr(found, ==, weft_json_text(golden, cases[i].id));
  }
  weft_json_close(golden);
}

static weft_status encode(const struct weft_tokenizer *tokenizer, const char *text, gsize n, int64_t most,
                          struct weft_tokens *out, char *message)
{
  g_autofree void *scratch = g_malloc(weft_tokenizer_scratch_bytes(tokenizer, n));
  out->n_max = most;
  return weft_tokenizer_encode(tokenizer, text, n, out, scratch, message);
}

static void test_tokenizer_invalid_utf8(void)
{
  static const struct {
    const char *text;
    int at;
  } cases[] = {
      {"abc\xFF", 3},         {"\x80", 0},           {"a\xC3", 1},           {"\xC0\xAF", 0},   {"x\xE0\x9F\xBF", 1},
      {"\xED\xA0\x80", 0},    {"\xF4\x90\x80\x80", 0}, {"\xF0\x8F\xBF\xBF", 0}, {"ok\xE2\x82", 2}, {"\xE2\x28\xA1", 0},
      {"\xC3\xA9\xF5", 2},    {"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\xF0\x90\x80\x80", -1},
  };
  struct weft_tokenizer *tokenizer = open_tokenizer("uncased");
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    int32_t ids[32];
    char message[WEFT_MESSAGE_BYTES] = "";
    struct weft_tokens tokens = {.ids = ids};
    g_assert_cmpint(weft_utf8_invalid_at(cases[i].text, strlen(cases[i].text)), ==, cases[i].at);
    weft_status status = encode(tokenizer, cases[i].text, strlen(cases[i].text), 32, &tokens, message);
    g_assert_cmpint(status, ==, cases[i].at < 0 ? WEFT_OK : WEFT_BAD_INPUT);
    g_autofree char *where = g_strdup_printf("byte %d ", cases[i].at);
    g_assert_true(cases[i].at < 0 || strstr(message, where));
  }
  weft_tokenizer_close(tokenizer);
}

static void test_tokenizer_limits(void)
{
  struct weft_tokenizer *tokenizer = open_tokenizer("uncased");
  int32_t ids[8];
  char message[WEFT_MESSAGE_BYTES];
  struct weft_tokens tokens = {.ids = ids};
  g_assert_cmpint(encode(tokenizer, "one two", 7, 4, &tokens, message), ==, WEFT_OK);
  g_assert_cmpint(tokens.n, ==, 4);
  g_assert_false(tokens.truncated);
  g_assert_cmpint(encode(tokenizer, "one two", 7, 3, &tokens, message), ==, WEFT_OK);
  g_assert_cmpint(tokens.n, ==, 3);
  g_assert_true(tokens.truncated);
  g_assert_cmpint(encode(tokenizer, "", 0, 2, &tokens, message), ==, WEFT_OK);
  g_assert_cmpint(encode(tokenizer, "", 0, 1, &tokens, message), ==, WEFT_BAD_CONFIG);
  g_assert_cmpint(weft_tokenizer_n_special(tokenizer), ==, 2);
  g_assert_cmpint(weft_tokenizer_id(tokenizer, "[CLS]"), ==, 2);
  g_assert_cmpint(weft_tokenizer_id(tokenizer, "absent"), ==, -1);
  gsize n = WEFT_TOKENIZER_MAX_BYTES;
  g_autofree char *text = g_malloc(n + 1);
  memset(text, ' ', n + 1);
  g_assert_cmpint(encode(tokenizer, text, n, 8, &tokens, message), ==, WEFT_OK);
  g_assert_cmpint(tokens.n, ==, 2);
  g_assert_cmpint(weft_tokenizer_encode(tokenizer, text, n + 1, &tokens, NULL, message), ==, WEFT_BAD_INPUT);
  weft_tokenizer_close(tokenizer);
}

#define MODEL "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"a\":1}}"

static void test_tokenizer_bad_files(void)
{
  static const struct {
    const char *json, *message;
  } cases[] = {
      {"", "t.json: the JSON is empty"},
      {"[]", "t.json: expected a JSON object, found an array"},
      {"{}", "t.json: model '?' is not known here; known is WordPiece"},
      {"{\"model\":{\"type\":\"BPE\"}}", "t.json: model 'BPE' is not known here; known is WordPiece"},
      {"{\"model\":{\"type\":\"WordPiece\"}}", "t.json: model.vocab should be an object of texts and ids"},
      {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", "t.json: model.unk_token '[UNK]' is not in the vocabulary"},
      {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}",
       "t.json: the id of 'a' should be an integer from 0 to 1048575"},
      {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":1048576}}}",
       "t.json: the id of 'a' should be an integer from 0 to 1048575"},
      {"{\"normalizer\":{\"type\":\"NFC\"}}", "t.json: normalizer 'NFC' is not known here; known is BertNormalizer"},
      {"{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":1}}",
       "t.json: normalizer.lowercase should be true, false or null"},
      {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}",
       "t.json: pre_tokenizer 'ByteLevel' is not known here; known is BertPreTokenizer"},
      {"{" MODEL ",\"post_processor\":{\"type\":\"RobertaProcessing\"}}",
       "t.json: post_processor 'RobertaProcessing' is not known here; known is TemplateProcessing"},
      {"{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}}",
       "t.json: post_processor.single has no Sequence"},
      {"{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}]}}",
       "t.json: post_processor.special_tokens has no ids for 'x'"},
      {"{" MODEL ",\"truncation\":{\"direction\":\"Left\",\"max_length\":4}}",
       "t.json: truncation on the side 'Left' is not known here; known is Right"},
      {"{" MODEL ",\"added_tokens\":[{\"id\":7}]}",
       "t.json: an added token should have 'content' and an 'id' from 0 to 1048575"},
      {"{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"a\"}]}",
       "t.json: added token 'a' has id 7, but the vocabulary says 1"},
      {"{" MODEL "}", NULL},
      {"{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"\"}]}", NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char message[WEFT_MESSAGE_BYTES] = "";
    struct weft_resource file = {cases[i].json, strlen(cases[i].json), 0};
    struct weft_tokenizer *tokenizer;
    weft_status status = weft_tokenizer_open(&file, "t.json", &tokenizer, message);
    g_assert_cmpint(status == WEFT_OK, ==, cases[i].message == NULL);
    g_assert_cmpstr(message, ==, cases[i].message ? cases[i].message : "");
    weft_tokenizer_close(tokenizer);
  }
}

static void test_tokenizer_too_many_added(void)
{
  for (guint n = WEFT_TOKENIZER_MAX_ADDED; n <= WEFT_TOKENIZER_MAX_ADDED + 1; n++) {
    g_autoptr(GString) json = g_string_new("{" MODEL ",\"added_tokens\":[");
    for (guint i = 0; i < n; i++)
      g_string_append_printf(json, "%s{\"id\":%u,\"content\":\"t%u\"}", i ? "," : "", i + 2, i);
    g_string_append(json, "]}");
    char message[WEFT_MESSAGE_BYTES];
    struct weft_resource file = {json->str, json->len, 0};
    struct weft_tokenizer *tokenizer;
    weft_status status = weft_tokenizer_open(&file, "t.json", &tokenizer, message);
    g_assert_cmpint(status, ==, n > WEFT_TOKENIZER_MAX_ADDED ? WEFT_BAD_CONFIG : WEFT_OK);
    if (status == WEFT_OK)
      g_assert_cmpint(weft_tokenizer_n_ids(tokenizer), ==, n + 2);
    weft_tokenizer_close(tokenizer);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/tokenizer/golden", test_tokenizer_golden);
  g_test_add_func("/tokenizer/every-character", test_tokenizer_every_character);
  g_test_add_func("/tokenizer/invalid-utf8", test_tokenizer_invalid_utf8);
  g_test_add_func("/tokenizer/limits", test_tokenizer_limits);
  g_test_add_func("/tokenizer/bad-files", test_tokenizer_bad_files);
  g_test_add_func("/tokenizer/too-many-added", test_tokenizer_too_many_added);
  return g_test_run();
}
