/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file provider.h
 * What the shared object offers, linkable without one.
 */
#ifndef WEFT_CPU_PROVIDER_H
#define WEFT_CPU_PROVIDER_H

#include <weft/compute.h>

#define WEFT_CPU_VERSION "0.1.0"

/**
 * Chooses the kernels: WEFT_COMPUTE_ISA, or the best of this processor. A
 * wrong choice is logged, and compile fails with the same message. host: lives
 * as long as the process. [control thread]
 */
weft_status weft_cpu_init(const struct weft_host *host);

/** The table of weft.compute/1; after weft_cpu_init. */
const struct weft_compute *weft_cpu_table(void);

#endif
