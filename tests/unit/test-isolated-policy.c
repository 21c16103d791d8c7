/* SPDX-License-Identifier: Apache-2.0 */
/* A filter and a node with state, each in a process of its own: many threads, random texts, deaths and hangs. */
#include "runtime-fixture.h"
#include "worker.h"

#include "note.h"

#include <stdatomic.h>
#include <string.h>
#include <weft/filter.h>

#define N_ITEMS 8
#define STRICT (WEFT_REFUSES(WEFT_VERDICT_UNDECIDED) | WEFT_REFUSES(WEFT_VERDICT_REFUSE))

struct remote {
  struct weft_setup setup;
  struct weft_worker *worker;
};

static const struct weft_port inputs[] = {
  {.name = "text", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1},
  {.name = "sums", .dtype = {WEFT_DTYPE_FLOAT, 64, 1}, .rank = 2, .dims = {-1, 2}}};

static void remote_start(struct remote *remote, const char *id, uint32_t n_inputs)
{
  g_autofree char *program = g_test_build_filename(G_TEST_BUILT, "core", "worker", "weft-worker", NULL);
  g_autofree char *module = g_strdup_printf("%s/tests/plugins/test-%s.so", g_test_get_dir(G_TEST_BUILT), id);
  g_autofree char *label = g_strdup_printf("%s@1.0.0", id);
  const int64_t rows[] = {4096, N_ITEMS}, groups[] = {0, 0};
  struct weft_config config = {.node_name = id, .inputs = inputs, .n_inputs = n_inputs};
  struct weft_worker_spec spec = {.program = program, .module = module, .node_id = id, .label = label, .n_threads = 1,
                                  .config = &config, .setup = &remote->setup};
  struct weft_limits limits = {N_ITEMS, rows, groups};
  memset(remote, 0, sizeof *remote);
  g_assert_cmpint(weft_worker_spawn(&spec, &remote->worker), ==, WEFT_OK);
  g_assert_cmpint(weft_worker_activate(remote->worker, &remote->setup, &limits), ==, WEFT_OK);
}

/* The node of that worker; its first output's value. */
static uint32_t remote_node(struct fx *fx, const char *name, const struct remote *remote, const uint32_t *ids, uint32_t n)
{
  const struct weft_ports *ports = weft_worker_ports(remote->worker);
  uint32_t v = fx_node(fx, name, FX(NULL, NULL), ports->outputs[0], ids, n);
  for (uint32_t o = 1; o < ports->n_outputs; o++)
    fx_output(fx, ports->outputs[o]);
  struct weft_graph_node *node = fx_last(fx);
  node->table = NULL;
  node->worker = remote->worker;
  node->pure = node->required = 1;
  return v;
}

static weft_status act(void *instance, struct weft_call *call)
{
  atomic_fetch_add((_Atomic int *)instance, (int)call->n_items);
  return fx_length(NULL, call);
}

struct places {
  struct fx fx;
  struct remote filter, mean;
  struct weft_state_port state;
  uint32_t gate, y;
  _Atomic int n_acted, n_passed;
  guint32 seed;
};

static void places_init(struct places *p)
{
  memset(p, 0, sizeof *p);
  remote_start(&p->filter, "filter", 1);
  remote_start(&p->mean, "state-mean", 2);
  fx_init(&p->fx, 2);
  uint32_t text = fx_input(&p->fx, "text");
  fx_node(&p->fx, "alarm", FX(act, &p->n_acted), fx_f32, &text, 1);
  fx_last(&p->fx)->effects = fx_last(&p->fx)->parallel = 1;
  p->gate = remote_node(&p->fx, "gate", &p->filter, &text, 1);
  fx_last(&p->fx)->is_filter = 1;
  fx_last(&p->fx)->refuses = STRICT;
  fx_last(&p->fx)->deadline_ns = 50000000;
  p->state = (struct weft_state_port){1, 1};
  p->y = remote_node(&p->fx, "mean", &p->mean, (uint32_t[]){p->gate + 1, WEFT_VALUE_STATE}, 2);
  fx_last(&p->fx)->states = &p->state;
  fx_last(&p->fx)->n_states = 1;
  fx_seal(&p->fx, N_ITEMS);
}

static void places_clear(struct places *p)
{
  fx_clear(&p->fx);
  weft_worker_free(p->filter.worker);
  weft_worker_free(p->mean.worker);
}

/* Texts, what the filter says of them (-1: nothing), and how long they are behind it. The last one hangs. */
static const struct {
  const char *text;
  int verdict;
} words[] = {{"one", 1},         {"three", 1},    {"!redact it", 2}, {"!refuse it", 3}, {"!undecided", 0}, {"!never it", 0},
             {"!range it", 0},   {"!fail it", 0}, {NULL, -1},        {"!abort it", 0},  {"!hang it", 0}};
#define N_WORDS (G_N_ELEMENTS(words) - 1)

struct client {
  struct places *places;
  int number, n_rounds;
};

