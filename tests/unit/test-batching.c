/* SPDX-License-Identifier: Apache-2.0 */
/* Calls put together from the items of several frames: same bytes, only the culprit fails, nobody waits for nothing. */
#include "runtime-fixture.h"

#include "batch.h"
#include "clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* A node that can be held: notes its calls. Items that begin with '#' make the whole call fail. */
struct held {
  weft_status (*process)(void *instance, struct weft_call *call);
  _Atomic int open, n_calls, n_inside, n_most, n_cancelled, exclusive;
  _Atomic uint32_t n_items_last, n_items_most;
  _Atomic int64_t rows_most;
};

static weft_status held(void *instance, struct weft_call *call)
{
  struct held *h = instance;
  int inside = atomic_fetch_add(&h->n_inside, 1) + 1;
  if (inside > atomic_load(&h->n_most))
    atomic_store(&h->n_most, inside);
  if (atomic_load(&h->exclusive))
    g_assert_cmpint(inside, ==, 1);
  atomic_store(&h->n_items_last, call->n_items);
  if (call->n_items > atomic_load(&h->n_items_most))
    atomic_store(&h->n_items_most, call->n_items);
  int64_t n_rows = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    n_rows += rows.end - rows.begin;
  }
  if (n_rows > atomic_load(&h->rows_most))
    atomic_store(&h->rows_most, n_rows);
  atomic_fetch_add(&h->n_calls, 1);
  weft_status status = WEFT_OK;
  while (!atomic_load(&h->open) && status == WEFT_OK) {
    g_usleep(100);
    if (weft_cancelled(call))
      status = WEFT_CANCELLED;
  }
  for (uint32_t i = 0; i < call->n_items && !status; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    if (rows.end > rows.begin && ((const char *)call->inputs[0]->data)[rows.begin] == '#')
      status = weft_host_table()->fail_call(call, WEFT_INTERNAL, "the call has '#'");
  }
  atomic_fetch_add(&h->n_cancelled, status == WEFT_CANCELLED);
  atomic_fetch_sub(&h->n_inside, 1);
  return status ? status : h->process(NULL, call);
}

static void until(_Atomic int *value, int n)
{
  while (atomic_load(value) < n)
    g_usleep(100);
}

#define N_FRAMES 12

/* text -> node (held, batching) */
struct one {
  struct fx fx;
  struct held held;
  struct fx_signal signal;
  uint32_t text, out;
  struct weft_graph_node *node;
  struct weft_frame *frames[N_FRAMES];
};

static void one_init(struct one *s, weft_status (*process)(void *, struct weft_call *), struct weft_port port,
                     struct weft_batching batching)
{
  memset(s, 0, sizeof *s);
  s->held.process = process;
  s->signal = (struct fx_signal)FX_SIGNAL;
  fx_init(&s->fx, 2);
  s->text = fx_input(&s->fx, "text");
  s->out = fx_node(&s->fx, "node", FX(held, &s->held), port, &s->text, 1);
  s->node = fx_last(&s->fx);
  s->node->batching = batching;
  s->node->pure = 1;
}

static void one_submit(struct one *s, int i, const char *text)
{
  struct weft_blob blob;
  struct weft_request request;
  fx_requests(&s->fx, &text, 1, &blob, &request);
  g_assert_cmpint(weft_graph_submit(s->fx.graph, &request, 1, fx_done, &s->signal, &s->frames[i]), ==, WEFT_OK);
}

static void one_queued(struct one *s, uint32_t n)
{
  struct weft_counters counters;
  do {
    g_usleep(200);
    weft_graph_counters(s->fx.graph, 0, &counters);
  } while (counters.n_waiting < n);
}

static void one_clear(struct one *s, int n)
{
  for (int i = 0; i < n; i++)
    weft_frame_release(s->frames[i]);
  fx_clear(&s->fx);
}

