/* SPDX-License-Identifier: Apache-2.0 */
/* Values through a graph: presence, ragged, bounded and dynamic outputs, limits, what a node does wrong. */
#include "runtime-fixture.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

static void test_runtime_straight(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &text, 1);
  uint32_t quoted = fx_node(&fx, "quote", FX(fx_quote, NULL), fx_two_more, &upper, 1);
  uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &upper, 1);
  uint32_t again = fx_node(&fx, "again", FX(fx_upper, NULL), fx_same_groups, &words, 1);
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &quoted, 1);
  fx_seal(&fx, 4);
  const char *texts[] = {"one two", "", "three"};
  /* Frames are used again: the second must not see the first. */
  for (int round = 0; round < 3; round++) {
    struct weft_frame *frame = fx_run(&fx, texts, 3);
    for (uint32_t i = 0; i < 3; i++)
      g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_OK);
    fx_assert_text(frame, upper, 0, "ONE TWO");
    fx_assert_text(frame, upper, 1, "");
    fx_assert_text(frame, quoted, 0, "<ONETWO>");
    fx_assert_text(frame, quoted, 1, "<>");
    fx_assert_text(frame, quoted, 2, "<THREE>");
    fx_assert_text(frame, words, 0, "ONE|TWO");
    fx_assert_text(frame, words, 1, "");
    fx_assert_text(frame, again, 2, "THREE");
    g_assert_cmpfloat(fx_number(frame, length, 0), ==, 8);
    g_assert_cmpuint(weft_frame_node_ns(frame, 1), >, 0);
    weft_frame_release(frame);
  }
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 1, &counters);
  g_assert_cmpuint(counters.n_calls, ==, 3);
  g_assert_cmpuint(counters.n_items, ==, 9);
  g_assert_cmpuint(counters.n_failed, ==, 0);
  g_assert_cmpuint(counters.ns, >, 0);
  fx_clear(&fx);
}

static void test_runtime_presence(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t la = fx_node(&fx, "a", FX(fx_length, NULL), fx_f32, &a, 1);
  uint32_t lb = fx_node(&fx, "b", FX(fx_length, NULL), fx_f32, &b, 1);
  uint32_t sum = fx_node(&fx, "sum", FX(fx_sum, NULL), fx_f32, (uint32_t[]){la, lb}, 2);
  uint32_t both = fx_node(&fx, "both", FX(fx_sum, NULL), fx_f32, (uint32_t[]){la, lb}, 2);
  fx_last(&fx)->required = 3;
  uint32_t after = fx_node(&fx, "after", FX(fx_sum, NULL), fx_f32, &both, 1);
  fx_seal(&fx, 8);
  const char *texts[] = {"x", "yy", NULL, "yyy", "x", NULL, NULL, NULL};
  struct weft_frame *frame = fx_run(&fx, texts, 4);
  g_assert_cmpfloat(fx_number(frame, sum, 0), ==, 3);
  g_assert_cmpfloat(fx_number(frame, sum, 1), ==, 3);
  g_assert_cmpfloat(fx_number(frame, sum, 2), ==, 1);
  g_assert_false(weft_rows_of(weft_frame_value(frame, sum), 3).present);
  g_assert_cmpfloat(fx_number(frame, after, 0), ==, 3);
  for (uint32_t i = 1; i < 4; i++) {
    g_assert_false(weft_rows_of(weft_frame_value(frame, both), i).present);
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_OK);
  }
  weft_frame_release(frame);
  /* Absent for all: the nodes are skipped, and what they would have yielded is absent. */
  const char *only_b[] = {NULL, "yy"};
  frame = fx_run(&fx, only_b, 1);
  g_assert_null(weft_frame_value(frame, la));
  g_assert_null(weft_frame_value(frame, after));
  g_assert_cmpfloat(fx_number(frame, sum, 0), ==, 2);
  g_assert_cmpuint(weft_frame_node_ns(frame, 0), ==, 0);
  weft_frame_release(frame);
  fx_clear(&fx);
}

