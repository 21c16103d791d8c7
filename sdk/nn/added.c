/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Added tokens: texts that are one token wherever they stand, looked for
 * leftmost first, longest first among those; plain ones in the text as it is,
 * normalised ones in the normalised text.
 */
#include "message.h"
#include "tokenizer-private.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int is_word(uint32_t code)
{
  switch (utf8proc_category((utf8proc_int32_t)code)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return 1;
  default:
    return code == 0x200C || code == 0x200D;
  }
}

static int is_candidate(const struct weft_added *added, int normalized, char byte)
{
  unsigned char b = (unsigned char)byte;
  return added->first_byte[normalized][b / 8] >> (b % 8) & 1;
}

static const struct weft_added_token *token_at(const struct weft_added *added, int normalized, const char *text,
                                               size_t n)
{
  for (uint32_t i = 0; i < added->n; i++) {
    const struct weft_added_token *token = &added->tokens[i];
    if (token->normalized == normalized && token->n <= n && memcmp(token->text, text, token->n) == 0)
      return token;
  }
  return NULL;
}

/* Whether a token that must be a word of its own is one. */
static int stands_alone(const char *text, size_t n, size_t begin, size_t end)
{
  return (begin == 0 || !is_word(weft_utf8_decode(text + weft_utf8_before(text, begin)))) &&
         (end == n || !is_word(weft_utf8_decode(text + end)));
}

static void take_spaces(const char *text, size_t n, size_t after, struct weft_added_match *match)
{
  while (match->token->lstrip && match->begin > after) {
    size_t before = weft_utf8_before(text, match->begin);
    if (!weft_is_space(weft_utf8_decode(text + before)))
      break;
    match->begin = before;
  }
  while (match->token->rstrip && match->end < n && weft_is_space(weft_utf8_decode(text + match->end)))
    match->end += weft_utf8_length((unsigned char)text[match->end]);
}

int weft_added_next(const struct weft_added *added, int normalized, const char *text, size_t n, size_t at,
                    struct weft_added_match *match)
{
  const size_t after = at;
  if (added->n == 0)
    return 0;
  while (at < n) {
    const struct weft_added_token *token =
        is_candidate(added, normalized, text[at]) ? token_at(added, normalized, text + at, n - at) : NULL;
    if (!token) {
      at += weft_utf8_length((unsigned char)text[at]);
      continue;
    }
    size_t end = at + token->n;
    if (token->single_word && !stands_alone(text, n, at, end)) {
      at = end;
      continue;
    }
    *match = (struct weft_added_match){token, at, end};
    take_spaces(text, n, after, match);
    return 1;
  }
  return 0;
}

static int longer_first(const void *a, const void *b)
{
  const struct weft_added_token *x = a, *y = b;
  if (x->n != y->n)
    return x->n > y->n ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* The text of a token as it is looked for. */
static char *text_of(const char *content, const struct weft_normalizer *normalizer, size_t *n)
{
  size_t room = strlen(content) * WEFT_NORMALIZED_PER_BYTE + 1;
  char *text = malloc(room);
  uint32_t *from = malloc(room * sizeof *from);
  if (text && from) {
    struct weft_piece piece = {content, text, from, 0};
    weft_normalize(normalizer, 0, strlen(content), &piece);
    *n = piece.n;
  } else {
    free(text);
    text = NULL;
  }
  free(from);
  return text;
}

static weft_status read_token(const json_t *json, const char *file, const struct weft_normalizer *normalizer,
                              const struct weft_vocabulary *vocabulary, struct weft_added_token *out, char *message)
{
  static const struct weft_normalizer plain;
  const char *content = json_string_value(json_object_get(json, "content"));
  const json_t *id = json_object_get(json, "id");
  if (!content || !json_is_integer(id) || json_integer_value(id) < 0 ||
      json_integer_value(id) >= WEFT_TOKENIZER_MAX_VOCABULARY)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: an added token should have 'content' and an 'id' from 0 to %u",
                        file, WEFT_TOKENIZER_MAX_VOCABULARY - 1);
  out->single_word = json_is_true(json_object_get(json, "single_word"));
  out->lstrip = json_is_true(json_object_get(json, "lstrip"));
  out->rstrip = json_is_true(json_object_get(json, "rstrip"));
  out->normalized = json_is_true(json_object_get(json, "normalized"));
  out->text = text_of(content, out->normalized ? normalizer : &plain, &out->n);
  if (!out->text)
    return weft_message(message, WEFT_NO_MEMORY, "%s: no memory", file);
  uint64_t hash = WEFT_HASH_START;
  for (const char *c = content; *c; c++)
    hash = weft_hash_more(hash, *c);
  int32_t known = weft_vocabulary_find(vocabulary, hash, NULL, 0, content, strlen(content));
  out->id = (int32_t)json_integer_value(id);
  if (known >= 0 && known != out->id)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: added token '%.64s' has id %d, but the vocabulary says %d", file,
                        content, out->id, known);
  return WEFT_OK;
}

weft_status weft_added_read(const json_t *array, const char *file, const struct weft_normalizer *normalizer,
                            const struct weft_vocabulary *vocabulary, struct weft_added *out, char *message)
{
  memset(out, 0, sizeof *out);
  size_t n = json_array_size(array);
  if (n == 0)
    return WEFT_OK;
  if (n > WEFT_TOKENIZER_MAX_ADDED)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: %zu added tokens are beyond WEFT_TOKENIZER_MAX_ADDED (%u)", file,
                        n, WEFT_TOKENIZER_MAX_ADDED);
  out->tokens = calloc(n, sizeof *out->tokens);
  if (!out->tokens)
    return weft_message(message, WEFT_NO_MEMORY, "%s: no memory for %zu added tokens", file, n);
  for (size_t i = 0; i < n; i++) {
    struct weft_added_token *token = &out->tokens[out->n++];
    weft_status status = read_token(json_array_get(array, i), file, normalizer, vocabulary, token, message);
    if (status != WEFT_OK)
      return status;
    out->n_normalized += (uint32_t)token->normalized;
    if (token->n == 0)
      continue;
    unsigned char b = (unsigned char)token->text[0];
    out->first_byte[token->normalized][b / 8] |= (uint8_t)(1u << (b % 8));
  }
  qsort(out->tokens, out->n, sizeof *out->tokens, longer_first);
  while (out->n > 0 && out->tokens[out->n - 1].n == 0)
    free(out->tokens[--out->n].text); /* an empty text stands nowhere */
  return WEFT_OK;
}

void weft_added_clear(struct weft_added *added)
{
  for (uint32_t i = 0; i < added->n; i++)
    free(added->tokens[i].text);
  free(added->tokens);
  memset(added, 0, sizeof *added);
}
