/* SPDX-License-Identifier: Apache-2.0 */
/* Random frames from several threads through a graph that batches, beside its twin that does not. */
#include "runtime-fixture.h"

#include "clock.h"
#include "worker-rig.h"

#include <stdatomic.h>
#include <string.h>

#define N_THREADS 4
#define N_ITEMS 3
#define N_VALUES 9

/* Every node dawdles now and then, so that others queue. Of `culprit` a call with '#' fails as a whole. */
struct slow {
  weft_status (*process)(void *instance, struct weft_call *call);
  int culprit, dawdles;
  _Atomic uint32_t n;
};

static weft_status slow(void *instance, struct weft_call *call)
{
  struct slow *s = instance;
  if (s->dawdles && atomic_fetch_add(&s->n, 1) % 4 == 0)
    g_usleep(300);
  for (uint32_t i = 0; i < call->n_items && s->culprit; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    if (rows.end > rows.begin && ((const char *)call->inputs[0]->data)[rows.begin] == '#')
      return weft_host_table()->fail_call(call, WEFT_INTERNAL, "the call has '#'");
  }
  return s->process(NULL, call);
}

struct mix {
  struct fx fx;
  struct slow slow[8];
  uint32_t n_slow;
  uint32_t values[N_VALUES], n_values;
};

static uint32_t mix_node(struct mix *m, const char *name, weft_status (*process)(void *, struct weft_call *),
                         struct weft_port port, const uint32_t *inputs, uint32_t n)
{
  struct slow *s = &m->slow[m->n_slow++];
  s->process = process;
  uint32_t v = fx_node(&m->fx, name, FX(slow, s), port, inputs, n);
  fx_last(&m->fx)->pure = 1;
  fx_last(&m->fx)->parallel = m->n_slow % 2;
  return m->values[m->n_values++] = v;
}

static void mix_init(struct mix *m, uint32_t n_batch, uint64_t wait_ns)
{
  memset(m, 0, sizeof *m);
  fx_init(&m->fx, 3);
  uint32_t text = fx_input(&m->fx, "text"), other = fx_input(&m->fx, "other");
  uint32_t words = mix_node(m, "words", fx_words, fx_groups, &text, 1);
  mix_node(m, "upper", fx_upper, fx_same_groups, &words, 1);
  mix_node(m, "quote", fx_quote, fx_two_more, &text, 1);
  m->slow[m->n_slow - 1].culprit = 1;
  uint32_t loud = mix_node(m, "loud", fx_upper, fx_same_rows, &other, 1);
  uint32_t lengths[2] = {mix_node(m, "length", fx_length, fx_f32, &text, 1), 0};
  lengths[1] = mix_node(m, "length-of-other", fx_length, fx_f32, &loud, 1);
  mix_node(m, "sum", fx_sum, fx_f32, lengths, 2);
  for (uint32_t i = 0; i < m->fx.n_nodes && n_batch; i++) {
    m->slow[i].dawdles = 1;
    m->fx.nodes[i].batching = (struct weft_batching){.n_items_max = n_batch, .wait_ns = i % 3 ? 0 : wait_ns,
                                                    .cost_max = i == 0 ? 40 : 0};
    m->fx.nodes[i].limits.n_items = n_batch;
  }
  fx_seal(&m->fx, N_ITEMS);
}

static char *as_text(const struct mix *m, const struct weft_frame *frame, uint32_t k, uint32_t item)
{
  uint32_t v = m->values[k];
  if (k < 4)
    return fx_text(frame, v, item);
  const struct weft_tensor *t = weft_frame_value(frame, v);
  struct weft_rows rows = t ? weft_rows_of(t, item) : (struct weft_rows){0};
  return t && rows.present ? g_strdup_printf("%g", (double)((const float *)t->data)[rows.begin]) : NULL;
}

struct client {
  struct mix *batched, *alone;
  GRand *rand;
  int n_rounds, disturbs;
  int n_given_up;
};

/* One that fails at a node begins with a sign. */
static char *random_text(GRand *rand, int may_fail)
{
  if (g_rand_int_range(rand, 0, 4) == 0)
    return NULL;
  /* Not a GString: the thread sanitizer does not see GLib's slices change hands. */
  char *text = g_malloc0(32), *end = text;
  int kind = g_rand_int_range(rand, 0, 12);
  if (kind < 3 && (may_fail || kind == 2))
    *end++ = "!#?"[kind];
  for (int n = g_rand_int_range(rand, 0, 20); n > 0; n--)
    *end++ = "abcdefg  "[g_rand_int_range(rand, 0, 9)];
  return text;
}

