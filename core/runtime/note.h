/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file note.h
 * What became of an item at each node of a frame that is done: skipped and
 * why, absorbed failures, verdicts. For answers; valid until the frame is
 * released. Nodes are named by their index in the graph's spec. [any thread]
 */
#ifndef WEFT_CORE_NOTE_H
#define WEFT_CORE_NOTE_H

#include "runtime.h"

/** What became of an item at a node. */
enum weft_passage {
  WEFT_PASSAGE_RAN,
  WEFT_PASSAGE_ABSENT, /**< skipped: no input, or none that it needs */
  WEFT_PASSAGE_WHEN,   /**< skipped: its condition was false or unknown */
  WEFT_PASSAGE_ENDED,  /**< skipped: the item had failed, or been refused */
  WEFT_PASSAGE_FAILED  /**< it failed there: by itself, or absorbed (on_error, filters) */
};
struct weft_note {
  enum weft_passage passage;
  weft_status status;     /**< FAILED: of what was absorbed; otherwise WEFT_OK */
  const char *message;    /**< of it, borrowed until release; otherwise "" */
  uint32_t n_retries;
  uint64_t held;          /**< bit k: input k was the last value of the session (WEFT_MISSING_HOLD) */
  uint64_t lacked;        /**< bit k: input k was absent, and the item is degraded for it (WEFT_MISSING_DEGRADE); k < 64 */
};
void weft_frame_note(const struct weft_frame *frame, uint32_t node, uint32_t item, struct weft_note *out);
/** Why input k of the node was absent for the item; a held one is not absent. */
enum weft_absence weft_frame_absence(const struct weft_frame *frame, uint32_t node, uint32_t k, uint32_t item);
/** Whether the item went on without something (WEFT_MISSING_DEGRADE, what was absorbed). */
int weft_frame_degraded(const struct weft_frame *frame, uint32_t item);

/** What a filter said of an item. */
struct weft_verdict {
  int32_t verdict;     /**< WEFT_VERDICT_* (filter.h); -1: it had nothing to judge, or the item did not get there */
  uint32_t refused;    /**< it ended the item */
  const char *rules;   /**< its output `rules`: n_rules bytes, not terminated, borrowed until release; NULL: none */
  uint64_t n_rules;
};
/** 0: the node is no filter. */
int weft_frame_verdict(const struct weft_frame *frame, uint32_t node, uint32_t item, struct weft_verdict *out);

#endif
