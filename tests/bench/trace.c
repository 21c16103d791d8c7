/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs that weft profile looks: the digits pipeline under two clients,
 * with the recorder of weft profile and without, in short turns. Without a
 * trace a node pays one branch: tests/bench/run overhead.
 */
#include "bench.h"
#include "load.h"
#include "pipeline-load.h"
#include "recorder.h"

#include <stdio.h>
#include <string.h>

#define TURN_S 0.1
#define CLIENTS 2

static struct load_arm arm_of(const struct bench_pipeline *b, const struct weft_request *request)
{
  return (struct load_arm){.n_clients = CLIENTS, .n_items = 1, .requests = request, .n_requests = 1,
                           .value = bench_value(b, "probability"), .row_bytes = sizeof(float)};
}

static void report(const char *name, struct load_arm *off, struct load_arm *on)
{
  double median_off = 1e6 * bench_quantile(off->latency, off->n_samples, .5);
  double median_on = 1e6 * bench_quantile(on->latency, on->n_samples, .5);
  g_autofree char *reason = g_strdup_printf("%.0f requests/s traced, %.0f not", load_rate(on), load_rate(off));
  struct bench_result r = {.bench = "trace", .name = name, .unit = "us, median", .ours = median_on, .rival = median_off,
                           .has_rival = 1, .goal = "< 1.05x untraced", .reason = reason};
  r.pass = median_on < 1.05 * median_off;
  bench_print(&r);
}

static int measure(const struct bench_pipeline *b, const char *name, const char *input, GBytes *value)
{
  g_autofree struct weft_request *request = bench_requests(b, input, &value, 1);
  struct load_arm arms[2] = {arm_of(b, request), arm_of(b, request)};
  WeftRecorder *recorder = weft_recorder_new(64, 0);
  int ok = load_expect(b->graph, &arms[0]) && load_expect(b->graph, &arms[1]) && load_run(b->graph, &arms[0], 1, TURN_S);
  arms[0].n_samples = arms[0].n_done = 0;
  arms[0].seconds = 0;
  for (int turn = 0; ok && turn < (b->quick ? 20 : 100); turn++) {
    weft_graph_trace(b->graph, turn % 2 ? weft_recorder_take : NULL, recorder);
    ok = load_run(b->graph, &arms[turn % 2], 1, TURN_S);
  }
  weft_graph_trace(b->graph, NULL, NULL);
  ok = ok && arms[0].n_wrong == 0 && arms[1].n_wrong == 0 && atomic_load(&recorder->n_events) > 0;
  if (ok)
    report(name, &arms[0], &arms[1]);
  load_clear(&arms[0]);
  load_clear(&arms[1]);
  weft_recorder_free(recorder);
  return ok;
}

int main(int argc, char **argv)
{
  struct bench_pipeline b = {.quick = bench_is_quick(argc, argv)};
  char *picture = NULL;
  gsize n = 0;
  if (!g_file_get_contents(BENCH_ROOT "/examples/digits/seven.png", &picture, &n, NULL) ||
      !bench_load(&b, BENCH_ROOT "/examples/digits/pipeline.yaml", NULL))
    return 1;
  g_autoptr(GBytes) pixels = g_bytes_new_take(picture, n), word = g_bytes_new_static("seven", 5);
  int ok = measure(&b, "digits, a picture", "picture", pixels) && measure(&b, "digits, a word", "words", word);
  if (!ok)
    fprintf(stderr, "trace: answers failed or differ\n");
  bench_unload(&b);
  return ok ? 0 : 1;
}
