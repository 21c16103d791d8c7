/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file labels.h
 * Names of classes, and the answer of everything that answers like a
 * classifier (weft/head.h): label, probability, probabilities.
 *
 * Usage: parse in `create`, give `json` as the attribute `labels` in `ports`,
 * and call weft_labels_answer for every item of a call, in order:
 *
 *     for (uint32_t i = 0; i < call->n_items; i++)
 *       weft_labels_answer(&self->labels, call, i, present ? logits : NULL);
 */
#ifndef WEFT_NN_LABELS_H
#define WEFT_NN_LABELS_H

#include <weft/node.h>

/** Outputs of a head in the order of its manifest. */
#define WEFT_ANSWER_LABEL 0u
#define WEFT_ANSWER_PROBABILITY 1u
#define WEFT_ANSWER_PROBABILITIES 2u

struct weft_labels {
  char **names;   /**< [n] UTF-8, zero-terminated */
  char *json;     /**< JSON array of the names, in one spelling: equal labels, equal bytes */
  uint32_t n;
  uint32_t n_longest_bytes; /**< of the longest name, at least 1 */
};

/**
 * Reads a JSON array of strings with at least one element.
 * out: transferred on success; free with weft_labels_clear. message:
 * [WEFT_MESSAGE_BYTES] says what was expected and found when the call fails.
 * Errors: WEFT_BAD_CONFIG, WEFT_NO_MEMORY. [control thread]
 */
weft_status weft_labels_parse(const char *json, struct weft_labels *out, char *message);

/**
 * Copies n names, each a zero-terminated string.
 * out: transferred on success; free with weft_labels_clear.
 * Errors: WEFT_NO_MEMORY; WEFT_BAD_CONFIG where a name is not UTF-8. [control thread]
 */
weft_status weft_labels_copy(const char *const *names, uint32_t n, struct weft_labels *out, char *message);

/** Frees what is held and zeroes it; a zeroed struct is allowed. [control thread] */
void weft_labels_clear(struct weft_labels *labels);

/**
 * softmax(logits), the most probable class (of equals the first) and its name
 * into the outputs WEFT_ANSWER_* of the call. Items are answered in order, all
 * of them: one without an answer has logits NULL (empty label, zeros).
 * logits: [n] f64, replaced by the probabilities. [in process]
 */
void weft_labels_answer(const struct weft_labels *labels, struct weft_call *call, uint32_t item, double *logits);

#endif
