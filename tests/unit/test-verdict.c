/* SPDX-License-Identifier: Apache-2.0 */
/* Filters in process: verdicts and their absence, refused items, effects that wait for every filter, batches. */
#include "runtime-fixture.h"

#include "condition.h"
#include "note.h"

#include <stdatomic.h>
#include <string.h>
#include <weft/filter.h>

static const struct weft_rows_term same_rows[] = {{0, WEFT_COUNT_ROWS, 1}};
static const struct weft_port verdict_port = {.name = "verdict", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}};
static const struct weft_port text_port = {.name = "text", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                           .n_split_levels = 1, .n_terms = 1, .terms = same_rows};
static const struct weft_port rules_port = {.name = "rules", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                            .n_split_levels = 1, .n_terms = 1, .terms = same_rows};
#define STRICT (WEFT_REFUSES(WEFT_VERDICT_UNDECIDED) | WEFT_REFUSES(WEFT_VERDICT_REFUSE))

/*
 * What the first letter says: a allow, x redact (the text becomes stars), r refuse, u undecided, f fails the item,
 * n writes nothing, o out of range, s leaves no slot, C fails the call, N answers NULL, W a wrong shape, B a broken slot.
 */
static weft_status judge(void *instance, struct weft_call *call)
{
  struct weft_output *verdict = &call->outputs[0];
  int slots = 0, none = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[1].tensor, i);
    const char *text = (const char *)call->inputs[0]->data + rows.begin;
    g_assert_true(rows.present);
    char letter = rows.end > rows.begin ? text[0] : 'u';
    for (int64_t k = 0; k < rows.end - rows.begin; k++) {
      ((char *)call->outputs[1].tensor.data)[to.begin + k] = letter == 'x' ? '*' : text[k];
      ((char *)call->outputs[2].tensor.data)[weft_rows_of(&call->outputs[2].tensor, i).begin + k] = 'R';
    }
    verdict->slots[i] = (int32_t)i;
    int32_t *y = (int32_t *)verdict->tensor.data + i;
    switch (letter) {
    case 'x': *y = WEFT_VERDICT_REDACT; break;
    case 'r': *y = WEFT_VERDICT_REFUSE; break;
    case 'u': *y = WEFT_VERDICT_UNDECIDED; break;
    case 'o': *y = WEFT_N_VERDICTS; break;
    case 'f': weft_host_table()->fail_item(call, i, WEFT_INTERNAL, "the filter has a bug"); break;
    case 'n': break;
    case 's': verdict->slots[i] = -1; slots = 1; break;
    case 'C': return weft_host_table()->fail_call(call, WEFT_INTERNAL, "the filter is gone");
    case 'N': none = 1; break;
    case 'W': verdict->tensor.rank = 2; break;
    case 'B': verdict->slots[i] = 99; slots = 1; break;
    default: *y = WEFT_VERDICT_ALLOW;
    }
  }
  if (none)
    verdict->tensor.data = NULL;
  if (slots)
    verdict->tensor.slots = verdict->slots;
  return WEFT_OK;
}

static uint32_t add_filter(struct fx *fx, const char *name, uint32_t text, uint32_t refuses)
{
  uint32_t verdict = fx_node(fx, name, FX(judge, NULL), verdict_port, &text, 1);
  fx_output(fx, text_port);
  fx_output(fx, rules_port);
  struct weft_graph_node *node = fx_last(fx);
  node->is_filter = 1;
  node->refuses = refuses;
  node->pure = node->required = 1;
  for (uint32_t v = verdict; v < verdict + 3; v++)
    fx->values[v].wanted = v == verdict + 1; /* the runtime wants the others by itself */
  return verdict;
}

static int is_there(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  const struct weft_tensor *t = weft_frame_value(frame, value);
  return t && weft_rows_of(t, item).present;
}

static void expect(const struct weft_frame *frame, uint32_t node, uint32_t item, int verdict, int refused)
{
  struct weft_verdict v;
  g_assert_true(weft_frame_verdict(frame, node, item, &v));
  g_assert_cmpint(v.verdict, ==, verdict);
  g_assert_cmpint(v.refused, ==, refused);
  g_assert_cmpint(weft_frame_status(frame, item), ==, refused ? WEFT_REFUSED : WEFT_OK);
  if (refused)
    g_assert_cmpint(weft_frame_failed_node(frame, item), ==, (int)node);
}

