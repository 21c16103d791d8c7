/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept over requests: states in order, held inputs, bounds of the store. */
#include "runtime-fixture.h"

#include "note.h"

#include <stdatomic.h>
#include <string.h>

static const struct weft_port state_port = {.name = "state", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 2}};

struct counter {
  _Atomic int n_inside, n_calls;
  int slow;
};

/* Sum and number so far; asserts that no session is twice in a call. "!" (length -1) fails the item, 13 gives no state. */
static weft_status mean(void *instance, struct weft_call *call)
{
  struct counter *counter = instance;
  const float *x = call->inputs[0]->data, *old = call->inputs[1]->data;
  float *y = call->outputs[0].tensor.data, *state = call->outputs[1].tensor.data;
  int missing = 0;
  atomic_fetch_add(&counter->n_calls, 1);
  for (uint32_t i = 0; i < call->n_items; i++)
    for (uint32_t j = 0; j < i; j++) {
      const struct weft_context *a = call->items[i].context, *b = call->items[j].context;
      g_assert_false(a && b && a->session && b->session && strcmp(a->session, b->session) == 0);
    }
  if (counter->slow)
    g_usleep(200);
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[1], i);
    float value = x[weft_rows_of(call->inputs[0], i).begin];
    float sum = rows.present ? old[2 * rows.begin] : 0, n = rows.present ? old[2 * rows.begin + 1] : 0;
    state[2 * i] = sum + value;
    state[2 * i + 1] = n + 1;
    y[i] = (sum + value) / (n + 1);
    call->outputs[1].slots[i] = (int32_t)i;
    if (value == 11)
      weft_host_table()->fail_item(call, i, WEFT_BAD_INPUT, "eleven");
    if (value == 13) {
      call->outputs[1].slots[i] = -1;
      missing = 1;
    }
  }
  if (missing)
    call->outputs[1].tensor.slots = call->outputs[1].slots;
  return WEFT_OK;
}

struct keeping {
  struct fx fx;
  struct counter counter;
  struct weft_state_port port;
  uint32_t y;
};

static void keeping_init(struct keeping *k, uint32_t n_threads, int parallel)
{
  memset(&k->counter, 0, sizeof k->counter);
  fx_init(&k->fx, n_threads);
  uint32_t text = fx_input(&k->fx, "text");
  uint32_t x = fx_node(&k->fx, "length", FX(fx_length, NULL), fx_f32, &text, 1);
  k->y = fx_node(&k->fx, "mean", FX(mean, &k->counter), fx_f32, (uint32_t[]){x, WEFT_VALUE_STATE}, 2);
  fx_output(&k->fx, state_port);
  k->port = (struct weft_state_port){1, 1};
  fx_last(&k->fx)->states = &k->port;
  fx_last(&k->fx)->n_states = 1;
  fx_last(&k->fx)->required = 1;
  fx_last(&k->fx)->parallel = (uint32_t)parallel;
}

struct ask {
  const char *text, *session, *tenant;
  uint64_t stream;
  uint32_t flags;
};

/* One frame of these requests; the caller releases it. */
static struct weft_frame *ask(struct keeping *k, const struct ask *asks, uint32_t n)
{
  struct weft_blob blobs[16];
  struct weft_request requests[16];
  struct weft_context contexts[16];
  const char *texts[16];
  struct weft_frame *frame;
  memset(contexts, 0, sizeof contexts);
  for (uint32_t i = 0; i < n; i++)
    texts[i] = asks[i].text;
  fx_requests(&k->fx, texts, n, blobs, requests);
  for (uint32_t i = 0; i < n; i++) {
    contexts[i].session = asks[i].session;
    contexts[i].tenant = asks[i].tenant;
    requests[i].context = &contexts[i];
    requests[i].stream = asks[i].stream;
    requests[i].chunk_flags = asks[i].flags;
  }
  g_assert_cmpint(weft_graph_run(k->fx.graph, requests, n, &frame), ==, WEFT_OK);
  return frame;
}

static void expect(struct keeping *k, struct ask one, float y)
{
  struct weft_frame *frame = ask(k, &one, 1);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==, "");
  g_assert_cmpfloat(fx_number(frame, k->y, 0), ==, y);
  weft_frame_release(frame);
}

