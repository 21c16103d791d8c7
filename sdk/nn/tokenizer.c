/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer.h"

#include "json-parse.h"
#include "message.h"
#include "tokenizer-private.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES (128u << 20)
#define MAX_DEPTH 16u
/* Tokens that a post-processor may add before or after a text. */
#define MAX_SPECIAL 16

struct special {
  int32_t id, type_id;
};

struct weft_tokenizer {
  struct weft_normalizer normalizer;
  struct weft_wordpiece model;
  struct weft_added added;
  int splits_words;                           /* BertPreTokenizer; 0: a text is one word */
  struct special before[MAX_SPECIAL], after[MAX_SPECIAL];
  int64_t n_before, n_after;
  int32_t type_id;                            /* of the text itself */
  int64_t max_tokens;                         /* of the file's own truncation; 0: none */
};

/* Text, normalised, while it is cut. */
struct encoding {
  const struct weft_tokenizer *tokenizer;
  struct weft_piece piece;
  struct weft_token_sink *sink;
};

int64_t weft_utf8_invalid_at(const void *text, uint64_t n_bytes)
{
  const unsigned char *b = text;
  for (uint64_t i = 0; i < n_bytes;) {
    unsigned char first = b[i];
    if (first < 0x80) {
      i++;
      continue;
    }
    unsigned n = weft_utf8_length(first);
    if (first < 0xC2 || first > 0xF4 || n > n_bytes - i)
      return (int64_t)i;
    for (unsigned k = 1; k < n; k++)
      if ((b[i + k] & 0xC0) != 0x80)
        return (int64_t)i;
    int overlong = (first == 0xE0 && b[i + 1] < 0xA0) || (first == 0xF0 && b[i + 1] < 0x90);
    int surrogate = first == 0xED && b[i + 1] > 0x9F, beyond = first == 0xF4 && b[i + 1] > 0x8F;
    if (overlong || surrogate || beyond)
      return (int64_t)i;
    i += n;
  }
  return -1;
}

int weft_token_push(struct weft_token_sink *sink, int32_t id, uint32_t begin, uint32_t end)
{
  if (sink->n == sink->n_max) {
    sink->full = 1;
    return 0;
  }
  sink->ids[sink->n] = id;
  if (sink->origin) {
    sink->origin[2 * sink->n] = (int32_t)begin;
    sink->origin[2 * sink->n + 1] = (int32_t)end;
  }
  sink->n++;
  return 1;
}

void weft_piece_range(const struct weft_piece *piece, size_t begin, size_t end, uint32_t *from, uint32_t *to)
{
  uint32_t last = piece->from[end - 1];
  *from = piece->from[begin];
  *to = last + weft_utf8_length((unsigned char)piece->source[last]);
}

/* BertPreTokenizer: words end at white space, punctuation is a word each. */
static void encode_words(const struct encoding *e, size_t begin, size_t end)
{
  const char *text = e->piece.text;
  size_t word = begin;
  for (size_t at = begin, next; at < end && !e->sink->full; at = next) {
    uint32_t code = weft_utf8_decode(text + at);
    int space = weft_is_space(code), punctuation = !space && weft_is_bert_punctuation(code);
    next = at + weft_utf8_length((unsigned char)text[at]);
    if (!space && !punctuation)
      continue;
    if (word < at)
      weft_wordpiece_encode(&e->tokenizer->model, &e->piece, word, at, e->sink);
    if (punctuation)
      weft_wordpiece_encode(&e->tokenizer->model, &e->piece, at, next, e->sink);
    word = next;
  }
  if (word < end && !e->sink->full)
    weft_wordpiece_encode(&e->tokenizer->model, &e->piece, word, end, e->sink);
}

static void encode_normalized(const struct encoding *e, size_t begin, size_t end)
{
  if (begin >= end || e->sink->full)
    return;
  if (e->tokenizer->splits_words)
    encode_words(e, begin, end);
  else
    weft_wordpiece_encode(&e->tokenizer->model, &e->piece, begin, end, e->sink);
}

