/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a window is complete, and which rows stand in it. Each stream has a
 * watermark, its newest time less its tolerance: no row before it is still to
 * come. Everything here is a function of the rows seen, and of the time of day
 * only for streams whose clock is not simulated.
 */
#include "live-private.h"

#include "clock.h"

#include <string.h>

static int64_t watermark(const struct feed *feed)
{
  if (feed->state == FEED_ENDED)
    return TIME_MAX;
  if (feed->starting || feed->rows.newest == INT64_MIN)
    return TIME_NONE;
  if (feed->state == FEED_DEAD) /* nothing that is on its way */
    return feed->rows.newest + 1;
  return feed->rows.newest - feed->spec->tolerance_ns;
}

/* Where the next window's rows of this stream begin. */
static int64_t reach(const WeftLive *live, const struct feed *feed)
{
  return feed == live->lead ? live->begin : live->begin + live->window_ns - feed->spec->window_ns;
}

/* What no window will ask for makes room. The last row before may stand for one in the window, but for the lead. */
static void forget(WeftLive *live)
{
  for (guint i = 0; i < live->n_feeds; i++) {
    struct feed *feed = &live->feeds[i];
    int64_t from = reach(live, feed);
    feed->floor = MAX(live->n_windows ? from : TIME_NONE, feed->resumed);
    feed->blocked = 0; /* its thread says so again where it is */
    if (feed == live->lead)
      weft_rows_forget(&feed->rows, from, 0);
    else
      weft_rows_forget(&feed->rows, from - feed->spec->tolerance_ns, 1);
  }
  pthread_cond_broadcast(&live->room);
}

/* Windows without a row of the lead, and to which none can come, are left out. FALSE: no row is left. */
static gboolean skip_gaps(WeftLive *live)
{
  const struct weft_rows_store *rows = &live->lead->rows;
  for (;;) {
    int64_t i = weft_rows_find(rows, live->begin), end = live->begin + live->window_ns, mark = watermark(live->lead);
    if (i == rows->end)
      return FALSE;
    if (rows->times[i] < end || mark < end)
      return TRUE;
    int64_t n = (MIN(rows->times[i], mark) - end) / live->hop_ns + 1;
    live->n_gaps += (guint64)n;
    live->begin += n * live->hop_ns;
    live->reached_at = 0;
    forget(live);
  }
}

/* The clock on which a dead source is tried again: its own where that is simulated, so that each run is the same. */
static gboolean is_due(WeftLive *live, struct feed *feed, uint64_t now, uint64_t *wake)
{
  int64_t end = live->begin + live->window_ns;
  if (feed->spec->simulated) {
    if (feed == live->lead || !live->started)
      return feed == live->lead;
    if (feed->died_ns == TIME_NONE) /* where its rows ended, or where it was tried last */
      feed->died_ns = feed->n_failures > 1 || feed->rows.newest == INT64_MIN ? end : feed->rows.newest;
    return end > feed->died_ns + feed->pause_ns;
  }
  if (feed->died_ns == TIME_NONE)
    feed->died_ns = (int64_t)now;
  int64_t due = feed->died_ns + feed->pause_ns;
  if (due > (int64_t)now && (!*wake || (uint64_t)due < *wake))
    *wake = (uint64_t)due;
  return due <= (int64_t)now;
}

static struct feed *to_revive(WeftLive *live, uint64_t now, uint64_t *wake)
{
  for (guint i = 0; i < live->n_feeds; i++) {
    struct feed *feed = &live->feeds[i];
    if (feed->state == FEED_DEAD && (feed->fatal || is_due(live, feed, now, wake)))
      return feed;
  }
  return NULL;
}

/* The stream need not be waited for any more: by the time of day where that is its clock. */
static gboolean has_waited(const WeftLive *live, const struct feed *feed, uint64_t now, uint64_t *wake)
{
  if (feed->state == FEED_DEAD && !feed->starting)
    return TRUE;
  if (feed->spec->simulated)
    return FALSE;
  uint64_t until = live->reached_at + (uint64_t)feed->spec->tolerance_ns;
  if (until > now && (!*wake || until < *wake))
    *wake = until;
  return until <= now;
}

