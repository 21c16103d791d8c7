/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of streams whose rows say when they happened: which rows stand in which window, and what was missing. */
#include "rig.h"

#include "hosttable.h"
#include <malloc.h>
#include <string.h>

#define S G_GINT64_CONSTANT(1000000000)
#define MS G_GINT64_CONSTANT(1000000)

#define TICKS "source: {use: ticks@^1, isolate: false, params:"
#define HEAD "weft: 1\nname: t\n"
#define TAIL                                                                                                       \
  "nodes: {look: {use: look@^1, in: {a: a, b: b, c: c}, isolate: false}}\noutputs: {seen: look.seen}\n"
#define LOOK_A "nodes: {look: {use: look@^1, in: {a: a}, isolate: false}}\noutputs: {seen: look.seen}\n"
#define LOOK_AB "nodes: {look: {use: look@^1, in: {a: a, b: b}, isolate: false}}\noutputs: {seen: look.seen}\n"

static void run(Rig *rig, const char *pipeline)
{
  rig_run(rig, pipeline, NULL);
  if (rig->error)
    g_error("%s", rig->error);
}

/* Every row that the node saw says the time it came with, in order, and lies in the window (or within `slack` of it). */
static void assert_window(const RigWindow *window, guint stream, gint64 slack)
{
  const gint64 *seen = window->seen + 4 * stream;
  g_assert_cmpint(window->status, ==, WEFT_OK);
  g_assert_cmpint(seen[0], ==, window->n_rows[stream]);
  g_assert_cmpint(seen[3], ==, 0);
  if (!seen[0])
    return;
  g_assert_cmpint(seen[1], >=, window->begin_ns - slack);
  g_assert_cmpint(seen[2], <, window->end_ns + slack);
}

static void test_windows_of_one(void)
{
  Rig rig = {0};
  run(&rig, HEAD "inputs: {a: {type: series, " TICKS " {rate: 12000, length: 10}}, window: 1 s}}\n"
                 LOOK_A);
  g_assert_cmpuint(rig.windows->len, ==, 10);
  for (guint i = 0; i < 10; i++) {
    const RigWindow *window = rig_window(&rig, i);
    assert_window(window, 0, 0);
    g_assert_cmpint(window->begin_ns, ==, i * S);
    g_assert_cmpint(window->n_rows[0], ==, 12000);
    g_assert_cmpint(window->seen[1], ==, i * S);
  }
  g_assert_cmpuint(rig.stats.streams[0].n_rows, ==, 120000);
  g_assert_cmpuint(rig.stats.n_windows, ==, 10);
  rig_clear(&rig);
}

/* Overlapping windows, windows with room between them, and a lead whose rows are far apart. */
static void test_windows_hop(void)
{
  static const struct {
    const char *hop, *rate;
    guint n;
    gint64 hop_ns;
  } cases[] = {{"250 ms", "100", 40, 250 * MS}, {"3 s", "100", 4, 3 * S}, {"1 s", "0.2", 2, 5 * S}};
  for (guint k = 0; k < G_N_ELEMENTS(cases); k++) {
    Rig rig = {0};
    g_autofree char *text = g_strdup_printf(
      HEAD "inputs: {a: {type: series, " TICKS " {rate: %s}}, window: 1 s, hop: %s}}\n" LOOK_A,
      cases[k].rate, cases[k].hop);
    run(&rig, text);
    g_assert_cmpuint(rig.windows->len, ==, cases[k].n);
    for (guint i = 0; i < rig.windows->len; i++) {
      assert_window(rig_window(&rig, i), 0, 0);
      g_assert_cmpint(rig_window(&rig, i)->begin_ns, ==, i * cases[k].hop_ns);
    }
    rig_clear(&rig);
  }
}

#define THREE(die, isolate)                                                                                          \
  HEAD "inputs:\n"                                                                                                   \
       "  a: {type: series, " TICKS " {rate: 12000, length: 60}}, window: 1 s, " \
       "hop: 500 ms, tolerance: 20 ms}\n"                                                                            \
       "  b: {type: series, source: {use: ticks@^1, isolate: " isolate ", params: {rate: 1, length: 60" die "}}, "      \
       "optional: true, tolerance: 20 ms}\n"                                                                         \
       "  c: {type: series, " TICKS " {rate: 0.5, jitter: 1, length: 60}}, "      \
       "optional: true, tolerance: 20 ms, late: hold 3 s}\n"                                                         \
       "lead: a\ndeadline: 5 s\n" TAIL

