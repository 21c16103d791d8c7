/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The products of a mixture of experts through weft.compute/1: 16 experts, the
 * best two of each of 512 tokens, N = 1536, K = 768, every precision on one
 * thread and two, beside ONNX Runtime's MatMul for each expert in turn (its
 * rows are gathered and put back by nobody: only the products are timed).
 *
 *     tests/bench/run moe [--quick] [--alone]
 */
#include "layers.h"
#include "plan-bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_EXPERTS = 16, N_CHOSEN = 2, N_TOKENS = 512, N = 1536, K = 768 };

static const char *const names[WEFT_N_PRECISIONS] = {"f32", "bf16", "int8", "int4"};

static struct {
  int quick;
  struct rival *rivals;
  float *w, *x;
  int32_t ids[N_TOKENS * N_CHOSEN];
} job;
static struct plan_times ours[WEFT_N_PRECISIONS], theirs;

/* Two experts of each token, unlike each other. */
static void choose(void)
{
  uint64_t state = 1;
  for (int i = 0; i < N_TOKENS; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    job.ids[2 * i] = (int32_t)(state >> 60);
    job.ids[2 * i + 1] = (int32_t)((state >> 60) + 1 + (state >> 40 & 15) % 15) % N_EXPERTS;
  }
}

static void report(uint32_t n_threads, uint32_t precision)
{
  const double products = 2. * N_TOKENS * N_CHOSEN * N * K;
  double best = bench_quantile(ours[precision].samples, ours[precision].n, 0);
  double rival = theirs.n && precision == WEFT_PRECISION_F32 ? bench_quantile(theirs.samples, theirs.n, 0) : 0;
  char name[64], notes[512];
  snprintf(name, sizeof name, "16 experts, 2 of 512 tokens, %s, %u thread%s", names[precision], n_threads,
           n_threads > 1 ? "s" : "");
  snprintf(notes, sizeof notes, "%.3g ms, median %.3g; %.0f %% of the f32 peak%s%s", best,
           bench_quantile(ours[precision].samples, ours[precision].n, .5),
           100 * products / best * 1e-6 / (bench_peak() * n_threads), theirs.reason[0] ? "; onnxruntime: " : "", theirs.reason);
  struct bench_result r = {.bench = "moe", .name = name, .unit = "GOP/s, best", .ours = products / best * 1e-6,
                           .rival = rival > 0 ? products / rival * 1e-6 : 0, .has_rival = rival > 0,
                           .goal = rival > 0 ? ">= 1.25x" : "reported", .pass = rival <= 0 || best * 1.25 <= rival,
                           .reason = notes};
  bench_print(&r);
}

static void run(void *data, uint32_t n_threads)
{
  static struct plan_bench benches[WEFT_N_PRECISIONS];
  static const int64_t splits[] = {0, N_TOKENS};
  struct weft_nn_plan *p = weft_nn_plan_new();
  struct weft_plan_weight w = {.data = job.w, .dtype = weft_f32(), .rank = 3, .dims = {N_EXPERTS, N, K}};
  weft_value s = weft_nn_input_splits(p, "rows");
  struct weft_nn_grouped g = {.x = weft_nn_input(p, "x", weft_f32(), s, K),
                              .ids = weft_nn_input(p, "ids", weft_i32(), s, N_CHOSEN), .weight = weft_nn_weight(p, &w),
                              .bias = WEFT_NO_VALUE, .multiplier = WEFT_NO_VALUE};
  weft_nn_output(p, weft_nn_grouped_linear(p, &g));
  const struct weft_compute_input inputs[] = {{splits, 0}, {job.x, N_TOKENS}, {job.ids, N_TOKENS}};
  for (uint32_t k = 0; k < WEFT_N_PRECISIONS; k++) {
    ours[k].n = 0;
    if (!plan_bench_start(&benches[k], weft_nn_plan_finish(p), k, 1, inputs, N_TOKENS))
      exit(1);
  }
  memset(&theirs, 0, sizeof theirs);
  for (int t = 0; t < (job.quick ? 4 : 12); t++) {
    char request[64];
    for (uint32_t k = 0; k < WEFT_N_PRECISIONS; k++)
      plan_bench_measure(&benches[k], &ours[k], 3);
    snprintf(request, sizeof request, "%u 3", n_threads);
    plan_bench_ask(job.rivals, request, &theirs);
  }
  for (uint32_t k = 0; k < WEFT_N_PRECISIONS; k++) {
    report(n_threads, k);
    plan_bench_stop(&benches[k]);
  }
  weft_nn_plan_free(p);
}

int main(int argc, char **argv)
{
  char reason[256] = "";
  int alone = 0;
  for (int i = 1; i < argc; i++)
    alone |= !strcmp(argv[i], "--alone");
  job.quick = bench_is_quick(argc, argv);
  job.rivals = alone ? NULL : rival_start("moe.py", "encoder", reason, sizeof reason);
  if (reason[0])
    fprintf(stderr, "moe: %s\n", reason);
  choose();
  job.w = plan_bench_floats((size_t)N_EXPERTS * N * K, .06f);
  job.x = plan_bench_floats((size_t)N_TOKENS * K, 1.7f);
  int done = plan_bench_threads(run, NULL);
  rival_stop(job.rivals);
  free(job.w);
  free(job.x);
  return !done;
}