static enum verdict lead_verdict(WeftLive *live, struct feed **who)
{
  struct feed *lead = live->lead;
  if (!live->started) {
    if (!weft_rows_n(&lead->rows))
      return lead->state == FEED_ENDED ? WINDOW_FINISHED : WINDOW_WAITS;
    live->begin = lead->rows.times[lead->rows.begin];
    /* An earlier row could still come. */
    if (watermark(lead) < live->begin && lead->state != FEED_DEAD)
      return WINDOW_WAITS;
    live->started = 1;
    if (live->options.for_ns && lead->spec->simulated)
      live->until = live->begin + live->options.for_ns;
    forget(live);
  }
  if (!skip_gaps(live))
    return lead->state == FEED_ENDED ? WINDOW_FINISHED : WINDOW_WAITS;
  if (live->until != TIME_NONE && live->begin + live->window_ns > live->until)
    return WINDOW_FINISHED;
  if (watermark(lead) >= live->begin + live->window_ns)
    return WINDOW_READY;
  *who = lead;
  return lead->blocked ? WINDOW_OVERFLOWS : WINDOW_WAITS;
}

enum verdict weft_window_next(WeftLive *live, uint64_t now, uint64_t *wake, struct feed **who)
{
  *wake = 0;
  *who = to_revive(live, now, wake);
  if (*who)
    return WINDOW_REVIVES;
  enum verdict verdict = lead_verdict(live, who);
  if (verdict != WINDOW_READY)
    return verdict;
  *who = to_revive(live, now, wake); /* gaps that were left out have moved the clock */
  if (*who)
    return WINDOW_REVIVES;
  if (!live->reached_at)
    live->reached_at = now;
  for (guint i = 0; i < live->n_feeds; i++) {
    struct feed *feed = &live->feeds[i];
    if (watermark(feed) >= live->begin + live->window_ns || has_waited(live, feed, now, wake))
      continue;
    *who = feed;
    verdict = feed->blocked ? WINDOW_OVERFLOWS : WINDOW_WAITS;
    if (verdict == WINDOW_OVERFLOWS)
      return verdict;
  }
  return verdict;
}

/* Whether the source had broken off before the stretch, and gave no row again until behind it. */
static int is_broken(const struct feed *feed, int64_t from, int64_t to)
{
  for (guint k = 0; k < G_N_ELEMENTS(feed->gaps); k++)
    if (from > feed->gaps[k].after && to <= feed->gaps[k].until)
      return 1;
  return 0;
}

static uint64_t n_heard(const struct feed *feed)
{
  return feed->rows.n_taken + feed->rows.n_late;
}

/*
 * Waited for in vain: rows that have come since the window before were of times long past, so those of this one are
 * late. Otherwise the source stands still in a call or owes rows that its rate promises (late, and after a window more
 * dead), or it answers and has none.
 */
static WeftStreamState state_in_vain(const WeftLive *live, const struct feed *feed)
{
  uint64_t now = weft_clock_now(), since = 0;
  uint64_t patience = (uint64_t)(feed->spec->tolerance_ns + live->window_ns) + feed->spec->period_ns;
  if (n_heard(feed) != feed->n_heard_before)
    return WEFT_STREAM_LATE;
  if (feed->called_at && !feed->spec->blocking)
    since = feed->called_at;
  else if (feed->spec->period_ns)
    since = feed->heard_at;
  if (!since)
    return WEFT_STREAM_NO_ROWS;
  return now - since > patience ? WEFT_STREAM_DEAD : WEFT_STREAM_LATE;
}