/* A stretch of source between plain added tokens. */
static void encode_stretch(struct encoding *e, size_t begin, size_t end)
{
  struct weft_added_match match;
  size_t at = 0;
  if (begin >= end || e->sink->full)
    return;
  weft_normalize(&e->tokenizer->normalizer, begin, end, &e->piece);
  while (e->tokenizer->added.n_normalized &&
         weft_added_next(&e->tokenizer->added, 1, e->piece.text, e->piece.n, at, &match)) {
    uint32_t from, to;
    encode_normalized(e, at, match.begin);
    weft_piece_range(&e->piece, match.begin, match.end, &from, &to);
    if (e->sink->full || !weft_token_push(e->sink, match.token->id, from, to))
      return;
    at = match.end;
  }
  encode_normalized(e, at, e->piece.n);
}

static void encode_text(struct encoding *e, size_t n)
{
  struct weft_added_match match;
  size_t at = 0;
  while (weft_added_next(&e->tokenizer->added, 0, e->piece.source, n, at, &match)) {
    encode_stretch(e, at, match.begin);
    if (e->sink->full || !weft_token_push(e->sink, match.token->id, (uint32_t)match.begin, (uint32_t)match.end))
      return;
    at = match.end;
  }
  encode_stretch(e, at, n);
}

static void put_special(const struct special *special, int64_t n, int64_t at, struct weft_tokens *out)
{
  for (int64_t i = 0; i < n; i++) {
    out->ids[at + i] = special[i].id;
    if (out->type_ids)
      out->type_ids[at + i] = special[i].type_id;
    if (out->origin)
      out->origin[2 * (at + i)] = out->origin[2 * (at + i) + 1] = 0;
  }
}

size_t weft_tokenizer_scratch_bytes(const struct weft_tokenizer *tokenizer, uint64_t n_bytes)
{
  (void)tokenizer;
  return (size_t)n_bytes * WEFT_NORMALIZED_PER_BYTE * (1 + sizeof(uint32_t)) + 64;
}

weft_status weft_tokenizer_encode(const struct weft_tokenizer *tokenizer, const void *text, uint64_t n_bytes,
                                  struct weft_tokens *out, void *scratch, char *message)
{
  int64_t n_special = tokenizer->n_before + tokenizer->n_after, max_tokens = out->n_max;
  if (n_bytes > WEFT_TOKENIZER_MAX_BYTES)
    return weft_message(message, WEFT_BAD_INPUT, "a text of %llu bytes is beyond WEFT_TOKENIZER_MAX_BYTES (%u)",
                        (unsigned long long)n_bytes, WEFT_TOKENIZER_MAX_BYTES);
  if (tokenizer->max_tokens && max_tokens > tokenizer->max_tokens)
    max_tokens = tokenizer->max_tokens;
  if (max_tokens < n_special)
    return weft_message(message, WEFT_BAD_CONFIG, "%lld tokens at most leave no room for the %lld special ones",
                        (long long)max_tokens, (long long)n_special);
  int64_t invalid = weft_utf8_invalid_at(text, n_bytes);
  if (invalid >= 0)
    return weft_message(message, WEFT_BAD_INPUT, "expected UTF-8; byte %lld (0x%02X) does not fit", (long long)invalid,
                        ((const unsigned char *)text)[invalid]);
  size_t room = (size_t)n_bytes * WEFT_NORMALIZED_PER_BYTE;
  struct weft_token_sink sink = {out->ids + tokenizer->n_before,
                                 out->origin ? out->origin + 2 * tokenizer->n_before : NULL, 0,
                                 max_tokens - n_special, 0};
  struct encoding e = {tokenizer, {text, (char *)scratch + room * sizeof(uint32_t), scratch, 0}, &sink};
  encode_text(&e, (size_t)n_bytes);
  put_special(tokenizer->before, tokenizer->n_before, 0, out);
  for (int64_t i = 0; out->type_ids && i < sink.n; i++)
    out->type_ids[tokenizer->n_before + i] = tokenizer->type_id;
  put_special(tokenizer->after, tokenizer->n_after, tokenizer->n_before + sink.n, out);
  out->n = sink.n + n_special;
  out->truncated = sink.full;
  return WEFT_OK;
}

static weft_status check_type(const json_t *json, const char *what, const char *known, const char *file,
                              char *message)
{
  const char *type = json_string_value(json_object_get(json, "type"));
  if (type && strcmp(type, known) == 0)
    return WEFT_OK;
  return weft_message(message, WEFT_UNSUPPORTED, "%s: %s '%.64s' is not known here; known is %s", file, what,
                      type ? type : "?", known);
}

