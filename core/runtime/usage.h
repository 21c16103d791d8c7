/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file usage.h
 * What the frames of a graph hold, for `weft profile`.
 */
#ifndef WEFT_CORE_USAGE_H
#define WEFT_CORE_USAGE_H

#include "runtime.h"

struct weft_graph_usage {
  uint32_t n_frames;        /**< that were ever in flight together; they are kept */
  uint64_t n_scratch_bytes; /**< of each: the most that one of its nodes wants */
  uint64_t n_arena_bytes;   /**< of values, scratch included, as far as they were ever used; all frames together */
};

/** No frame is in flight. [control thread] */
void weft_graph_usage(struct weft_graph *graph, struct weft_graph_usage *out);

#endif
