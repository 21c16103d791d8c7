/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a pipeline to its first answer: chains of 1,000 to 20,000
 * nodes that count themselves are parsed, resolved and built, and run once. The
 * rival is gst_parse_launch of as many `identity` elements up to the first
 * buffer at the sink, in a process of its own and measured in turn: it needs
 * more than linear time, and dies of its stack at 20,000.
 */
#include "bench.h"
#include "gst-launch.h"
#include "hosttable.h"
#include "revision.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ROUNDS_MAX 25
#define N_SIZES 5u

static const guint sizes[N_SIZES] = {1000, 2000, 5000, 10000, 20000};

enum { PARSE, BUILD, RUN, ALL, N_PHASES };
static const char *const phase_names[N_PHASES] = {"parsed", "resolved and built", "run once", "all of it"};

struct samples {
  double phases[N_PHASES][N_ROUNDS_MAX], rival[N_ROUNDS_MAX];
  size_t n, n_rival;
};

struct rig {
  WeftCatalogue *catalogue;
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  const char *program;
};

static char *chain_text(guint n)
{
  GString *text = g_string_new("weft: 1\nname: chain\ninputs: {words: {type: text}}\nnodes:\n"
                               "  n0: {use: count-from@^1, in: words}\n");
  for (guint i = 1; i < n; i++)
    g_string_append_printf(text, "  n%u: {use: count@^1, in: n%u}\n", i, i - 1);
  g_string_append_printf(text, "outputs: {n: n%u}\n", n - 1);
  return g_string_free(text, FALSE);
}

/* The chain's answer: how many nodes were called; -1: none. */
static double answer_of(WeftRevision *revision)
{
  struct weft_blob blob = {"abc", 3, 1};
  struct weft_request request = {.inputs = &blob};
  struct weft_frame *frame = NULL;
  guint n = 0;
  if (weft_graph_run(weft_revision_graph(revision), &request, 1, &frame) != WEFT_OK)
    return -1;
  const struct weft_tensor *last = weft_frame_value(frame, weft_revision_outputs(revision, &n)[0].value);
  double answer = weft_frame_status(frame, 0) == WEFT_OK && last ? *(const float *)last->data : -1;
  weft_frame_release(frame);
  return answer;
}

static gboolean once(const struct rig *rig, guint n, struct samples *samples)
{
  g_autofree char *text = chain_text(n);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("chain.yaml");
  WeftBuildOptions options = {.isolate = "none"};
  double times[N_PHASES + 1] = {0};
  times[0] = bench_now();
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_parse(text, strlen(text), "chain.yaml", NULL, diagnostics);
  times[1] = bench_now();
  g_autoptr(WeftRevision) revision =
      pipeline ? weft_revision_build(pipeline, rig->catalogue, rig->runtime, &options, diagnostics) : NULL;
  times[2] = bench_now();
  double answer = revision ? answer_of(revision) : -1;
  times[3] = bench_now();
  for (int p = PARSE; p < ALL; p++)
    samples->phases[p][samples->n] = times[p + 1] - times[p];
  samples->phases[ALL][samples->n] = times[3] - times[0];
  samples->n++;
  if (answer == n)
    return TRUE;
  g_autofree char *problem = weft_diagnostics_text(diagnostics);
  fprintf(stderr, "graph: %u nodes answered %g\n%s", n, answer, problem);
  return FALSE;
}

/* Seconds of the rival; -1: it failed or died. */
static double rival_once(const struct rig *rig, guint n)
{
  g_autofree char *size = g_strdup_printf("%u", n), *out = NULL;
  char *argv[] = {(char *)rig->program, "--gst", size, NULL};
  int status = 0;
  if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, &status, NULL) || status != 0)
    return -1;
  return g_ascii_strtod(out, NULL);
}