static void assert_three(const Rig *rig, gint64 dies, gint64 back)
{
  g_assert_cmpuint(rig->windows->len, ==, 120);
  g_assert_cmpuint(rig->stats.n_failed, ==, 0);
  g_assert_cmpuint(rig->stats.n_missed, ==, 0);
  for (guint i = 0; i < rig->windows->len; i++) {
    const RigWindow *window = rig_window(rig, i);
    gint64 begin = i * 500 * MS;
    g_assert_cmpint(window->begin_ns, ==, begin);
    assert_window(window, 0, 0);
    g_assert_cmpint(window->n_rows[0], ==, i < 119 ? 12000 : 6000);
    gboolean gone = begin + S > dies && begin < back;
    /* the last whole second in the window, before the death or after the return */
    gint64 row = (begin + S - 1) / S * S;
    gboolean there = (row >= begin && (row < dies || row >= back) && row < 60 * S);
    g_assert_cmpint(window->n_rows[1], ==, there ? 1 : 0);
    if (!there)
      g_assert_true(gone || row >= 60 * S);
    assert_window(window, 1, 20 * MS);
    if (there)
      g_assert_cmpint(window->seen[5], ==, row);
    if (window->states[2] != WEFT_STREAM_HELD)
      assert_window(window, 2, 20 * MS);
    else
      g_assert_cmpint(window->seen[9], >=, begin - 3 * S);
  }
}

static void test_windows_of_three(void)
{
  Rig rig = {0};
  run(&rig, THREE("", "false"));
  assert_three(&rig, G_MAXINT64, 0);
  g_assert_cmpuint(rig.stats.streams[1].n_missing, ==, 1); /* the half window at the end */
  rig_clear(&rig);
}

/* A stream that dies at 20 s and is back at 30 s: the same windows, in process and in a worker that is killed. */
static void test_windows_death(gconstpointer data)
{
  static const char *const hows[] = {THREE(", die_at: 20, back_at: 30, how: fail", "false"),
                                     THREE(", die_at: 20, back_at: 30, how: status", "false"),
                                     THREE(", die_at: 20, back_at: 30, how: fail", "true"),
                                     THREE(", die_at: 20, back_at: 30, how: abort", "true")};
  Rig rig = {0};
  run(&rig, hows[GPOINTER_TO_UINT(data)]);
  assert_three(&rig, 20 * S, 30 * S);
  g_assert_cmpuint(rig.stats.streams[1].n_restarts, ==, 1);
  g_assert_nonnull(strstr(rig.events->str, "stream \"b\" (ticks@1.0.0) broke off and is tried again"));
  guint n_missing = 0;
  for (guint i = 0; i < rig.windows->len; i++)
    n_missing += rig_window(&rig, i)->states[1] == WEFT_STREAM_DEAD || rig_window(&rig, i)->states[1] == WEFT_STREAM_NO_ROWS;
  g_assert_cmpuint(n_missing, ==, 20);
  rig_clear(&rig);
}

/* What is wrong with the data stays wrong; a clock that stands still is not tried for ever. */
static void test_windows_given_up(gconstpointer data)
{
  static const char *const hows[] = {"bad", "always", "nonsense"};
  Rig rig = {0};
  g_autofree char *text = g_strdup_printf(
    HEAD "inputs: {a: {type: series, " TICKS " {rate: 10, die_at: 5, how: %s}}, window: 1 s}}\n"
    LOOK_A, hows[GPOINTER_TO_UINT(data)]);
  run(&rig, text);
  g_assert_cmpuint(rig.windows->len, ==, 5);
  g_assert_true(rig.stats.streams[0].failed);
  g_assert_cmpuint(rig.stats.streams[0].n_restarts, ==,
                   GPOINTER_TO_UINT(data) == 1 ? WEFT_LIVE_FAILURES_MAX - 1 : 0);
  g_assert_nonnull(strstr(rig.events->str, "has ended by an error"));
  rig_clear(&rig);
}

/* A required stream that is not there fails its window alone, and the answer says which. */
static void see_missing(const RigWindow *window, const json_t *answer)
{
  const char *status = json_string_value(json_object_get(answer, "status"));
  const json_t *missing = json_object_get(answer, "missing");
  gboolean there = window->begin_ns < 5 * S;
  g_assert_cmpstr(status, ==, there ? "ok" : "failed");
  g_assert_cmpuint(json_array_size(missing), ==, there ? 0 : 1);
  if (there)
    return;
  g_assert_cmpstr(json_string_value(json_array_get(missing, 0)), ==, "b");
  const char *state = json_string_value(json_object_get(json_object_get(json_object_get(answer, "streams"), "b"), "state"));
  g_assert_cmpstr(state, ==, "ended");
}

