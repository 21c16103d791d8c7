/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file passage.h
 * Parts of an answer that tell how the request went through the pipeline:
 * verdicts, what was absorbed or missing, why nodes were skipped. All objects
 * are new: caller frees with json_decref. frame: done, not NULL.
 */
#ifndef WEFT_CORE_PASSAGE_H
#define WEFT_CORE_PASSAGE_H

#include "answer.h"

/** Which item of which frame, asked in which language (BCP 47, NULL: not known). */
typedef struct {
  WeftRevision *revision;
  struct weft_frame *frame;
  guint item;
  const char *language;
} WeftPassage;

/** Whether a filter ended it: nothing of its values may be told. */
gboolean weft_passage_is_refused(const WeftPassage *passage);
/** Whether every filter has let it pass: only then values may be told beyond the outputs. */
gboolean weft_passage_is_allowed(const WeftPassage *passage);
/** [{node, verdict, rules: [..]}, ...] of every filter that had something to judge. */
json_t *weft_passage_verdicts(const WeftPassage *passage);
/** {node, verdict, rules} of the filter that refused; message: what `on_verdict` has for the caller, or NULL. */
json_t *weft_passage_refusal(const WeftPassage *passage, const char **message);
/** [{node, code, message, retries}, ...] of failures that did not end the request; without messages where it is refused. */
json_t *weft_passage_errors(const WeftPassage *passage);
/** {node: {input: masked|absent|held|late|dead|failed}} of fusions, and of nodes at which an input was held or degrades. */
json_t *weft_passage_absent(const WeftPassage *passage);
/** "ran", or why the node did not: "absent", "when", "refused", "ended", "failed"; NULL: it is no node of the graph. */
const char *weft_passage_of(const WeftPassage *passage, guint graph_node);

#endif
