/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions, missing inputs, absorbed failures and retries. */
#include "runtime-fixture.h"

#include "clock.h"
#include "condition.h"
#include "note.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define STEP(...) ((struct weft_condition_step){__VA_ARGS__})
#define PUSH(x) STEP(.op = WEFT_CONDITION_NUMBER, .number = (x))
#define WORD(x) STEP(.op = WEFT_CONDITION_TEXT, .text = (x))
#define VALUE(v) STEP(.op = WEFT_CONDITION_VALUE, .index = (v))
#define OP(name) STEP(.op = WEFT_CONDITION_##name)

static enum weft_passage passage(const struct weft_frame *frame, uint32_t node, uint32_t item)
{
  struct weft_note note;
  weft_frame_note(frame, node, item, &note);
  return note.passage;
}

static int is_there(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  const struct weft_tensor *t = weft_frame_value(frame, value);
  return t && weft_rows_of(t, item).present;
}

/* text -> length -> after, when length > 2; behind it a join of both, which only needs one. */
static void test_policy_when(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t length = fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &text, 1);
  uint32_t after = fx_node(&fx, "after", FX(fx_sum, NULL), fx_f32, &length, 1);
  struct weft_condition_step steps[] = {VALUE(length), PUSH(2), OP(GT)};
  struct weft_condition when = {steps, 3};
  fx_last(&fx)->when = &when;
  uint32_t follows = fx_node(&fx, "follows", FX(fx_sum, NULL), fx_f32, &after, 1);
  uint32_t join = fx_node(&fx, "join", FX(fx_sum, NULL), fx_f32, (uint32_t[]){length, after}, 2);
  fx.values[length].wanted = 0; /* the condition wants it */
  fx_seal(&fx, 4);
  const char *texts[] = {"ab", "abc", NULL, "abcd"};
  for (int round = 0; round < 3; round++) {
    struct weft_frame *frame = fx_run(&fx, texts, 4);
    g_assert_false(is_there(frame, after, 0));
    g_assert_cmpint(passage(frame, 1, 0), ==, WEFT_PASSAGE_WHEN);
    g_assert_cmpint(passage(frame, 2, 0), ==, WEFT_PASSAGE_ABSENT);
    g_assert_cmpint(passage(frame, 3, 0), ==, WEFT_PASSAGE_RAN);
    g_assert_cmpint(passage(frame, 0, 2), ==, WEFT_PASSAGE_ABSENT);
    g_assert_cmpint(passage(frame, 1, 2), ==, WEFT_PASSAGE_WHEN); /* unknown */
    g_assert_cmpfloat(fx_number(frame, join, 0), ==, 2);
    g_assert_cmpfloat(fx_number(frame, after, 1), ==, 3);
    g_assert_cmpfloat(fx_number(frame, follows, 3), ==, 4);
    g_assert_cmpfloat(fx_number(frame, join, 3), ==, 8);
    for (uint32_t i = 0; i < 4; i++) {
      g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_OK);
      g_assert_false(weft_frame_degraded(frame, i));
    }
    weft_frame_release(frame);
  }
  /* False for all: the node is not called at all. */
  const char *shorts[] = {"a", "b"};
  struct weft_frame *frame = fx_run(&fx, shorts, 2);
  g_assert_cmpuint(weft_frame_node_ns(frame, 1), ==, 0);
  g_assert_null(weft_frame_value(frame, after));
  weft_frame_release(frame);
  fx_clear(&fx);
}