/* While one call runs the others wait, and go together in one call, in their order. */
static void test_batching_natural(void)
{
  static const char *const texts[N_FRAMES] = {"first", "a", "", "ccc d", "e", "ff", "!", "h", "i j", "k", "l", "mmmm"};
  struct one s;
  one_init(&s, fx_upper, fx_same_rows, (struct weft_batching){.n_items_max = 8});
  s.held.exclusive = 1;
  s.node->limits.n_items = 8;
  fx_seal(&s.fx, 1);
  one_submit(&s, 0, texts[0]);
  until(&s.held.n_calls, 1);
  for (int i = 1; i < N_FRAMES; i++)
    one_submit(&s, i, texts[i]);
  one_queued(&s, N_FRAMES - 1);
  atomic_store(&s.held.open, 1);
  fx_wait(&s.signal, N_FRAMES);
  g_assert_cmpint(s.held.n_calls, ==, 3);
  g_assert_cmpuint(s.held.n_items_most, ==, 8);
  for (int i = 0; i < N_FRAMES; i++) {
    if (i == 6) {
      g_assert_cmpint(weft_frame_status(s.frames[i], 0), ==, WEFT_BAD_INPUT);
      g_assert_nonnull(strstr(weft_frame_message(s.frames[i], 0), "is loud"));
      g_assert_cmpint(weft_frame_failed_node(s.frames[i], 0), ==, 0);
      continue;
    }
    g_autofree char *upper = g_ascii_strup(texts[i], -1);
    g_assert_cmpstr(weft_frame_message(s.frames[i], 0), ==, "");
    fx_assert_text(s.frames[i], s.out, 0, upper);
  }
  struct weft_counters counters;
  weft_graph_counters(s.fx.graph, 0, &counters);
  g_assert_cmpuint(counters.n_calls, ==, N_FRAMES);
  g_assert_cmpuint(counters.n_items, ==, N_FRAMES);
  g_assert_cmpuint(counters.n_failed, ==, 1);
  g_assert_cmpuint(counters.n_batches, ==, 2);
  g_assert_cmpuint(counters.n_batched, ==, N_FRAMES - 1);
  g_assert_cmpuint(counters.n_batch_items, ==, N_FRAMES - 1);
  g_assert_cmpuint(counters.n_items_largest, ==, 8);
  g_assert_cmpuint(counters.batch_sizes[3], ==, 1);
  g_assert_cmpuint(counters.batch_sizes[1], ==, 1);
  g_assert_cmpuint(counters.queued_ns, >, 0);
  one_clear(&s, N_FRAMES);
}

/* A call that fails as a whole: its items go alone where the node is pure, so only the culprit fails. */
static void test_batching_culprit(void)
{
  static const char *const texts[] = {"first", "a", "#b", "c"};
  for (uint32_t pure = 0; pure < 2; pure++) {
    struct one s;
    one_init(&s, fx_upper, fx_same_rows, (struct weft_batching){.n_items_max = 8});
    s.node->limits.n_items = 8;
    s.node->pure = pure;
    fx_seal(&s.fx, 1);
    one_submit(&s, 0, texts[0]);
    until(&s.held.n_calls, 1);
    for (int i = 1; i < 4; i++)
      one_submit(&s, i, texts[i]);
    one_queued(&s, 3);
    atomic_store(&s.held.open, 1);
    fx_wait(&s.signal, 4);
    g_assert_cmpint(s.held.n_calls, ==, pure ? 5 : 2);
    for (int i = 1; i < 4; i++) {
      int fails = !pure || i == 2;
      g_assert_cmpint(weft_frame_status(s.frames[i], 0), ==, fails ? WEFT_INTERNAL : WEFT_OK);
      g_assert_cmpstr(weft_frame_message(s.frames[i], 0), ==, fails ? "the call has '#'" : "");
      if (!fails)
        fx_assert_text(s.frames[i], s.out, 0, i == 1 ? "A" : "C");
    }
    one_clear(&s, 4);
  }
}

/* Rows of the cost's input bound a call; what costs more than the bound by itself goes alone. */
static void test_batching_cost(void)
{
  static const char *const texts[] = {"x", "aaaa", "bbbb", "cc", "dddddddddddddddd", "e", "f", "gggggggg", "h"};
  struct one s;
  one_init(&s, fx_upper, fx_same_rows, (struct weft_batching){.n_items_max = 8, .cost_max = 10});
  s.node->limits.n_items = 8;
  fx_seal(&s.fx, 1);
  one_submit(&s, 0, texts[0]);
  until(&s.held.n_calls, 1);
  for (int i = 1; i < 9; i++)
    one_submit(&s, i, texts[i]);
  one_queued(&s, 8);
  atomic_store(&s.held.open, 1);
  fx_wait(&s.signal, 9);
  /* x | aaaa bbbb cc | d.. | e f g.. | h */
  g_assert_cmpint(s.held.n_calls, ==, 5);
  g_assert_cmpint((int)s.held.rows_most, ==, 16);
  for (int i = 0; i < 9; i++) {
    g_autofree char *upper = g_ascii_strup(texts[i], -1);
    fx_assert_text(s.frames[i], s.out, 0, upper);
  }
  one_clear(&s, 9);
}

