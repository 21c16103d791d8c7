/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include "command.h"
#include "given.h"
#include "lines.h"
#include "progress.h"
#include "signals.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Places beyond the requests in flight: answers that wait for an earlier one. */
#define AHEAD 4u

typedef struct {
  struct Reading *reading;
  WeftLine line;
  json_t *answer; /* NULL: not yet */
} Place;

/* One thread reads and submits, helpers answer, one thread prints. */
typedef struct Reading {
  WeftSession *session;
  const WeftBatch *batch;
  Place *places; /* ring */
  guint n_places;
  pthread_mutex_t lock; /* all below; not GLib's, which the thread sanitizer does not see */
  pthread_cond_t changed;
  guint64 n_read, n_printed, n_flying, n_failed, n_refused, n_bytes_read;
  gboolean ended, broken; /* no line comes any more; an answer could not be written, as problem (errno) says */
  int problem;
  guint *free, n_free;    /* --unordered: places, and those that are answered */
  guint *ready, n_ready;
  WeftProgress progress;
} Reading;

static gboolean print_answer(Reading *reading, json_t *answer, json_t *id)
{
  if (id)
    json_object_set(answer, "$id", id);
  gboolean written = json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
  written = putchar('\n') != EOF && written;
  return !reading->batch->at_once || fflush(stdout) == 0 ? written : FALSE;
}

/* [helper] */
static void on_answer(json_t *answer, gpointer data)
{
  Place *place = data;
  Reading *reading = place->reading;
  pthread_mutex_lock(&reading->lock);
  place->answer = answer;
  if (reading->batch->unordered)
    reading->ready[reading->n_ready++] = (guint)(place - reading->places);
  reading->n_flying--;
  pthread_cond_broadcast(&reading->changed);
  pthread_mutex_unlock(&reading->lock);
}

/* With the lock held: the next answer to print; NULL: not yet. */
static Place *next_answer(Reading *reading)
{
  if (reading->n_printed == reading->n_read)
    return NULL;
  if (!reading->batch->unordered) {
    Place *place = &reading->places[reading->n_printed % reading->n_places];
    return place->answer ? place : NULL;
  }
  if (reading->n_ready == 0)
    return NULL;
  guint first = reading->ready[0];
  memmove(reading->ready, reading->ready + 1, --reading->n_ready * sizeof *reading->ready);
  return &reading->places[first];
}

static void *print_all(void *data)
{
  Reading *reading = data;
  pthread_mutex_lock(&reading->lock);
  while (!reading->ended || reading->n_printed < reading->n_read) {
    Place *place = next_answer(reading);
    if (!place) {
      pthread_cond_wait(&reading->changed, &reading->lock);
      continue;
    }
    gboolean broken = reading->broken;
    pthread_mutex_unlock(&reading->lock);
    const char *status = json_string_value(json_object_get(place->answer, "status"));
    gboolean failed = strcmp(status, "failed") == 0, refused = strcmp(status, "refused") == 0;
    gboolean written = !broken && print_answer(reading, place->answer, weft_line_id(&place->line));
    int problem = errno;
    json_decref(place->answer);
    weft_line_clear(&place->line);
    place->answer = NULL;
    pthread_mutex_lock(&reading->lock);
    if (!written && !broken)
      reading->problem = problem;
    reading->broken |= !written;
    reading->n_failed += failed;
    reading->n_refused += refused;
    reading->n_printed++;
    if (reading->batch->unordered)
      reading->free[reading->n_free++] = (guint)(place - reading->places);
    weft_progress_at(&reading->progress, reading->n_bytes_read, reading->n_printed, reading->n_failed);
    pthread_cond_broadcast(&reading->changed);
  }
  pthread_mutex_unlock(&reading->lock);
  return NULL;
}

/* A place for the next line, once fewer than the clients' number are in flight. NULL: nobody reads the answers. */
static Place *take_place(Reading *reading)
{
  Place *place = NULL;
  pthread_mutex_lock(&reading->lock);
  while (!reading->broken &&
         (reading->n_flying >= reading->batch->n_clients || reading->n_read - reading->n_printed >= reading->n_places))
    pthread_cond_wait(&reading->changed, &reading->lock);
  if (!reading->broken && reading->batch->unordered)
    place = &reading->places[reading->free[--reading->n_free]];
  else if (!reading->broken)
    place = &reading->places[reading->n_read % reading->n_places];
  pthread_mutex_unlock(&reading->lock);
  return place;
}

