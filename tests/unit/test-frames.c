/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in flight: submit, many threads, cancellation, deadlines, bounds, memory that ends. */
#include "runtime-fixture.h"

#include "clock.h"
#include "cpus.h"

#include <stdatomic.h>
#include <string.h>

/* A node that waits for the test: counts its calls and asserts that an exclusive instance is called alone. */
struct brake {
  _Atomic int n_inside, n_calls, open, exclusive;
  _Atomic int polls; /* give up when cancelled */
};

static weft_status braked(void *instance, struct weft_call *call)
{
  struct brake *brake = instance;
  int inside = atomic_fetch_add(&brake->n_inside, 1) + 1;
  if (atomic_load(&brake->exclusive))
    g_assert_cmpint(inside, ==, 1);
  atomic_fetch_add(&brake->n_calls, 1);
  weft_status status = WEFT_OK;
  while (!atomic_load(&brake->open) && status == WEFT_OK) {
    g_usleep(100);
    if (atomic_load(&brake->polls) && weft_cancelled(call))
      status = WEFT_CANCELLED;
  }
  atomic_fetch_sub(&brake->n_inside, 1);
  return status ? status : fx_length(NULL, call);
}

static void until(_Atomic int *value, int n)
{
  while (atomic_load(value) < n)
    g_usleep(100);
}

static void test_frames_submit(void)
{
  struct fx fx;
  struct fx_signal signal = FX_SIGNAL;
  fx_init(&fx, 2);
  uint32_t text = fx_input(&fx, "text");
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &text, 1);
  fx_seal(&fx, 4);
  struct weft_blob blobs[2];
  struct weft_request requests[2];
  fx_requests(&fx, (const char *[]){"abc", "de"}, 2, blobs, requests);
  struct weft_frame *frame;
  g_assert_cmpint(weft_graph_submit(fx.graph, requests, 2, fx_done, &signal, &frame), ==, WEFT_OK);
  fx_wait(&signal, 1);
  g_assert_cmpfloat(fx_number(frame, length, 1), ==, 2);
  weft_frame_release(frame);
  fx_clear(&fx);
}

#define N_CLIENTS 4
#define N_ROUNDS 200

struct client {
  struct fx *fx;
  uint32_t value;
  int wait_inside;
};

static gpointer client_main(gpointer data)
{
  struct client *client = data;
  struct fx_signal signal = FX_SIGNAL;
  for (int round = 0; round < N_ROUNDS; round++) {
    struct weft_blob blobs[3];
    struct weft_request requests[3];
    struct weft_frame *frame;
    fx_requests(client->fx, (const char *[]){"a", "!", "ccc"}, 3, blobs, requests);
    if (round % 3 == 2)
      g_assert_cmpint(weft_graph_run(client->fx->graph, requests, 3, &frame), ==, WEFT_OK);
    else {
      g_assert_cmpint(weft_graph_submit(client->fx->graph, requests, 3, fx_done, &signal, &frame), ==, WEFT_OK);
      fx_wait(&signal, 1);
      signal.n_done = 0;
    }
    g_assert_cmpfloat(fx_number(frame, client->value, 0), ==, 2);
    g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_BAD_INPUT);
    g_assert_cmpfloat(fx_number(frame, client->value, 2), ==, 6);
    weft_frame_release(frame);
  }
  return NULL;
}

static _Atomic int n_inside;

/* Not parallel: the gate keeps the others out, without holding their threads. */
static weft_status alone(void *instance, struct weft_call *call)
{
  g_assert_cmpint(atomic_fetch_add(&n_inside, 1), ==, 0);
  weft_status status = fx_length(instance, call);
  g_assert_cmpint(atomic_fetch_sub(&n_inside, 1), ==, 1);
  return status;
}