/* One program over one item: 1, 0, -1 unknown, as seen by a node that runs only where it is true, and its negation. */
static int ask(const struct weft_condition_step *steps, uint32_t n, const char *a, const char *b)
{
  static const struct weft_context_entry entries[] = {{"user", "ann"}, {"plan", "pro"}, {"none", NULL}};
  static const struct weft_context context = {.entries = entries, .n_entries = 3};
  struct fx fx;
  struct weft_condition_step negated[WEFT_CONDITION_MAX_OPS + 1];
  fx_init(&fx, 1);
  uint32_t inputs[] = {fx_input(&fx, "a"), fx_input(&fx, "b")}, always = fx_input(&fx, "always");
  fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &inputs[0], 1);
  fx_node(&fx, "other", FX(fx_length, NULL), fx_f32, &inputs[1], 1);
  struct weft_condition when = {steps, n}, unless = {negated, n + 1};
  memcpy(negated, steps, n * sizeof *steps);
  negated[n] = OP(NOT);
  uint32_t yes = fx_node(&fx, "yes", FX(fx_length, NULL), fx_f32, &always, 1);
  fx_last(&fx)->when = &when;
  uint32_t no = fx_node(&fx, "no", FX(fx_length, NULL), fx_f32, &always, 1);
  fx_last(&fx)->when = &unless;
  fx_seal(&fx, 1);
  struct weft_blob blobs[3];
  struct weft_request request;
  struct weft_frame *frame;
  fx_requests(&fx, (const char *[]){a, b, "x"}, 1, blobs, &request);
  request.context = &context;
  g_assert_cmpint(weft_graph_run(fx.graph, &request, 1, &frame), ==, WEFT_OK);
  int is = is_there(frame, yes, 0), is_not = is_there(frame, no, 0);
  g_assert_false(is && is_not);
  weft_frame_release(frame);
  fx_clear(&fx);
  return is ? 1 : is_not ? 0 : -1;
}
#define ASK(a, b, ...) \
  ask((struct weft_condition_step[]){__VA_ARGS__}, G_N_ELEMENTS(((struct weft_condition_step[]){__VA_ARGS__})), a, b)

/* Values: 0, 1 texts a, b; 3, 4 their lengths. */
static void test_policy_logic(void)
{
  g_assert_cmpint(ASK("abc", NULL, VALUE(3), PUSH(3), OP(EQ)), ==, 1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(3), PUSH(3), OP(NE)), ==, 0);
  g_assert_cmpint(ASK("abc", NULL, VALUE(3), PUSH(3), OP(LE)), ==, 1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(3), PUSH(3), OP(GE)), ==, 1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(3), PUSH(3), OP(LT)), ==, 0);
  g_assert_cmpint(ASK("abc", NULL, VALUE(4), PUSH(3), OP(LT)), ==, -1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(3), PUSH(NAN), OP(NE)), ==, -1);
  /* Kleene: what is known decides, where it can. */
  g_assert_cmpint(ASK("abc", NULL, VALUE(4), PUSH(3), OP(LT), VALUE(3), PUSH(3), OP(EQ), OP(AND)), ==, -1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(4), PUSH(3), OP(LT), VALUE(3), PUSH(4), OP(EQ), OP(AND)), ==, 0);
  g_assert_cmpint(ASK("abc", NULL, VALUE(4), PUSH(3), OP(LT), VALUE(3), PUSH(3), OP(EQ), OP(OR)), ==, 1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(4), PUSH(3), OP(LT), VALUE(3), PUSH(4), OP(EQ), OP(OR)), ==, -1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(4), PUSH(3), OP(LT), OP(NOT)), ==, -1);
  /* Texts compare bytewise, a prefix comes first. */
  g_assert_cmpint(ASK("abc", "abd", VALUE(0), VALUE(1), OP(LT)), ==, 1);
  g_assert_cmpint(ASK("ab", "abd", VALUE(0), VALUE(1), OP(LT)), ==, 1);
  g_assert_cmpint(ASK("", "", VALUE(0), VALUE(1), OP(EQ)), ==, 1);
  g_assert_cmpint(ASK("\xc3\xa4", NULL, VALUE(0), WORD("z"), OP(GT)), ==, 1);
  g_assert_cmpint(ASK("abc", NULL, VALUE(0), PUSH(3), OP(EQ)), ==, -1);
  /* Presence of inputs is never unknown. */
  g_assert_cmpint(ASK("abc", NULL, STEP(.op = WEFT_CONDITION_PRESENT, .index = 1)), ==, 0);
  g_assert_cmpint(ASK("abc", "", STEP(.op = WEFT_CONDITION_PRESENT, .index = 1)), ==, 1);
  g_assert_cmpint(ASK("a", NULL, STEP(.op = WEFT_CONDITION_BOOL, .number = 1)), ==, 1);
  /* Context. */
  g_assert_cmpint(ASK("a", NULL, STEP(.op = WEFT_CONDITION_CONTEXT, .text = "user"), WORD("ann"), OP(EQ)), ==, 1);
  g_assert_cmpint(ASK("a", NULL, STEP(.op = WEFT_CONDITION_CONTEXT, .text = "none"), WORD("ann"), OP(EQ)), ==, -1);
  g_assert_cmpint(ASK("a", NULL, STEP(.op = WEFT_CONDITION_CONTEXT, .text = "nobody"), WORD("ann"), OP(NE)), ==, -1);
  g_assert_cmpint(ASK("a", NULL, STEP(.op = WEFT_CONDITION_CONTEXT, .text = "plan"), WORD("free"), WORD("pro"),
                      STEP(.op = WEFT_CONDITION_IN, .index = 2)), ==, 1);
  g_assert_cmpint(ASK("a", NULL, VALUE(3), PUSH(4), PUSH(5), STEP(.op = WEFT_CONDITION_IN, .index = 2)), ==, 0);
  g_assert_cmpint(ASK("a", NULL, VALUE(3), PUSH(4), VALUE(4), STEP(.op = WEFT_CONDITION_IN, .index = 2)), ==, -1);
  g_assert_cmpint(ASK("a", NULL, VALUE(3), VALUE(4), PUSH(1), STEP(.op = WEFT_CONDITION_IN, .index = 2)), ==, 1);
  g_assert_cmpint(ASK("a", NULL, VALUE(3), STEP(.op = WEFT_CONDITION_IN, .index = 0)), ==, 0);
}

