/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench.h
 * What every benchmark shares: time, the peak of the minute, and the form of a
 * result. A benchmark prints one JSON object a line; `tests/bench/run` makes a
 * table of them.
 *
 *     struct bench_result r = {.bench = "overhead", .name = "one node", .unit = "ns", .ours = 21.3,
 *                              .rival = 160.2, .has_rival = 1, .goal = "<= 40", .pass = 21.3 <= 40};
 *     bench_print(&r);
 */
#ifndef WEFT_BENCH_H
#define WEFT_BENCH_H

#include <stddef.h>
#include <stdint.h>

struct bench_result {
  const char *bench;
  const char *name;   /**< printed as `case` */
  const char *unit;
  double ours;
  double rival;       /**< with has_rival; otherwise null is printed and `reason` says why */
  int has_rival;
  const char *goal;   /**< in words, such as "<= 40" */
  int pass;
  const char *reason; /**< printed where it is set */
  double best, p99;   /**< of ours, beside the median; printed where they are not 0 */
};

/** CLOCK_MONOTONIC in seconds. */
double bench_now(void);
/** Seconds that the calling thread has computed: what others take of the processor does not count. */
double bench_thread_now(void);
/** GFLOP/s of one thread's f32 FMA in a loop of 20 ms: what the machine gives in this minute. */
double bench_peak(void);
/** The same for that long, in the instructions of a set: `isa` begins with its name ("avx2-f32"). */
double bench_peak_of(const char *isa, double seconds);
/** GOP/s of one thread in products of integers of these kernels' set and format ("avx2-int8"), for that long. */
double bench_int_peak_of(const char *name, double seconds);
/** Name of the processor: borrowed for good. */
const char *bench_cpu(void);
/** Whether --quick is among the arguments. */
int bench_is_quick(int argc, char **argv);
/** Sorts the samples; the q-quantile (0..1) of them. */
double bench_quantile(double *samples, size_t n, double q);
void bench_print(const struct bench_result *result);

#endif
