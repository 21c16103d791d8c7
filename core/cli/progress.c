/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define REDRAW_US 100000

void weft_progress_begin(WeftProgress *progress, guint64 n_bytes)
{
  progress->shown = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
  progress->n_bytes = n_bytes;
  progress->begin_us = g_get_monotonic_time();
  progress->last_us = 0;
}

void weft_progress_at(WeftProgress *progress, guint64 n_bytes_done, guint64 n_answers, guint64 n_failed)
{
  gint64 now = g_get_monotonic_time();
  if (!progress->shown || now - progress->last_us < REDRAW_US)
    return;
  progress->last_us = now;
  double share = progress->n_bytes ? MIN(1.0, (double)n_bytes_done / (double)progress->n_bytes) : 0;
  double seconds = (double)(now - progress->begin_us) / 1e6;
  char bar[BAR_WIDTH + 1];
  for (int i = 0; i < BAR_WIDTH; i++)
    bar[i] = i < (int)(share * BAR_WIDTH) ? '#' : '-';
  bar[BAR_WIDTH] = '\0';
  fprintf(stderr, "\r[%s] %3d %%  %" G_GUINT64_FORMAT " answered, %" G_GUINT64_FORMAT " failed, %.0f/s\033[K", bar,
          (int)(share * 100), n_answers, n_failed, seconds > 0 ? (double)n_answers / seconds : 0);
}

void weft_progress_end(WeftProgress *progress)
{
  if (progress->shown)
    fputs("\r\033[K", stderr);
}