/* -5 in every type that can hold it, 200 in the others; the node says which by its port. */
static weft_status write_number(void *instance, struct weft_call *call)
{
  struct weft_tensor *y = &call->outputs[0].tensor;
  uint32_t bytes = y->dtype.bits / 8;
  for (uint32_t i = 0; i < call->n_items; i++) {
    uint8_t *at = (uint8_t *)y->data + i * bytes;
    int64_t integer = y->dtype.code == WEFT_DTYPE_UINT ? 200 : -5;
    float f = -5;
    double d = -5;
    uint16_t half = 0xc500, bf16 = 0xc0a0;
    switch (y->dtype.code) {
    case WEFT_DTYPE_FLOAT: memcpy(at, bytes == 4 ? (void *)&f : bytes == 8 ? (void *)&d : (void *)&half, bytes); break;
    case WEFT_DTYPE_BFLOAT: memcpy(at, &bf16, sizeof bf16); break;
    case WEFT_DTYPE_BOOL: *at = 1; break;
    default: memcpy(at, &integer, bytes);
    }
  }
  return WEFT_OK;
}

static void test_policy_types(void)
{
  static const struct weft_dtype types[] = {{0, 8, 1},  {0, 16, 1}, {0, 32, 1}, {0, 64, 1}, {1, 8, 1},  {1, 16, 1}, {1, 32, 1},
                                            {1, 64, 1}, {2, 16, 1}, {2, 32, 1}, {2, 64, 1}, {4, 16, 1}, {6, 8, 1}};
  for (size_t t = 0; t < G_N_ELEMENTS(types); t++) {
    struct fx fx;
    fx_init(&fx, 1);
    uint32_t text = fx_input(&fx, "text");
    struct weft_port port = {.name = "y", .dtype = types[t], .rank = 1, .dims = {-1}};
    uint32_t y = fx_node(&fx, "y", FX(write_number, NULL), port, &text, 1);
    double expected = types[t].code == WEFT_DTYPE_UINT ? 200 : types[t].code == WEFT_DTYPE_BOOL ? 1 : -5;
    struct weft_condition_step steps[] = {VALUE(y), PUSH(expected), OP(EQ)};
    struct weft_condition when = {steps, 3};
    uint32_t z = fx_node(&fx, "z", FX(fx_length, NULL), fx_f32, &text, 1);
    fx_last(&fx)->when = &when;
    fx_seal(&fx, 2);
    struct weft_frame *frame = fx_run(&fx, (const char *[]){"a", "b"}, 2);
    g_test_message("code %u bits %u", types[t].code, types[t].bits);
    g_assert_true(is_there(frame, z, 0) && is_there(frame, z, 1));
    weft_frame_release(frame);
    fx_clear(&fx);
  }
}

