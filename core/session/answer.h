/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file answer.h
 * Turns one item of a finished frame into a `weft.answer/1` object: status
 * (ok, degraded, refused, failed), outputs, weights, missing, verdicts, errors,
 * absent, revision, fingerprint, timings. A refused answer has `refusal` and, where
 * the pipeline has one, `message`; it has no outputs, and nothing in it comes
 * from the values of the request but the ids of the rules.
 */
#ifndef WEFT_CORE_ANSWER_H
#define WEFT_CORE_ANSWER_H

#include "session.h"

typedef struct {
  WeftRevision *revision;
  const char *fingerprint;
  gboolean explain;
  double total_ms;
} WeftAnswerSource;

/** Caller frees with json_decref. frame: NULL with `error`: the request never ran. */
json_t *weft_answer_new(const WeftAnswerSource *source, const WeftQuery *query, struct weft_frame *frame, guint item,
                        const GError *error);

#endif
