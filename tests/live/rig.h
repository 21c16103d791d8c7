/* SPDX-License-Identifier: Apache-2.0 */
/** @file rig.h Live pipelines of the test plugins ticks and look, run to their end; every window kept. */
#ifndef WEFT_TEST_LIVE_RIG_H
#define WEFT_TEST_LIVE_RIG_H

#include "live.h"

#define RIG_STREAMS 3

/** One window as it came out. */
typedef struct {
  gint64 begin_ns, end_ns;
  weft_status status;
  WeftStreamState states[RIG_STREAMS];
  gint64 n_rows[RIG_STREAMS];
  gint64 seen[4 * RIG_STREAMS]; /* what `look` answered; 0 where there is no answer */
  guint64 latency_ns;
} RigWindow;

typedef struct {
  GArray *windows;  /* of RigWindow */
  GString *events;  /* what sources were said to have done, a line each */
  WeftLiveStats stats;
  gint64 for_ns;    /* in */
  guint n_in_flight; /* in */
  char *error;      /* of the run, or of set-up; NULL: none */
  void (*each)(const RigWindow *window, const json_t *answer); /* in: also called; NULL: windows are kept only */
  gboolean forget;  /* in: windows are not kept */
  gboolean quiet;   /* in: no answers are made */
} Rig;

/** Installs the plugins; argv of main. */
void rig_begin(int argc, char **argv);
void rig_end(void);
/** Path of a file in the rig's folder; caller frees with g_free. */
char *rig_path(const char *name);
/** Runs the pipeline of that text with these isolated (NULL: as the file says). */
void rig_run(Rig *rig, const char *pipeline, const char *isolate);
void rig_clear(Rig *rig);

#define rig_window(rig, i) (&g_array_index((rig)->windows, RigWindow, i))

#endif
