/* SPDX-License-Identifier: Apache-2.0 */
/* Slots through the runtime: from many threads on one helper, cancelled, killed, without memory, without allocations. */
#include "language-fixture.h"

#include <signal.h>
#include <string.h>

#define AVERAGE(how) \
  HEAD "nodes:\n  x: {use: vector, in: words, params: {d: 4}}\n" \
       "  mean: {use: average, in: x, slots: {a: {use: scale, params: {factor: 2, how: " how "}},\n" \
       "         b: {use: scale-alone, params: {factor: 4}}}}\noutputs: {y: mean.y, n: mean.n}\n"
#define N_ITEMS 3

typedef struct {
  float rows[N_ITEMS][4];
  struct weft_blob blobs[N_ITEMS][2];
  struct weft_request requests[N_ITEMS];
} Requests;

/* Rows that begin with first, first + 1, ...; what the revision has no input for is left out. */
static void make(Requests *r, float first)
{
  memset(r, 0, sizeof *r);
  for (guint i = 0; i < N_ITEMS; i++) {
    const float row[4] = {first + (float)i, 1, -2, 3};
    memcpy(r->rows[i], row, sizeof row);
    r->blobs[i][0] = (struct weft_blob){r->rows[i], sizeof row, 1};
    r->requests[i].inputs = r->blobs[i];
  }
}

static guint value_of(const Built *built, guint output)
{
  return built->revision->outputs[output].value;
}

/* Every item is the mean of both slots: 3 x. */
static void check_answer(const Built *built, struct weft_frame *frame, float first)
{
  const struct weft_tensor *y = weft_frame_value(frame, value_of(built, 0));
  for (guint i = 0; i < N_ITEMS; i++) {
    if (weft_frame_status(frame, i) != WEFT_OK)
      g_error("%s", weft_frame_message(frame, i));
    struct weft_rows rows = weft_rows_of(y, i);
    g_assert_true(rows.present);
    g_assert_cmpfloat(((const float *)y->data)[4 * rows.begin], ==, 3 * (first + (float)i));
  }
}

static void run_once(const Built *built, float first)
{
  Requests r;
  struct weft_frame *frame = NULL;
  make(&r, first);
  g_assert_cmpint(weft_graph_run(built->revision->graph, r.requests, N_ITEMS, &frame), ==, WEFT_OK);
  check_answer(built, frame, first);
  weft_frame_release(frame);
}

typedef struct {
  const Built *built;
  guint n;
  float first;
} Job;

static gpointer run_many(gpointer data)
{
  const Job *job = data;
  for (guint k = 0; k < job->n; k++)
    run_once(job->built, job->first + (float)k);
  return NULL;
}

static Built build(const char *text, gconstpointer isolated)
{
  Built built = language_build_with(text, isolated ? language_worker() : NULL, NULL);
  if (!built.revision)
    g_error("%s", built.text);
  return built;
}

static void test_slot_calls_threads(gconstpointer isolated)
{
  Built built = build(AVERAGE("none"), isolated);
  Job jobs[4];
  GThread *threads[G_N_ELEMENTS(jobs)];
  for (guint t = 0; t < G_N_ELEMENTS(jobs); t++) {
    jobs[t] = (Job){&built, 40, (float)(100 * t)};
    threads[t] = g_thread_new("runs", run_many, &jobs[t]);
  }
  for (guint t = 0; t < G_N_ELEMENTS(jobs); t++)
    g_thread_join(threads[t]);
  struct weft_counters counters;
  weft_graph_counters(built.revision->nodes[built.pipeline->n_steps + 1].slot_graph, 0, &counters);
  g_assert_cmpuint(counters.n_items, ==, G_N_ELEMENTS(jobs) * 40 * N_ITEMS);
  language_clear(&built);
}

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  guint n_done;
} Waiting;

static void on_done(struct weft_frame *frame, void *data)
{
  Waiting *waiting = data;
  pthread_mutex_lock(&waiting->lock);
  waiting->n_done++;
  pthread_cond_signal(&waiting->cond);
  pthread_mutex_unlock(&waiting->lock);
}

static void wait_for(Waiting *waiting, guint n)
{
  pthread_mutex_lock(&waiting->lock);
  while (waiting->n_done < n)
    pthread_cond_wait(&waiting->cond, &waiting->lock);
  pthread_mutex_unlock(&waiting->lock);
}

/* More frames than helpers (the fixture has one), all of which wait for the same slots: they all end. */
static void test_slot_calls_submitted(gconstpointer isolated)
{
  Built built = build(AVERAGE("none"), isolated);
  Waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  Requests r[16];
  struct weft_frame *frames[G_N_ELEMENTS(r)];
  for (guint k = 0; k < G_N_ELEMENTS(r); k++) {
    make(&r[k], (float)k);
    g_assert_cmpint(weft_graph_submit(built.revision->graph, r[k].requests, N_ITEMS, on_done, &waiting, &frames[k]), ==, WEFT_OK);
  }
  wait_for(&waiting, G_N_ELEMENTS(r));
  for (guint k = 0; k < G_N_ELEMENTS(r); k++) {
    check_answer(&built, frames[k], (float)k);
    weft_frame_release(frames[k]);
  }
  language_clear(&built);
}

