/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file load.h
 * Closed-loop load on a graph: clients that each wait for an answer before
 * they ask again, and check its bytes.
 */
#ifndef WEFT_BENCH_LOAD_H
#define WEFT_BENCH_LOAD_H

#include "runtime.h"

/** Most answers of one arm that are timed, over all its runs. */
#define LOAD_SAMPLES_MAX (1u << 20)

/** Some clients with one kind of request. */
struct load_arm {
  uint32_t n_clients;
  uint32_t n_items;                     /**< requests in one frame; 1 but for a reference */
  const struct weft_request *requests;  /**< [n_requests], asked in turn */
  uint32_t n_requests;
  uint32_t value;                       /**< of the graph: one row an item, checked */
  uint64_t row_bytes;
  void *expected;                       /**< [n_requests, row_bytes] since load_expect */
  /* Sums over the runs: */
  uint64_t n_done, n_wrong;             /**< requests; wrong: failed, or other bytes */
  double seconds, cpu_seconds;
  double *latency;                      /**< [n_samples] seconds of a frame */
  uint64_t n_samples;
};

/** Answers of single requests, one after the other: what the load is to answer. 0: one failed (told on stderr). */
int load_expect(struct weft_graph *graph, struct load_arm *arm);
/** Runs all arms at once for so long. 0: no threads. cpu_seconds are of the whole process. */
int load_run(struct weft_graph *graph, struct load_arm *arms, uint32_t n, double seconds);
double load_rate(const struct load_arm *arm);
void load_clear(struct load_arm *arm);

#endif