static void test_runtime_own_slots(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &text, 1);
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_groups, &words, 1);
  fx_seal(&fx, 4);
  const char *texts[] = {"?no", "a b", NULL, "cc d e"};
  struct weft_frame *frame = fx_run(&fx, texts, 4);
  fx_assert_text(frame, words, 0, NULL);
  fx_assert_text(frame, upper, 0, NULL);
  fx_assert_text(frame, upper, 1, "A|B");
  fx_assert_text(frame, upper, 2, NULL);
  fx_assert_text(frame, upper, 3, "CC|D|E");
  weft_frame_release(frame);
  fx_clear(&fx);
}

static void test_runtime_failing_item(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &text, 1);
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &upper, 1);
  uint32_t sum = fx_node(&fx, "sum", FX(fx_sum, NULL), fx_f32, &length, 1);
  fx_seal(&fx, 4);
  const char *texts[] = {"abc", "!", "de"};
  struct weft_frame *frame = fx_run(&fx, texts, 3);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==, "");
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(weft_frame_message(frame, 1), ==, "item 1 is loud");
  g_assert_cmpint(weft_frame_failed_node(frame, 1), ==, 0);
  g_assert_cmpint(weft_frame_failed_node(frame, 2), ==, -1);
  fx_assert_text(frame, upper, 1, NULL);
  g_assert_cmpfloat(fx_number(frame, sum, 0), ==, 3);
  g_assert_cmpfloat(fx_number(frame, sum, 2), ==, 2);
  weft_frame_release(frame);
  const char *loud[] = {"!", "!!"};
  frame = fx_run(&fx, loud, 2);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_BAD_INPUT);
  g_assert_null(weft_frame_value(frame, sum));
  weft_frame_release(frame);
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 0, &counters);
  g_assert_cmpuint(counters.n_failed, ==, 3);
  weft_graph_counters(fx.graph, 1, &counters);
  g_assert_cmpuint(counters.n_items, ==, 2);
  fx_clear(&fx);
}

static void test_runtime_failed_before(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &text, 1);
  fx_seal(&fx, 4);
  struct weft_blob blobs[] = {{"ab", 2, 1}, {NULL, 0, 1}};
  struct weft_request requests[] = {{.inputs = &blobs[0]}, {.inputs = &blobs[1], .status = WEFT_BAD_INPUT}};
  struct weft_frame *frame;
  g_assert_cmpint(weft_graph_run(fx.graph, requests, 2, &frame), ==, WEFT_OK);
  g_assert_cmpfloat(fx_number(frame, length, 0), ==, 2);
  g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_BAD_INPUT);
  weft_frame_release(frame);
  g_assert_cmpint(weft_graph_run(fx.graph, requests, 0, &frame), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(weft_graph_run(fx.graph, requests, 5, &frame), ==, WEFT_BAD_INPUT);
  fx_clear(&fx);
}

/* One of many: the bytes are the same. Half of the values are absent or fail. */
static void test_runtime_batch_same_bytes(void)
{
  struct fx fx;
  fx_init(&fx, 2);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &a, 1);
  uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &b, 1);
  uint32_t la = fx_node(&fx, "la", FX(fx_length, NULL), fx_f32, &upper, 1);
  uint32_t lb = fx_node(&fx, "lb", FX(fx_length, NULL), fx_f32, &words, 1);
  uint32_t sum = fx_node(&fx, "sum", FX(fx_sum, NULL), fx_f32, (uint32_t[]){la, lb}, 2);
  fx_seal(&fx, 64);
  const char *texts[128];
  static const char *const pool[] = {"alpha beta", "", NULL, "!bad", "?no", "z", "gamma  delta", NULL};
  guint32 seed = g_test_rand_int();
  g_test_message("seed %u", seed);
  GRand *rand = g_rand_new_with_seed(seed);
  for (int i = 0; i < 128; i++)
    texts[i] = pool[g_rand_int_range(rand, 0, G_N_ELEMENTS(pool))];
  g_rand_free(rand);
  struct weft_frame *all = fx_run(&fx, texts, 64);
  for (uint32_t i = 0; i < 64; i++) {
    struct weft_frame *one = fx_run(&fx, texts + 2 * i, 1);
    g_assert_cmpint(weft_frame_status(all, i), ==, weft_frame_status(one, 0));
    for (uint32_t v = upper; v <= sum && weft_frame_status(one, 0) == WEFT_OK; v++) {
      const struct weft_tensor *x = weft_frame_value(all, v), *y = weft_frame_value(one, v);
      struct weft_rows rx = {0, 0, 0}, ry = {0, 0, 0};
      if (x)
        rx = weft_rows_of(x, i);
      if (y)
        ry = weft_rows_of(y, 0);
      g_assert_cmpint(rx.present, ==, ry.present);
      if (!rx.present)
        continue;
      gsize row = (gsize)weft_row_bytes(x);
      g_assert_cmpmem((const char *)x->data + row * (gsize)rx.begin, row * (gsize)(rx.end - rx.begin),
                      (const char *)y->data + row * (gsize)ry.begin, row * (gsize)(ry.end - ry.begin));
    }
    weft_frame_release(one);
  }
  weft_frame_release(all);
  fx_clear(&fx);
}