/* The item alone in the twin: a failing call would take the others of its frame along. */
static void compare(struct client *c, const struct weft_frame *frame, uint32_t item, const struct weft_request *request)
{
  struct weft_frame *alone;
  weft_status status = weft_frame_status(frame, item);
  if (status == WEFT_CANCELLED || status == WEFT_DEADLINE) {
    g_assert_true(c->disturbs);
    c->n_given_up++;
    return;
  }
  g_assert_cmpint(weft_graph_run(c->alone->fx.graph, request, 1, &alone), ==, WEFT_OK);
  g_assert_cmpint(status, ==, weft_frame_status(alone, 0));
  g_assert_cmpint(weft_frame_failed_node(frame, item), ==, weft_frame_failed_node(alone, 0));
  for (uint32_t k = 0; k < c->alone->n_values && status == WEFT_OK; k++) {
    g_autofree char *x = as_text(c->batched, frame, k, item), *y = as_text(c->alone, alone, k, 0);
    g_assert_cmpstr(x, ==, y);
  }
  weft_frame_release(alone);
}

static struct weft_frame *answer(struct client *c, const struct weft_request *requests, uint32_t n)
{
  struct weft_frame *frame;
  int disturb = c->disturbs ? g_rand_int_range(c->rand, 0, 4) : 3;
  if (g_rand_boolean(c->rand) && disturb > 1) {
    g_assert_cmpint(weft_graph_run(c->batched->fx.graph, requests, n, &frame), ==, WEFT_OK);
    return frame;
  }
  struct fx_signal signal = FX_SIGNAL;
  struct weft_request own[N_ITEMS];
  memcpy(own, requests, n * sizeof *own);
  if (disturb == 0)
    own[g_rand_int_range(c->rand, 0, (int)n)].deadline_ns = weft_clock_now() + (uint64_t)g_rand_int_range(c->rand, 1, 2000000);
  g_assert_cmpint(weft_graph_submit(c->batched->fx.graph, own, n, fx_done, &signal, &frame), ==, WEFT_OK);
  if (disturb == 1) {
    g_usleep((gulong)g_rand_int_range(c->rand, 0, 1000));
    weft_frame_cancel(frame, g_rand_boolean(c->rand) ? WEFT_ALL_ITEMS : (uint32_t)g_rand_int_range(c->rand, 0, (int)n));
  }
  fx_wait(&signal, 1);
  return frame;
}

static void *client_main(void *data)
{
  struct client *c = data;
  for (int round = 0; round < c->n_rounds; round++) {
    uint32_t n = (uint32_t)g_rand_int_range(c->rand, 1, N_ITEMS + 1);
    char *texts[2 * N_ITEMS];
    struct weft_blob blobs[2 * N_ITEMS];
    struct weft_request requests[N_ITEMS];
    for (uint32_t k = 0; k < 2 * n; k++)
      /* Where two nodes fail at an item, the first to do so names it: only one of them may. */
      texts[k] = random_text(c->rand, k % 2 == 0 || !texts[k - 1] || !strchr("!#", texts[k - 1][0]));
    fx_requests(&c->alone->fx, (const char *const *)texts, n, blobs, requests);
    struct weft_frame *frame = answer(c, requests, n);
    for (uint32_t i = 0; i < n; i++)
      compare(c, frame, i, &requests[i]);
    weft_frame_release(frame);
    for (uint32_t k = 0; k < 2 * n; k++)
      g_free(texts[k]);
  }
  return NULL;
}

static void run_mix(uint32_t n_batch, uint64_t wait_ns, int disturbs, int n_rounds)
{
  struct mix batched, alone;
  struct client clients[N_THREADS];
  pthread_t threads[N_THREADS];
  struct weft_counters counters;
  uint64_t n_batches = 0, largest = 0;
  mix_init(&batched, n_batch, wait_ns);
  mix_init(&alone, 0, 0);
  for (int i = 0; i < N_THREADS; i++) {
    guint32 seed = g_test_rand_int();
    g_test_message("client %d: seed %u", i, seed);
    clients[i] = (struct client){&batched, &alone, g_rand_new_with_seed(seed), n_rounds, disturbs, 0};
    g_assert_cmpint(pthread_create(&threads[i], NULL, client_main, &clients[i]), ==, 0);
  }
  for (int i = 0; i < N_THREADS; i++) {
    pthread_join(threads[i], NULL);
    g_rand_free(clients[i].rand);
  }
  for (uint32_t k = 0; k < batched.fx.n_nodes; k++) {
    weft_graph_counters(batched.fx.graph, k, &counters);
    g_assert_cmpuint(counters.n_waiting, ==, 0);
    g_assert_cmpuint(counters.n_items_largest, <=, n_batch);
    n_batches += counters.n_batches;
    largest = MAX(largest, counters.n_items_largest);
  }
  g_test_message("%" G_GUINT64_FORMAT " batches, the largest of %" G_GUINT64_FORMAT " items", n_batches, largest);
  g_assert_cmpuint(n_batches, >, 0);
  g_assert_cmpuint(largest, >, N_ITEMS);
  fx_clear(&batched.fx);
  fx_clear(&alone.fx);
}

