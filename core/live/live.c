/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up, the loop that makes requests of windows, and what is told of them. */
#include "live-private.h"

#include "answer.h"
#include "clock.h"
#include "manifest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How often the loop looks whether it is to stop. */
#define LOOK_NS 100000000u
/* Handle of the one stream that all windows of a run belong to. */
#define STREAM 1u

const char *weft_stream_state_name(WeftStreamState state)
{
  static const char *const names[] = {"there", "held", "near", "no-rows", "late", "dead", "ended"};
  return names[state];
}

static gboolean refuse(GError **error, weft_status status, const char *message)
{
  g_set_error(error, WEFT_ERROR, status, "%s", message);
  return FALSE;
}

static gboolean slot_init(WeftLive *live, struct slot *slot)
{
  guint n = live->n_graph_inputs;
  slot->live = live;
  slot->blobs = g_new0(struct weft_blob, n + 1);
  slot->groups = g_new0(struct weft_blob_groups, n + 1);
  slot->absences = g_new0(guint8, n + 1);
  slot->states = g_new0(WeftStreamState, live->n_feeds + 1);
  slot->n_rows = g_new0(gint64, live->n_feeds + 1);
  slot->rooms = g_new0(void *, 3 * live->n_feeds + 1);
  for (guint i = 0; i < live->n_feeds; i++) {
    const struct weft_rows_store *rows = &live->feeds[i].rows;
    const gsize sizes[] = {(gsize)rows->n_bytes_max, (gsize)rows->n_max * sizeof(gint64),
                           rows->row_bytes ? 0 : ((gsize)rows->n_max + 1) * sizeof(gint64)};
    for (guint k = 0; k < 3; k++)
      if (sizes[k] && !(slot->rooms[3 * i + k] = weft_mem_alloc(sizes[k])))
        return FALSE;
  }
  return TRUE;
}

static void slot_clear(WeftLive *live, struct slot *slot)
{
  for (guint i = 0; slot->rooms && i < 3 * live->n_feeds; i++)
    weft_mem_free(slot->rooms[i]);
  g_free(slot->rooms);
  g_free(slot->blobs);
  g_free(slot->groups);
  g_free(slot->absences);
  g_free(slot->states);
  g_free(slot->n_rows);
}

static gboolean check_inputs(WeftRevision *revision, GError **error)
{
  guint n = 0, n_sources = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  const WeftRevisionSource *sources = weft_revision_sources(revision, &n_sources);
  if (!n_sources)
    return refuse(error, WEFT_BAD_CONFIG, "the pipeline has no live input: weft run runs it (a live input has "
                                          "source: {use: replay@^1})");
  if (n_sources > WEFT_LIVE_STREAMS_MAX) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%u live inputs; at most %d are allowed (WEFT_LIVE_STREAMS_MAX)",
                n_sources, WEFT_LIVE_STREAMS_MAX);
    return FALSE;
  }
  for (guint i = 0, s = 0; i < n; i++) {
    gboolean live = s < n_sources && sources[s].input == i;
    s += live;
    if (live || inputs[i].optional)
      continue;
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "the input \"%s\" is not live, and no window brings it: write "
                "optional: true there, or a source", inputs[i].name);
    return FALSE;
  }
  return TRUE;
}

static gboolean feeds_init(WeftLive *live, GError **error)
{
  guint n = 0;
  const WeftRevisionSource *sources = weft_revision_sources(weft_session_revision(live->session), &n);
  live->feeds = g_new0(struct feed, n);
  for (guint i = 0; i < n; i++) {
    if (weft_feed_init(&live->feeds[i], live, &sources[i], i) != WEFT_OK)
      return refuse(error, WEFT_NO_MEMORY, "no memory for the buffers of the streams");
    live->n_feeds = i + 1;
    if (sources[i].lead)
      live->lead = &live->feeds[i];
  }
  live->window_ns = live->lead->spec->window_ns;
  live->hop_ns = live->lead->spec->hop_ns;
  return TRUE;
}