static void test_state_mean(void)
{
  for (int parallel = 0; parallel < 2; parallel++) {
    struct keeping k;
    keeping_init(&k, 1, parallel);
    fx_seal(&k.fx, 8);
    expect(&k, (struct ask){"1", "a", NULL, 0, 0}, 1);
    expect(&k, (struct ask){"333", "a", NULL, 0, 0}, 2);
    expect(&k, (struct ask){"55555", "b", NULL, 0, 0}, 5);
    expect(&k, (struct ask){"55555", "a", NULL, 0, 0}, 3);
    /* The session of another tenant, a stream of the same name, nobody's session. */
    expect(&k, (struct ask){"7777777", "a", "other", 0, 0}, 7);
    expect(&k, (struct ask){"7777777", "a", NULL, 97, 0}, 7);
    expect(&k, (struct ask){"1", NULL, NULL, 0, 0}, 1);
    expect(&k, (struct ask){"333", NULL, NULL, 0, 0}, 3);
    expect(&k, (struct ask){"333", "", NULL, 0, 0}, 3);
    expect(&k, (struct ask){"1", "a", NULL, 97, 0}, 4);
    /* A stream that begins anew. */
    expect(&k, (struct ask){"1", NULL, NULL, 97, WEFT_CHUNK_FIRST}, 1);
    expect(&k, (struct ask){"333", NULL, NULL, 97, 0}, 2);
    /* What fails changes nothing; what leaves no state forgets. */
    struct weft_frame *frame = ask(&k, &(struct ask){"bbbbbbbbbbb", "a", NULL, 0, 0}, 1);
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_BAD_INPUT);
    weft_frame_release(frame);
    expect(&k, (struct ask){"333", "a", NULL, 0, 0}, 3);
    expect(&k, (struct ask){"ddddddddddddd", "b", NULL, 0, 0}, 9);
    expect(&k, (struct ask){"1", "b", NULL, 0, 0}, 1);
    fx_clear(&k.fx);
  }
}

/* Several items of a session in one frame go one after the other, in their order; others go along. */
static void test_state_in_one_frame(void)
{
  struct keeping k;
  keeping_init(&k, 1, 0);
  fx_seal(&k.fx, 8);
  const struct ask asks[] = {{"1", "a", NULL, 0, 0}, {"55555", "b", NULL, 0, 0}, {"333", "a", NULL, 0, 0},
                             {"bbbbbbbbbbb", "a", NULL, 0, 0}, {"22", NULL, NULL, 0, 0}, {"55555", "a", NULL, 0, 0},
                             {NULL, "a", NULL, 0, 0}};
  static const float expected[] = {1, 5, 2, 0, 2, 3};
  struct weft_frame *frame = ask(&k, asks, 7);
  for (uint32_t i = 0; i < 6; i++)
    if (i == 3)
      g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_BAD_INPUT);
    else
      g_assert_cmpfloat(fx_number(frame, k.y, i), ==, expected[i]);
  g_assert_false(weft_rows_of(weft_frame_value(frame, k.y), 6).present);
  weft_frame_release(frame);
  expect(&k, (struct ask){"7777777", "a", NULL, 0, 0}, 4);
  fx_clear(&k.fx);
}

/* Frames of one session in flight at once pass in the order in which they were submitted. */
struct log {
  _Atomic int n;
  float seen[4096];
};

static weft_status note_order(void *instance, struct weft_call *call)
{
  struct log *log = instance;
  const float *y = call->inputs[0]->data;
  log->seen[atomic_fetch_add(&log->n, 1)] = y[weft_rows_of(call->inputs[0], 0).begin];
  return fx_sum(NULL, call);
}

