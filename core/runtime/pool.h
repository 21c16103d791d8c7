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

/** n_threads 0: from the affinity mask and the cgroup's quota. Helpers start at first use. [control thread] */
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
/** Runs job on a helper, in order of arrival. [any thread] */
void weft_pool_push(struct weft_pool_impl *pool, struct weft_pool_job *job);
uint32_t weft_pool_n_threads(const struct weft_pool_impl *pool);

#endif
