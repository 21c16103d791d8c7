/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three streams at 12 kHz, 1 Hz and irregular, one dying and returning, for as long as WEFT_TEST_SECONDS says in
 * simulated time (3600, an hour): every window aligned, no deadline missed, memory flat.
 */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#define S G_GINT64_CONSTANT(1000000000)
#define MS G_GINT64_CONSTANT(1000000)
#define TOLERANCE (20 * MS)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED TRUE /* a sanitizer keeps what is freed */
#else
#define SANITIZED FALSE
#endif
/* What pages of buffers may still be touched for the first time, KiB. */
#define GROWTH_KIB 8192

static struct {
  gint64 seconds, dies, back, next, rss_half, rss_end;
  guint64 n, n_missing, n_missing_told;
} run;

static gint64 rss_kib(void)
{
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
  gchar **words = g_strsplit(text, " ", 3);
  gint64 pages = g_ascii_strtoll(words[1], NULL, 10);
  g_strfreev(words);
  return pages * 4;
}

static void check_rows(const RigWindow *window, guint stream, gint64 slack)
{
  const gint64 *seen = window->seen + 4 * stream;
  g_assert_cmpint(seen[0], ==, window->n_rows[stream]);
  g_assert_cmpint(seen[3], ==, 0); /* the values of every row are its time */
  g_assert_cmpint(seen[1], >=, window->begin_ns - slack);
  g_assert_cmpint(seen[2], <, window->end_ns + slack);
}

static void each(const RigWindow *window, const json_t *answer)
{
  gint64 begin = run.next;
  run.next += 500 * MS;
  run.n++;
  g_assert_cmpint(window->begin_ns, ==, begin);
  g_assert_cmpint(window->status, ==, WEFT_OK);
  check_rows(window, 0, 0);
  g_assert_cmpint(window->n_rows[0], ==, begin + S <= run.seconds * S ? 12000 : 6000);
  guint n_missing = 0;
  for (guint k = 1; k < RIG_STREAMS; k++) {
    if (window->n_rows[k])
      check_rows(window, k, window->states[k] == WEFT_STREAM_HELD ? 3 * S : TOLERANCE);
    n_missing += !window->n_rows[k];
  }
  gint64 row = (begin + S - 1) / S * S; /* of the stream at 1 Hz */
  if (window->states[1] != WEFT_STREAM_NEAR)
    g_assert_cmpint(window->n_rows[1], ==, row >= begin && row < run.seconds * S && (row < run.dies || row >= run.back));
  run.n_missing += n_missing;
  run.n_missing_told += json_array_size(json_object_get(answer, "missing"));
  if (begin == run.seconds * S / 2)
    run.rss_half = rss_kib();
  if (run.n == (guint64)run.seconds * 2)
    run.rss_end = rss_kib();
}

static void test_hour(void)
{
  const char *text = g_getenv("WEFT_TEST_SECONDS");
  run.seconds = text ? g_ascii_strtoll(text, NULL, 10) : 3600;
  run.dies = run.seconds / 4 * S;
  run.back = run.seconds / 3 * S;
  Rig rig = {.each = each, .forget = TRUE};
  g_autofree char *pipeline = g_strdup_printf(
    "weft: 1\nname: hour\ninputs:\n"
    "  a: {type: series, window: 1 s, hop: 500 ms, tolerance: 20 ms,\n"
    "      source: {use: ticks@^1, isolate: false, params: {rate: 12000, length: %d}}}\n"
    "  b: {type: series, optional: true, tolerance: 20 ms,\n"
    "      source: {use: ticks@^1, isolate: true, params: {rate: 1, length: %d, die_at: %d, back_at: %d, how: abort}}}\n"
    "  c: {type: series, optional: true, tolerance: 20 ms, late: hold 3 s,\n"
    "      source: {use: ticks@^1, isolate: false, params: {rate: 0.3, jitter: 1, length: %d}}}\n"
    "lead: a\ndeadline: 10 s\n"
    "nodes: {look: {use: look@^1, in: {a: a, b: b, c: c}, isolate: false}}\noutputs: {seen: look.seen}\n",
    (int)run.seconds, (int)run.seconds, (int)(run.dies / S), (int)(run.back / S), (int)run.seconds);
  gint64 begin = g_get_monotonic_time();
  rig_run(&rig, pipeline, NULL);
  g_assert_cmpstr(rig.error, ==, NULL);
  g_assert_cmpuint(run.n, ==, (guint64)run.seconds * 2);
  g_assert_cmpuint(rig.stats.n_missed, ==, 0);
  g_assert_cmpuint(rig.stats.n_failed, ==, 0);
  g_assert_cmpuint(rig.stats.streams[1].n_restarts, ==, 1);
  g_assert_cmpuint(run.n_missing, ==, run.n_missing_told);
  g_assert_cmpuint(rig.stats.streams[1].n_missing, >=, (guint64)((run.back - run.dies) / S) * 2 - 2);
  if (!SANITIZED)
    g_assert_cmpint(run.rss_end, <=, run.rss_half + GROWTH_KIB);
  g_test_message("%d s of three streams in %.1f s: %u windows, %u without a stream, RSS %d KiB at half, %d at the end, latency "
                 "p50 %.3f ms, p99 %.3f ms, at most %.3f ms", (int)run.seconds,
                 (double)(g_get_monotonic_time() - begin) / 1e6, (guint)run.n, (guint)run.n_missing, (int)run.rss_half,
                 (int)run.rss_end, rig.stats.p50_ms, rig.stats.p99_ms, rig.stats.max_ms);
  rig_clear(&rig);
}

int main(int argc, char **argv)
{
  rig_begin(argc, argv);
  g_test_add_func("/live-hour/three-streams", test_hour);
  int code = g_test_run();
  rig_end();
  return code;
}