static void test_verdict_each(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t gate = add_filter(&fx, "gate", text, STRICT);
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, (uint32_t[]){gate + 1}, 1);
  fx_seal(&fx, 16);
  const char *texts[] = {"a1", "x22", "r", "u", "f", "n", "o", "s", "", NULL};
  static const int verdicts[] = {1, 2, 3, 0, 0, 0, 0, 0, 0, -1}, refused[] = {0, 0, 1, 1, 1, 1, 1, 1, 1, 0};
  for (int round = 0; round < 3; round++) {
    struct weft_frame *frame = fx_run(&fx, texts, 10);
    for (uint32_t i = 0; i < 10; i++) {
      g_test_message("item %u", i);
      expect(frame, 0, i, verdicts[i], refused[i]);
      g_assert_cmpint(is_there(frame, length, i), ==, i < 2);
    }
    fx_assert_text(frame, gate + 1, 0, "a1");
    fx_assert_text(frame, gate + 1, 1, "***");
    struct weft_verdict v;
    weft_frame_verdict(frame, 0, 1, &v);
    g_assert_cmpmem(v.rules, v.n_rules, "RRR", 3);
    weft_frame_verdict(frame, 0, 4, &v);
    g_assert_null(v.rules);
    g_assert_nonnull(strstr(weft_frame_message(frame, 2), "filter 'gate' refused the request: its verdict was refuse"));
    struct weft_note note;
    weft_frame_note(frame, 0, 4, &note);
    g_assert_cmpstr(note.message, ==, "the filter has a bug");
    weft_frame_note(frame, 1, 2, &note);
    g_assert_cmpint(note.passage, ==, WEFT_PASSAGE_ENDED);
    g_assert_false(weft_frame_verdict(frame, 1, 0, &v));
    weft_frame_release(frame);
  }
  fx_clear(&fx);
}

/* A call that fails or breaks the contract as a whole goes item by item: only the culprit is undecided. */
static void test_verdict_whole_calls(void)
{
  static const char *const bad[] = {"C", "N", "W", "B"};
  for (size_t b = 0; b < G_N_ELEMENTS(bad); b++)
    for (int pure = 0; pure < 2; pure++) {
      struct fx fx;
      fx_init(&fx, 1);
      uint32_t text = fx_input(&fx, "text");
      uint32_t gate = add_filter(&fx, "gate", text, STRICT);
      fx_last(&fx)->pure = (uint32_t)pure;
      fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, (uint32_t[]){gate + 1}, 1);
      fx_seal(&fx, 4);
      struct weft_frame *frame = fx_run(&fx, (const char *[]){"a", bad[b], "aa"}, 3);
      g_test_message("%s, pure %d: %s", bad[b], pure, weft_frame_message(frame, 1));
      expect(frame, 0, 1, 0, 1);
      expect(frame, 0, 0, pure ? 1 : 0, !pure);
      expect(frame, 0, 2, pure ? 1 : 0, !pure);
      weft_frame_release(frame);
      fx_clear(&fx);
    }
}

/* The operator lets undecided and refuse go on, and refuses what is redacted. */
static void test_verdict_operator_decides(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  add_filter(&fx, "gate", text, WEFT_REFUSES(WEFT_VERDICT_REDACT));
  uint32_t after = fx_node(&fx, "after", FX(fx_length, NULL), fx_f32, &text, 1);
  fx_seal(&fx, 8);
  struct weft_frame *frame = fx_run(&fx, (const char *[]){"r", "u", "f", "x", "a"}, 5);
  expect(frame, 0, 0, 3, 0);
  expect(frame, 0, 1, 0, 0);
  expect(frame, 0, 2, 0, 0);
  expect(frame, 0, 3, 2, 1);
  expect(frame, 0, 4, 1, 0);
  g_assert_true(weft_frame_degraded(frame, 2));
  g_assert_false(weft_frame_degraded(frame, 1));
  g_assert_true(is_there(frame, after, 2));
  weft_frame_release(frame);
  fx_clear(&fx);
}

/* Nothing came: passes. The source failed (absorbed), was skipped for that, or its condition hangs on it: undecided. */
static void test_verdict_absent_inputs(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &a, 1);
  fx_last(&fx)->on_error = WEFT_ON_ERROR_ABSENT;
  uint32_t quoted = fx_node(&fx, "quote", FX(fx_quote, NULL), fx_two_more, &upper, 1);
  add_filter(&fx, "direct", upper, STRICT);
  add_filter(&fx, "behind", quoted, STRICT);
  fx_node(&fx, "b", FX(fx_length, NULL), fx_f32, &b, 1);
  fx_seal(&fx, 4);
  const char *texts[] = {NULL, "b", "!a", "b"};
  struct weft_frame *frame = fx_run(&fx, texts, 2);
  expect(frame, 2, 0, -1, 0);
  expect(frame, 3, 0, -1, 0);
  expect(frame, 2, 1, 0, 1);
  weft_frame_release(frame);
  fx_clear(&fx);
}