static weft_status add_special(struct weft_tokenizer *t, int after, const json_t *id, json_int_t type_id,
                               const char *file, char *message)
{
  int64_t *n = after ? &t->n_after : &t->n_before;
  if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= WEFT_TOKENIZER_MAX_VOCABULARY ||
      type_id < 0 || type_id > 1)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: post_processor has a token without a proper id and type_id",
                        file);
  if (*n == MAX_SPECIAL)
    return weft_message(message, WEFT_UNSUPPORTED, "%s: post_processor adds more than %d tokens on one side", file,
                        MAX_SPECIAL);
  (after ? t->after : t->before)[(*n)++] = (struct special){(int32_t)json_integer_value(id), (int32_t)type_id};
  return WEFT_OK;
}

static weft_status read_template_token(struct weft_tokenizer *t, const json_t *specials, const json_t *token,
                                       int after, const char *file, char *message)
{
  const char *name = json_string_value(json_object_get(token, "id"));
  const json_t *ids = json_object_get(json_object_get(specials, name ? name : ""), "ids");
  size_t n = json_array_size(ids);
  if (n == 0)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: post_processor.special_tokens has no ids for '%.64s'", file,
                        name ? name : "?");
  weft_status status = WEFT_OK;
  for (size_t i = 0; i < n && status == WEFT_OK; i++)
    status = add_special(t, after, json_array_get(ids, i), json_integer_value(json_object_get(token, "type_id")), file,
                         message);
  return status;
}

static weft_status read_template(struct weft_tokenizer *t, const json_t *json, const char *file, char *message)
{
  const json_t *single = json_object_get(json, "single"), *specials = json_object_get(json, "special_tokens");
  int found = 0;
  for (size_t i = 0; i < json_array_size(single); i++) {
    const json_t *part = json_array_get(single, i), *sequence = json_object_get(part, "Sequence");
    if (sequence && !found) {
      found = 1;
      t->type_id = (int32_t)json_integer_value(json_object_get(sequence, "type_id"));
      continue;
    }
    if (sequence)
      return weft_message(message, WEFT_UNSUPPORTED, "%s: post_processor.single repeats the text", file);
    weft_status status =
        read_template_token(t, specials, json_object_get(part, "SpecialToken"), found, file, message);
    if (status != WEFT_OK)
      return status;
  }
  if (!found)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: post_processor.single has no Sequence", file);
  return WEFT_OK;
}

static weft_status read_post_processor(struct weft_tokenizer *t, const json_t *json, const char *file, char *message)
{
  if (!json || json_is_null(json))
    return WEFT_OK;
  const char *type = json_string_value(json_object_get(json, "type"));
  if (type && strcmp(type, "BertProcessing") == 0) {
    weft_status status = add_special(t, 0, json_array_get(json_object_get(json, "cls"), 1), 0, file, message);
    if (status == WEFT_OK)
      status = add_special(t, 1, json_array_get(json_object_get(json, "sep"), 1), 0, file, message);
    return status;
  }
  weft_status status = check_type(json, "post_processor", "TemplateProcessing", file, message);
  return status == WEFT_OK ? read_template(t, json, file, message) : status;
}

static weft_status read_truncation(struct weft_tokenizer *t, const json_t *json, const char *file, char *message)
{
  if (!json || json_is_null(json))
    return WEFT_OK;
  const char *direction = json_string_value(json_object_get(json, "direction"));
  const json_t *max = json_object_get(json, "max_length");
  if (direction && strcmp(direction, "Right") != 0)
    return weft_message(message, WEFT_UNSUPPORTED, "%s: truncation on the side '%.16s' is not known here; known is Right",
                        file, direction);
  if (!json_is_integer(max) || json_integer_value(max) < 1)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: truncation.max_length should be an integer from 1 up", file);
  t->max_tokens = json_integer_value(max);
  return WEFT_OK;
}

static weft_status read_all(struct weft_tokenizer *t, const json_t *root, const char *file, char *message)
{
  const json_t *model = json_object_get(root, "model"), *pre = json_object_get(root, "pre_tokenizer");
  weft_status status = weft_normalizer_read(json_object_get(root, "normalizer"), file, &t->normalizer, message);
  t->splits_words = pre && !json_is_null(pre);
  if (status == WEFT_OK && t->splits_words)
    status = check_type(pre, "pre_tokenizer", "BertPreTokenizer", file, message);
  if (status == WEFT_OK)
    status = check_type(model, "model", "WordPiece", file, message);
  if (status == WEFT_OK)
    status = weft_wordpiece_read(model, file, &t->model, message);
  if (status == WEFT_OK)
    status = weft_added_read(json_object_get(root, "added_tokens"), file, &t->normalizer, t->model.vocabulary,
                             &t->added, message);
  if (status == WEFT_OK)
    status = read_post_processor(t, json_object_get(root, "post_processor"), file, message);
  if (status == WEFT_OK)
    status = read_truncation(t, json_object_get(root, "truncation"), file, message);
  return status;
}

