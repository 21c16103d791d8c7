/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file trace.h
 * Recording of when each frame was at each node: what `weft profile` draws.
 * Off it costs one predicted branch a node.
 *
 *     weft_graph_trace(graph, on_node, &timeline);
 *     ... frames ...
 *     weft_graph_trace(graph, NULL, NULL);
 */
#ifndef WEFT_CORE_TRACE_H
#define WEFT_CORE_TRACE_H

#include "runtime.h"

/** Instead of a node: the frame as a whole, from submit or run (t_queued) over its first step (t_begin) to its end. */
#define WEFT_TRACE_FRAME UINT32_MAX

/** One frame at one node. Times are CLOCK_MONOTONIC, ns. */
struct weft_trace_event {
  uint64_t frame;        /**< number of the frame, from 1 on in the order in which the graph took them */
  uint64_t call;         /**< of a batching node: frames that shared a call have the same number, from 1 on; else 0 */
  uint32_t node;         /**< its index, or WEFT_TRACE_FRAME */
  uint32_t n_items;      /**< of this frame in the call */
  uint32_t n_call_items; /**< of all frames in the call */
  uint32_t n_failed;     /**< of n_items */
  uint64_t t_queued;     /**< the frame came to the node; t_begin where it did not wait */
  uint64_t t_begin, t_end;
};

/** event: borrowed until return. Must not block: the frame waits for it. [any helper, several at once] */
typedef void (*weft_trace)(const struct weft_trace_event *event, void *data);

/**
 * From the next frame on, tells `trace` of each node at its end; NULL ends
 * that, for frames that begin after it. data: borrowed until the last frame
 * that began before has been released. [any thread]
 */
void weft_graph_trace(struct weft_graph *graph, weft_trace trace, void *data);

#endif