static void test_state_order(void)
{
  struct keeping k;
  struct log log = {0};
  struct fx_signal signal = FX_SIGNAL;
  struct weft_frame *frames[64];
  keeping_init(&k, 4, 1);
  k.counter.slow = 1;
  uint32_t y = k.y;
  fx_node(&k.fx, "log", FX(note_order, &log), fx_f32, &y, 1);
  fx_last(&k.fx)->parallel = 1;
  fx_seal(&k.fx, 4);
  struct weft_blob blobs[64];
  struct weft_request requests[64];
  struct weft_context one = {.session = "one"}, two = {.session = "two"};
  static char text[64][8];
  const char *texts[64];
  for (int i = 0; i < 64; i++) {
    memset(text[i], 'x', (size_t)(i % 7 + 1));
    texts[i] = text[i];
  }
  fx_requests(&k.fx, texts, 64, blobs, requests);
  float sums[2] = {0, 0}, n[2] = {0, 0};
  for (int i = 0; i < 64; i++) {
    requests[i].context = i % 3 ? &one : &two;
    g_assert_cmpint(weft_graph_submit(k.fx.graph, &requests[i], 1, fx_done, &signal, &frames[i]), ==, WEFT_OK);
    if (i % 10 == 5)
      weft_frame_cancel(frames[i], WEFT_ALL_ITEMS);
  }
  fx_wait(&signal, 64);
  for (int i = 0; i < 64; i++) {
    int s = i % 3 ? 0 : 1;
    /* One that was cancelled may have passed before. */
    if (weft_frame_status(frames[i], 0) == WEFT_OK || weft_frame_value(frames[i], k.y)) {
      sums[s] += (float)(i % 7 + 1);
      n[s] += 1;
    }
    if (weft_frame_status(frames[i], 0) == WEFT_OK)
      g_assert_cmpfloat(fx_number(frames[i], k.y, 0), ==, sums[s] / n[s]);
    weft_frame_release(frames[i]);
  }
  fx_clear(&k.fx);
}

/* Many threads, each with sessions of its own and all with a common one: nothing is lost. */
struct client {
  struct keeping *k;
  _Atomic int *n_common;
  int number;
};

static gpointer client_main(gpointer data)
{
  struct client *client = data;
  char own[16];
  g_snprintf(own, sizeof own, "client%d", client->number);
  for (int round = 0; round < 100; round++) {
    const struct ask asks[] = {{"22", own, NULL, 0, 0}, {"1", "common", NULL, 0, 0}, {"4444", own, NULL, 0, 0}};
    struct weft_frame *frame = ask(client->k, asks, 3);
    float n = 2 * (float)round;
    g_assert_cmpfloat_with_epsilon(fx_number(frame, client->k->y, 0), (3 * n + 2) / (n + 1), 1e-4);
    g_assert_cmpfloat_with_epsilon(fx_number(frame, client->k->y, 2), 3, 1e-4);
    g_assert_cmpfloat(fx_number(frame, client->k->y, 1), ==, 1);
    atomic_fetch_add(client->n_common, 1);
    weft_frame_release(frame);
  }
  return NULL;
}

static void test_state_many_threads(void)
{
  struct keeping k;
  struct client clients[4];
  GThread *threads[4];
  _Atomic int n_common = 0;
  keeping_init(&k, 2, 1);
  uint32_t mean_state = k.y + 1;
  fx_seal(&k.fx, 4);
  for (int t = 0; t < 4; t++) {
    clients[t] = (struct client){&k, &n_common, t};
    threads[t] = g_thread_new("client", client_main, &clients[t]);
  }
  for (int t = 0; t < 4; t++)
    g_thread_join(threads[t]);
  struct weft_frame *frame = ask(&k, &(struct ask){"1", "common", NULL, 0, 0}, 1);
  const struct weft_tensor *state = weft_frame_value(frame, mean_state);
  g_assert_cmpfloat(((const float *)state->data)[1], ==, 401);
  weft_frame_release(frame);
  fx_clear(&k.fx);
}