/* The first waits for others while the node is idle, but not longer than it may, and not once the call is full. */
static void test_batching_wait(void)
{
  struct one s;
  one_init(&s, fx_upper, fx_same_rows, (struct weft_batching){.n_items_max = 3, .wait_ns = 200000000});
  s.node->limits.n_items = 3;
  fx_seal(&s.fx, 1);
  atomic_store(&s.held.open, 1);
  uint64_t before = weft_clock_now();
  for (int i = 0; i < 3; i++)
    one_submit(&s, i, "abc");
  fx_wait(&s.signal, 3);
  g_assert_cmpuint(weft_clock_now() - before, <, 150000000);
  g_assert_cmpint(s.held.n_calls, ==, 1);
  before = weft_clock_now();
  one_submit(&s, 3, "d");
  one_submit(&s, 4, "e");
  fx_wait(&s.signal, 5);
  g_assert_cmpuint(weft_clock_now() - before, >=, 200000000);
  g_assert_cmpint(s.held.n_calls, ==, 2);
  g_assert_cmpuint(s.held.n_items_last, ==, 2);
  fx_assert_text(s.frames[4], s.out, 0, "E");
  one_clear(&s, 5);
}

/* Time in which the node was busy does not count: after a call the first waits for those whom it answered. */
static void test_batching_wait_when_idle(void)
{
  struct one s;
  one_init(&s, fx_upper, fx_same_rows, (struct weft_batching){.n_items_max = 3, .wait_ns = 300000000});
  s.node->limits.n_items = 3;
  fx_seal(&s.fx, 1);
  for (int i = 0; i < 3; i++)
    one_submit(&s, i, "abc");
  until(&s.held.n_calls, 1);
  one_submit(&s, 3, "d");
  one_queued(&s, 1);
  g_usleep(350000); /* longer than it may wait in an idle node */
  atomic_store(&s.held.open, 1);
  fx_wait(&s.signal, 3);
  one_submit(&s, 4, "e");
  one_submit(&s, 5, "f");
  fx_wait(&s.signal, 6);
  g_assert_cmpint(s.held.n_calls, ==, 2);
  g_assert_cmpuint(s.held.n_items_last, ==, 3);
  one_clear(&s, 6);
}

/* Who is cancelled in the queue leaves it at once; in a running call its word is set only when nobody wants it. */
static void test_batching_cancel(void)
{
  struct one s;
  one_init(&s, fx_upper, fx_same_rows, (struct weft_batching){.n_items_max = 8});
  s.node->limits.n_items = 8;
  fx_seal(&s.fx, 1);
  one_submit(&s, 0, "first");
  until(&s.held.n_calls, 1);
  one_submit(&s, 1, "a");
  one_submit(&s, 2, "b");
  one_submit(&s, 3, "c");
  one_queued(&s, 3);
  weft_frame_cancel(s.frames[2], 0);
  fx_wait(&s.signal, 1); /* although the call before still runs */
  g_assert_cmpint(weft_frame_status(s.frames[2], 0), ==, WEFT_CANCELLED);
  weft_frame_cancel(s.frames[0], WEFT_ALL_ITEMS);
  fx_wait(&s.signal, 2);
  until(&s.held.n_calls, 2);
  g_assert_cmpuint(s.held.n_items_last, ==, 2);
  weft_frame_cancel(s.frames[1], 0);
  g_usleep(20000);
  g_assert_cmpint(s.held.n_cancelled, ==, 1);
  weft_frame_cancel(s.frames[3], 0);
  fx_wait(&s.signal, 4);
  g_assert_cmpint(s.held.n_cancelled, ==, 2);
  g_assert_cmpint(weft_frame_status(s.frames[1], 0), ==, WEFT_CANCELLED);
  g_assert_cmpint(weft_frame_status(s.frames[3], 0), ==, WEFT_CANCELLED);
  one_clear(&s, 4);
}

#define LINGER_CLIENTS 4
#define LINGER_ASKS 24

/* Takes as long for many as for one, as products do that read their weights from memory. */
static weft_status slow_upper(void *instance, struct weft_call *call)
{
  g_usleep(24000);
  return fx_upper(instance, call);
}

struct asker {
  struct one *s;
  pthread_t thread;
};

