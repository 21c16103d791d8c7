/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer says of a stream that is not there, and what each policy makes of it: nothing happened, its rows come
 * too late, its source broke off, was killed, was given up, stands still, owes rows, has ended.
 */
#include "rig.h"

#include <string.h>

#define S G_GINT64_CONSTANT(1000000000)
#define N_STATES (WEFT_STREAM_ENDED + 1)

typedef struct {
  const char *name, *isolate, *params; /* of the stream b, a row a second or more */
  gboolean by_clock;                   /* rows as they happen, at five times the speed of the day */
  WeftStreamState last;                /* of the last window */
  guint n[N_STATES];                   /* windows: exactly so many; by_clock: at least */
} Case;

/* Windows of 1 s; twelve of them, by the clock sixteen. */
static const Case cases[] = {
  {"nothing", "false", "rate: 0.25", FALSE, WEFT_STREAM_NO_ROWS, {[WEFT_STREAM_THERE] = 3, [WEFT_STREAM_NO_ROWS] = 9}},
  {"breaks-off", "false", "die_at: 4, back_at: 8", FALSE, WEFT_STREAM_THERE, {[WEFT_STREAM_THERE] = 8, [WEFT_STREAM_DEAD] = 4}},
  {"killed", "true", "die_at: 4, back_at: 8, how: abort", FALSE, WEFT_STREAM_THERE,
   {[WEFT_STREAM_THERE] = 8, [WEFT_STREAM_DEAD] = 4}},
  {"given-up", "false", "die_at: 4, how: bad", FALSE, WEFT_STREAM_DEAD, {[WEFT_STREAM_THERE] = 4, [WEFT_STREAM_DEAD] = 8}},
  {"ended", "false", "length: 4", FALSE, WEFT_STREAM_ENDED, {[WEFT_STREAM_THERE] = 4, [WEFT_STREAM_ENDED] = 8}},
  {"late", "false", "lag: 0.5", TRUE, WEFT_STREAM_LATE, {[WEFT_STREAM_LATE] = 6}},
  {"silent", "false", "die_at: 4, how: silent", TRUE, WEFT_STREAM_NO_ROWS, {[WEFT_STREAM_NO_ROWS] = 6}},
  {"stuck", "false", "die_at: 4, how: stuck", TRUE, WEFT_STREAM_DEAD, {[WEFT_STREAM_LATE] = 1, [WEFT_STREAM_DEAD] = 1}},
  {"stuck-isolated", "true", "die_at: 4, how: stuck", TRUE, WEFT_STREAM_DEAD, {[WEFT_STREAM_LATE] = 1, [WEFT_STREAM_DEAD] = 1}},
  {"owed", "false", "rate: 10, tells_rate: true, die_at: 4, how: silent", TRUE, WEFT_STREAM_DEAD,
   {[WEFT_STREAM_LATE] = 1, [WEFT_STREAM_DEAD] = 1}}};

static const char *const policies[] = {"mask", "degrade", "hold 2 s", "fail"};

static struct {
  guint policy;
  gint64 last; /* the last window that had the stream; -1: none */
} now;

static const char *text_at(const json_t *answer, const char *a, const char *b, const char *c)
{
  const json_t *value = json_object_get(json_object_get(answer, a), b);
  return json_string_value(c ? json_object_get(value, c) : value);
}

