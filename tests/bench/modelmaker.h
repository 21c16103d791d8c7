/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file modelmaker.h
 * Model folders of random weights in any size, for benchmarks: what a
 * committed file would be too large for.
 */
#ifndef WEFT_BENCH_MODELMAKER_H
#define WEFT_BENCH_MODELMAKER_H

#include <glib.h>

/** An expert-mlp of about n_bytes of f32 weights over rows of d. FALSE: it could not be written (told on stderr). */
gboolean modelmaker_expert(const char *folder, guint d, guint64 n_bytes);
/**
 * A bert of that shape whose vocabulary is the words and marks of the texts,
 * so that each is one token. template: a tokenizer.json whose vocabulary is
 * replaced. FALSE as above.
 */
typedef struct {
  guint d, n_layers, n_heads, d_hidden, n_words; /* n_words: rows of the table of embeddings, at least */
} ModelmakerBert;
gboolean modelmaker_bert(const char *folder, const ModelmakerBert *shape, const char *tokenizer, char **texts);

#endif