static void report(guint n, struct samples *samples, const char *why)
{
  double rival = samples->n_rival ? bench_quantile(samples->rival, samples->n_rival, 0.5) : 0;
  for (int p = 0; p < N_PHASES; p++) {
    double median = bench_quantile(samples->phases[p], samples->n, 0.5);
    g_autofree char *name = g_strdup_printf("%u nodes, %s", n, phase_names[p]);
    struct bench_result r = {.bench = "graph", .name = name, .unit = "ms", .ours = median * 1e3, .goal = "-", .pass = 1,
                             .best = samples->phases[p][0] * 1e3};
    if (p == ALL) {
      r.has_rival = samples->n_rival > 0;
      r.rival = rival * 1e3;
      r.reason = r.has_rival ? NULL : why;
      r.goal = n == 20000 ? "<= 100" : "-";
      r.pass = n != 20000 || median <= 0.1;
    }
    bench_print(&r);
  }
}

static void report_slope(struct samples *first, struct samples *last)
{
  double small = bench_quantile(first->phases[ALL], first->n, 0.5) / sizes[0];
  double large = bench_quantile(last->phases[ALL], last->n, 0.5) / sizes[N_SIZES - 1];
  struct bench_result r = {.bench = "graph", .name = "a node of 20,000 beside one of 1,000", .unit = "x",
                           .ours = large / small, .goal = "<= 1.5", .pass = large / small <= 1.5};
  struct bench_result one = {.bench = "graph", .name = "one node of 20,000", .unit = "us", .ours = large * 1e6,
                             .goal = "<= 5", .pass = large <= 5e-6};
  bench_print(&r);
  bench_print(&one);
}

static gboolean measure(const struct rig *rig, gboolean quick)
{
  static struct samples samples[N_SIZES];
  int n_rounds = quick ? 5 : N_ROUNDS_MAX;
  gboolean ok = TRUE;
  for (int round = 0; round < n_rounds && ok; round++) {
    for (guint s = 0; s < N_SIZES && ok; s++) {
      ok = once(rig, sizes[s], &samples[s]);
      /* 5,000 take the rival half a minute, 10,000 more than one. */
      gboolean wanted = sizes[s] <= 2000 ? round < 5 : !quick && round < (sizes[s] <= 5000 ? 3 : 1);
      double rival = wanted ? rival_once(rig, sizes[s]) : -1;
      if (rival >= 0)
        samples[s].rival[samples[s].n_rival++] = rival;
    }
  }
  for (guint s = 0; s < N_SIZES && ok; s++)
    report(sizes[s], &samples[s], sizes[s] > 2000 && quick ? "GStreamer is measured at this size without --quick only"
                                  : "GStreamer is not there, or died (it does at 20,000)");
  if (ok)
    report_slope(&samples[0], &samples[N_SIZES - 1]);
  return ok;
}

int main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "--gst") == 0) {
    double seconds = gst_launch_once((uint32_t)strtoul(argv[2], NULL, 10));
    printf("%.9f\n", seconds);
    return fflush(stdout) == 0 && seconds >= 0 ? 0 : 1;
  }
  g_autoptr(GError) error = NULL;
  struct rig rig = {.program = "/proc/self/exe"};
  g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
  rig.program = program;
  g_setenv("WEFT_CATALOGUE", BENCH_BUILD "/tests/bench/graph-catalogue", TRUE);
  rig.catalogue = weft_catalogue_open(BENCH_BUILD "/catalogue", &error);
  if (!rig.catalogue || weft_pool_new(1, &rig.pool) || weft_runtime_new(rig.pool, &rig.runtime)) {
    fprintf(stderr, "graph: %s\n", error ? error->message : "the runtime does not start");
    return 1;
  }
  gboolean ok = measure(&rig, bench_is_quick(argc, argv));
  weft_runtime_free(rig.runtime);
  weft_pool_free(rig.pool);
  weft_catalogue_free(rig.catalogue);
  return ok ? 0 : 1;
}