static void test_frames_many_threads(void)
{
  struct fx fx;
  GThread *threads[N_CLIENTS];
  fx_init(&fx, 3);
  uint32_t text = fx_input(&fx, "text");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &text, 1);
  fx_last(&fx)->parallel = 1;
  uint32_t a = fx_node(&fx, "alone", FX(alone, NULL), fx_f32, &upper, 1);
  uint32_t b = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &upper, 1);
  uint32_t sum = fx_node(&fx, "sum", FX(fx_sum, NULL), fx_f32, (uint32_t[]){a, b}, 2);
  fx_seal(&fx, 4);
  struct client client = {&fx, sum, 0};
  for (int i = 0; i < N_CLIENTS; i++)
    threads[i] = g_thread_new("client", client_main, &client);
  for (int i = 0; i < N_CLIENTS; i++)
    g_thread_join(threads[i]);
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 1, &counters);
  g_assert_cmpuint(counters.n_calls, ==, N_CLIENTS * N_ROUNDS);
  g_assert_cmpuint(counters.n_items, ==, N_CLIENTS * N_ROUNDS * 2);
  fx_clear(&fx);
}

/* A graph of one braked node, then a length. */
struct braked_fx {
  struct fx fx;
  struct brake brake;
  struct fx_signal signal;
  struct weft_blob blobs[16];
  struct weft_request requests[16];
  uint32_t value;
};

static void braked_init(struct braked_fx *b, uint32_t n_threads, int parallel, uint64_t deadline_ns)
{
  static const char *const texts[] = {"a", "bb", "ccc", "dddd", "a", "bb", "ccc", "dddd",
                                      "a", "bb", "ccc", "dddd", "a", "bb", "ccc", "dddd"};
  memset(b, 0, sizeof *b);
  b->signal = (struct fx_signal)FX_SIGNAL;
  fx_init(&b->fx, n_threads);
  uint32_t text = fx_input(&b->fx, "text");
  b->value = fx_node(&b->fx, "brake", FX(braked, &b->brake), fx_f32, &text, 1);
  fx_last(&b->fx)->parallel = (uint32_t)parallel;
  fx_last(&b->fx)->deadline_ns = deadline_ns;
  atomic_store(&b->brake.exclusive, !parallel);
  fx_node(&b->fx, "after", FX(fx_sum, NULL), fx_f32, &b->value, 1);
  b->fx.n_frames_max = 3;
  fx_seal(&b->fx, 4);
  fx_requests(&b->fx, texts, 16, b->blobs, b->requests);
}

static struct weft_frame *braked_submit(struct braked_fx *b, uint32_t n)
{
  struct weft_frame *frame;
  g_assert_cmpint(weft_graph_submit(b->fx.graph, b->requests, n, fx_done, &b->signal, &frame), ==, WEFT_OK);
  return frame;
}

static void test_frames_bound(void)
{
  struct braked_fx b;
  struct weft_frame *frames[3], *more;
  braked_init(&b, 1, 0, 0);
  for (int i = 0; i < 3; i++)
    frames[i] = braked_submit(&b, 1);
  g_assert_cmpint(weft_graph_submit(b.fx.graph, b.requests, 1, fx_done, &b.signal, &more), ==, WEFT_UNAVAILABLE);
  g_assert_null(more);
  g_assert_cmpint(weft_graph_run(b.fx.graph, b.requests, 1, &more), ==, WEFT_UNAVAILABLE);
  atomic_store(&b.brake.open, 1);
  fx_wait(&b.signal, 3);
  weft_frame_release(frames[0]);
  frames[0] = braked_submit(&b, 1);
  fx_wait(&b.signal, 4);
  for (int i = 0; i < 3; i++)
    weft_frame_release(frames[i]);
  fx_clear(&b.fx);
}

struct note {
  struct weft_pool_job job; /* first */
  _Atomic int done;
};

static void note_run(struct weft_pool_job *job)
{
  atomic_store(&((struct note *)job)->done, 1);
}