static void refuses_condition(const struct weft_condition_step *steps, uint32_t n, const char *why)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  struct weft_condition when = {steps, n};
  fx_node(&fx, "y", FX(fx_length, NULL), fx_f32, &text, 1);
  fx_last(&fx)->when = &when;
  g_autofree char *message = fx_refusal(&fx, 1);
  if (!strstr(message, why))
    g_error("\"%s\" does not say \"%s\"", message, why);
  fx_clear(&fx);
}

static void test_policy_bad_conditions(void)
{
  struct weft_condition_step many[WEFT_CONDITION_MAX_OPS + 1] = {{0}};
  refuses_condition(many, 0, "is empty");
  refuses_condition((struct weft_condition_step[]){VALUE(1)}, 1, "no earlier node");
  refuses_condition((struct weft_condition_step[]){VALUE(0), OP(AND)}, 2, "lacks an operand");
  refuses_condition((struct weft_condition_step[]){VALUE(0), VALUE(0)}, 2, "more than one value");
  refuses_condition((struct weft_condition_step[]){WORD(NULL)}, 1, "without a text");
  refuses_condition((struct weft_condition_step[]){PUSH(1), STEP(.op = WEFT_CONDITION_IN, .index = 1)}, 2, "lacks an operand");
  for (uint32_t s = 0; s <= WEFT_CONDITION_MAX_OPS; s++)
    many[s] = s ? OP(NOT) : STEP(.op = WEFT_CONDITION_BOOL, .number = 1);
  refuses_condition(many, WEFT_CONDITION_MAX_OPS + 1, "WEFT_CONDITION_MAX_OPS");
  /* The deepest that is allowed, and one more. */
  for (uint32_t s = 0; s <= WEFT_CONDITION_MAX_STACK; s++)
    many[s] = STEP(.op = WEFT_CONDITION_BOOL, .number = 1);
  refuses_condition(many, WEFT_CONDITION_MAX_STACK + 1, "WEFT_CONDITION_MAX_STACK");
  for (uint32_t s = 0; s < WEFT_CONDITION_MAX_STACK - 1; s++)
    many[WEFT_CONDITION_MAX_STACK + s] = OP(AND);
  g_assert_cmpint(ask(many, 2 * WEFT_CONDITION_MAX_STACK - 1, "a", NULL), ==, 1);
}

static void test_policy_missing(void)
{
  struct weft_input_policy policies[] = {{WEFT_MISSING_DEGRADE, 0}, {WEFT_MISSING_FAIL, 0}};
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t la = fx_node(&fx, "la", FX(fx_length, NULL), fx_f32, &a, 1);
  uint32_t lb = fx_node(&fx, "lb", FX(fx_length, NULL), fx_f32, &b, 1);
  uint32_t sum = fx_node(&fx, "sum", FX(fx_sum, NULL), fx_f32, (uint32_t[]){la, lb}, 2);
  fx_last(&fx)->policies = policies;
  fx_seal(&fx, 4);
  const char *texts[] = {"a", "bb", NULL, "b", "aaa", NULL, NULL, NULL};
  struct weft_frame *frame = fx_run(&fx, texts, 4);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
  g_assert_false(weft_frame_degraded(frame, 0));
  g_assert_true(weft_frame_degraded(frame, 1));
  g_assert_cmpfloat(fx_number(frame, sum, 1), ==, 1);
  g_assert_cmpint(weft_frame_absence(frame, 2, 0, 1), ==, WEFT_ABSENCE_NEVER);
  struct weft_note note;
  weft_frame_note(frame, 2, 1, &note);
  g_assert_cmpuint(note.lacked, ==, 1);
  g_assert_cmpint(weft_frame_absence(frame, 2, 1, 1), ==, WEFT_ABSENCE_NONE);
  for (uint32_t i = 2; i < 4; i++) {
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_BAD_INPUT);
    g_assert_cmpint(weft_frame_failed_node(frame, i), ==, 2);
    g_assert_nonnull(strstr(weft_frame_message(frame, i), "node 'sum' needs its input 1"));
    g_assert_cmpint(passage(frame, 2, i), ==, WEFT_PASSAGE_FAILED);
  }
  weft_frame_release(frame);
  /* Live data: late and dead are told apart from what never came. */
  struct weft_blob blobs[2];
  struct weft_request request;
  const uint8_t absences[] = {WEFT_ABSENCE_LATE, WEFT_ABSENCE_NONE};
  fx_requests(&fx, (const char *[]){NULL, "b"}, 1, blobs, &request);
  request.absences = absences;
  g_assert_cmpint(weft_graph_run(fx.graph, &request, 1, &frame), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_absence(frame, 2, 0, 0), ==, WEFT_ABSENCE_LATE);
  g_assert_cmpint(weft_frame_absence(frame, 0, 0, 0), ==, WEFT_ABSENCE_LATE);
  weft_frame_release(frame);
  fx_clear(&fx);
}