/* The rows [*first, *end) that stand for the stream in the window. */
static WeftStreamState choose(const WeftLive *live, const struct feed *feed, int64_t *first, int64_t *end)
{
  const struct weft_rows_store *rows = &feed->rows;
  int64_t from = reach(live, feed), to = live->begin + live->window_ns;
  *first = weft_rows_find(rows, from);
  *end = weft_rows_find(rows, to);
  if (*first < *end)
    return WEFT_STREAM_THERE;
  int64_t last = *first - 1, age = last >= rows->begin ? from - rows->times[last] : INT64_MAX;
  int near = age <= feed->spec->tolerance_ns; /* a row that came a little early for its window */
  if (near || (feed->spec->hold && age != INT64_MAX && (!feed->spec->hold_ns || age <= feed->spec->hold_ns))) {
    *first = last;
    *end = last + 1;
    return near ? WEFT_STREAM_NEAR : WEFT_STREAM_HELD;
  }
  *first = *end = 0;
  if (is_broken(feed, from, to))
    return WEFT_STREAM_DEAD;
  /* A row that has come since tells that the stream lives. */
  if (weft_rows_find(rows, to) < rows->end)
    return WEFT_STREAM_NO_ROWS;
  if (feed->state != FEED_RUNNING)
    return feed->state == FEED_DEAD ? WEFT_STREAM_DEAD : WEFT_STREAM_ENDED;
  return watermark(feed) >= to ? WEFT_STREAM_NO_ROWS : state_in_vain(live, feed);
}

static void copy_rows(struct slot *slot, const struct feed *feed, int64_t first, int64_t end)
{
  const struct weft_rows_store *rows = &feed->rows;
  struct weft_blob *values = &slot->blobs[feed->spec->input], *times = &slot->blobs[feed->spec->time_value];
  void **rooms = slot->rooms + 3 * feed->index;
  int64_t n_bytes = 0, n = end - first;
  const uint8_t *data = weft_rows_data(rows, first, end, &n_bytes);
  memcpy(rooms[0], data, (size_t)n_bytes);
  memcpy(rooms[1], rows->times + first, (size_t)n * sizeof(int64_t));
  *values = (struct weft_blob){rooms[0], (uint64_t)n_bytes, 1};
  *times = (struct weft_blob){rooms[1], (uint64_t)n * sizeof(int64_t), 1};
  if (rows->row_bytes)
    return;
  int64_t *splits = rooms[2], first_byte = data - rows->data;
  splits[0] = 0;
  for (int64_t k = 0; k < n; k++)
    splits[k + 1] = rows->ends[first + k] - first_byte;
  slot->groups[feed->spec->input] = (struct weft_blob_groups){splits, n};
}

static void leave_out(struct slot *slot, struct feed *feed, WeftStreamState state)
{
  uint8_t why = state == WEFT_STREAM_LATE ? WEFT_ABSENCE_LATE
                : state == WEFT_STREAM_DEAD || state == WEFT_STREAM_ENDED ? WEFT_ABSENCE_DEAD
                                                                          : WEFT_ABSENCE_NEVER;
  slot->blobs[feed->spec->input] = slot->blobs[feed->spec->time_value] = (struct weft_blob){NULL, 0, 0};
  slot->absences[feed->spec->input] = slot->absences[feed->spec->time_value] = why;
  feed->n_missing++;
}

void weft_window_take(WeftLive *live, struct slot *slot)
{
  slot->index = live->n_windows++;
  slot->begin = live->begin;
  slot->end = live->begin + live->window_ns;
  memset(slot->absences, WEFT_ABSENCE_NONE, live->n_graph_inputs);
  for (guint i = 0; i < live->n_feeds; i++) {
    struct feed *feed = &live->feeds[i];
    int64_t first = 0, end = 0;
    slot->states[i] = choose(live, feed, &first, &end);
    slot->n_rows[i] = end - first;
    if (end > first)
      copy_rows(slot, feed, first, end);
    else
      leave_out(slot, feed, slot->states[i]);
    feed->n_heard_before = n_heard(feed);
  }
  live->begin += live->hop_ns;
  live->reached_at = 0;
  forget(live);
}