static void test_state_bounds(void)
{
  char name[WEFT_SESSION_KEY_MAX + 2];
  struct keeping k;
  keeping_init(&k, 1, 0);
  k.fx.n_sessions_max = 2;
  fx_seal(&k.fx, 4);
  /* The least recently used leaves. */
  expect(&k, (struct ask){"1", "a", NULL, 0, 0}, 1);
  expect(&k, (struct ask){"1", "b", NULL, 0, 0}, 1);
  expect(&k, (struct ask){"333", "a", NULL, 0, 0}, 2);
  expect(&k, (struct ask){"333", "c", NULL, 0, 0}, 3);
  expect(&k, (struct ask){"55555", "a", NULL, 0, 0}, 3);
  expect(&k, (struct ask){"55555", "b", NULL, 0, 0}, 5);
  /* More sessions at once than there is room for. */
  const struct ask three[] = {{"1", "x", NULL, 0, 0}, {"1", "y", NULL, 0, 0}, {"1", "z", NULL, 0, 0}};
  struct weft_frame *frame = ask(&k, three, 3);
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 2), ==, WEFT_UNAVAILABLE);
  g_assert_nonnull(strstr(weft_frame_message(frame, 2), "WEFT_SESSIONS_MAX"));
  weft_frame_release(frame);
  struct weft_counters counters;
  weft_graph_counters(k.fx.graph, 1, &counters);
  g_assert_cmpuint(counters.n_forgotten, ==, 1);
  /* The longest name, and one byte more: one for the kind of key, one between tenant and session. */
  memset(name, 'n', sizeof name);
  name[WEFT_SESSION_KEY_MAX - 2] = 0;
  expect(&k, (struct ask){"1", name, NULL, 0, 0}, 1);
  name[WEFT_SESSION_KEY_MAX - 2] = 'n';
  name[WEFT_SESSION_KEY_MAX - 1] = 0;
  frame = ask(&k, &(struct ask){"1", name, NULL, 0, 0}, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_BAD_INPUT);
  g_assert_nonnull(strstr(weft_frame_message(frame, 0), "WEFT_SESSION_KEY_MAX"));
  weft_frame_release(frame);
  fx_clear(&k.fx);
}

static void test_state_ttl(void)
{
  struct keeping k;
  keeping_init(&k, 1, 0);
  k.fx.session_ttl_ns = 20000000;
  fx_seal(&k.fx, 4);
  expect(&k, (struct ask){"1", "a", NULL, 0, 0}, 1);
  g_usleep(30000);
  expect(&k, (struct ask){"333", "a", NULL, 0, 0}, 3);
  fx_clear(&k.fx);
}

static void test_state_bad_graphs(void)
{
  for (int how = 0; how < 3; how++) {
    struct keeping k;
    keeping_init(&k, 1, 0);
    if (how == 0)
      k.port.input = 0;
    else if (how == 1)
      fx_last(&k.fx)->n_states = 0;
    else
      k.fx.n_kept_bytes_max = 7; /* a state takes 8 */
    g_autofree char *message = fx_refusal(&k.fx, 4);
    g_assert_nonnull(strstr(message, how == 2 ? "WEFT_KEPT_BYTES_MAX" : "state"));
    fx_clear(&k.fx);
  }
}

/* Held inputs: text a (held for 1 s of its own time) and b. */
struct held {
  struct fx fx;
  struct weft_input_policy policies[2];
  uint32_t join, upper;
};

static weft_status join_texts(void *instance, struct weft_call *call)
{
  struct weft_output *output = &call->outputs[0];
  int64_t n = 0;
  output->splits[0][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    for (uint32_t k = 0; k < call->n_inputs; k++) {
      struct weft_rows rows = weft_rows_of(call->inputs[k], i);
      if (rows.end > rows.begin)
        memcpy((char *)output->tensor.data + n, (const char *)call->inputs[k]->data + rows.begin, (size_t)(rows.end - rows.begin));
      n += rows.end - rows.begin;
    }
    output->splits[0][i + 1] = n;
  }
  output->tensor.dims[0] = n;
  return WEFT_OK;
}

static void held_init(struct held *h, struct weft_port port, weft_status (*process)(void *, struct weft_call *))
{
  static const struct weft_rows_term both[] = {{0, WEFT_COUNT_ROWS, 1}, {1, WEFT_COUNT_ROWS, 1}};
  static const struct weft_port joined = {.name = "joined", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                          .n_split_levels = 1, .rows_kind = WEFT_ROWS_BOUNDED, .n_terms = 2, .terms = both};
  fx_init(&h->fx, 1);
  uint32_t a = fx_input(&h->fx, "a"), b = fx_input(&h->fx, "b");
  h->upper = fx_node(&h->fx, "first", FX(process, NULL), port, &a, 1);
  h->policies[0] = (struct weft_input_policy){WEFT_MISSING_HOLD, 1000000000};
  h->policies[1] = (struct weft_input_policy){WEFT_MISSING_MASK, 0};
  h->join = fx_node(&h->fx, "join", FX(join_texts, NULL), joined, (uint32_t[]){h->upper, b}, 2);
  fx_last(&h->fx)->policies = h->policies;
  h->fx.ports[h->join].n_terms = port.n_split_levels == 1 ? 2 : 1;
  fx_seal(&h->fx, 8);
}