static void test_verdict_far_from_failure(void)
{
  struct weft_condition_step steps[] = {{.op = WEFT_CONDITION_VALUE}, {.op = WEFT_CONDITION_NUMBER, .number = 0},
                                        {.op = WEFT_CONDITION_GT}};
  struct weft_condition when = {steps, 3};
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &a, 1);
  fx_last(&fx)->on_error = WEFT_ON_ERROR_ABSENT;
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &upper, 1);
  uint32_t copy = fx_node(&fx, "copy", FX(fx_quote, NULL), fx_two_more, &b, 1);
  steps[0].index = length;
  fx_last(&fx)->when = &when;
  add_filter(&fx, "gate", copy, WEFT_REFUSES(WEFT_VERDICT_UNDECIDED));
  fx_seal(&fx, 4);
  const char *texts[] = {"a", "b", "!a", "b", NULL, "b"};
  struct weft_frame *frame = fx_run(&fx, texts, 3);
  expect(frame, 3, 0, 1, 0); /* "<b>" */
  expect(frame, 3, 1, 0, 1);
  expect(frame, 3, 2, -1, 0);
  weft_frame_release(frame);
  fx_clear(&fx);
}

static weft_status act(void *instance, struct weft_call *call)
{
  atomic_fetch_add((_Atomic int *)instance, (int)call->n_items);
  return fx_length(NULL, call);
}

/* The effect stands first in the file and depends on no filter; two filters stand behind it, one of them slow to come to. */
static void test_verdict_effects_wait(void)
{
  for (int parallel = 0; parallel < 2; parallel++) {
    _Atomic int n_acted = 0;
    struct fx fx;
    fx_init(&fx, 2);
    uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
    uint32_t alarm = fx_node(&fx, "alarm", FX(act, &n_acted), fx_f32, &a, 1);
    fx_last(&fx)->effects = 1;
    fx_last(&fx)->parallel = (uint32_t)parallel;
    uint32_t follows = fx_node(&fx, "follows", FX(fx_sum, NULL), fx_f32, &alarm, 1);
    fx_node(&fx, "quote", FX(fx_quote, NULL), fx_two_more, &b, 1);
    add_filter(&fx, "one", a, STRICT);
    add_filter(&fx, "two", b, STRICT);
    fx_seal(&fx, 8);
    const char *texts[] = {"a1", "a1", "r", "a", "a", "r", "a333", NULL};
    struct weft_frame *frame = fx_run(&fx, texts, 4);
    g_assert_cmpint(n_acted, ==, 2);
    g_assert_cmpfloat(fx_number(frame, follows, 0), ==, 2);
    g_assert_cmpfloat(fx_number(frame, follows, 3), ==, 4);
    expect(frame, 3, 1, 3, 1);
    expect(frame, 4, 2, 3, 1);
    struct weft_note note;
    weft_frame_note(frame, 0, 2, &note);
    g_assert_cmpint(note.passage, ==, WEFT_PASSAGE_ENDED);
    weft_frame_note(frame, 0, 0, &note);
    g_assert_cmpint(note.passage, ==, WEFT_PASSAGE_RAN);
    g_assert_cmpuint(weft_frame_node_ns(frame, 0), >, 0);
    struct weft_counters counters;
    weft_graph_counters(fx.graph, 0, &counters);
    g_assert_cmpuint(counters.n_items, ==, 2);
    weft_frame_release(frame);
    fx_clear(&fx);
  }
}

static void test_verdict_bad_graphs(void)
{
  struct weft_condition_step yes = {.op = WEFT_CONDITION_BOOL, .number = 1};
  struct weft_condition when = {&yes, 1};
  static const char *const why[] = {"must be the verdict", "a filter cannot be skipped", "refuses verdicts 0x10",
                                    "put the filter before it"};
  for (size_t k = 0; k < G_N_ELEMENTS(why); k++) {
    struct fx fx;
    fx_init(&fx, 1);
    uint32_t text = fx_input(&fx, "text");
    if (k == 0) {
      fx_node(&fx, "gate", FX(fx_length, NULL), fx_f32, &text, 1);
      fx_last(&fx)->is_filter = 1;
    } else if (k == 3) {
      uint32_t sent = fx_node(&fx, "send", FX(fx_upper, NULL), fx_same_rows, &text, 1);
      fx_last(&fx)->effects = 1;
      add_filter(&fx, "gate", sent, STRICT);
    } else {
      add_filter(&fx, "gate", text, k == 2 ? 16 : STRICT);
      if (k == 1)
        fx_last(&fx)->when = &when;
    }
    g_autofree char *message = fx_refusal(&fx, 1);
    if (!strstr(message, why[k]))
      g_error("\"%s\" does not say \"%s\"", message, why[k]);
    fx_clear(&fx);
  }
}

