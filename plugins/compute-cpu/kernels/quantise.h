/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file quantise.h
 * Weights to four bits, for every instruction set alike: what is packed is a
 * function of the weights alone.
 */
#ifndef WEFT_CPU_QUANTISE_H
#define WEFT_CPU_QUANTISE_H

#include <stdint.h>

/** Weights that share a scale. */
#define WEFT_INT4_GROUP 32

/**
 * x: 32 weights become integers q within [-8, 7] times the scale that is returned, a number of eight bits of mantissa
 * (bf16): of ten scales the one with the least squared error. A group with a NaN or an infinity has the
 * scale NaN, one whose largest is below 1e-36 has the scale 0; both have q of zeros. [any thread]
 */
float weft_int4_quantise(int8_t q[WEFT_INT4_GROUP], const float x[WEFT_INT4_GROUP]);

#endif
