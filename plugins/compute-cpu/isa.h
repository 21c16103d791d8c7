/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file isa.h
 * Chooses the kernels for this processor, once: the best of each operation and
 * format by what the processor does well, not by what it lists.
 */
#ifndef WEFT_CPU_ISA_H
#define WEFT_CPU_ISA_H

#include "kernels/kernels.h"
#include "kernels/product.h"

/** Names an instruction set (scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx) as the highest that is used. */
#define WEFT_CPU_ISA_VARIABLE "WEFT_COMPUTE_ISA"

/** What runs on this processor. */
struct weft_cpu_isa {
  const char *name;                                             /**< the highest instruction set in use */
  const struct weft_kernels *kernels;                           /**< what is not a product */
  const struct weft_product_kernels *products[WEFT_N_FORMATS];  /**< NULL: not offered in that format */
};

/** Kernels by name, or NULL; *runs: whether this processor runs them. [any thread] */
const struct weft_kernels *weft_cpu_isa_find(const char *name, int *runs);

/** Names of the instruction sets, from the lowest to the highest; NULL at the end. [any thread] */
const char *weft_cpu_isa_name(size_t index);

/** Products in the order of preference, NULL at the end; *runs: whether this processor runs this one. [any thread] */
const struct weft_product_kernels *weft_cpu_product_at(size_t index, int *runs);

/**
 * Fills in *isa: the best, or the best up to the instruction set that `forced` names (NULL or "": no limit). 0 with
 * a message [n_message] when this processor lacks it or nobody knows the name; 1 on success. [any thread]
 */
int weft_cpu_isa_choose(const char *forced, struct weft_cpu_isa *isa, char *message, size_t n_message);

#endif