struct tell {
  const char *a, *b;
  uint64_t stream, time_ms;
  const char *joined; /* expected; NULL: the node is skipped */
  int held;
};

static void tell(struct held *h, const struct tell *tells, uint32_t n)
{
  const char *texts[16];
  struct weft_blob blobs[16];
  struct weft_request requests[8];
  struct weft_frame *frame;
  for (uint32_t i = 0; i < n; i++) {
    texts[2 * i] = tells[i].a;
    texts[2 * i + 1] = tells[i].b;
  }
  fx_requests(&h->fx, texts, n, blobs, requests);
  for (uint32_t i = 0; i < n; i++) {
    requests[i].stream = tells[i].stream;
    requests[i].time_ns = tells[i].time_ms * 1000000;
  }
  g_assert_cmpint(weft_graph_run(h->fx.graph, requests, n, &frame), ==, WEFT_OK);
  for (uint32_t i = 0; i < n; i++) {
    struct weft_note note;
    g_assert_cmpstr(weft_frame_message(frame, i), ==, "");
    fx_assert_text(frame, h->join, i, tells[i].joined);
    weft_frame_note(frame, 1, i, &note);
    g_assert_cmpuint(note.held, ==, (uint64_t)tells[i].held);
    g_assert_cmpint(weft_frame_absence(frame, 1, 0, i), ==,
                    tells[i].a || tells[i].held ? WEFT_ABSENCE_NONE : WEFT_ABSENCE_NEVER);
  }
  weft_frame_release(frame);
}

static void test_state_hold(void)
{
  struct held h;
  held_init(&h, fx_same_rows, fx_upper);
  tell(&h, &(struct tell){NULL, "x", 1, 1000, "x", 0}, 1);
  tell(&h, &(struct tell){"ab", "x", 1, 1000, "ABx", 0}, 1);
  tell(&h, &(struct tell){NULL, "x", 1, 1500, "ABx", 1}, 1);
  tell(&h, &(struct tell){NULL, NULL, 1, 2000, "AB", 1}, 1); /* just old enough */
  tell(&h, &(struct tell){NULL, "x", 1, 2001, "x", 0}, 1);
  tell(&h, &(struct tell){NULL, "x", 2, 1500, "x", 0}, 1);
  tell(&h, &(struct tell){NULL, "x", 0, 1500, "x", 0}, 1);
  tell(&h, &(struct tell){NULL, NULL, 1, 9000, NULL, 0}, 1);
  /* Items of one frame in their order; what comes late does not replace what is newer. */
  const struct tell many[] = {{NULL, "1", 1, 3000, "1", 0}, {"c", "2", 1, 3000, "C2", 0}, {NULL, "3", 1, 3100, "C3", 1},
                              {"dd", "4", 2, 3100, "DD4", 0}, {NULL, "5", 2, 3200, "DD5", 1}, {"", "6", 1, 3300, "6", 0},
                              {NULL, "7", 1, 3400, "7", 1}};
  tell(&h, many, 7);
  tell(&h, &(struct tell){"old", "x", 2, 2000, "OLDx", 0}, 1);
  tell(&h, &(struct tell){NULL, "x", 2, 3500, "DDx", 1}, 1);
  fx_clear(&h.fx);
}

/* A value of two split levels keeps its groups. */
static weft_status count_groups(void *instance, struct weft_call *call)
{
  float *y = call->outputs[0].tensor.data;
  const struct weft_tensor *x = call->inputs[0];
  for (uint32_t i = 0; i < call->n_items; i++) {
    int64_t slot = x->slots ? x->slots[i] : (int64_t)i;
    struct weft_rows rows = weft_rows_of(x, i);
    y[i] = slot < 0 ? -1 : (float)(100 * (x->splits[0][slot + 1] - x->splits[0][slot]) + rows.end - rows.begin);
  }
  return WEFT_OK;
}

