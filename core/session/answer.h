/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file answer.h
 * Turns one item of a finished frame into a `weft.answer/1` object.
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