/* A limit of 6 rows, 2 groups and 3 items a call; the node asserts that it never sees more. */
static weft_status within(void *instance, struct weft_call *call)
{
  const struct weft_limits *limits = instance;
  g_assert_cmpint(call->n_items, <=, limits->n_items);
  g_assert_cmpint(call->inputs[0]->dims[0], <=, limits->n_rows[0]);
  if (limits->n_groups)
    g_assert_cmpint(call->inputs[0]->n_groups, <=, limits->n_groups[0]);
  g_assert_cmpuint((uintptr_t)call->inputs[0]->data % WEFT_ALIGNMENT, ==, 0);
  return call->outputs[0].tensor.rank && call->outputs[0].rows_kind == WEFT_ROWS_BOUNDED ? fx_quote(NULL, call)
         : call->outputs[0].rows_kind == WEFT_ROWS_DYNAMIC                              ? fx_words(NULL, call)
                                                                                        : fx_upper(NULL, call);
}

static void test_runtime_limits(void)
{
  static const int64_t n_rows = 6, n_groups = 2;
  static const struct weft_limits flat = {3, &n_rows, NULL}, grouped = {3, &n_rows, &n_groups};
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t quoted = fx_node(&fx, "quote", FX(within, (void *)&flat), fx_two_more, &text, 1);
  fx_last(&fx)->limits = flat;
  uint32_t words = fx_node(&fx, "words", FX(within, (void *)&flat), fx_groups, &text, 1);
  fx_last(&fx)->limits = flat;
  uint32_t upper = fx_node(&fx, "upper", FX(within, (void *)&grouped), fx_same_groups, &words, 1);
  fx_last(&fx)->limits = grouped;
  fx_seal(&fx, 16);
  /* 6 rows alone are at the limit, 7 are beyond it. */
  const char *texts[] = {"a", "bb", "c c", "?absen", NULL, "dddddd", "eeeeeee", "f", "g", "h", "i", ""};
  struct weft_frame *frame = fx_run(&fx, texts, G_N_ELEMENTS(texts));
  for (uint32_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    if (i == 6) {
      g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_BAD_INPUT);
      g_assert_cmpstr(weft_frame_message(frame, i), ==,
                      "node 'quote': input 'text' has 7 rows in one item; the limit n_rows of a call is 6");
      fx_assert_text(frame, quoted, i, NULL);
      continue;
    }
    g_assert_cmpstr(weft_frame_message(frame, i), ==, "");
  }
  fx_assert_text(frame, quoted, 0, "<a>");
  fx_assert_text(frame, quoted, 2, "<cc>");
  fx_assert_text(frame, quoted, 5, "<dddddd>");
  fx_assert_text(frame, quoted, 11, "<>");
  fx_assert_text(frame, upper, 0, "A");
  fx_assert_text(frame, upper, 2, "C|C");
  fx_assert_text(frame, upper, 3, NULL);
  fx_assert_text(frame, upper, 4, NULL);
  fx_assert_text(frame, upper, 10, "I");
  weft_frame_release(frame);
  const char *three[] = {"a b c"};
  frame = fx_run(&fx, three, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==,
                  "node 'upper': input 'words' has 3 groups in one item; the limit n_groups of a call is 2");
  weft_frame_release(frame);
  fx_clear(&fx);
}

