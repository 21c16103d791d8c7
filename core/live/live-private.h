/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file live-private.h
 * Inside core/live. One lock guards all streams and windows; it is held for
 * copies of rows, never while a plugin runs.
 */
#ifndef WEFT_LIVE_PRIVATE_H
#define WEFT_LIVE_PRIVATE_H

#include "live.h"

#include "hosttable.h"
#include "memory.h"
#include "rows.h"
#include "sink.h"

#include <pthread.h>
#include <stdatomic.h>

/* Times beyond are no times: sums of two never overflow. */
#define TIME_MAX (INT64_MAX / 4)
#define TIME_NONE INT64_MIN

enum feed_state {
  FEED_RUNNING,
  FEED_DEAD,    /* its thread waits until it is activated again */
  FEED_ENDED,   /* no more rows */
};

/* A stretch without rows in which a source had broken off: behind its last row before, up to its first one after. */
struct feed_gap {
  int64_t after, until;       /* TIME_MAX: nothing has come since */
};

/* One stream: its source, its thread, its rows. */
struct feed {
  struct weft_call_host host; /* first: call->host_data */
  WeftLive *live;
  const WeftRevisionSource *spec;
  guint index;
  pthread_t thread;
  int has_thread;

  /* the thread's own */
  struct weft_call call;
  struct weft_item item;
  struct weft_output outputs[3];
  weft_status item_status;
  int32_t slots[3];
  int64_t splits[2][2];
  struct weft_region *rows_room, *groups_room, *times_room;
  void *scratch;
  int32_t state_room[16];
  int replaced;               /* its worker died in the last call */
  uint64_t n_deaths;          /* of its worker, up to when it was activated last */
  uint32_t cancel;            /* atomic: set when the run ends */
  char message[WEFT_MESSAGE_BYTES];

  /* under the lock */
  struct weft_rows_store rows;
  enum feed_state state;
  int starting;               /* activated again, and nothing heard since */
  int blocked;                /* waits for room */
  int failed;                 /* ended by an error */
  int fatal;                  /* what broke off will break off again */
  int64_t floor;              /* rows before it are late */
  int64_t resumed;            /* activated again: rows before it came already; TIME_NONE: never */
  int64_t died_ns;            /* on the stream's clock; TIME_NONE: never */
  int64_t pause_ns;
  guint n_failures;           /* since its last row */
  struct feed_gap gaps[2];    /* the last ones, latest first */
  uint64_t called_at;         /* of the call that it is in; 0: in none */
  uint64_t heard_at;          /* when rows came last, or it began */
  uint64_t n_heard_before;    /* rows, when the window before was taken */
  guint64 n_missing, n_restarts;
  char obituary[WEFT_MESSAGE_BYTES]; /* why it died, not told yet; "": nothing to tell */
};

/* One window in the graph. */
struct slot {
  WeftLive *live;
  struct slot *next;          /* in order of submission, or free */
  struct weft_blob *blobs;    /* [graph inputs] */
  struct weft_blob_groups *groups;
  uint8_t *absences;
  struct weft_request request;
  void **rooms;               /* [3 * streams] rows, times, text splits */
  WeftStreamState *states;
  gint64 *n_rows;
  guint64 index;
  int64_t begin, end;
  uint64_t complete_at, done_at; /* CLOCK_MONOTONIC */
  weft_status status;         /* of submitting */
  struct weft_frame *frame;
  int done;                   /* under the lock */
};

/* Latencies in steps of an eighth of an octave, from 1 us on. */
#define HISTOGRAM_STEPS 256

struct WeftLive {
  WeftSession *session;
  WeftLiveOptions options;
  WeftSinks *sinks;
  guint n_feeds, n_inputs, n_graph_inputs;
  struct feed *feeds, *lead;
  struct slot *slots, *free_slots, *first, *last; /* first: the oldest in flight */
  guint n_slots;
  gboolean *present;          /* [inputs] */
  WeftValue *values;          /* [inputs] for answers: there or not */
  GBytes *there;
  struct weft_context context;

  pthread_mutex_t lock;
  pthread_cond_t changed;     /* rows, ends, deaths, answers: the runner */
  pthread_cond_t room;        /* forgotten rows, activations, the end: the threads of the sources */
  int ending;
  _Atomic int stopped;

  /* the runner's own */
  int64_t window_ns, hop_ns;
  int started;
  int64_t begin, until;       /* of the next window; until: where to stop, TIME_NONE: nowhere */
  uint64_t reached_at;        /* when the lead reached the window's end; 0: not yet */
  uint64_t stop_at;           /* time of the day; 0: none */
  guint64 n_windows, n_failed, n_missed, n_gaps;
  guint64 histogram[HISTOGRAM_STEPS], max_ns;
  struct weft_setup setup;
};

/* feed.c */
weft_status weft_feed_init(struct feed *feed, WeftLive *live, const WeftRevisionSource *spec, guint index);
void weft_feed_clear(struct feed *feed);
/* Starts the thread; 0 or an errno. */
int weft_feed_start(struct feed *feed);
/* Asks a source that blocks to return. */
void weft_feed_cancel(struct feed *feed);
/* Activates a dead source again; the lock is not held, its thread waits. FALSE: it failed, as setup.message says. */
gboolean weft_feed_revive(struct feed *feed);

/* align.c: under the lock. */
enum verdict {
  WINDOW_READY,
  WINDOW_WAITS,    /* *wake: when to look again, CLOCK_MONOTONIC; 0: when something has changed */
  WINDOW_REVIVES,  /* *who is to be activated again first */
  WINDOW_OVERFLOWS, /* *who is full and the window is not complete */
  WINDOW_FINISHED  /* the lead has ended */
};
enum verdict weft_window_next(WeftLive *live, uint64_t now, uint64_t *wake, struct feed **who);
/* Copies the window's rows into the slot, and goes on to the next window. */
void weft_window_take(WeftLive *live, struct slot *slot);

#endif