static void check_item(struct places *p, const struct weft_frame *frame, uint32_t i, int word)
{
  struct weft_verdict v;
  int verdict = words[word].verdict, refused = verdict == 0 || verdict == 3;
  g_assert_true(weft_frame_verdict(frame, 1, i, &v));
  g_assert_cmpint(v.verdict, ==, verdict);
  g_assert_cmpint(v.refused, ==, refused);
  g_assert_cmpint(weft_frame_status(frame, i), ==, refused ? WEFT_REFUSED : WEFT_OK);
  if (!refused && words[word].text)
    atomic_fetch_add(&p->n_passed, 1);
}

static gpointer client_main(gpointer data)
{
  struct client *client = data;
  struct places *p = client->places;
  GRand *rand = g_rand_new_with_seed(p->seed + (guint32)client->number);
  struct fx_signal signal = FX_SIGNAL;
  char session[16];
  double sum = 0, n_texts = 0;
  g_snprintf(session, sizeof session, "client%d", client->number);
  struct weft_context context = {.session = session};
  for (int round = 0; round < client->n_rounds; round++) {
    const char *texts[N_ITEMS];
    int picks[N_ITEMS];
    int hangs = round % 20 == 7;
    uint32_t n = hangs ? 1 : (uint32_t)g_rand_int_range(rand, 1, 5);
    for (uint32_t i = 0; i < n; i++) {
      picks[i] = hangs ? (int)N_WORDS : g_rand_int_range(rand, 0, round % 10 ? (int)N_WORDS - 1 : (int)N_WORDS);
      texts[i] = words[picks[i]].text;
    }
    struct weft_blob blobs[N_ITEMS];
    struct weft_request requests[N_ITEMS];
    struct weft_frame *frame;
    fx_requests(&p->fx, texts, n, blobs, requests);
    for (uint32_t i = 0; i < n; i++)
      requests[i].context = &context;
    if (round % 2) {
      g_assert_cmpint(weft_graph_run(p->fx.graph, requests, n, &frame), ==, WEFT_OK);
    } else {
      signal.n_done = 0;
      g_assert_cmpint(weft_graph_submit(p->fx.graph, requests, n, fx_done, &signal, &frame), ==, WEFT_OK);
      fx_wait(&signal, 1);
    }
    for (uint32_t i = 0; i < n; i++) {
      check_item(p, frame, i, picks[i]);
      if (words[picks[i]].verdict != 1 && words[picks[i]].verdict != 2)
        continue;
      sum += (double)strlen(texts[i]);
      n_texts += 1;
      g_assert_cmpfloat_with_epsilon(fx_number(frame, p->y, i), sum / n_texts, 1e-4);
      if (words[picks[i]].verdict == 2)
        fx_assert_text(frame, p->gate + 1, i, "**********");
    }
    weft_frame_release(frame);
  }
  g_rand_free(rand);
  return NULL;
}

static void test_isolated_policy_many_threads(void)
{
  struct places p;
  struct client clients[4];
  GThread *threads[4];
  places_init(&p);
  p.seed = g_test_rand_int();
  g_test_message("seed %u", p.seed);
  for (int t = 0; t < 4; t++) {
    clients[t] = (struct client){&p, t, 40};
    threads[t] = g_thread_new("client", client_main, &clients[t]);
  }
  for (int t = 0; t < 4; t++)
    g_thread_join(threads[t]);
  /* Every item that passed has had its effect, and no other one. */
  g_assert_cmpint(p.n_acted, ==, p.n_passed);
  places_clear(&p);
}

/* The verdict of the call before is not that of an item for which none is written. */
static void test_isolated_policy_stale(void)
{
  struct places p;
  places_init(&p);
  for (int round = 0; round < 20; round++) {
    struct weft_frame *frame = fx_run(&p.fx, (const char *[]){"one", "one"}, 2);
    check_item(&p, frame, 0, 0);
    check_item(&p, frame, 1, 0);
    weft_frame_release(frame);
    frame = fx_run(&p.fx, (const char *[]){"one", "!never it"}, 2);
    check_item(&p, frame, 0, 0);
    check_item(&p, frame, 1, 5);
    weft_frame_release(frame);
  }
  places_clear(&p);
}

static void test_isolated_policy_steady(void)
{
  struct places p;
  places_init(&p);
  const char *texts[] = {"one", "!redact it", "!refuse it", NULL, "!never it"};
  weft_frame_release(fx_run(&p.fx, texts, 5));
  uint64_t count = weft_mem_count();
  for (int i = 0; i < 50; i++)
    weft_frame_release(fx_run(&p.fx, texts, 5));
  g_assert_cmpuint(weft_mem_count(), ==, count);
  places_clear(&p);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/isolated-policy/many-threads", test_isolated_policy_many_threads);
  g_test_add_func("/isolated-policy/stale", test_isolated_policy_stale);
  g_test_add_func("/isolated-policy/steady", test_isolated_policy_steady);
  return g_test_run();
}
