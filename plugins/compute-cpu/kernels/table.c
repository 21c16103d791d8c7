/* SPDX-License-Identifier: Apache-2.0 */
/* The table of this instruction set. */
#include "vec.h"

#define TABLE2(name) weft_kernels_##name
#define TABLE(name) TABLE2(name)

const struct weft_kernels TABLE(V_NAME) = {
    .name = V_STRING(V_NAME),
    .attention_bytes = WEFT_KERNEL(attention_bytes),
    .attention = WEFT_KERNEL(attention),
    .layer_norm = WEFT_KERNEL(layer_norm),
    .softmax = WEFT_KERNEL(softmax),
    .length_norm = WEFT_KERNEL(length_norm),
    .binary = WEFT_KERNEL(binary),
    .unary = WEFT_KERNEL(unary),
    .turn = WEFT_KERNEL(turn),
    .column_sums = WEFT_KERNEL(column_sums),
    .column_map = WEFT_KERNEL(column_map),
    .activate = WEFT_KERNEL(activate),
    .add = WEFT_KERNEL(add),
    .mul = WEFT_KERNEL(mul),
    .scale = WEFT_KERNEL(scale),
    .axpy = WEFT_KERNEL(axpy),
    .dot = WEFT_KERNEL(dot),
};