/* Two helpers, one instance: two frames wait in its queue, and yet a helper is free for other jobs. */
static void test_frames_queue_holds_no_thread(void)
{
  struct braked_fx b;
  struct weft_frame *frames[3];
  braked_init(&b, 2, 0, 0);
  for (int i = 0; i < 3; i++)
    frames[i] = braked_submit(&b, 1);
  until(&b.brake.n_calls, 1);
  struct note note = {{note_run, NULL}, 0};
  g_assert_cmpint(weft_pool_push(b.fx.pool, &note.job), ==, WEFT_OK);
  until(&note.done, 1);
  g_assert_cmpint(atomic_load(&b.brake.n_calls), ==, 1);
  atomic_store(&b.brake.open, 1);
  fx_wait(&b.signal, 3);
  for (int i = 0; i < 3; i++) {
    g_assert_cmpfloat(fx_number(frames[i], b.value, 0), ==, 1);
    weft_frame_release(frames[i]);
  }
  fx_clear(&b.fx);
}

static void test_frames_cancel(void)
{
  struct braked_fx b;
  braked_init(&b, 2, 1, 0);
  atomic_store(&b.brake.polls, 1);
  /* One of two: the call goes on, the item is dropped at the next node. */
  struct weft_frame *frame = braked_submit(&b, 2);
  until(&b.brake.n_calls, 1);
  weft_frame_cancel(frame, 0);
  g_usleep(2000);
  g_assert_cmpint(atomic_load(&b.brake.n_inside), ==, 1);
  atomic_store(&b.brake.open, 1);
  fx_wait(&b.signal, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_CANCELLED);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==, "the request was cancelled");
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_OK);
  g_assert_cmpfloat(fx_number(frame, b.value, 1), ==, 2);
  weft_frame_release(frame);
  /* Both, one after the other: the call ends. */
  atomic_store(&b.brake.open, 0);
  frame = braked_submit(&b, 2);
  until(&b.brake.n_calls, 2);
  weft_frame_cancel(frame, 1);
  weft_frame_cancel(frame, 0);
  fx_wait(&b.signal, 2);
  for (uint32_t i = 0; i < 2; i++)
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_CANCELLED);
  weft_frame_release(frame);
  fx_clear(&b.fx);
}

/* A frame that waits for its turn at a busy instance ends at once. */
static void test_frames_cancel_waiting(void)
{
  struct braked_fx b;
  braked_init(&b, 2, 0, 0);
  struct weft_frame *first = braked_submit(&b, 1);
  until(&b.brake.n_calls, 1);
  struct weft_frame *second = braked_submit(&b, 2);
  g_usleep(2000);
  weft_frame_cancel(second, WEFT_ALL_ITEMS);
  fx_wait(&b.signal, 1);
  g_assert_cmpint(weft_frame_status(second, 0), ==, WEFT_CANCELLED);
  g_assert_cmpint(weft_frame_status(second, 1), ==, WEFT_CANCELLED);
  atomic_store(&b.brake.open, 1);
  fx_wait(&b.signal, 2);
  g_assert_cmpint(weft_frame_status(first, 0), ==, WEFT_OK);
  g_assert_cmpint(atomic_load(&b.brake.n_calls), ==, 1);
  weft_frame_release(first);
  weft_frame_release(second);
  fx_clear(&b.fx);
}

static void test_frames_deadline_of_request(void)
{
  struct braked_fx b;
  struct weft_frame *frame;
  braked_init(&b, 2, 1, 0);
  atomic_store(&b.brake.polls, 1);
  /* Of one of two items: it alone is dropped. */
  b.requests[0].deadline_ns = weft_clock_now() + 20000000;
  frame = braked_submit(&b, 2);
  until(&b.brake.n_calls, 1);
  g_usleep(60000);
  atomic_store(&b.brake.open, 1);
  fx_wait(&b.signal, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_DEADLINE);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==, "the request's deadline has passed");
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_OK);
  weft_frame_release(frame);
  /* Of the only one: the call ends, on the caller's thread too. */
  atomic_store(&b.brake.open, 0);
  b.requests[0].deadline_ns = weft_clock_now() + 20000000;
  g_assert_cmpint(weft_graph_run(b.fx.graph, b.requests, 1, &frame), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_DEADLINE);
  weft_frame_release(frame);
  /* One that had passed before is not run at all. */
  int n_calls = atomic_load(&b.brake.n_calls);
  b.requests[0].deadline_ns = 1;
  g_assert_cmpint(weft_graph_run(b.fx.graph, b.requests, 1, &frame), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_DEADLINE);
  g_assert_cmpint(atomic_load(&b.brake.n_calls), ==, n_calls);
  weft_frame_release(frame);
  fx_clear(&b.fx);
}