static void test_state_hold_groups(void)
{
  struct weft_input_policy policies[2] = {{WEFT_MISSING_HOLD, UINT64_MAX}, {WEFT_MISSING_MASK, 0}};
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &a, 1);
  uint32_t y = fx_node(&fx, "count", FX(count_groups, NULL), fx_f32, (uint32_t[]){words, b}, 2);
  fx_last(&fx)->policies = policies;
  fx_seal(&fx, 4);
  char large[2000];
  memset(large, 'l', sizeof large - 1);
  large[sizeof large - 1] = 0;
  const char *texts[][6] = {{"one two three", "x", large, "x", NULL, "x"}, {NULL, "x", NULL, "x", "a b", "x"}};
  static const float expected[2][3] = {{311, 1999 + 100, -1}, {311, 1999 + 100, 202}};
  for (int round = 0; round < 2; round++) {
    struct weft_blob blobs[6];
    struct weft_request requests[3];
    struct weft_frame *frame;
    fx_requests(&fx, texts[round], 3, blobs, requests);
    for (uint32_t i = 0; i < 3; i++)
      requests[i].stream = i + 1;
    g_assert_cmpint(weft_graph_run(fx.graph, requests, 3, &frame), ==, WEFT_OK);
    for (uint32_t i = 0; i < 3; i++)
      g_assert_cmpfloat(fx_number(frame, y, i), ==, expected[round][i]);
    weft_frame_release(frame);
  }
  fx_clear(&fx);
}

/* Room for two values of 300 bytes: the third pushes out the session that was used least recently. */
static void test_state_hold_room(void)
{
  struct held h;
  char text[301];
  memset(text, 'x', 300);
  text[300] = 0;
  g_autofree char *upper = g_ascii_strup(text, -1), *more = g_strdup_printf("%sb", upper);
  memset(&h.fx, 0, sizeof h.fx);
  fx_init(&h.fx, 1);
  fx_clear(&h.fx);
  held_init(&h, fx_same_rows, fx_upper);
  weft_graph_free(h.fx.graph);
  h.fx.n_kept_bytes_max = 1024;
  fx_seal(&h.fx, 8);
  tell(&h, &(struct tell){text, NULL, 1, 1000, upper, 0}, 1);
  tell(&h, &(struct tell){text, NULL, 2, 1000, upper, 0}, 1);
  tell(&h, &(struct tell){text, NULL, 3, 1000, upper, 0}, 1);
  tell(&h, &(struct tell){NULL, "b", 1, 1001, "b", 0}, 1);
  tell(&h, &(struct tell){NULL, "b", 3, 1001, more, 1}, 1);
  /* What is larger than all of it is not kept, and counted. */
  g_autofree char *huge = g_strnfill(1025, 'h'), *huge_upper = g_ascii_strup(huge, -1);
  tell(&h, &(struct tell){huge, NULL, 3, 1002, huge_upper, 0}, 1);
  tell(&h, &(struct tell){NULL, "b", 3, 1003, "b", 0}, 1);
  struct weft_counters counters;
  weft_graph_counters(h.fx.graph, 1, &counters);
  g_assert_cmpuint(counters.n_forgotten, ==, 1);
  fx_clear(&h.fx);
}

static void test_state_steady(void)
{
  struct keeping k;
  keeping_init(&k, 1, 0);
  k.fx.n_sessions_max = 8;
  fx_seal(&k.fx, 4);
  char name[16];
  uint64_t count = 0;
  for (int i = 0; i < 200; i++) {
    g_snprintf(name, sizeof name, "s%d", i % 20);
    const struct ask asks[] = {{"1", name, NULL, 0, 0}, {"22", "same", NULL, 0, 0}, {"333", name, NULL, 0, 0}};
    weft_frame_release(ask(&k, asks, 3));
    if (i == 0)
      count = weft_mem_count();
  }
  g_assert_cmpuint(weft_mem_count(), ==, count);
  fx_clear(&k.fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/state/mean", test_state_mean);
  g_test_add_func("/state/in-one-frame", test_state_in_one_frame);
  g_test_add_func("/state/order", test_state_order);
  g_test_add_func("/state/many-threads", test_state_many_threads);
  g_test_add_func("/state/bounds", test_state_bounds);
  g_test_add_func("/state/ttl", test_state_ttl);
  g_test_add_func("/state/bad-graphs", test_state_bad_graphs);
  g_test_add_func("/state/hold", test_state_hold);
  g_test_add_func("/state/hold-groups", test_state_hold_groups);
  g_test_add_func("/state/hold-room", test_state_hold_room);
  g_test_add_func("/state/steady", test_state_steady);
  return g_test_run();
}