weft_status weft_tokenizer_open(const struct weft_resource *resource, const char *name, struct weft_tokenizer **out,
                                char *message)
{
  static const struct weft_json_limits limits = {MAX_FILE_BYTES, MAX_DEPTH};
  *out = NULL;
  json_t *root;
  weft_status status = weft_json_parse(resource->data, resource->n_bytes, name, &limits, &root, message);
  if (status != WEFT_OK)
    return status;
  struct weft_tokenizer *t = calloc(1, sizeof *t);
  status = t ? read_all(t, root, name, message) : weft_message(message, WEFT_NO_MEMORY, "%s: no memory", name);
  json_decref(root);
  if (status != WEFT_OK) {
    weft_tokenizer_close(t);
    return status;
  }
  *out = t;
  return WEFT_OK;
}

void weft_tokenizer_close(struct weft_tokenizer *tokenizer)
{
  if (!tokenizer)
    return;
  weft_wordpiece_clear(&tokenizer->model);
  weft_added_clear(&tokenizer->added);
  free(tokenizer);
}

int64_t weft_tokenizer_n_ids(const struct weft_tokenizer *tokenizer)
{
  int64_t max = weft_vocabulary_max_id(tokenizer->model.vocabulary);
  for (uint32_t i = 0; i < tokenizer->added.n; i++)
    max = tokenizer->added.tokens[i].id > max ? tokenizer->added.tokens[i].id : max;
  for (int64_t i = 0; i < tokenizer->n_before; i++)
    max = tokenizer->before[i].id > max ? tokenizer->before[i].id : max;
  for (int64_t i = 0; i < tokenizer->n_after; i++)
    max = tokenizer->after[i].id > max ? tokenizer->after[i].id : max;
  return max + 1;
}

int32_t weft_tokenizer_id(const struct weft_tokenizer *tokenizer, const char *token)
{
  uint64_t hash = WEFT_HASH_START;
  for (const char *c = token; *c; c++)
    hash = weft_hash_more(hash, *c);
  int32_t id = weft_vocabulary_find(tokenizer->model.vocabulary, hash, NULL, 0, token, strlen(token));
  for (uint32_t i = 0; id < 0 && i < tokenizer->added.n; i++)
    if (tokenizer->added.tokens[i].n == strlen(token) && strcmp(tokenizer->added.tokens[i].text, token) == 0)
      id = tokenizer->added.tokens[i].id;
  return id;
}

int64_t weft_tokenizer_n_special(const struct weft_tokenizer *tokenizer)
{
  return tokenizer->n_before + tokenizer->n_after;
}

int weft_tokenizer_fuzz(const uint8_t *data, size_t size)
{
  static const char *const texts[] = {"", "Hello, world! \xC3\xA9t\xC3\xA9", "[MASK] \xE6\x97\xA5\xE6\x9C\xAC [CLS]x",
                                      "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 a\xCC\x81\xCC\xA3  "};
  enum { MAX_TOKENS = 24 };
  char message[WEFT_MESSAGE_BYTES];
  struct weft_resource resource = {data, size, 0};
  struct weft_tokenizer *t;
  if (weft_tokenizer_open(&resource, "fuzz", &t, message) != WEFT_OK)
    return 0;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    int32_t ids[MAX_TOKENS], types[MAX_TOKENS], origin[2 * MAX_TOKENS];
    struct weft_tokens tokens = {.ids = ids, .type_ids = types, .origin = origin, .n_max = MAX_TOKENS};
    size_t n = strlen(texts[i]);
    void *scratch = malloc(weft_tokenizer_scratch_bytes(t, n));
    if (scratch && weft_tokenizer_encode(t, texts[i], n, &tokens, scratch, message) == WEFT_OK)
      for (int64_t k = 0; k < tokens.n; k++)
        if (ids[k] < 0 || ids[k] >= weft_tokenizer_n_ids(t) || origin[2 * k + 1] > (int32_t)n)
          __builtin_trap();
    free(scratch);
  }
  weft_tokenizer_close(t);
  return 0;
}
