/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file live.h
 * Runs a pipeline with live inputs: sources on threads of their own, rows
 * aligned to the lead's windows by the times they carry, each window one
 * request into the pipeline's graph.
 *
 *     options.build.live = TRUE;                      (the session's)
 *     WeftLive *live = weft_live_new(session, &live_options, &error);
 *     int failed = weft_live_run(live);               (until the sources end, or weft_live_stop)
 *     weft_live_stats(live, &stats);
 *     weft_live_free(live);
 *
 * A window [t, t + window) of the lead is complete when every stream has
 * reached its end, has ended, is dead, or has been waited for: by `tolerance`
 * after the lead reached it. Streams whose clock is simulated are not waited
 * for by the time of day, so that a run of them always answers the same.
 */
#ifndef WEFT_LIVE_H
#define WEFT_LIVE_H

#include "session.h"

/** Pause before a dead source is tried again: doubled each time it fails without having given a row, at most. */
#define WEFT_LIVE_PAUSE_NS (100 * G_GINT64_CONSTANT(1000000))
#define WEFT_LIVE_PAUSE_MAX_NS (5 * G_GINT64_CONSTANT(1000000000))
/** Failures in a row, without a row between them, after which a source of a simulated clock is given up. */
#define WEFT_LIVE_FAILURES_MAX 16
/** Rows of one chunk, bytes. */
#define WEFT_LIVE_CHUNK_BYTES (16u << 20)
/** Most streams of a pipeline. */
#define WEFT_LIVE_STREAMS_MAX 64

/** Most windows in the graph at once. */
#define WEFT_LIVE_IN_FLIGHT_MAX 64

typedef struct WeftLive WeftLive;

/** Why a window came without a stream. */
typedef enum {
  WEFT_STREAM_THERE,
  WEFT_STREAM_HELD,    /**< by its last row before the window */
  WEFT_STREAM_NEAR,    /**< by its last row, not more than the tolerance before the window */
  WEFT_STREAM_NO_ROWS, /**< nothing happened: later rows have come, or the source answers and has none */
  WEFT_STREAM_LATE,    /**< it was waited for in vain: rows come, but of times past, or are owed */
  WEFT_STREAM_DEAD,    /**< its source broke off and gave no row since, or stands still */
  WEFT_STREAM_ENDED    /**< its source has no more rows */
} WeftStreamState;

/** One finished window: borrowed until return. */
typedef struct {
  guint64 index;       /**< counted from 0 */
  gint64 begin_ns, end_ns;
  weft_status status;  /**< of its request */
  guint64 latency_ns;  /**< from complete to answered */
  const WeftStreamState *states; /**< [streams], in the order of the live inputs */
  const gint64 *n_rows;          /**< [streams] */
} WeftLiveWindow;

typedef struct {
  gint64 for_ns;       /**< stops after that much of the streams' time (simulated lead) or of the day; 0: never */
  guint n_in_flight;   /**< windows in the graph at once; 0: one, so that they pass in order */
  /** Every window in order. answer: borrowed until return; NULL without want_answers. [the thread of weft_live_run] */
  void (*window)(void *data, const WeftLiveWindow *window, json_t *answer);
  /** A source died, came back or was given up: one line. May be NULL. [the thread of weft_live_run] */
  void (*event)(void *data, const char *line);
  void *data;
  gboolean want_answers;
  const struct weft_context_entry *context; /**< [n_context] of every window: borrowed until free */
  guint n_context;
} WeftLiveOptions;

typedef struct {
  const char *name;
  guint64 n_rows, n_late, n_dropped, n_missing, n_restarts;
  gboolean failed;     /**< given up, or ended for good by an error */
} WeftStreamStats;

typedef struct {
  guint64 n_windows, n_failed, n_missed; /**< missed: deadlines, also counted as failed */
  guint64 n_gaps;      /**< windows left out, since the lead had no row in them */
  guint64 n_sink_errors;
  double p50_ms, p99_ms, max_ms;
  guint n_streams;
  WeftStreamStats streams[WEFT_LIVE_STREAMS_MAX];
} WeftLiveStats;

/**
 * session: loaded, with build.live; borrowed until free. Errors (WEFT_ERROR): nothing is live, a required input is
 * not, a sink cannot be opened, no memory. [control thread]
 */
WeftLive *weft_live_new(WeftSession *session, const WeftLiveOptions *options, GError **error);
/** NULL is allowed; not while it runs. [control thread] */
void weft_live_free(WeftLive *live);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftLive, weft_live_free)

/**
 * Returns when the lead has ended, time is up or weft_live_stop was called, and every window begun is answered.
 * Once. Errors: no thread, a window that does not fit its stream's buffer. FALSE with error set. [control thread]
 */
gboolean weft_live_run(WeftLive *live, GError **error);
/** Takes no more windows; those in flight are answered. [any thread, signal handlers] */
void weft_live_stop(WeftLive *live);
/** After the run. */
void weft_live_stats(const WeftLive *live, WeftLiveStats *out);
/** "late", "dead": as answers spell it. */
const char *weft_stream_state_name(WeftStreamState state);

#endif
