/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gemm-parts.h
 * What gemm.c measures with: a second thread, the peak of a product's
 * instruction set, the rate of reading, and the rivals' shared objects.
 */
#ifndef WEFT_BENCH_GEMM_PARTS_H
#define WEFT_BENCH_GEMM_PARTS_H

#include "bench.h"
#include "rivals/matmul.h"

#include <kernels/product.h>

/** The second thread sleeps while nothing is shared, and spins for some time behind each part. n: 1 or 2. */
void bench_threads_start(int n);
void bench_threads_stop(void);
int bench_threads(void);
/** Calls part(data, 0), and part(data, 1) on the second thread; returns when both are done. */
void bench_share(void (*part)(void *data, int part), void *data);

/** GFLOP/s (GOP/s) of all threads in the best instruction of these kernels' set and format, for that long. */
double bench_format_peak(const struct weft_product_kernels *kernels, double seconds);
/** GB/s of all threads reading the bytes again and again, for that long. */
double bench_read_rate(const void *data, size_t n_bytes, double seconds);

/* Rivals: oneDNN, newest and the newest without SYCL below it. */
#define BENCH_N_RIVALS 2

struct bench_rival {
  const char *(*name)(void);
  struct rival_matmul *(*new)(const struct rival_shape *shape, const float *a, const float *w);
  void (*free)(struct rival_matmul *matmul);
  const char *(*implementation)(const struct rival_matmul *matmul);
  void (*run)(struct rival_matmul *matmul, int times);
  void (*result)(struct rival_matmul *matmul, float *c);
  int elsewhere;   /**< it computes on threads of its own */
  double overhead; /**< seconds of a call that computes next to nothing: not counted against it */
};

struct bench_rival_matmul {
  const struct bench_rival *rival;
  struct rival_matmul *matmul; /**< NULL: not there, or not offered */
};

/** Loads those that tests/bench/setup gemm has built, limited to bench_threads(). */
void bench_rivals_load(void);
/** The product with each rival: [BENCH_N_RIVALS]. */
void bench_rival_matmuls(struct bench_rival_matmul *rivals, const struct rival_shape *shape, const float *a,
                         const float *w);
void bench_rival_matmuls_free(struct bench_rival_matmul *rivals);

#endif