/* A slot that goes on until it is cancelled, or for ever, ends with the request; the next request finds it well. */
static void expect_cancelled(const char *text, gconstpointer isolated)
{
  Built built = build(text, isolated);
  for (guint k = 0; k < 3; k++) {
    Waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    Requests r;
    struct weft_frame *frame = NULL;
    make(&r, 665); /* the second item is the marked one */
    for (guint i = 0; i < N_ITEMS && k == 2; i++)
      r.requests[i].deadline_ns = (guint64)g_get_monotonic_time() * 1000 + 50000000;
    g_assert_cmpint(weft_graph_submit(built.revision->graph, r.requests, N_ITEMS, on_done, &waiting, &frame), ==, WEFT_OK);
    if (k == 1)
      g_usleep(20000);
    if (k < 2)
      weft_frame_cancel(frame, WEFT_ALL_ITEMS);
    wait_for(&waiting, 1);
    for (guint i = 0; i < N_ITEMS; i++)
      g_assert_cmpint(weft_frame_status(frame, i), ==, k < 2 ? WEFT_CANCELLED : WEFT_DEADLINE);
    weft_frame_release(frame);
    run_once(&built, 1);
  }
  language_clear(&built);
}

static void test_slot_calls_cancelled(gconstpointer isolated)
{
  expect_cancelled(AVERAGE("slow"), isolated);
  if (isolated)
    expect_cancelled(AVERAGE("hang"), isolated);
}

/* One item is cancelled while the call goes on for the others, which do not notice. */
static void test_slot_calls_one_cancelled(gconstpointer isolated)
{
  Built built = build(AVERAGE("none"), isolated);
  for (guint k = 0; k < 50; k++) {
    Waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    Requests r;
    struct weft_frame *frame = NULL;
    make(&r, 1);
    g_assert_cmpint(weft_graph_submit(built.revision->graph, r.requests, N_ITEMS, on_done, &waiting, &frame), ==, WEFT_OK);
    g_usleep(k * 5);
    weft_frame_cancel(frame, 1);
    wait_for(&waiting, 1);
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
    g_assert_true(weft_frame_status(frame, 1) == WEFT_OK || weft_frame_status(frame, 1) == WEFT_CANCELLED);
    g_assert_cmpint(weft_frame_status(frame, 2), ==, WEFT_OK);
    weft_frame_release(frame);
  }
  language_clear(&built);
}

/* The workers of the slots are killed at any moment: an answer is right or without that slot, and the host goes on. */
static void test_slot_calls_killed(void)
{
  Built built = build(AVERAGE("none"), "isolated");
  const WeftRevisionNode *slots = &built.revision->nodes[built.pipeline->n_steps];
  for (guint k = 0; k < 60; k++) {
    Waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct weft_worker_stats stats;
    Requests r;
    struct weft_frame *frame = NULL;
    make(&r, 1);
    g_assert_cmpint(weft_graph_submit(built.revision->graph, r.requests, N_ITEMS, on_done, &waiting, &frame), ==, WEFT_OK);
    weft_worker_stats(slots[k % 2].worker, &stats);
    g_usleep(k % 10 * 30);
    if (stats.pid > 0)
      kill(stats.pid, SIGKILL);
    wait_for(&waiting, 1);
    const struct weft_tensor *y = weft_frame_value(frame, value_of(&built, 0)), *n = weft_frame_value(frame, value_of(&built, 1));
    for (guint i = 0; i < N_ITEMS; i++) {
      if (weft_frame_status(frame, i) != WEFT_OK)
        continue;
      float first = ((const float *)y->data)[4 * weft_rows_of(y, i).begin], x = 1 + (float)i;
      float of = ((const float *)n->data)[weft_rows_of(n, i).begin];
      g_assert_true(of == 2 ? first == 3 * x : first == 2 * x || first == 4 * x);
    }
    weft_frame_release(frame);
  }
  run_once(&built, 1);
  language_clear(&built);
}

/* Once it has run, nothing is allocated; and where nothing can be, the items say so. */
static void test_slot_calls_memory(void)
{
  Built built = build(AVERAGE("none"), NULL);
  guint n_failed = 0;
  for (guint64 k = 1; k < 12; k++) {
    Requests r;
    struct weft_frame *frame = NULL;
    make(&r, 1);
    weft_mem_fail_at(k);
    weft_status status = weft_graph_run(built.revision->graph, r.requests, N_ITEMS, &frame);
    weft_mem_fail_at(0);
    n_failed += status != WEFT_OK || weft_frame_status(frame, 0) != WEFT_OK;
    g_assert_true(status == WEFT_OK || status == WEFT_NO_MEMORY);
    for (guint i = 0; frame && i < N_ITEMS; i++)
      g_assert_true(weft_frame_status(frame, i) == WEFT_OK || weft_frame_status(frame, i) == WEFT_NO_MEMORY);
    if (frame)
      weft_frame_release(frame);
  }
  g_assert_cmpuint(n_failed, >, 0);
  run_once(&built, 1);
  guint64 before = weft_mem_count();
  for (guint k = 0; k < 100; k++)
    run_once(&built, 1);
  g_assert_cmpuint(weft_mem_count(), ==, before);
  language_clear(&built);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  language_begin(argc, argv);
  static const struct {
    const char *name;
    void (*test)(gconstpointer isolated);
  } both[] = {{"threads", test_slot_calls_threads},
              {"submitted", test_slot_calls_submitted},
              {"cancelled", test_slot_calls_cancelled},
              {"one-cancelled", test_slot_calls_one_cancelled}};
  for (guint i = 0; i < G_N_ELEMENTS(both); i++) {
    g_autofree char *here = g_strdup_printf("/slot-calls/%s/here", both[i].name);
    g_autofree char *isolated = g_strdup_printf("/slot-calls/%s/isolated", both[i].name);
    g_test_add_data_func(here, NULL, both[i].test);
    g_test_add_data_func(isolated, "isolated", both[i].test);
  }
  g_test_add_func("/slot-calls/killed", test_slot_calls_killed);
  g_test_add_func("/slot-calls/memory", test_slot_calls_memory);
  int code = g_test_run();
  language_end();
  return code;
}
