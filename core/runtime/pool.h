/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool.h
 * The helpers of one process: they run frames handed to `submit` and chunks of
 * computing (weft.pool/1). pthread and C11 atomics only.
 */
#ifndef WEFT_CORE_POOL_H
#define WEFT_CORE_POOL_H

#include <stdint.h>
#include <weft/host.h>

struct weft_pool_impl;

/**
 * n_threads 0: WEFT_THREADS, or from the affinity mask and the cgroup's quota.
 * Helpers start at first use. out: caller frees with weft_pool_free.
 * Errors: WEFT_NO_MEMORY. [control thread]
 */
weft_status weft_pool_new(uint32_t n_threads, struct weft_pool_impl **out);
/** Waits for running jobs, joins the helpers; NULL is allowed. [control thread] */
void weft_pool_free(struct weft_pool_impl *pool);

/** Makes this pool the one behind weft.pool/1 of this process. [control thread] */
void weft_pool_offer(struct weft_pool_impl *pool);

/** A job in a queue without allocation: embed it in what it is about. */
struct weft_pool_job {
  void (*run)(struct weft_pool_job *job);
  struct weft_pool_job *next;
};
/**
 * Runs job on a helper, in order of arrival. job: borrowed until it runs.
 * Errors: WEFT_UNAVAILABLE, only where no helper could be started. [any thread]
 */
weft_status weft_pool_push(struct weft_pool_impl *pool, struct weft_pool_job *job);

/**
 * A helper cannot go on for now (it waits for one that holds a chunk, or has a call that does not end): another works
 * in its place until weft_pool_return. One that cannot be started is done without. [any thread]
 */
void weft_pool_lend(struct weft_pool_impl *pool);
void weft_pool_return(struct weft_pool_impl *pool);

/**
 * weft.pool/1's parallel on this very pool: fn(arg, chunk) for each chunk, the
 * caller works too, a join waits only for claimed chunks. Inside a chunk it
 * runs inline. [any thread]
 */
void weft_pool_parallel(struct weft_pool_impl *pool, uint32_t n_chunks, void (*fn)(void *arg, uint32_t chunk),
                        void *arg);
/** How many operations of this thread were split over helpers so far: whether a call in between used the pool. [any thread] */
uint64_t weft_pool_thread_splits(void);
uint32_t weft_pool_n_threads(const struct weft_pool_impl *pool);

#endif