static void see(const RigWindow *window, const json_t *answer)
{
  static const char *const words[N_STATES] = {NULL, NULL, NULL, "masked", "late", "dead", "dead"};
  const char *policy = policies[now.policy], *status = json_string_value(json_object_get(answer, "status"));
  const char *absent = text_at(answer, "absent", "look", "b.samples");
  WeftStreamState state = window->states[1];
  gboolean there = window->n_rows[1] > 0;
  gboolean held = !there && now.policy == 2 && now.last >= 0 && window->begin_ns - now.last <= 2 * S;
  if (there)
    now.last = window->begin_ns;
  g_assert_cmpstr(text_at(answer, "streams", "b", "state"), ==, weft_stream_state_name(state));
  g_assert_cmpuint(json_array_size(json_object_get(answer, "missing")), ==, !there);
  g_assert_cmpstr(status, ==, there || now.policy == 0 || now.policy == 2 ? "ok" : now.policy == 1 ? "degraded" : "failed");
  g_assert_cmpstr(absent, ==, held ? "held" : !there && now.policy == 1 ? words[state] : NULL);
  if (strcmp(status, "failed") == 0) {
    g_assert_cmpstr(text_at(answer, "error", "code", NULL), ==, "bad-input");
    g_assert_nonnull(strstr(text_at(answer, "error", "message", NULL), "on_missing: fail"));
  } else {
    g_assert_cmpint(window->seen[4] > 0, ==, there || held);
  }
  g_test_message("%s: %" G_GINT64_FORMAT " s: %s, %s", policy, window->begin_ns / S, weft_stream_state_name(state), status);
}

static void check(const Case *c, guint policy)
{
  Rig rig = {.each = see};
  guint n[N_STATES] = {0};
  now.policy = policy;
  now.last = -1;
  const char *speed = c->by_clock ? ", speed: 5" : "";
  g_autofree char *text = g_strdup_printf(
    "weft: 1\nname: t\ninputs:\n"
    "  a: {type: series, source: {use: ticks@^1, isolate: false, params: {rate: 10, length: %d%s}}, window: 1 s, tolerance: 0 ms}\n"
    "  b: {type: series, source: {use: ticks@^1, isolate: %s, params: {%s%s}}, optional: true, tolerance: 50 ms}\nlead: a\n"
    "nodes: {look: {use: look@^1, in: {a: a, b: b}, isolate: false, on_missing: {b: %s}}}\noutputs: {seen: look.seen}\n",
    c->by_clock ? 16 : 12, speed, c->isolate, c->params, speed, policies[policy]);
  g_autofree char *whole = strstr(c->params, "length") ? g_strdup(text) : NULL;
  if (!whole) { /* as long as the lead, and a little */
    g_auto(GStrv) parts = g_strsplit(text, c->params, 2);
    whole = g_strdup_printf("%s%s, length: 20%s", parts[0], c->params, parts[1]);
  }
  rig_run(&rig, whole, NULL);
  if (rig.error)
    g_error("%s", rig.error);
  g_test_message("%s", rig.events->str);
  for (guint i = 0; i < rig.windows->len; i++)
    n[rig_window(&rig, i)->states[1]]++;
  for (guint k = 0; k < N_STATES; k++)
    if (c->by_clock)
      g_assert_cmpuint(n[k], >=, c->n[k]);
    else
      g_assert_cmpuint(n[k], ==, c->n[k]);
  g_assert_cmpint(rig_window(&rig, rig.windows->len - 1)->states[1], ==, c->last);
  g_assert_cmpuint(rig.stats.streams[1].n_missing, ==, rig.windows->len - n[WEFT_STREAM_THERE]);
  g_assert_cmpint(rig.stats.streams[1].n_late > 0, ==, strcmp(c->name, "late") == 0);
  rig_clear(&rig);
}

static void test_absences_policy(gconstpointer data)
{
  guint k = GPOINTER_TO_UINT(data);
  check(&cases[k / G_N_ELEMENTS(policies)], k % G_N_ELEMENTS(policies));
}

int main(int argc, char **argv)
{
  rig_begin(argc, argv);
  for (guint k = 0; k < G_N_ELEMENTS(cases) * G_N_ELEMENTS(policies); k++) {
    const Case *c = &cases[k / G_N_ELEMENTS(policies)];
    const char *policy = policies[k % G_N_ELEMENTS(policies)];
    /* Seconds each: standing still and owing rows is one way of being dead like the others. */
    if (c->by_clock && strcmp(c->name, "late") != 0 && strcmp(policy, "degrade") != 0)
      continue;
    g_autofree char *path = g_strdup_printf("/live-absences/%s/%.*s", c->name, (int)strcspn(policy, " "), policy);
    g_test_add_data_func(path, GUINT_TO_POINTER(k), test_absences_policy);
  }
  int code = g_test_run();
  rig_end();
  return code;
}