static void test_batching_mix_same_bytes(void)
{
  run_mix(16, 0, 0, 400);
}

static void test_batching_mix_waiting(void)
{
  run_mix(7, 500000, 0, 150);
}

static void test_batching_mix_disturbed(void)
{
  run_mix(16, 300000, 1, 400);
}

/* Once every place has been used nothing is allocated any more. */
static void test_batching_mix_steady(void)
{
  struct mix m;
  struct fx_signal signal = FX_SIGNAL;
  struct weft_frame *frames[16];
  const char *texts[] = {"one two", "x", "!", NULL, NULL, "three"};
  struct weft_blob blobs[6];
  struct weft_request requests[3];
  uint64_t count = 0;
  int n_steady = 0;
  mix_init(&m, 16, 0);
  fx_requests(&m.fx, texts, 3, blobs, requests);
  for (int round = 0; round < 400 && n_steady < 50; round++) {
    signal.n_done = 0;
    for (int i = 0; i < 16; i++)
      g_assert_cmpint(weft_graph_submit(m.fx.graph, requests, 3, fx_done, &signal, &frames[i]), ==, WEFT_OK);
    fx_wait(&signal, 16);
    for (int i = 0; i < 16; i++)
      weft_frame_release(frames[i]);
    n_steady = weft_mem_count() == count ? n_steady + 1 : 0;
    count = weft_mem_count();
  }
  g_assert_cmpint(n_steady, ==, 50);
  fx_clear(&m.fx);
}

/* A worker that dies on marked items: in its batches only they fail. */
static void test_batching_mix_deaths(void)
{
  static const struct weft_port port = {.name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, RIG_D}};
  struct fx fx;
  Rig rig;
  struct fx_signal signal = FX_SIGNAL;
  struct weft_frame *frames[24];
  rig_init(&rig, "fault");
  rig_param(&rig, "how", "segv", 0);
  rig_param(&rig, "when", "marked", 0);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  fx_init(&fx, 2);
  uint32_t text = fx_input(&fx, "text");
  uint32_t y = fx_node(&fx, "fault", FX(NULL, NULL), port, &text, 1);
  struct weft_graph_node *node = fx_last(&fx);
  node->table = NULL;
  node->worker = rig.worker;
  node->pure = 1;
  node->batching.n_items_max = RIG_ITEMS;
  node->limits.n_items = RIG_ITEMS;
  fx_seal(&fx, 1);
  for (int round = 0; round < 4; round++) {
    signal.n_done = 0;
    for (int i = 0; i < 24; i++) {
      const char *one = i % 8 == 3 ? "!" : i % 3 ? "aa" : "bbbb";
      struct weft_blob blob;
      struct weft_request request;
      fx_requests(&fx, &one, 1, &blob, &request);
      g_assert_cmpint(weft_graph_submit(fx.graph, &request, 1, fx_done, &signal, &frames[i]), ==, WEFT_OK);
    }
    fx_wait(&signal, 24);
    for (int i = 0; i < 24; i++) {
      g_assert_cmpint(weft_frame_status(frames[i], 0), ==, i % 8 == 3 ? WEFT_INTERNAL : WEFT_OK);
      if (i % 8 == 3)
        g_assert_nonnull(strstr(weft_frame_message(frames[i], 0), "SIGSEGV"));
      else
        g_assert_cmpfloat(fx_number(frames[i], y, 0), ==, i % 3 ? 2 : 4);
      weft_frame_release(frames[i]);
    }
  }
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 0, &counters);
  g_assert_cmpuint(counters.n_items_largest, >, 1);
  g_assert_cmpuint(counters.n_failed, ==, 12);
  fx_clear(&fx);
  rig_stop(&rig);
}

int main(int argc, char **argv)
{
  /* Read by the workers alone: their deaths are the test, not a sanitizer's report of them. */
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/batching-mix/same-bytes", test_batching_mix_same_bytes);
  g_test_add_func("/batching-mix/waiting", test_batching_mix_waiting);
  g_test_add_func("/batching-mix/disturbed", test_batching_mix_disturbed);
  g_test_add_func("/batching-mix/steady", test_batching_mix_steady);
  g_test_add_func("/batching-mix/deaths", test_batching_mix_deaths);
  return g_test_run();
}
