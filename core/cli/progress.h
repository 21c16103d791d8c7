/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file progress.h
 * A progress bar on standard error, where that is a terminal.
 */
#ifndef WEFT_CLI_PROGRESS_H
#define WEFT_CLI_PROGRESS_H

#include <glib.h>

typedef struct {
  gboolean shown;
  guint64 n_bytes; /* 0: unknown */
  gint64 begin_us, last_us;
} WeftProgress;

void weft_progress_begin(WeftProgress *progress, guint64 n_bytes);
/** Redraws at most ten times a second. */
void weft_progress_at(WeftProgress *progress, guint64 n_bytes_done, guint64 n_answers, guint64 n_failed);
/** Wipes the bar. */
void weft_progress_end(WeftProgress *progress);

#endif