static void test_runtime_dynamic_limit(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t words = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &text, 1);
  fx.values[words].n_bytes_max = 4096;
  fx_seal(&fx, 4);
  g_autofree char *at = g_strnfill(4096, 'x');
  g_autofree char *beyond = g_strnfill(4097, 'x');
  const char *texts[] = {at, beyond};
  struct weft_frame *frame = fx_run(&fx, texts, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  weft_frame_release(frame);
  frame = fx_run(&fx, texts + 1, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_NO_MEMORY);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==,
                  "node 'words': output 'words' was to have 4097 rows of 1 bytes; the limit of the output is 4096 bytes a frame");
  weft_frame_release(frame);
  fx_clear(&fx);
}

static weft_status never(void *instance, struct weft_call *call)
{
  g_assert_not_reached();
  return WEFT_OK;
}

/* Counts of rows that wrap around would leave less room than is announced, for rows without bytes too. */
static void test_runtime_rows_beyond_counting(void)
{
  static const struct weft_rows_term terms[] = {
    {0, WEFT_COUNT_ROWS, INT64_MAX}, {0, WEFT_COUNT_ROWS, INT64_C(1) << 61}, {0, WEFT_COUNT_GROUPS, INT64_MAX / 2}};
  static const uint32_t kinds[] = {WEFT_ROWS_EXACT, WEFT_ROWS_BOUNDED};
  for (uint32_t i = 0; i < 2 * G_N_ELEMENTS(terms); i++) {
    struct fx fx;
    fx_init(&fx, 1);
    uint32_t value = fx_input(&fx, "text");
    if (kinds[i % 2] == WEFT_ROWS_EXACT)
      value = fx_node(&fx, "words", FX(fx_words, NULL), fx_groups, &value, 1);
    struct weft_port port = {.name = "empty", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 2, .dims = {-1, 0},
                             .n_split_levels = 2, .rows_kind = kinds[i % 2], .n_terms = 1, .terms = &terms[i / 2]};
    fx_node(&fx, "many", FX(never, NULL), port, &value, 1);
    fx_seal(&fx, 4);
    const char *texts[] = {"a few words more", "and more of them", "and", "more"};
    struct weft_frame *frame = fx_run(&fx, texts, 4);
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_NO_MEMORY);
    weft_frame_release(frame);
    fx_clear(&fx);
  }
}

static weft_status unwanted(void *instance, struct weft_call *call)
{
  g_assert_cmpuint(call->outputs[0].wanted, ==, 0);
  g_assert_null(call->outputs[0].tensor.data);
  return WEFT_OK;
}

