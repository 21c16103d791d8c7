/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file isa.h
 * Chooses the kernels for this processor, once.
 */
#ifndef WEFT_CPU_ISA_H
#define WEFT_CPU_ISA_H

#include "kernels/kernels.h"

/** Names an instruction set (scalar, avx2, avx512) instead of the best one. */
#define WEFT_CPU_ISA_VARIABLE "WEFT_COMPUTE_ISA"

/** Kernels by name, or NULL; *runs: whether this processor runs them. [any thread] */
const struct weft_kernels *weft_cpu_isa_find(const char *name, int *runs);

/**
 * The best kernels, or those that `forced` names (NULL or "": the best).
 * NULL with a message [n_message] when this processor lacks them or nobody knows the name. [any thread]
 */
const struct weft_kernels *weft_cpu_isa_choose(const char *forced, char *message, size_t n_message);

#endif
