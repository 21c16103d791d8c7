/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file host.h
 * A host for computing providers under test: memory, a pool of any size, the
 * last message of `fail`. And random numbers that repeat from a seed, and
 * memory that shows what is written beyond it.
 */
#ifndef WEFT_TEST_KERNELS_HOST_H
#define WEFT_TEST_KERNELS_HOST_H

#include <weft/compute.h>

/** The host; its pool has n_threads (1: none is offered) at the next compile. */
const struct weft_host *test_host(uint32_t n_threads);
/** Message of the last fail, and how many allocations live. */
const char *test_host_message(void);
int64_t test_host_live(void);
/** Fails the k-th allocation from now; 0: none. */
void test_host_fail_at(int64_t k);

/** Instruction sets that have operations of their own; whether this processor has one, whatever compute-cpu thinks. */
extern const char *const test_isas[3];
int test_isa_runs(const char *isa);

/** Seed of this run, printed once; WEFT_TEST_SEED sets it. */
void test_seed(void);
uint32_t test_random(uint32_t below);
/** Normal, standard deviation 1. */
float test_normal(void);
/** n of them times `scale`; freed with free(). */
float *test_normals(size_t n, float scale);

#define TEST_GUARD_VALUE 12345.f
/** n floats of that value, behind and before which nothing may be written. */
float *test_guarded(size_t n);
/** Looks whether anything was, then frees. */
void test_guarded_free(float *p, size_t n);

#endif
