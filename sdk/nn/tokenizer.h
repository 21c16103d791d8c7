/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer.h
 * Tokenizers as Hugging Face's `tokenizer.json` describes them: text in, token
 * ids out, the same ids as the `tokenizers` package gives.
 *
 *     struct weft_tokenizer *t;
 *     if (weft_tokenizer_open(&resource, "tokenizer.json", &t, message) != WEFT_OK) ...
 *     (activate) n_scratch = weft_tokenizer_scratch_bytes(t, n_bytes_max);
 *     (process)  struct weft_tokens tokens = {.ids = ids, .origin = origin, .n_max = 128};
 *                status = weft_tokenizer_encode(t, text, n_bytes, &tokens, scratch, message);
 *
 * Known here: normalizer BertNormalizer or none; pre-tokenizer
 * BertPreTokenizer; model WordPiece; post-processor TemplateProcessing,
 * BertProcessing or none; added tokens with all their options; truncation on
 * the right. Anything else is WEFT_UNSUPPORTED and the message names it.
 * `padding` is ignored: values are ragged.
 *
 * message: char [WEFT_MESSAGE_BYTES], written on failure only.
 * A tokenizer is immutable once open. [open, close: control thread; others: any thread]
 */
#ifndef WEFT_NN_TOKENIZER_H
#define WEFT_NN_TOKENIZER_H

#include <weft/host.h>

/** Most entries of a vocabulary. */
#define WEFT_TOKENIZER_MAX_VOCABULARY (1u << 20)
/** Most added tokens. */
#define WEFT_TOKENIZER_MAX_ADDED 4096u
/** Longest text, bytes: what offsets of 32 bits and scratch allow. */
#define WEFT_TOKENIZER_MAX_BYTES (16u << 20)

struct weft_tokenizer;

/**
 * Reads tokenizer.json. name: used in messages. Does not keep the resource.
 * out: caller frees with weft_tokenizer_close.
 * Errors: WEFT_BAD_CONFIG, WEFT_UNSUPPORTED, WEFT_NO_MEMORY.
 */
weft_status weft_tokenizer_open(const struct weft_resource *resource, const char *name, struct weft_tokenizer **out,
                                char *message);
/** NULL is allowed. */
void weft_tokenizer_close(struct weft_tokenizer *tokenizer);

/** One more than the highest id that encode can answer: rows an embedding table must have. */
int64_t weft_tokenizer_n_ids(const struct weft_tokenizer *tokenizer);
/** Id of a token by its text, or -1. */
int32_t weft_tokenizer_id(const struct weft_tokenizer *tokenizer, const char *token);
/** Tokens that the post-processor adds to every text ([CLS], [SEP]). */
int64_t weft_tokenizer_n_special(const struct weft_tokenizer *tokenizer);

/** Scratch that encode needs for a text of up to n_bytes. */
size_t weft_tokenizer_scratch_bytes(const struct weft_tokenizer *tokenizer, uint64_t n_bytes);

/** Where encode writes, and what it wrote. */
struct weft_tokens {
  int32_t *ids;      /**< [n_max] caller's */
  int32_t *type_ids; /**< [n_max] caller's, or NULL */
  int32_t *origin;   /**< [n_max, 2] begin and end byte in the text, 0 0 of special tokens; or NULL */
  int64_t n_max;     /**< most tokens, special ones included: set by the caller */
  int64_t n;         /**< tokens written */
  int truncated;     /**< 1: the text had more */
};

/**
 * Tokens of one text, with those that the post-processor adds; at most
 * out->n_max, cut on the right as the package cuts. Allocates nothing.
 * text: [n_bytes] UTF-8, borrowed until return; may hold NUL. scratch: of
 * scratch_bytes(n_bytes), 8-byte aligned.
 * Errors: WEFT_BAD_INPUT (invalid UTF-8, with the byte offset; beyond
 * WEFT_TOKENIZER_MAX_BYTES), WEFT_BAD_CONFIG (n_max < n_special).
 */
weft_status weft_tokenizer_encode(const struct weft_tokenizer *tokenizer, const void *text, uint64_t n_bytes,
                                  struct weft_tokens *out, void *scratch, char *message);

/** Offset of the first byte that is not valid UTF-8 (surrogates, overlong forms, > U+10FFFF), or -1. */
int64_t weft_utf8_invalid_at(const void *text, uint64_t n_bytes);

/** Entry for fuzzing: opens the bytes as tokenizer.json and encodes a few texts. Returns 0. */
int weft_tokenizer_fuzz(const uint8_t *data, size_t size);

#endif
