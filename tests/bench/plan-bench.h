/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan-bench.h
 * One plan on compute-cpu with a pool of its own size, run and timed beside a
 * rival that answers in turn (rival.h).
 */
#ifndef WEFT_BENCH_PLAN_H
#define WEFT_BENCH_PLAN_H

#include "bench.h"
#include "plan.h"
#include "rival.h"

#define PLAN_BENCH_INPUTS 4
#define PLAN_BENCH_SAMPLES 4000

struct plan_bench {
  const struct weft_compute *compute;
  struct weft_program *program;
  struct weft_compute_run run;
  struct weft_compute_input inputs[PLAN_BENCH_INPUTS];
  struct weft_compute_output output;
};

struct plan_times {
  double samples[PLAN_BENCH_SAMPLES]; /* ms */
  size_t n;
  char reason[256];
};

/** n floats, uniform in [-scale, scale]. Caller frees with free(). */
float *plan_bench_floats(size_t n, float scale);
/** Compiles for n_items items of n_rows rows in each input that has rows; 0: told on stderr. plan: borrowed until return. */
int plan_bench_start(struct plan_bench *b, const struct weft_plan *plan, uint32_t precision, uint32_t n_items,
                     const struct weft_compute_input *inputs, int64_t n_rows_out);
void plan_bench_stop(struct plan_bench *b);
/** One run not counted, then n of them. */
void plan_bench_measure(struct plan_bench *b, struct plan_times *times, int n);
/** The same of a rival; a reason stays. */
void plan_bench_ask(struct rival *rival, const char *request, struct plan_times *times);

/** Calls fn once with a pool of each number of threads, 1 and 2. 0: no pool. */
int plan_bench_threads(void (*fn)(void *data, uint32_t n_threads), void *data);

#endif