static void test_runtime_unwanted(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t v = fx_node(&fx, "fast", FX(unwanted, NULL), fx_f32, &text, 1);
  uint32_t w = fx_node(&fx, "general", FX(unwanted, NULL), fx_two_more, &text, 1);
  fx.values[v].wanted = fx.values[w].wanted = 0;
  fx_seal(&fx, 4);
  const char *texts[] = {"abc"};
  struct weft_frame *frame = fx_run(&fx, texts, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  g_assert_null(weft_frame_value(frame, v));
  g_assert_null(weft_frame_value(frame, w));
  weft_frame_release(frame);
  fx_clear(&fx);
}

/* Every way to break the contract, each with its message. */
enum { SLOT_HIGH, SLOT_LOW, SLOTS_MANY, SLOTS_ELSEWHERE, ROWS_MANY, ROWS_NEGATIVE, ROWS_FEW, SPLIT_FALLS, SPLIT_BEYOND,
       SPLITS_ELSEWHERE, RANK, DIM, DATA, STATUS_HIGH, CANCELLED_ALONE, SILENT, N_FAULTS };

static weft_status faulty(void *instance, struct weft_call *call)
{
  struct weft_output *output = &call->outputs[0];
  static int32_t elsewhere[8];
  static int64_t splits[8];
  int fault = GPOINTER_TO_INT(instance);
  weft_status status = output->rows_kind == WEFT_ROWS_BOUNDED ? fx_quote(NULL, call) : fx_length(NULL, call);
  g_assert_cmpint(status, ==, WEFT_OK);
  if (fault == SLOT_HIGH || fault == SLOT_LOW) {
    for (uint32_t i = 0; i < call->n_items; i++)
      output->slots[i] = (int32_t)i;
    output->slots[1] = fault == SLOT_HIGH ? 2 : -2;
    output->tensor.slots = output->slots;
  }
  if (fault == SLOTS_MANY)
    output->tensor.n_slots = 3;
  if (fault == SLOTS_ELSEWHERE)
    output->tensor.slots = elsewhere;
  if (fault == ROWS_MANY)
    output->tensor.dims[0] = output->n_rows_max + 1;
  if (fault == ROWS_NEGATIVE)
    output->tensor.dims[0] = -1;
  if (fault == ROWS_FEW)
    output->tensor.dims[0]--;
  if (fault == SPLIT_FALLS)
    output->splits[0][1] = 7;
  if (fault == SPLIT_BEYOND)
    output->splits[0][2] = output->tensor.dims[0] + 1;
  if (fault == SPLITS_ELSEWHERE)
    output->tensor.splits[0] = splits;
  if (fault == RANK)
    output->tensor.rank = 2;
  if (fault == DIM)
    output->tensor.dtype.bits = 64;
  if (fault == DATA)
    output->tensor.data = splits;
  return fault == STATUS_HIGH ? 77 : fault == CANCELLED_ALONE ? WEFT_CANCELLED : fault == SILENT ? WEFT_INTERNAL : WEFT_OK;
}

static void test_runtime_contract(void)
{
  static const struct {
    int fault, flat, ragged;
    const char *message;
  } cases[] = {
    {SLOT_HIGH, 1, 1, "slots[1] is 2; expected -1..1"},
    {SLOT_LOW, 1, 1, "slots[1] is -2; expected -1..1"},
    {SLOTS_MANY, 1, 1, "it has 3 slots; expected 2"},
    {SLOTS_ELSEWHERE, 1, 1, "its slots or splits point elsewhere than at the room given"},
    {ROWS_MANY, 1, 1, "expected 0.."},
    {ROWS_NEGATIVE, 1, 1, "dims[0] is -1; expected 0.."},
    {ROWS_FEW, 1, 0, "dims[0] is 1; expected exactly 2 rows"},
    {SPLIT_FALLS, 0, 1, "splits[0][1] is 7; splits must rise within 0..6 rows"},
    {SPLIT_BEYOND, 0, 1, "splits[0][2] is 7; splits must rise within 0..6 rows"},
    {SPLITS_ELSEWHERE, 1, 1, "its slots or splits point elsewhere than at the room given"},
    {RANK, 1, 1, "its type, rank or dims are not those of the port"},
    {DIM, 1, 1, "its type, rank or dims are not those of the port"},
    {DATA, 1, 1, "data points elsewhere than at the room given"},
    {STATUS_HIGH, 1, 1, "answered 77, which is no status"},
    {CANCELLED_ALONE, 1, 1, "answered cancelled, but nobody cancelled its call"},
  };
  for (size_t k = 0; k < G_N_ELEMENTS(cases); k++)
    for (int ragged = 0; ragged < 2; ragged++) {
      struct fx fx;
      if (!(ragged ? cases[k].ragged : cases[k].flat))
        continue;
      fx_init(&fx, 1);
      uint32_t text = fx_input(&fx, "text");
      uint32_t v = fx_node(&fx, "liar", FX(faulty, GINT_TO_POINTER(cases[k].fault)), ragged ? fx_two_more : fx_f32, &text, 1);
      uint32_t good = fx_node(&fx, "good", FX(fx_length, NULL), fx_f32, &text, 1);
      fx_seal(&fx, 4);
      const char *texts[] = {"a", "b"};
      struct weft_frame *frame = fx_run(&fx, texts, 2);
      for (uint32_t i = 0; i < 2; i++) {
        g_test_message("%s", weft_frame_message(frame, i));
        g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_CONTRACT);
        g_assert_nonnull(strstr(weft_frame_message(frame, i), cases[k].message));
        g_assert_nonnull(strstr(weft_frame_message(frame, i), "'liar'"));
        if (k < 13)
          g_assert_nonnull(strstr(weft_frame_message(frame, i), ragged ? "'quoted'" : "'number'"));
      }
      g_assert_null(weft_frame_value(frame, v));
      g_assert_null(weft_frame_value(frame, good));
      weft_frame_release(frame);
      fx_clear(&fx);
    }
}