static void test_windows_required(void)
{
  Rig rig = {.each = see_missing};
  run(&rig, HEAD "inputs:\n"
                 "  a: {type: series, " TICKS " {rate: 10}}, window: 1 s}\n"
                 "  b: {type: series, " TICKS " {rate: 10, length: 5}}, tolerance: 20 ms}\n" LOOK_AB);
  g_assert_cmpuint(rig.windows->len, ==, 10);
  g_assert_cmpuint(rig.stats.n_failed, ==, 5);
  g_assert_cmpuint(rig.stats.n_missed, ==, 0);
  rig_clear(&rig);
}

/* Time that begins at 0 is a time: what a node holds is as old as its window says, from the first one on. */
static void test_windows_held_from_time_0(void)
{
  Rig rig = {0};
  run(&rig, HEAD "inputs:\n"
                 "  a: {type: series, " TICKS " {rate: 10, length: 12}}, window: 1 s}\n"
                 "  b: {type: series, " TICKS " {rate: 1, length: 12, die_at: 4, back_at: 8}}, optional: true, "
                 "tolerance: 20 ms}\nlead: a\n"
                 "nodes: {look: {use: look@^1, in: {a: a, b: b}, isolate: false, on_missing: {b: hold 2 s}}}\n"
                 "outputs: {seen: look.seen}\n");
  g_assert_cmpuint(rig.windows->len, ==, 12);
  for (guint i = 0; i < 12; i++) {
    const RigWindow *window = rig_window(&rig, i);
    gboolean gone = i >= 4 && i < 8, held = i == 4 || i == 5; /* of 3 s, at 4 s and 5 s */
    g_assert_cmpint(window->n_rows[1], ==, !gone);
    g_assert_cmpint(window->seen[4], ==, !gone || held);
    if (!gone || held)
      g_assert_cmpint(window->seen[5], ==, held ? 3 * S : i * S);
  }
  rig_clear(&rig);
}

static void test_windows_buffer(void)
{
  Rig rig = {0};
  /* 20 bytes a row: 819 rows fit into 16 KiB */
#define BUFFER(rate, full)                                                                                             \
  HEAD "inputs: {a: {type: series, buffer: 16 KiB" full ", tolerance: 0 ms, source: {use: ticks@^1, isolate: false, "    \
       "params: {rate: " rate ", length: 4}}, window: 1 s}}\n" LOOK_A
  run(&rig, BUFFER("818", ""));
  g_assert_cmpuint(rig.windows->len, ==, 4);
  rig_clear(&rig);
  rig = (Rig){0};
  rig_run(&rig, BUFFER("820", ""), NULL);
  g_assert_nonnull(rig.error);
  g_assert_nonnull(strstr(rig.error, "stream \"a\": 819 rows fill its buffer of 16384 bytes, and a window of 1 s is not complete"));
  rig_clear(&rig);
  rig = (Rig){0};
  run(&rig, BUFFER("820", ", full: drop"));
  g_assert_cmpuint(rig.stats.streams[0].n_dropped, >, 0);
  rig_clear(&rig);
}

/* Rows as they happen: the dead stream is waited for no longer than its tolerance, and no deadline is missed. */
static void test_windows_real_time(void)
{
  Rig rig = {.for_ns = 3 * S};
  run(&rig, HEAD "inputs:\n"
                 "  a: {type: series, " TICKS " {rate: 1000, length: 60, speed: 1, start: 1}}, "
                 "window: 200 ms, tolerance: 0 ms}\n"
                 "  b: {type: series, source: {use: ticks@^1, isolate: true, params: {rate: 50, length: 60, speed: 1, start: 1, "
                 "die_at: 1.6, how: abort}}, optional: true, tolerance: 100 ms}\n"
                 "deadline: 2 s\n" LOOK_AB);
  g_assert_cmpuint(rig.windows->len, >=, 10); /* of 14: a slow machine */
  g_assert_cmpuint(rig.stats.n_missed, ==, 0);
  g_assert_cmpuint(rig.stats.streams[1].n_restarts, >=, 1);
  guint n_there = 0;
  for (guint i = 0; i < rig.windows->len; i++) {
    assert_window(rig_window(&rig, i), 0, 0);
    if (rig_window(&rig, i)->n_rows[1])
      assert_window(rig_window(&rig, i), 1, 100 * MS);
    n_there += rig_window(&rig, i)->n_rows[1] > 0;
  }
  g_assert_cmpuint(n_there, >=, 4);
  rig_clear(&rig);
}

