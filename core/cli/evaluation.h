/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file evaluation.h
 * Answers against what their lines expect ($expect), output by output.
 *
 * A *target* is an output of the pipeline that can be compared: a label, the
 * probabilities of a head (the most probable class), or a number. $expect is a
 * map output -> label or number, or one value: a text is expected of every
 * label, a number of every number, or, where no output is one, of every label.
 * The probability beside a label is its confidence, never a target of its own
 * unless a map names it.
 */
#ifndef WEFT_CLI_EVALUATION_H
#define WEFT_CLI_EVALUATION_H

#include "lines.h"
#include "metrics.h"

typedef enum { WEFT_TARGET_LABEL, WEFT_TARGET_PROBABILITIES, WEFT_TARGET_NUMBER } WeftTargetKind;

typedef struct {
  const char *name; /**< of the output */
  WeftTargetKind kind;
  gboolean beside;  /**< the probability beside a label: compared only where a map names it */
  guint n_expected, n_answered, n_abstained; /**< lines that expect it; with a value; answered, but without a value */
  guint n_failed, n_refused;                 /**< lines that expect it and got no answer */
  GPtrArray *classes;                        /**< of char *, after finish: the head's, then others by name */
  guint n_unknown;                           /**< expected labels that the head cannot answer */
  WeftScores *scores;                        /**< after finish */
  GArray *lines;                             /**< of guint: the line (from 0) of each row of scores, after finish */
  /* while collecting */
  char *confidence_key, *probabilities_key;  /* in `explain.values`; NULL: not recorded */
  char **labels;                             /* of the head, or NULL */
  GPtrArray *expected, *given;               /* interned texts */
  GArray *confidence, *probabilities, *expected_number, *given_number;
} WeftTarget;

typedef struct {
  GPtrArray *targets; /**< of WeftTarget, in the order of the outputs */
  guint n_lines, n_ok, n_degraded, n_failed, n_refused;
  guint n_unlabelled; /**< lines without $expect, answered or not */
  GHashTable *errors; /**< "code: message" of failed and refused lines -> count */
} WeftEvaluation;

/** The revision was built with record_heads. Borrows it. Caller frees with weft_evaluation_free. */
WeftEvaluation *weft_evaluation_new(WeftRevision *revision);
void weft_evaluation_free(WeftEvaluation *evaluation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftEvaluation, weft_evaluation_free)

/** Whether $expect of a line fits the outputs. FALSE: it says what does not. */
gboolean weft_evaluation_check(const WeftEvaluation *evaluation, const json_t *expect, GError **error);
/** Takes the answer of line `index` (from 0), a `weft.answer/1`. expect: NULL without $expect. */
void weft_evaluation_add(WeftEvaluation *evaluation, guint index, const json_t *expect, const json_t *answer);
/** Classes, scores: after the last add. positive: the class of AUROC; NULL: the last one. */
void weft_evaluation_finish(WeftEvaluation *evaluation, const char *positive);

#endif