static void test_frames_deadline_of_node(void)
{
  struct braked_fx b;
  struct weft_frame *frame;
  braked_init(&b, 1, 1, 500000000); /* long enough for the call after it on a busy machine */
  atomic_store(&b.brake.polls, 1);
  g_assert_cmpint(weft_graph_run(b.fx.graph, b.requests, 2, &frame), ==, WEFT_OK);
  for (uint32_t i = 0; i < 2; i++) {
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_DEADLINE);
    g_assert_cmpint(weft_frame_failed_node(frame, i), ==, 0);
    g_assert_cmpstr(weft_frame_message(frame, i), ==, "node 'brake' did not end within its deadline of 500000 us");
  }
  weft_frame_release(frame);
  /* The word of one call is not that of the next. */
  atomic_store(&b.brake.open, 1);
  g_assert_cmpint(weft_graph_run(b.fx.graph, b.requests, 2, &frame), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  weft_frame_release(frame);
  fx_clear(&b.fx);
}

/* "!" takes until the call is cancelled. */
static weft_status slow_on_marks(void *instance, struct weft_call *call)
{
  int *answers_ok = instance;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    if (rows.end == rows.begin || ((const char *)call->inputs[0]->data)[rows.begin] != '!')
      continue;
    while (!weft_cancelled(call))
      g_usleep(100);
    if (!*answers_ok)
      return WEFT_CANCELLED;
  }
  return fx_length(NULL, call);
}

/* A call that ends at its node's deadline: whoever was not the cause is called alone, where the node is pure. */
static void test_frames_deadline_retried(void)
{
  const char *texts[] = {"a", "!", "ccc"};
  for (int round = 0; round < 8; round++) {
    struct fx fx;
    int pure = round & 1, answers_ok = round & 2;
    fx_init(&fx, 1);
    uint32_t text = fx_input(&fx, "text");
    uint32_t y = fx_node(&fx, "slow", FX(slow_on_marks, &answers_ok), fx_f32, &text, 1);
    fx_last(&fx)->pure = (uint32_t)pure;
    fx_last(&fx)->parallel = round & 4 ? 1 : 0;
    fx_last(&fx)->deadline_ns = 100000000;
    fx_seal(&fx, 4);
    struct weft_frame *frame = fx_run(&fx, texts, 3);
    for (uint32_t i = 0; i < 3; i++) {
      int fails = !pure || i == 1;
      g_assert_cmpint(weft_frame_status(frame, i), ==, fails ? WEFT_DEADLINE : WEFT_OK);
      if (!fails)
        g_assert_cmpfloat(fx_number(frame, y, i), ==, (float)strlen(texts[i]));
    }
    weft_frame_release(frame);
    fx_clear(&fx);
  }
}

