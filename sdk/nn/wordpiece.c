/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WordPiece: the longest entry that begins the word, then the longest that
 * goes on from there with the prefix, and so on; a word that cannot be covered
 * is one unknown token (Wu et al. 2016, "Google's Neural Machine Translation
 * System", section 4.1, as BERT applies it).
 */
#include "message.h"
#include "tokenizer-private.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHARS_DEFAULT 100
#define MAX_CHARS_MAX 10000

weft_status weft_wordpiece_read(const json_t *json, const char *file, struct weft_wordpiece *out, char *message)
{
  memset(out, 0, sizeof *out);
  const json_t *max = json_object_get(json, "max_input_chars_per_word");
  const char *unknown = json_string_value(json_object_get(json, "unk_token"));
  const char *prefix = json_string_value(json_object_get(json, "continuing_subword_prefix"));
  out->max_chars_per_word = max ? json_integer_value(max) : MAX_CHARS_DEFAULT;
  if (out->max_chars_per_word < 1 || out->max_chars_per_word > MAX_CHARS_MAX)
    return weft_message(message, WEFT_BAD_CONFIG,
                        "%s: model.max_input_chars_per_word should be an integer from 1 to %d", file, MAX_CHARS_MAX);
  weft_status status = weft_vocabulary_new(json_object_get(json, "vocab"), file, &out->vocabulary, message);
  if (status != WEFT_OK)
    return status;
  out->prefix = strdup(prefix ? prefix : "##");
  if (!out->prefix)
    return weft_message(message, WEFT_NO_MEMORY, "%s: no memory", file);
  out->n_prefix = strlen(out->prefix);
  unknown = unknown ? unknown : "[UNK]";
  uint64_t hash = WEFT_HASH_START;
  for (const char *c = unknown; *c; c++)
    hash = weft_hash_more(hash, *c);
  out->unknown_id = weft_vocabulary_find(out->vocabulary, hash, NULL, 0, unknown, strlen(unknown));
  if (out->unknown_id < 0)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: model.unk_token '%.64s' is not in the vocabulary", file,
                        unknown);
  return WEFT_OK;
}

void weft_wordpiece_clear(struct weft_wordpiece *model)
{
  weft_vocabulary_free(model->vocabulary);
  free(model->prefix);
  memset(model, 0, sizeof *model);
}

/* The longest entry at `begin`: its id and end; -1: none. One pass of hashing serves all lengths. */
static int32_t longest(const struct weft_wordpiece *model, const char *text, size_t begin, size_t end, int goes_on,
                       size_t *found_end)
{
  size_t n_head = goes_on ? model->n_prefix : 0, most = weft_vocabulary_max_bytes(model->vocabulary);
  uint64_t hash = WEFT_HASH_START;
  int32_t id = -1;
  for (size_t i = 0; i < n_head; i++)
    hash = weft_hash_more(hash, model->prefix[i]);
  for (size_t at = begin; at < end && n_head + (at - begin) < most;) {
    size_t next = at + weft_utf8_length((unsigned char)text[at]);
    for (; at < next; at++)
      hash = weft_hash_more(hash, text[at]);
    int32_t found =
        weft_vocabulary_find(model->vocabulary, hash, model->prefix, n_head, text + begin, at - begin);
    if (found >= 0) {
      id = found;
      *found_end = at;
    }
  }
  return id;
}

static int64_t chars_of(const char *text, size_t begin, size_t end)
{
  int64_t n = 0;
  for (size_t at = begin; at < end; at += weft_utf8_length((unsigned char)text[at]))
    n++;
  return n;
}

static int covered(const struct weft_wordpiece *model, const char *text, size_t begin, size_t end)
{
  for (size_t at = begin, next = at; at < end; at = next)
    if (longest(model, text, at, end, at > begin, &next) < 0)
      return 0;
  return 1;
}

void weft_wordpiece_encode(const struct weft_wordpiece *model, const struct weft_piece *piece, size_t begin, size_t end,
                           struct weft_token_sink *sink)
{
  uint32_t from, to;
  /* Covered first, pushed then: an unknown word must not leave its beginning behind. */
  if (chars_of(piece->text, begin, end) > model->max_chars_per_word || !covered(model, piece->text, begin, end)) {
    weft_piece_range(piece, begin, end, &from, &to);
    weft_token_push(sink, model->unknown_id, from, to);
    return;
  }
  for (size_t at = begin, next = at; at < end; at = next) {
    int32_t id = longest(model, piece->text, at, end, at > begin, &next);
    weft_piece_range(piece, at, next, &from, &to);
    if (!weft_token_push(sink, id, from, to))
      return;
  }
}
