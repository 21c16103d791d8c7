/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file quantised.h
 * Weights of two dims as integers with scales, in safetensors files:
 *
 *     int8   NAME        I8   [n, k]      NAME.scale  F32  [n]        x = q scale, q in [-127, 127]
 *     int4   NAME        U8   [n, k / 2]  NAME.scale  BF16 [n, k/32]  x = (q - 8) scale, q in [0, 15];
 *                                         k a multiple of 32, the even column in the low half of a byte
 *
 * config.json says so under "quantization": {"precision": "int8", "of": the
 * digest of the model it was made from, "kept": [{"name", "precision"}]}.
 */
#ifndef WEFT_NN_QUANTISED_H
#define WEFT_NN_QUANTISED_H

#include <stddef.h>
#include <stdint.h>
#include <weft/compute.h>

/** Columns that share a scale of int4. */
#define WEFT_NN_INT4_GROUP 32

/** x: [k] f32. q: [k]. Answers the scale, 0 for zeros, NaN where x is not finite. [any thread] */
float weft_nn_quantise_int8(int8_t *q, const float *x, size_t k);
/**
 * x: one group. q: [16], two columns a byte. Answers a scale with eight bits of mantissa: of several the one with
 * the least squared error. [any thread]
 */
float weft_nn_quantise_int4(uint8_t *q, const float *x);
/** Elements [first, first + n) of a quantised weight as f32; first and n: whole rows. [any thread] */
void weft_nn_dequantise(const struct weft_plan_weight *weight, size_t first, size_t n, float *to);

#endif
