/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of one item through weft.compute/1, one thread and two, beside
 * torch's scaled_dot_product_attention and ONNX Runtime's operator in turn.
 *
 *     tests/bench/run attention [--quick] [--alone] [--case N]
 */
#include "plan-bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int64_t n_heads, d, n;
  int causal, window, left, right;
} cases[] = {
    {"full", 12, 32, 16, 0, 0, 0, 0},      {"full", 12, 32, 128, 0, 0, 0, 0},   {"full", 12, 32, 512, 0, 0, 0, 0},
    {"full", 12, 64, 128, 0, 0, 0, 0},     {"full", 12, 64, 197, 0, 0, 0, 0},   {"full", 12, 64, 512, 0, 0, 0, 0},
    {"causal", 12, 64, 4096, 1, 0, 0, 0},  {"window", 12, 64, 4096, 0, 1, 64, 64},
};
#define N_CASES (sizeof cases / sizeof *cases)

enum { TORCH, ORT, N_RIVALS };
static const char *const rival_names[N_RIVALS] = {"torch", "onnxruntime"};

static struct {
  size_t c;
  int quick;
  struct rival *rivals;
} job;
static struct plan_times ours, theirs[N_RIVALS];

/* Pairs of a query and a key that it sees. */
static double pairs(size_t c)
{
  double n = (double)cases[c].n, all = 0;
  if (!cases[c].causal && !cases[c].window)
    return n * n;
  for (double i = 0; i < n; i++) {
    double first = cases[c].window ? fmax(0, i - cases[c].left) : 0;
    double end = cases[c].causal ? i + 1 : cases[c].window ? fmin(n, i + cases[c].right + 1) : n;
    all += end - first;
  }
  return all;
}

static void report(uint32_t n_threads)
{
  size_t c = job.c;
  double best = bench_quantile(ours.samples, ours.n, 0), rival = 0;
  double gflops = pairs(c) * 4 * (double)(cases[c].n_heads * cases[c].d) / best * 1e-6;
  char name[96], notes[512];
  snprintf(name, sizeof name, "%s, 12 x %d, %d rows, %u thread%s", cases[c].name, (int)cases[c].d, (int)cases[c].n,
           n_threads, n_threads > 1 ? "s" : "");
  int n = snprintf(notes, sizeof notes, "median %.3g, %.0f GF/s, %.0f %% of the f32 peak", bench_quantile(ours.samples, ours.n, .5),
                   gflops, 100 * gflops / (bench_peak() * n_threads));
  for (int r = 0; r < N_RIVALS; r++) {
    double x = theirs[r].n ? bench_quantile(theirs[r].samples, theirs[r].n, 0) : 0;
    if (x > 0 && (rival == 0 || x < rival))
      rival = x;
    if (x > 0)
      n += snprintf(notes + n, sizeof notes - (size_t)n, "; %s %.3g ms", rival_names[r], x);
    else if (theirs[r].reason[0])
      n += snprintf(notes + n, sizeof notes - (size_t)n, "; %s: %s", rival_names[r], theirs[r].reason);
  }
  struct bench_result result = {.bench = "attention", .name = name, .unit = "ms, best", .ours = best, .rival = rival,
                                .has_rival = rival > 0, .goal = ">= 1.2x the better rival", .pass = best * 1.2 <= rival,
                                .reason = notes};
  bench_print(&result);
}

static void run_case(void *data, uint32_t n_threads)
{
  size_t c = job.c;
  int64_t width = cases[c].n_heads * cases[c].d, n = cases[c].n, splits[2] = {0, n};
  struct weft_nn_plan *p = weft_nn_plan_new();
  weft_value s = weft_nn_input_splits(p, "rows");
  struct weft_nn_attention a = {.q = weft_nn_input(p, "q", weft_f32(), s, width),
                                .k = weft_nn_input(p, "k", weft_f32(), s, width),
                                .v = weft_nn_input(p, "v", weft_f32(), s, width), .n_heads = cases[c].n_heads,
                                .causal = cases[c].causal, .window = cases[c].window, .left = cases[c].left,
                                .right = cases[c].right};
  weft_nn_output(p, weft_nn_attention(p, &a));
  float *x[3];
  struct weft_compute_input inputs[4] = {{splits, 0}};
  for (int i = 0; i < 3; i++)
    inputs[i + 1] = (struct weft_compute_input){x[i] = plan_bench_floats((size_t)(n * width), 1.7f), n};
  struct plan_bench b;
  if (!plan_bench_start(&b, weft_nn_plan_finish(p), WEFT_PRECISION_F32, 1, inputs, n))
    exit(1);
  double guess_ms = pairs(c) * 4 * (double)width / 50e6;
  int n_rounds = (int)fmin(60, fmax(3, 30 / guess_ms));
  ours.n = 0;
  memset(theirs, 0, sizeof theirs);
  for (int t = 0; t < (job.quick ? 3 : 8); t++) {
    plan_bench_measure(&b, &ours, n_rounds);
    for (int r = 0; r < N_RIVALS; r++) {
      char request[128];
      snprintf(request, sizeof request, "%s %d %d %d %s %u %d", cases[c].name, (int)cases[c].n_heads, (int)cases[c].d, (int)n,
               rival_names[r], n_threads, n_rounds);
      plan_bench_ask(job.rivals, request, &theirs[r]);
    }
  }
  report(n_threads);
  plan_bench_stop(&b);
  for (int i = 0; i < 3; i++)
    free(x[i]);
  weft_nn_plan_free(p);
}

int main(int argc, char **argv)
{
  char reason[256] = "";
  const char *only = NULL;
  int alone = 0;
  for (int i = 1; i < argc; i++) {
    alone |= !strcmp(argv[i], "--alone");
    if (!strcmp(argv[i], "--case") && i + 1 < argc)
      only = argv[i + 1];
  }
  job.quick = bench_is_quick(argc, argv);
  job.rivals = alone ? NULL : rival_start("attention.py", "encoder", reason, sizeof reason);
  if (reason[0])
    fprintf(stderr, "attention: %s\n", reason);
  for (job.c = 0; job.c < N_CASES; job.c++)
    if ((!only || strtoul(only, NULL, 10) == job.c) && !plan_bench_threads(run_case, NULL))
      return 1;
  rival_stop(job.rivals);
  return 0;
}
