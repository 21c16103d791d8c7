/* SPDX-License-Identifier: Apache-2.0 */
/** @file cpus.h How many threads this process may keep busy. */
#ifndef WEFT_CORE_CPUS_H
#define WEFT_CORE_CPUS_H

#include <stdint.h>

/** The most threads a pool has. */
#define WEFT_THREADS_MAX 256u

/**
 * WEFT_THREADS where it is a number of 1..WEFT_THREADS_MAX, otherwise the
 * smaller of the affinity mask and the cgroup's quota (v2, then v1), rounded
 * up; at least 1. [any thread]
 */
uint32_t weft_cpus_available(void);

/** The quota in files below `root` (normally ""), rounded up; 0: none. For tests. */
uint32_t weft_cpus_quota(const char *root);

#endif