/* "!" fails; the item goes on with what is left, and the error is kept. */
static void test_policy_on_error(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &a, 1);
  fx_last(&fx)->on_error = WEFT_ON_ERROR_ABSENT;
  uint32_t la = fx_node(&fx, "la", FX(fx_length, NULL), fx_f32, &upper, 1);
  uint32_t lb = fx_node(&fx, "lb", FX(fx_length, NULL), fx_f32, &b, 1);
  uint32_t sum = fx_node(&fx, "sum", FX(fx_sum, NULL), fx_f32, (uint32_t[]){la, lb}, 2);
  fx_seal(&fx, 4);
  const char *texts[] = {"ab", "c", "!x", "cc", "!", NULL};
  for (int round = 0; round < 3; round++) {
    struct weft_frame *frame = fx_run(&fx, texts, 3);
    struct weft_note note;
    for (uint32_t i = 0; i < 3; i++) {
      g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_OK);
      g_assert_cmpstr(weft_frame_message(frame, i), ==, "");
      g_assert_cmpint(weft_frame_degraded(frame, i), ==, i > 0);
    }
    weft_frame_note(frame, 0, 1, &note);
    g_assert_cmpint(note.passage, ==, WEFT_PASSAGE_FAILED);
    g_assert_cmpint(note.status, ==, WEFT_BAD_INPUT);
    g_assert_cmpstr(note.message, ==, "item 1 is loud");
    g_assert_false(is_there(frame, upper, 1));
    g_assert_cmpint(passage(frame, 1, 1), ==, WEFT_PASSAGE_ABSENT);
    g_assert_cmpint(weft_frame_absence(frame, 3, 0, 1), ==, WEFT_ABSENCE_FAILED);
    g_assert_cmpfloat(fx_number(frame, sum, 0), ==, 3);
    g_assert_cmpfloat(fx_number(frame, sum, 1), ==, 2);
    g_assert_false(is_there(frame, sum, 2));
    weft_frame_release(frame);
  }
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 0, &counters);
  g_assert_cmpuint(counters.n_failed, ==, 6);
  fx_clear(&fx);
}

/* Unavailable for the first n calls; items that begin with "~" always. */
struct moody {
  _Atomic int n_left, n_calls;
  uint64_t at[16];
};

static weft_status moody_length(void *instance, struct weft_call *call)
{
  struct moody *moody = instance;
  int n = atomic_fetch_add(&moody->n_calls, 1);
  if (n < 16)
    moody->at[n] = weft_clock_now();
  if (atomic_fetch_sub(&moody->n_left, 1) > 0)
    return weft_host_table()->fail_call(call, WEFT_UNAVAILABLE, "not in the mood");
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    if (rows.end > rows.begin && ((const char *)call->inputs[0]->data)[rows.begin] == '~')
      weft_host_table()->fail_item(call, i, WEFT_UNAVAILABLE, "never in the mood");
  }
  return fx_length(NULL, call);
}