/* Verdicts of one of many are those of one, for every way through the runtime. */
struct mix {
  struct fx *fx;
  _Atomic int *n_acted;
  guint32 seed;
};

#define N_ROUNDS 60

static gpointer mix_main(gpointer data)
{
  static const char *const pool[] = {"a", "a22", "x3", "r", "u", "f", "n", "o", "s", NULL, "C", "W"};
  static const int verdicts[] = {1, 1, 2, 3, 0, 0, 0, 0, 0, -1, 0, 0};
  struct mix *mix = data;
  GRand *rand = g_rand_new_with_seed(mix->seed);
  struct fx_signal signal = FX_SIGNAL;
  for (int round = 0; round < N_ROUNDS; round++) {
    const char *texts[16];
    int picks[8];
    uint32_t n = (uint32_t)g_rand_int_range(rand, 1, 9);
    for (uint32_t i = 0; i < n; i++) {
      picks[i] = g_rand_int_range(rand, 0, G_N_ELEMENTS(pool));
      texts[2 * i] = pool[picks[i]];
      texts[2 * i + 1] = "x";
    }
    struct weft_blob blobs[16];
    struct weft_request requests[8];
    struct weft_frame *frame;
    fx_requests(mix->fx, texts, n, blobs, requests);
    if (round % 2) {
      g_assert_cmpint(weft_graph_run(mix->fx->graph, requests, n, &frame), ==, WEFT_OK);
    } else {
      signal.n_done = 0;
      g_assert_cmpint(weft_graph_submit(mix->fx->graph, requests, n, fx_done, &signal, &frame), ==, WEFT_OK);
      fx_wait(&signal, 1);
    }
    for (uint32_t i = 0; i < n; i++) {
      int verdict = verdicts[picks[i]];
      expect(frame, 1, i, verdict, verdict == 0 || verdict == 3);
      if (weft_frame_status(frame, i) == WEFT_OK)
        atomic_fetch_add(mix->n_acted, 1);
    }
    weft_frame_release(frame);
  }
  g_rand_free(rand);
  return NULL;
}

static void test_verdict_many_threads(void)
{
  guint32 seed = g_test_rand_int();
  g_test_message("seed %u", seed);
  for (int batching = 0; batching < 3; batching++) {
    struct fx fx;
    _Atomic int n_acted = 0, n_passed = 0;
    GThread *threads[4];
    struct mix mixes[4];
    fx_init(&fx, 2);
    uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
    fx_node(&fx, "alarm", FX(act, &n_acted), fx_f32, &b, 1);
    fx_last(&fx)->effects = 1;
    uint32_t gate = add_filter(&fx, "gate", a, STRICT);
    fx_last(&fx)->parallel = batching == 1;
    if (batching)
      fx_last(&fx)->batching = (struct weft_batching){.n_items_max = 8, .wait_ns = batching == 2 ? 200000 : 0};
    fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, (uint32_t[]){gate + 1}, 1);
    fx_seal(&fx, 8);
    for (int t = 0; t < 4; t++) {
      mixes[t] = (struct mix){&fx, &n_passed, seed + (guint32)t};
      threads[t] = g_thread_new("mix", mix_main, &mixes[t]);
    }
    for (int t = 0; t < 4; t++)
      g_thread_join(threads[t]);
    /* Each item that passed has had its effect, and no other one. */
    g_assert_cmpint(n_acted, ==, n_passed);
    fx_clear(&fx);
  }
}

static void test_verdict_steady(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  add_filter(&fx, "gate", text, STRICT);
  fx_seal(&fx, 8);
  const char *texts[] = {"a", "r", "f", "n", "C", NULL};
  weft_frame_release(fx_run(&fx, texts, 6));
  uint64_t count = weft_mem_count();
  for (int i = 0; i < 100; i++)
    weft_frame_release(fx_run(&fx, texts, 6));
  g_assert_cmpuint(weft_mem_count(), ==, count);
  fx_clear(&fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verdict/each", test_verdict_each);
  g_test_add_func("/verdict/whole-calls", test_verdict_whole_calls);
  g_test_add_func("/verdict/operator-decides", test_verdict_operator_decides);
  g_test_add_func("/verdict/absent-inputs", test_verdict_absent_inputs);
  g_test_add_func("/verdict/far-from-failure", test_verdict_far_from_failure);
  g_test_add_func("/verdict/effects-wait", test_verdict_effects_wait);
  g_test_add_func("/verdict/bad-graphs", test_verdict_bad_graphs);
  g_test_add_func("/verdict/many-threads", test_verdict_many_threads);
  g_test_add_func("/verdict/steady", test_verdict_steady);
  return g_test_run();
}