/* Asks again as soon as it is answered. */
static void *ask(void *data)
{
  struct asker *asker = data;
  struct one *s = asker->s;
  const char *text = "abc";
  struct weft_blob blob;
  struct weft_request request;
  fx_requests(&s->fx, &text, 1, &blob, &request);
  for (int i = 0; i < LINGER_ASKS; i++) {
    struct weft_frame *frame = NULL;
    g_assert_cmpint(weft_graph_run(s->fx.graph, &request, 1, &frame), ==, WEFT_OK);
    fx_assert_text(frame, s->out, 0, "ABC");
    weft_frame_release(frame);
  }
  return NULL;
}

static void linger(int n_clients, struct weft_counters *counters)
{
  struct one s;
  struct asker askers[LINGER_CLIENTS];
  one_init(&s, slow_upper, fx_same_rows, (struct weft_batching){.n_items_max = 8});
  s.node->limits.n_items = 8;
  fx_seal(&s.fx, 1);
  atomic_store(&s.held.open, 1);
  for (int i = 0; i < n_clients; i++) {
    askers[i].s = &s;
    g_assert_cmpint(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), ==, 0);
  }
  for (int i = 0; i < n_clients; i++)
    pthread_join(askers[i].thread, NULL);
  weft_graph_counters(s.fx.graph, 0, counters);
  g_test_message("%d clients: %d calls for %d requests, waited %" G_GUINT64_FORMAT " times", n_clients, s.held.n_calls,
                 n_clients * LINGER_ASKS, counters->n_lingered);
  /* Two groups that take turns would need half as many calls as there are requests of two clients. */
  if (n_clients > 1)
    g_assert_cmpint(s.held.n_calls, <, 3 * LINGER_ASKS / 2);
  fx_clear(&s.fx);
}

/* Clients that ask again when they are answered go in together, not in groups that take turns. */
static void test_batching_lingers(void)
{
  struct weft_counters counters;
  linger(LINGER_CLIENTS, &counters);
  g_assert_cmpuint(counters.n_lingered, >, 0);
}

/* One that is alone waits for nobody, and nobody waits for it. */
static void test_batching_alone(void)
{
  struct weft_counters counters;
  linger(1, &counters);
  g_assert_cmpuint(counters.n_lingered, ==, 0);
}

/* Those who do not come back are waited for less and less. */
static void test_batching_doubt(void)
{
  enum { ROUNDS = 64 };
  struct one s;
  struct weft_counters counters;
  one_init(&s, slow_upper, fx_same_rows, (struct weft_batching){.n_items_max = 8});
  s.node->limits.n_items = 8;
  fx_seal(&s.fx, 1);
  for (int round = 0; round < ROUNDS; round++) {
    s.signal = (struct fx_signal)FX_SIGNAL;
    atomic_store(&s.held.n_calls, 0);
    atomic_store(&s.held.open, 0);
    one_submit(&s, 0, "first");
    until(&s.held.n_calls, 1);
    one_submit(&s, 1, "a");
    one_submit(&s, 2, "b");
    one_queued(&s, 2);
    atomic_store(&s.held.open, 1);
    fx_wait(&s.signal, 3);
    for (int i = 0; i < 3; i++)
      weft_frame_release(s.frames[i]);
    g_usleep(10000); /* nobody is waited for that long */
  }
  weft_graph_counters(s.fx.graph, 0, &counters);
  g_test_message("waited %" G_GUINT64_FORMAT " times after %" G_GUINT64_FORMAT " batches", counters.n_lingered, counters.n_batches);
  g_assert_cmpuint(counters.n_batches, ==, ROUNDS);
  g_assert_cmpuint(counters.n_lingered, >, 0);
  g_assert_cmpuint(counters.n_lingered, <=, WEFT_BATCH_LINGER_DOUBT_MAX + 2);
  fx_clear(&s.fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/batching/natural", test_batching_natural);
  g_test_add_func("/batching/culprit", test_batching_culprit);
  g_test_add_func("/batching/cost", test_batching_cost);
  g_test_add_func("/batching/wait", test_batching_wait);
  g_test_add_func("/batching/wait-when-idle", test_batching_wait_when_idle);
  g_test_add_func("/batching/cancel", test_batching_cancel);
  g_test_add_func("/batching/lingers", test_batching_lingers);
  g_test_add_func("/batching/alone", test_batching_alone);
  g_test_add_func("/batching/doubt", test_batching_doubt);
  return g_test_run();
}