static void test_policy_retries(void)
{
  for (int parallel = 0; parallel < 2; parallel++) {
    struct moody moody = {0};
    struct fx fx;
    struct fx_signal signal = FX_SIGNAL;
    fx_init(&fx, 1);
    uint32_t text = fx_input(&fx, "text");
    uint32_t y = fx_node(&fx, "moody", FX(moody_length, &moody), fx_f32, &text, 1);
    fx_last(&fx)->pure = 1;
    fx_last(&fx)->n_retries = 2;
    fx_last(&fx)->parallel = (uint32_t)parallel;
    uint32_t z = fx_node(&fx, "other", FX(fx_length, NULL), fx_f32, &text, 1);
    fx_seal(&fx, 4);
    struct weft_blob blobs[3];
    struct weft_request requests[3];
    struct weft_frame *frame;
    fx_requests(&fx, (const char *[]){"a", "~~", "ccc"}, 3, blobs, requests);
    for (int round = 0; round < 4; round++) {
      signal.n_done = 0;
      atomic_store(&moody.n_left, 1);
      atomic_store(&moody.n_calls, 0);
      if (round % 2)
        g_assert_cmpint(weft_graph_run(fx.graph, requests, 3, &frame), ==, WEFT_OK);
      else {
        g_assert_cmpint(weft_graph_submit(fx.graph, requests, 3, fx_done, &signal, &frame), ==, WEFT_OK);
        fx_wait(&signal, 1);
      }
      /* All three at first, each alone after a pause, the second once more after a longer one. */
      g_assert_cmpint(moody.n_calls, ==, 5);
      g_assert_cmpuint(moody.at[1] - moody.at[0], >=, WEFT_RETRY_FIRST_NS / 2);
      g_assert_cmpuint(moody.at[3] - moody.at[2], >=, WEFT_RETRY_FIRST_NS * 2);
      g_assert_cmpfloat(fx_number(frame, y, 0), ==, 1);
      g_assert_cmpfloat(fx_number(frame, y, 2), ==, 3);
      g_assert_cmpfloat(fx_number(frame, z, 0), ==, 1);
      g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
      g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_UNAVAILABLE);
      g_assert_cmpstr(weft_frame_message(frame, 1), ==, "never in the mood");
      struct weft_note note;
      weft_frame_note(frame, 0, 1, &note);
      g_assert_cmpuint(note.n_retries, ==, 2);
      weft_frame_release(frame);
    }
    fx_clear(&fx);
  }
}

/* Some items of a call are unavailable, the others keep what they have; at a node that batches too. */
static weft_status fickle_length(void *instance, struct weft_call *call)
{
  _Atomic int *n_tries = instance; /* by the first letter */
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    char letter = ((const char *)call->inputs[0]->data)[rows.begin];
    if (letter == '?' && atomic_fetch_add(n_tries, 1) % 3 != 2)
      weft_host_table()->fail_item(call, i, WEFT_UNAVAILABLE, "not yet");
  }
  return fx_length(NULL, call);
}

struct fickle {
  struct fx fx;
  uint32_t y;
  _Atomic int n_tries;
};

static gpointer fickle_main(gpointer data)
{
  struct fickle *f = data;
  struct fx_signal signal = FX_SIGNAL;
  struct weft_blob blobs[4];
  struct weft_request requests[4];
  struct weft_frame *frame;
  fx_requests(&f->fx, (const char *[]){"a", "?bb", "ccccc", "!!"}, 4, blobs, requests);
  for (int round = 0; round < 20; round++) {
    if (round % 2) {
      g_assert_cmpint(weft_graph_run(f->fx.graph, requests, 4, &frame), ==, WEFT_OK);
    } else {
      signal.n_done = 0;
      g_assert_cmpint(weft_graph_submit(f->fx.graph, requests, 4, fx_done, &signal, &frame), ==, WEFT_OK);
      fx_wait(&signal, 1);
    }
    static const float expected[] = {1, 3, 5, 2};
    for (uint32_t i = 0; i < 4; i++) {
      g_assert_cmpstr(weft_frame_message(frame, i), ==, "");
      g_assert_cmpfloat(fx_number(frame, f->y, i), ==, expected[i]);
    }
    weft_frame_release(frame);
  }
  return NULL;
}

static void test_policy_retries_some(void)
{
  for (int how = 0; how < 4; how++) {
    struct fickle f = {.n_tries = 0};
    GThread *threads[4];
    fx_init(&f.fx, 2);
    uint32_t text = fx_input(&f.fx, "text");
    f.y = fx_node(&f.fx, "fickle", FX(fickle_length, &f.n_tries), fx_f32, &text, 1);
    fx_last(&f.fx)->pure = 1;
    fx_last(&f.fx)->n_retries = WEFT_RETRIES_MAX;
    fx_last(&f.fx)->parallel = how == 1;
    if (how >= 2)
      fx_last(&f.fx)->batching = (struct weft_batching){.n_items_max = 8, .wait_ns = how == 3 ? 300000 : 0};
    fx_seal(&f.fx, 8);
    for (int t = 0; t < 4; t++)
      threads[t] = g_thread_new("fickle", fickle_main, &f);
    for (int t = 0; t < 4; t++)
      g_thread_join(threads[t]);
    fx_clear(&f.fx);
  }
}