static void submit(Reading *reading, Place *place, guint64 n_before)
{
  g_autoptr(GError) error = NULL;
  WeftQuery query = {.seed = reading->batch->seed + n_before, .timeout_ns = reading->batch->timeout_ns};
  place->line.context = weft_context_copy(reading->batch->context);
  weft_line_take(&place->line, weft_session_revision(reading->session), NULL);
  weft_line_settle(&place->line);
  weft_line_query(&place->line, &query);
  WeftReceiver receiver = {on_answer, place};
  if (!weft_session_submit(reading->session, &query, &receiver, NULL, &error))
    on_answer(weft_session_refusal(reading->session, &query, error), place);
}

static void read_all(Reading *reading, WeftLines *file)
{
  for (guint64 n = 0;; n++) {
    Place *place = take_place(reading);
    if (!place)
      return;
    place->reading = reading;
    /* A line that a signal interrupts is cut. */
    if (weft_signals_came() || !weft_lines_next(file, &place->line))
      return;
    if (weft_signals_came()) {
      weft_line_clear(&place->line);
      return;
    }
    pthread_mutex_lock(&reading->lock);
    reading->n_read++;
    reading->n_flying++;
    reading->n_bytes_read = weft_lines_n_bytes_read(file);
    pthread_mutex_unlock(&reading->lock);
    submit(reading, place, n);
  }
}

/* FALSE: an answer could not be written. */
static gboolean run_all(Reading *reading, WeftLines *file)
{
  pthread_t printer;
  reading->n_places = reading->batch->n_clients * AHEAD;
  reading->places = g_new0(Place, reading->n_places);
  reading->free = g_new0(guint, reading->n_places);
  reading->ready = g_new0(guint, reading->n_places);
  for (guint i = 0; i < reading->n_places; i++)
    reading->free[reading->n_free++] = i;
  pthread_mutex_init(&reading->lock, NULL);
  pthread_cond_init(&reading->changed, NULL);
  weft_progress_begin(&reading->progress, weft_lines_n_bytes(file));
  gboolean started = pthread_create(&printer, NULL, print_all, reading) == 0;
  if (started)
    read_all(reading, file);
  pthread_mutex_lock(&reading->lock);
  reading->ended = TRUE;
  pthread_cond_broadcast(&reading->changed);
  pthread_mutex_unlock(&reading->lock);
  if (started)
    pthread_join(printer, NULL);
  weft_session_drain(reading->session);
  weft_progress_end(&reading->progress);
  pthread_cond_destroy(&reading->changed);
  pthread_mutex_destroy(&reading->lock);
  g_free(reading->places);
  g_free(reading->free);
  g_free(reading->ready);
  errno = started ? reading->problem : EAGAIN;
  return started && !reading->broken && fflush(stdout) == 0;
}

int weft_batch_run(WeftSession *session, const WeftBatch *batch)
{
  Reading reading = {.session = session, .batch = batch};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftLines) file = weft_lines_open(batch->path, &error);
  if (!file) {
    fprintf(stderr, "weft run: --batch %s\n", error->message);
    return WEFT_EXIT_USAGE;
  }
  weft_signals_hold(weft_lines_fd(file));
  if (!run_all(&reading, file)) {
    fprintf(stderr, "weft run: answers cannot be written to standard output: %s\n", g_strerror(errno));
    return WEFT_EXIT_FAILED;
  }
  if (weft_signals_came())
    fprintf(stderr, "weft run: a signal came: %" G_GUINT64_FORMAT " lines are answered, no more are read\n", reading.n_printed);
  else if (!weft_lines_check(file, &error)) {
    fprintf(stderr, "weft run: %s\n", error->message);
    return WEFT_EXIT_USAGE;
  }
  if (reading.n_failed > 0)
    fprintf(stderr, "weft run: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " requests failed; their answers say why\n",
            reading.n_failed, reading.n_printed);
  return reading.n_failed > 0 ? WEFT_EXIT_FAILED : reading.n_refused > 0 ? WEFT_EXIT_REFUSED : WEFT_EXIT_OK;
}