/* Several windows at once in the graph come out in their order. */
static void test_windows_in_flight(void)
{
  Rig rig = {.n_in_flight = 4};
  run(&rig, HEAD "inputs: {a: {type: series, " TICKS " {rate: 100, length: 50}}, window: 1 s}}\n"
                 "nodes: {look: {use: look@^1, in: {a: a}, isolate: false, params: {ms: 3}}}\noutputs: {seen: look.seen}\n");
  g_assert_cmpuint(rig.windows->len, ==, 50);
  for (guint i = 0; i < 50; i++)
    g_assert_cmpint(rig_window(&rig, i)->seen[1], ==, i * S);
  rig_clear(&rig);
}

static void test_windows_deadline(void)
{
  Rig rig = {0};
  run(&rig, HEAD "inputs: {a: {type: series, " TICKS " {rate: 100, length: 3}}, window: 1 s}}\n"
                 "deadline: 20 ms\n"
                 "nodes: {look: {use: look@^1, in: {a: a}, isolate: false, params: {ms: 2000}}}\noutputs: {seen: look.seen}\n");
  g_assert_cmpuint(rig.stats.n_missed, ==, 3);
  g_assert_cmpuint(rig.stats.n_failed, ==, 3);
  rig_clear(&rig);
}

static struct {
  guint n;
  guint64 mem_count;
  gsize in_use;
} steady;

static void see_memory(const RigWindow *window, const json_t *answer)
{
  if (++steady.n == 200) {
    steady.mem_count = weft_mem_count();
    steady.in_use = mallinfo2().uordblks;
  }
  if (steady.n < 2000)
    return;
  g_assert_cmpuint(weft_mem_count(), ==, steady.mem_count);
  g_assert_cmpuint(mallinfo2().uordblks, ==, steady.in_use);
}

/* Where no answers are printed, a window takes no memory that was not there before. */
static void test_windows_steady(void)
{
  Rig rig = {.each = see_memory, .forget = TRUE, .quiet = TRUE};
  g_autofree char *path = rig_path("steady.jsonl");
  g_autofree char *text = g_strdup_printf(
    HEAD "inputs:\n  a: {type: series, " TICKS " {rate: 1000, length: 2000}}, window: 1 s}\n"
         "  b: {type: series, " TICKS " {rate: 0.4, jitter: 1, length: 2000}}, optional: true}\n"
         "nodes:\n  look: {use: look@^1, in: {a: a, b: b}, isolate: false}\n  save: {use: jsonl, in: {seen: look}}\n"
         "outputs: {seen: look.seen}\nsinks: {log: {from: save, to: %s}}\n", path);
  run(&rig, text);
  g_assert_cmpuint(steady.n, ==, 2000);
  g_autofree char *log = NULL;
  gsize n_bytes = 0;
  g_assert_true(g_file_get_contents(path, &log, &n_bytes, NULL));
  g_assert_cmpuint(n_bytes, >, 2000 * 50);
  rig_clear(&rig);
}

int main(int argc, char **argv)
{
  rig_begin(argc, argv);
  g_test_add_func("/live-windows/of-one", test_windows_of_one);
  g_test_add_func("/live-windows/hop", test_windows_hop);
  g_test_add_func("/live-windows/of-three", test_windows_of_three);
  g_test_add_data_func("/live-windows/death/fails", GUINT_TO_POINTER(0), test_windows_death);
  g_test_add_data_func("/live-windows/death/status", GUINT_TO_POINTER(1), test_windows_death);
  g_test_add_data_func("/live-windows/death/fails-isolated", GUINT_TO_POINTER(2), test_windows_death);
  g_test_add_data_func("/live-windows/death/abort", GUINT_TO_POINTER(3), test_windows_death);
  g_test_add_data_func("/live-windows/given-up/bad-input", GUINT_TO_POINTER(0), test_windows_given_up);
  g_test_add_data_func("/live-windows/given-up/always", GUINT_TO_POINTER(1), test_windows_given_up);
  g_test_add_data_func("/live-windows/given-up/nonsense", GUINT_TO_POINTER(2), test_windows_given_up);
  g_test_add_func("/live-windows/required", test_windows_required);
  g_test_add_func("/live-windows/held-from-time-0", test_windows_held_from_time_0);
  g_test_add_func("/live-windows/buffer", test_windows_buffer);
  g_test_add_func("/live-windows/real-time", test_windows_real_time);
  g_test_add_func("/live-windows/in-flight", test_windows_in_flight);
  g_test_add_func("/live-windows/deadline", test_windows_deadline);
  g_test_add_func("/live-windows/steady", test_windows_steady);
  int code = g_test_run();
  rig_end();
  return code;
}