static void test_runtime_silent(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  fx_node(&fx, "mute", FX(faulty, GINT_TO_POINTER(SILENT)), fx_f32, &text, 1);
  fx_seal(&fx, 4);
  const char *texts[] = {"a"};
  struct weft_frame *frame = fx_run(&fx, texts, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_INTERNAL);
  g_assert_cmpstr(weft_frame_message(frame, 0), ==, "node 'mute' answered status 8 without a message");
  weft_frame_release(frame);
  fx_clear(&fx);
}

static weft_status rounds_down(void *instance, struct weft_call *call)
{
  g_assert_cmpint(fegetround(), ==, FE_TONEAREST);
  if (instance)
    fesetround(FE_DOWNWARD);
  return fx_length(NULL, call);
}

static void test_runtime_floating_point(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  fx_node(&fx, "bad", FX(rounds_down, &fx), fx_f32, &text, 1);
  fx_node(&fx, "ragged", FX(fx_quote, NULL), fx_two_more, &text, 1);
  fx_node(&fx, "good", FX(rounds_down, NULL), fx_f32, &text, 1);
  fx_seal(&fx, 4);
  const char *texts[] = {"a"};
  /* The caller's own state comes back, whatever it is, and nodes see the default one. */
  fesetround(FE_UPWARD);
  struct weft_frame *frame = fx_run(&fx, texts, 1);
  g_assert_cmpint(fegetround(), ==, FE_UPWARD);
  fesetround(FE_TONEAREST);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  weft_frame_release(frame);
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 0, &counters);
  g_assert_cmpuint(counters.n_fp_restored, ==, 1);
  weft_graph_counters(fx.graph, 2, &counters);
  g_assert_cmpuint(counters.n_fp_restored, ==, 0);
  fx_clear(&fx);
}

static void test_runtime_bad_graphs(void)
{
  struct fx fx;
  char message[WEFT_MESSAGE_BYTES];
  struct weft_graph *graph;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  fx_node(&fx, "n", FX(fx_length, NULL), fx_f32, &text, 1);
  struct weft_graph_spec spec = {.values = fx.values, .nodes = fx.nodes, .n_values = fx.n_values,
                                 .n_inputs = fx.n_inputs, .n_nodes = fx.n_nodes};
  g_assert_cmpint(weft_graph_new(fx.runtime, &spec, &graph, message), ==, WEFT_BAD_CONFIG);
  spec.n_items_max = 1;
  fx.ids[0] = 1;
  g_assert_cmpint(weft_graph_new(fx.runtime, &spec, &graph, message), ==, WEFT_BAD_CONFIG);
  g_assert_cmpstr(message, ==, "node 'n': input 0 reads value 1, which no earlier node yields");
  fx.ids[0] = 0;
  fx.ports[1].n_split_levels = 1;
  g_assert_cmpint(weft_graph_new(fx.runtime, &spec, &graph, message), ==, WEFT_BAD_CONFIG);
  g_assert_cmpstr(message, ==, "node 'n': output 'number' is ragged and not dynamic, but says nothing of its rows");
  fx_clear(&fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/runtime/straight", test_runtime_straight);
  g_test_add_func("/runtime/presence", test_runtime_presence);
  g_test_add_func("/runtime/own-slots", test_runtime_own_slots);
  g_test_add_func("/runtime/failing-item", test_runtime_failing_item);
  g_test_add_func("/runtime/failed-before", test_runtime_failed_before);
  g_test_add_func("/runtime/batch-same-bytes", test_runtime_batch_same_bytes);
  g_test_add_func("/runtime/limits", test_runtime_limits);
  g_test_add_func("/runtime/dynamic-limit", test_runtime_dynamic_limit);
  g_test_add_func("/runtime/rows-beyond-counting", test_runtime_rows_beyond_counting);
  g_test_add_func("/runtime/unwanted", test_runtime_unwanted);
  g_test_add_func("/runtime/contract", test_runtime_contract);
  g_test_add_func("/runtime/silent", test_runtime_silent);
  g_test_add_func("/runtime/floating-point", test_runtime_floating_point);
  g_test_add_func("/runtime/bad-graphs", test_runtime_bad_graphs);
  return g_test_run();
}
