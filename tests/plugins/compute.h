/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file compute.h
 * The compute provider and helpers for tests of plugins that record plans: the
 * real ones, loaded as the host loads them. Tests only.
 */
#ifndef WEFT_TEST_COMPUTE_H
#define WEFT_TEST_COMPUTE_H

#include <stdint.h>

/** Offers weft.compute/1 out of build/plugins/compute-cpu.so at first use. Once, before the first plugin is loaded. */
void weft_test_offer_compute(void);
/** Programs compiled from now on have n threads. */
void weft_test_threads(uint32_t n);

#endif