/* Every allocation of a request fails once: a status each time, and nothing stays behind. */
static void test_frames_fail_at(void)
{
  const char *texts[] = {"one two", NULL, "!", "three"};
  int failed = 1;
  for (uint64_t k = 1; failed; k++) {
    struct fx fx;
    uint64_t before = weft_mem_live();
    fx_init(&fx, 1);
    uint32_t text = fx_input(&fx, "text");
    uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &text, 1);
    uint32_t quoted = fx_node(&fx, "quote", FX(fx_quote, NULL), fx_two_more, &text, 1);
    fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_groups, &words, 1);
    fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &quoted, 1);
    fx_seal(&fx, 4);
    struct weft_blob blobs[4];
    struct weft_request requests[4];
    struct weft_frame *frame;
    fx_requests(&fx, texts, 4, blobs, requests);
    uint64_t level = weft_mem_live();
    weft_mem_fail_at(k);
    weft_status status = weft_graph_run(fx.graph, requests, 4, &frame);
    weft_mem_fail_at(0);
    failed = status != WEFT_OK;
    if (failed) {
      g_assert_cmpint(status, ==, WEFT_NO_MEMORY);
      g_assert_null(frame);
      g_assert_cmpuint(weft_mem_live(), ==, level);
      /* The graph is as good as before. */
      g_assert_cmpint(weft_graph_run(fx.graph, requests, 4, &frame), ==, WEFT_OK);
    } else {
      g_assert_cmpuint(k, >, 4);
    }
    fx_assert_text(frame, quoted, 3, "<three>");
    weft_frame_release(frame);
    fx_clear(&fx);
    g_assert_cmpuint(weft_mem_live(), ==, before);
  }
}

/* The same while a graph is made. */
static void test_frames_fail_at_graph(void)
{
  weft_status status = WEFT_NO_MEMORY;
  for (uint64_t k = 1; status; k++) {
    struct fx fx;
    struct weft_pool_impl *pool;
    struct weft_runtime *runtime;
    struct weft_graph *graph = NULL;
    char message[WEFT_MESSAGE_BYTES];
    uint64_t before = weft_mem_live();
    memset(&fx, 0, sizeof fx);
    uint32_t text = fx_input(&fx, "text");
    fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &text, 1);
    struct weft_graph_spec spec = {.values = fx.values, .nodes = fx.nodes, .n_values = fx.n_values,
                                   .n_inputs = fx.n_inputs, .n_nodes = fx.n_nodes, .n_items_max = 4};
    weft_mem_fail_at(k);
    status = weft_pool_new(1, &pool);
    if (!status) {
      status = weft_runtime_new(pool, &runtime);
      if (!status) {
        status = weft_graph_new(runtime, &spec, &graph, message);
        weft_graph_free(graph);
        weft_runtime_free(runtime);
      }
      weft_pool_free(pool);
    }
    weft_mem_fail_at(0);
    g_assert_true(status == WEFT_OK || status == WEFT_NO_MEMORY);
    g_assert_cmpuint(weft_mem_live(), ==, before);
    g_assert_cmpuint(k, <, 100);
  }
}

/* Steady state: nothing is allocated. */
static void test_frames_steady(void)
{
  const char *texts[] = {"one two", NULL, "!", "three"};
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &text, 1);
  fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_groups, &words, 1);
  fx_seal(&fx, 4);
  weft_frame_release(fx_run(&fx, texts, 4));
  uint64_t count = weft_mem_count();
  for (int i = 0; i < 100; i++)
    weft_frame_release(fx_run(&fx, texts, 4));
  g_assert_cmpuint(weft_mem_count(), ==, count);
  fx_clear(&fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/frames/submit", test_frames_submit);
  g_test_add_func("/frames/many-threads", test_frames_many_threads);
  g_test_add_func("/frames/bound", test_frames_bound);
  g_test_add_func("/frames/queue-holds-no-thread", test_frames_queue_holds_no_thread);
  g_test_add_func("/frames/cancel", test_frames_cancel);
  g_test_add_func("/frames/cancel-waiting", test_frames_cancel_waiting);
  g_test_add_func("/frames/deadline-of-request", test_frames_deadline_of_request);
  g_test_add_func("/frames/deadline-of-node", test_frames_deadline_of_node);
  g_test_add_func("/frames/deadline-retried", test_frames_deadline_retried);
  g_test_add_func("/frames/fail-at", test_frames_fail_at);
  g_test_add_func("/frames/fail-at-graph", test_frames_fail_at_graph);
  g_test_add_func("/frames/steady", test_frames_steady);
  return g_test_run();
}