/* A pause holds no helper and no instance; the frame can be cancelled during it. */
static void test_policy_pause_is_free(void)
{
  struct moody moody = {0};
  struct fx fx;
  struct fx_signal signal = FX_SIGNAL, other = FX_SIGNAL;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  uint32_t y = fx_node(&fx, "moody", FX(moody_length, &moody), fx_f32, &text, 1);
  fx_last(&fx)->pure = 1;
  fx_last(&fx)->n_retries = 4;
  fx_seal(&fx, 1);
  struct weft_blob blobs[2];
  struct weft_request requests[2];
  struct weft_frame *frame, *free_frame;
  fx_requests(&fx, (const char *[]){"~", "b"}, 2, blobs, requests);
  g_assert_cmpint(weft_graph_submit(fx.graph, &requests[0], 1, fx_done, &signal, &frame), ==, WEFT_OK);
  while (atomic_load(&moody.n_calls) < 3)
    g_usleep(100);
  g_assert_cmpint(weft_graph_submit(fx.graph, &requests[1], 1, fx_done, &other, &free_frame), ==, WEFT_OK);
  fx_wait(&other, 1);
  g_assert_cmpfloat(fx_number(free_frame, y, 0), ==, 1);
  weft_frame_release(free_frame);
  weft_frame_cancel(frame, WEFT_ALL_ITEMS);
  fx_wait(&signal, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_CANCELLED);
  weft_frame_release(frame);
  fx_clear(&fx);
}

static void test_policy_limits(void)
{
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t text = fx_input(&fx, "text");
  fx_node(&fx, "y", FX(fx_length, NULL), fx_f32, &text, 1);
  fx_last(&fx)->n_retries = WEFT_RETRIES_MAX + 1;
  g_autofree char *message = fx_refusal(&fx, 1);
  g_assert_nonnull(strstr(message, "WEFT_RETRIES_MAX"));
  fx_last(&fx)->n_retries = WEFT_RETRIES_MAX;
  fx_seal(&fx, 1);
  fx_clear(&fx);
}

static void test_policy_steady(void)
{
  struct weft_input_policy degrade = {WEFT_MISSING_DEGRADE, 0};
  struct fx fx;
  fx_init(&fx, 1);
  uint32_t a = fx_input(&fx, "a"), b = fx_input(&fx, "b");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &a, 1);
  fx_last(&fx)->on_error = WEFT_ON_ERROR_ABSENT;
  struct weft_condition_step steps[] = {STEP(.op = WEFT_CONDITION_PRESENT, .index = b)};
  struct weft_condition when = {steps, 1};
  fx_node(&fx, "length", FX(fx_length, NULL), fx_f32, &upper, 1);
  fx_last(&fx)->when = &when;
  fx_last(&fx)->policies = &degrade;
  fx_seal(&fx, 4);
  const char *texts[] = {"one", "x", "!", "y", "three", NULL};
  weft_frame_release(fx_run(&fx, texts, 3));
  uint64_t count = weft_mem_count();
  for (int i = 0; i < 100; i++)
    weft_frame_release(fx_run(&fx, texts, 3));
  g_assert_cmpuint(weft_mem_count(), ==, count);
  fx_clear(&fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/policy/when", test_policy_when);
  g_test_add_func("/policy/logic", test_policy_logic);
  g_test_add_func("/policy/types", test_policy_types);
  g_test_add_func("/policy/bad-conditions", test_policy_bad_conditions);
  g_test_add_func("/policy/missing", test_policy_missing);
  g_test_add_func("/policy/on-error", test_policy_on_error);
  g_test_add_func("/policy/retries", test_policy_retries);
  g_test_add_func("/policy/retries-some", test_policy_retries_some);
  g_test_add_func("/policy/pause-is-free", test_policy_pause_is_free);
  g_test_add_func("/policy/limits", test_policy_limits);
  g_test_add_func("/policy/steady", test_policy_steady);
  return g_test_run();
}