static gboolean slots_init(WeftLive *live, GError **error)
{
  live->n_slots = live->options.n_in_flight ? live->options.n_in_flight : 1;
  live->slots = g_new0(struct slot, live->n_slots);
  for (guint i = 0; i < live->n_slots; i++) {
    if (!slot_init(live, &live->slots[i]))
      return refuse(error, WEFT_NO_MEMORY, "no memory for the rows of a window");
    live->slots[i].next = live->free_slots;
    live->free_slots = &live->slots[i];
  }
  return TRUE;
}

static void locks_init(WeftLive *live)
{
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&live->lock, NULL);
  pthread_cond_init(&live->changed, &monotonic);
  pthread_cond_init(&live->room, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

WeftLive *weft_live_new(WeftSession *session, const WeftLiveOptions *options, GError **error)
{
  WeftRevision *revision = weft_session_revision(session);
  if (!check_inputs(revision, error))
    return NULL;
  g_autoptr(WeftLive) live = g_new0(WeftLive, 1);
  locks_init(live);
  live->session = session;
  live->options = *options;
  live->until = TIME_NONE;
  weft_revision_inputs(revision, &live->n_inputs);
  live->n_graph_inputs = weft_revision_n_graph_inputs(revision);
  live->present = g_new0(gboolean, live->n_inputs + 1);
  live->values = g_new0(WeftValue, live->n_inputs + 1);
  live->there = g_bytes_new_static("", 0);
  if (!feeds_init(live, error) || !slots_init(live, error))
    return NULL;
  if (!weft_revision_take_context(revision, options->context, options->n_context, &live->context, error))
    return NULL;
  live->sinks = weft_sinks_new(revision, error);
  return live->sinks ? g_steal_pointer(&live) : NULL;
}

void weft_live_free(WeftLive *live)
{
  if (!live)
    return;
  for (guint i = 0; live->slots && i < live->n_slots; i++)
    slot_clear(live, &live->slots[i]);
  for (guint i = 0; i < live->n_feeds; i++)
    weft_feed_clear(&live->feeds[i]);
  weft_sinks_free(live->sinks);
  pthread_mutex_destroy(&live->lock);
  pthread_cond_destroy(&live->changed);
  pthread_cond_destroy(&live->room);
  g_clear_pointer(&live->there, g_bytes_unref);
  g_free(live->slots);
  g_free(live->feeds);
  g_free(live->present);
  g_free(live->values);
  g_free(live);
}

static void set_present(WeftLive *live, const struct slot *slot)
{
  for (guint i = 0; i < live->n_inputs; i++) {
    live->present[i] = slot->blobs[i].present;
    live->values[i].bytes = live->present[i] ? live->there : NULL;
  }
}

static void finished(struct weft_frame *frame, void *data)
{
  struct slot *slot = data;
  WeftLive *live = slot->live;
  uint64_t now = weft_clock_now();
  pthread_mutex_lock(&live->lock);
  slot->frame = frame;
  slot->done_at = now;
  slot->done = 1;
  pthread_cond_signal(&live->changed);
  pthread_mutex_unlock(&live->lock);
}

/* The lock is not held. */
static void submit(WeftLive *live, struct slot *slot)
{
  WeftRevision *revision = weft_session_revision(live->session);
  guint64 deadline_ns = weft_revision_window_deadline_ns(revision);
  slot->request = (struct weft_request){
    .inputs = slot->blobs, .groups = slot->groups, .absences = slot->absences,
    .context = &live->context, .seed = slot->index,
    .deadline_ns = deadline_ns ? slot->complete_at + deadline_ns : 0, .stream = STREAM,
    .chunk_flags = slot->index ? 0 : WEFT_CHUNK_FIRST, .time_ns = slot->begin > 0 ? (uint64_t)slot->begin : 0};
  set_present(live, slot);
  slot->status = weft_revision_require(revision, live->present, WEFT_GIVEN_BY_NONE, NULL)
                     ? weft_graph_submit(weft_revision_graph(revision), &slot->request, 1, finished, slot, NULL)
                     : WEFT_BAD_INPUT;
  if (slot->status == WEFT_OK)
    return;
  slot->done_at = weft_clock_now();
  slot->done = 1;
}

static GError *error_of(WeftLive *live, const struct slot *slot)
{
  g_autofree char *missing = NULL;
  if (slot->status == WEFT_OK)
    return NULL;
  if (!weft_revision_require(weft_session_revision(live->session), live->present, WEFT_GIVEN_BY_NONE, &missing))
    return g_error_new(WEFT_ERROR, slot->status, "%s", missing);
  return g_error_new(WEFT_ERROR, slot->status, "the window could not be taken: %s", weft_status_name(slot->status));
}

/* "2024-01-31T12:00:00.000000001Z" */
static json_t *date_of(gint64 ns)
{
  gint64 seconds = ns / 1000000000 - (ns % 1000000000 < 0);
  g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(seconds);
  if (!date)
    return json_null();
  g_autofree char *text = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *all = g_strdup_printf("%s.%09dZ", text, (int)(ns - seconds * 1000000000));
  return json_string(all);
}

static json_t *answer_of(WeftLive *live, const struct slot *slot, const GError *error)
{
  WeftAnswerSource source = {.revision = weft_session_revision(live->session),
                             .fingerprint = weft_session_fingerprint(live->session),
                             .total_ms = (double)(slot->done_at - slot->complete_at) / 1e6};
  WeftQuery query = {.inputs = live->values, .seed = slot->index};
  json_t *answer = weft_answer_new(&source, &query, slot->frame, 0, error), *streams = json_object();
  json_object_set_new(answer, "time", date_of(slot->begin));
  json_object_set_new(answer, "window", json_pack("{s:I,s:I,s:I}", "index", (json_int_t)slot->index, "begin_ns",
                                                  (json_int_t)slot->begin, "end_ns", (json_int_t)slot->end));
  for (guint i = 0; i < live->n_feeds; i++)
    json_object_set_new(streams, live->feeds[i].spec->name,
                        json_pack("{s:s,s:I}", "state", weft_stream_state_name(slot->states[i]), "rows",
                                  (json_int_t)slot->n_rows[i]));
  json_object_set_new(answer, "streams", streams);
  return answer;
}

static void count_latency(WeftLive *live, guint64 ns)
{
  double step = 8 * log2((double)MAX(ns, 1000) / 1000.0);
  live->histogram[MIN((guint)step, HISTOGRAM_STEPS - 1)]++;
  live->max_ns = MAX(live->max_ns, ns);
}

/* Sinks, counters, what the caller wants to see; the lock is not held. */
static void deliver(WeftLive *live, struct slot *slot)
{
  set_present(live, slot);
  g_autoptr(GError) error = error_of(live, slot);
  weft_status status = slot->status == WEFT_OK ? weft_frame_status(slot->frame, 0) : slot->status;
  if (status == WEFT_OK && !weft_sinks_write(live->sinks, slot->frame, 0, &error))
    status = WEFT_UNAVAILABLE;
  live->n_failed += status != WEFT_OK;
  live->n_missed += status == WEFT_DEADLINE;
  count_latency(live, slot->done_at - slot->complete_at);
  if (live->options.window) {
    WeftLiveWindow window = {slot->index, slot->begin, slot->end, status, slot->done_at - slot->complete_at,
                             slot->states, slot->n_rows};
    json_t *answer = live->options.want_answers ? answer_of(live, slot, error) : NULL;
    live->options.window(live->options.data, &window, answer);
    json_decref(answer);
  }
  if (slot->frame)
    weft_frame_release(slot->frame);
  slot->frame = NULL;
}

/* Windows that are answered, in their order; the lock is held. */
static void deliver_all(WeftLive *live)
{
  while (live->first && live->first->done) {
    struct slot *slot = live->first;
    live->first = slot->next;
    if (!live->first)
      live->last = NULL;
    pthread_mutex_unlock(&live->lock);
    deliver(live, slot);
    pthread_mutex_lock(&live->lock);
    slot->next = live->free_slots;
    live->free_slots = slot;
  }
}

/* The lock is held. */
static void begin_window(WeftLive *live)
{
  struct slot *slot = live->free_slots;
  live->free_slots = slot->next;
  slot->next = NULL;
  slot->done = 0;
  weft_window_take(live, slot);
  slot->complete_at = weft_clock_now();
  if (live->last)
    live->last->next = slot;
  else
    live->first = slot;
  live->last = slot;
  pthread_mutex_unlock(&live->lock);
  submit(live, slot);
  pthread_mutex_lock(&live->lock);
}

static void tell(WeftLive *live, const struct feed *feed, const char *what, const char *why)
{
  if (!live->options.event)
    return;
  g_autofree char *line = g_strdup_printf("stream \"%s\" (%s) %s%s%s", feed->spec->name, feed->spec->label, what,
                                          *why ? ": " : "", why);
  live->options.event(live->options.data, line);
}

static void give_up(WeftLive *live, struct feed *feed)
{
  feed->state = FEED_ENDED;
  feed->failed = 1;
  feed->starting = 0;
  pthread_cond_broadcast(&live->room);
  tell(live, feed, "has ended by an error", feed->obituary);
}

/* The lock is held; its thread waits meanwhile. */
static void revive(WeftLive *live, struct feed *feed)
{
  if (feed->fatal || (feed->spec->simulated && feed->n_failures >= WEFT_LIVE_FAILURES_MAX)) {
    give_up(live, feed);
    return;
  }
  tell(live, feed, "broke off and is tried again", feed->obituary);
  pthread_mutex_unlock(&live->lock);
  gboolean ok = weft_feed_revive(feed);
  pthread_mutex_lock(&live->lock);
  feed->died_ns = TIME_NONE;
  feed->pause_ns = feed->n_failures > 1 ? MIN(2 * feed->pause_ns, WEFT_LIVE_PAUSE_MAX_NS) : WEFT_LIVE_PAUSE_NS;
  feed->n_restarts++;
  if (!ok) {
    feed->n_failures++;
    g_strlcpy(feed->obituary, live->setup.message, sizeof feed->obituary);
    return;
  }
  if (feed->rows.newest != INT64_MIN)
    feed->resumed = feed->rows.newest + 1;
  feed->floor = MAX(feed->floor, feed->resumed);
  feed->starting = 1;
  feed->state = FEED_RUNNING;
  pthread_cond_broadcast(&live->room);
}

static void wait_until(WeftLive *live, uint64_t wake)
{
  uint64_t now = weft_clock_now(), at = now + LOOK_NS;
  if (wake && wake < at)
    at = wake;
  struct timespec until = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
  pthread_cond_timedwait(&live->changed, &live->lock, &until);
}

static void set_overflow(WeftLive *live, const struct feed *feed, GError **error)
{
  g_set_error(error, WEFT_ERROR, WEFT_NO_MEMORY, "stream \"%s\": %" G_GINT64_FORMAT " rows fill its buffer of %"
              G_GUINT64_FORMAT " bytes, and a window of %g s is not complete with them: give it a larger buffer, such as "
              "buffer: %" G_GUINT64_FORMAT " MiB, or full: drop", feed->spec->name, weft_rows_n(&feed->rows),
              feed->spec->buffer_bytes, (double)live->window_ns / 1e9, 2 * MAX(feed->spec->buffer_bytes >> 20, 1));
}

/* One look at the streams; FALSE: no window is to begin any more. The lock is held. */
static gboolean look(WeftLive *live, GError **error)
{
  uint64_t now = weft_clock_now(), wake = 0;
  struct feed *who = NULL;
  if (atomic_load(&live->stopped) || (live->stop_at && now >= live->stop_at))
    return FALSE;
  switch (weft_window_next(live, now, &wake, &who)) {
  case WINDOW_READY:
    if (live->free_slots)
      begin_window(live);
    else
      wait_until(live, 0);
    return TRUE;
  case WINDOW_REVIVES:
    revive(live, who);
    return TRUE;
  case WINDOW_OVERFLOWS:
    set_overflow(live, who, error);
    return FALSE;
  case WINDOW_FINISHED:
    return FALSE;
  default:
    wait_until(live, live->stop_at && (!wake || live->stop_at < wake) ? live->stop_at : wake);
    return TRUE;
  }
}

static void end_feeds(WeftLive *live)
{
  pthread_mutex_lock(&live->lock);
  live->ending = 1;
  pthread_cond_broadcast(&live->room);
  pthread_mutex_unlock(&live->lock);
  for (guint i = 0; i < live->n_feeds; i++)
    weft_feed_cancel(&live->feeds[i]);
  for (guint i = 0; i < live->n_feeds; i++)
    if (live->feeds[i].has_thread)
      pthread_join(live->feeds[i].thread, NULL);
}

gboolean weft_live_run(WeftLive *live, GError **error)
{
  int problem = 0;
  GError *fault = NULL;
  if (live->options.for_ns && !live->lead->spec->simulated)
    live->stop_at = weft_clock_now() + (uint64_t)live->options.for_ns;
  for (guint i = 0; i < live->n_feeds && !problem; i++)
    problem = weft_feed_start(&live->feeds[i]);
  if (problem)
    g_set_error(&fault, WEFT_ERROR, WEFT_NO_MEMORY, "no thread for a source: %s", g_strerror(problem));
  pthread_mutex_lock(&live->lock);
  gboolean more = !problem;
  while (more || live->first) {
    deliver_all(live);
    if (more)
      more = look(live, &fault);
    else if (live->first && !live->first->done)
      wait_until(live, 0);
  }
  pthread_mutex_unlock(&live->lock);
  end_feeds(live);
  if (!fault)
    return TRUE;
  g_propagate_error(error, fault);
  return FALSE;
}

void weft_live_stop(WeftLive *live)
{
  atomic_store(&live->stopped, 1);
}

static double percentile(const WeftLive *live, double share)
{
  guint64 n = 0, all = 0;
  for (guint i = 0; i < HISTOGRAM_STEPS; i++)
    all += live->histogram[i];
  for (guint i = 0; i < HISTOGRAM_STEPS && all; i++) {
    n += live->histogram[i];
    if ((double)n >= share * (double)all)
      return MIN(exp2((i + 1) / 8.0) / 1000.0, (double)live->max_ns / 1e6);
  }
  return 0;
}

void weft_live_stats(const WeftLive *live, WeftLiveStats *out)
{
  *out = (WeftLiveStats){.n_windows = live->n_windows, .n_failed = live->n_failed, .n_missed = live->n_missed,
                         .n_gaps = live->n_gaps, .n_sink_errors = weft_sinks_n_errors(live->sinks),
                         .p50_ms = percentile(live, 0.5), .p99_ms = percentile(live, 0.99),
                         .max_ms = (double)live->max_ns / 1e6, .n_streams = live->n_feeds};
  for (guint i = 0; i < live->n_feeds; i++) {
    const struct feed *feed = &live->feeds[i];
    out->streams[i] = (WeftStreamStats){feed->spec->name, feed->rows.n_taken, feed->rows.n_late, feed->rows.n_dropped,
                                        feed->n_missing, feed->n_restarts, feed->failed};
  }
}
