/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file matmul.h
 * A rival's product c[m, n] = a[m, k] w[n, k]^T as gemm.c calls it: a shared
 * object that tests/bench/setup builds beside the rival's library. Weights are
 * packed as the rival likes them best, rows stand in the format asked for.
 */
#ifndef WEFT_BENCH_MATMUL_H
#define WEFT_BENCH_MATMUL_H

#include <stddef.h>

struct rival_matmul;

struct rival_shape {
  const char *format; /**< "f32", "bf16", "int8" */
  size_t m, n, k;
};

/** Name and version: borrowed for good. */
const char *rival_name(void);
/** NULL: not offered in this format on this processor. Caller frees with rival_matmul_free. */
struct rival_matmul *rival_matmul_new(const struct rival_shape *shape, const float *a, const float *w);
void rival_matmul_free(struct rival_matmul *matmul);
/** Which of its implementations runs: borrowed until free. */
const char *rival_matmul_implementation(const struct rival_matmul *matmul);
/** Runs it so many times, and waits for the last. */
void rival_matmul_run(struct rival_matmul *matmul, int times);
/** Copies c out. */
void rival_matmul_result(struct rival_matmul *matmul, float *c);

#endif
