/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file recorder.h
 * Takes the trace of a graph (trace.h): times of each node in histograms, and
 * the first events as they were, for a timeline. Memory is fixed from the start.
 */
#ifndef WEFT_CLI_RECORDER_H
#define WEFT_CLI_RECORDER_H

#include "histogram.h"
#include "revision.h"
#include "trace.h"

/** Events kept for the timeline. */
#define WEFT_RECORDER_EVENTS 65536u
/** Events drawn, where no window is asked for. */
#define WEFT_TIMELINE_EVENTS 300u

typedef struct {
  WeftHistogram busy, queued;                  /**< of each frame at the node, ns */
  _Atomic guint64 n_items, n_failed, busy_ns;  /**< busy_ns: a call that frames shared counts once */
} WeftNodeTimes;

typedef struct {
  struct weft_trace_event event;
  guint thread; /**< that told it, from 1 on */
} WeftTraceRecord;

typedef struct WeftRecorder WeftRecorder;

/** What a slot's own graph is traced with. */
typedef struct {
  WeftRecorder *recorder;
  guint index;
} WeftSlotRecorder;

struct WeftRecorder {
  guint n_nodes, n_slots;
  WeftNodeTimes *nodes;     /**< [n_nodes + n_slots] by graph node, then of the slots in order of the revision's nodes */
  WeftSlotRecorder *slots;  /**< [n_slots] */
  WeftTraceRecord *records; /**< [WEFT_RECORDER_EVENTS] */
  _Atomic guint64 n_events; /**< those beyond WEFT_RECORDER_EVENTS are in the histograms only */
};

/** Caller frees with weft_recorder_free. */
WeftRecorder *weft_recorder_new(guint n_nodes, guint n_slots);
void weft_recorder_free(WeftRecorder *recorder);
/** A weft_trace; data: the recorder. Allocates nothing. [any helper, several at once] */
void weft_recorder_take(const struct weft_trace_event *event, void *data);
/** The same for the graph of a slot, whose calls are within those of its node; data: one of recorder->slots. */
void weft_recorder_take_slot(const struct weft_trace_event *event, void *data);
/**
 * The timeline as SVG: of window_ns from the first event on, or, with 0, as long as WEFT_TIMELINE_EVENTS of
 * them last. No frame is in flight. Caller frees with g_free.
 */
char *weft_recorder_svg(const WeftRecorder *recorder, const WeftRevision *revision, guint64 window_ns);

#endif
