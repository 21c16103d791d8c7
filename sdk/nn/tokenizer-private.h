/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer-private.h
 * The steps behind tokenizer.h, in the order in which a text takes them:
 *
 *   added.c       cuts out added tokens ([MASK], <image>) before and after
 *   normalizer.c  normalises what lies between
 *   pretokenizer  cuts words (normalizer.c knows the character classes)
 *   wordpiece.c   words -> ids; further models (BPE, Unigram) stand beside it
 *   tokenizer.c   reads the file, adds special tokens, cuts to length
 */
#ifndef WEFT_NN_TOKENIZER_PRIVATE_H
#define WEFT_NN_TOKENIZER_PRIVATE_H

#include "tokenizer.h"

#include <jansson.h>

/** Most bytes that normalising makes of one byte of text: a Hangul syllable becomes three letters. */
#define WEFT_NORMALIZED_PER_BYTE 3u

/** Text while it is cut: normalised bytes, and for each where its character began in the source. */
struct weft_piece {
  const char *source;    /**< the whole source text */
  char *text;            /**< [n] UTF-8 */
  uint32_t *from;        /**< [n] offset into source of the character behind each byte */
  size_t n;
};

/** Receives tokens in order. */
struct weft_token_sink {
  int32_t *ids, *origin; /**< [n_max], [n_max, 2] or NULL */
  int64_t n, n_max;
  int full;              /**< 1: a token found no room; nothing more is wanted */
};
/** Adds a token; answers 0 when there is no room. */
int weft_token_push(struct weft_token_sink *sink, int32_t id, uint32_t begin, uint32_t end);
/** Source range of bytes [begin, end) of a piece, begin < end. */
void weft_piece_range(const struct weft_piece *piece, size_t begin, size_t end, uint32_t *from, uint32_t *to);

/* The normaliser. */
struct weft_normalizer {
  int present;
  int clean_text, chinese, strip_accents, lowercase;
};
weft_status weft_normalizer_read(const json_t *json, const char *file, struct weft_normalizer *out, char *message);
/** Normalises source[begin, end) into the piece (room: WEFT_NORMALIZED_PER_BYTE per byte); sets n. */
void weft_normalize(const struct weft_normalizer *normalizer, size_t begin, size_t end, struct weft_piece *piece);

/* Classes of characters for pre-tokenizers. */
int weft_is_space(uint32_t code);            /**< Unicode White_Space */
int weft_is_bert_punctuation(uint32_t code);

/* The model WordPiece. */
struct weft_vocabulary;
struct weft_wordpiece {
  struct weft_vocabulary *vocabulary;
  int32_t unknown_id;
  char *prefix;               /**< of continuing pieces, "##" */
  size_t n_prefix;
  int64_t max_chars_per_word;
};
weft_status weft_wordpiece_read(const json_t *json, const char *file, struct weft_wordpiece *out, char *message);
void weft_wordpiece_clear(struct weft_wordpiece *model);
/** Tokens of the word at bytes [begin, end) of the piece. */
void weft_wordpiece_encode(const struct weft_wordpiece *model, const struct weft_piece *piece, size_t begin, size_t end,
                           struct weft_token_sink *sink);

/* Texts with ids: hashed, keys copied. */
weft_status weft_vocabulary_new(const json_t *object, const char *file, struct weft_vocabulary **out, char *message);
void weft_vocabulary_free(struct weft_vocabulary *vocabulary);
int32_t weft_vocabulary_max_id(const struct weft_vocabulary *vocabulary);
/** Longest key, bytes. */
size_t weft_vocabulary_max_bytes(const struct weft_vocabulary *vocabulary);
#define WEFT_HASH_START 0xCBF29CE484222325ull
static inline uint64_t weft_hash_more(uint64_t hash, char byte)
{
  return (hash ^ (unsigned char)byte) * 0x100000001B3ull;
}
/** Id of head followed by tail, whose hash is known; -1: none. */
int32_t weft_vocabulary_find(const struct weft_vocabulary *vocabulary, uint64_t hash, const char *head, size_t n_head,
                             const char *tail, size_t n_tail);

/* Added tokens. */
struct weft_added_token {
  char *text;                /**< as it is looked for: normalised where the token says so */
  size_t n;
  int32_t id;
  int single_word, lstrip, rstrip, normalized;
};
struct weft_added {
  struct weft_added_token *tokens; /**< longest first */
  uint32_t n;
  uint32_t n_normalized;           /**< of them */
  uint8_t first_byte[2][32];       /**< bits: a token (plain, normalised) begins with that byte */
};
weft_status weft_added_read(const json_t *array, const char *file, const struct weft_normalizer *normalizer,
                            const struct weft_vocabulary *vocabulary, struct weft_added *out, char *message);
void weft_added_clear(struct weft_added *added);

/** A match: token found at [begin, end), spaces that it takes along included. */
struct weft_added_match {
  const struct weft_added_token *token;
  size_t begin, end;
};
/**
 * The next match in text[at, n); the spaces that it takes along lie there too.
 * Answers 0: none.
 */
int weft_added_next(const struct weft_added *added, int normalized, const char *text, size_t n, size_t at,
                    struct weft_added_match *match);

#endif
