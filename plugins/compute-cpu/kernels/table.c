/* SPDX-License-Identifier: Apache-2.0 */
/* The table of this instruction set. */
#include "vec.h"

#define STRING2(x) #x
#define STRING(x) STRING2(x)
#define TABLE2(name) weft_kernels_##name
#define TABLE(name) TABLE2(name)

const struct weft_kernels TABLE(V_NAME) = {
    .name = STRING(V_NAME),
    .mr = V_TILE_ROWS,
    .nr = V_LANES * V_TILE_VECTORS,
    .gemm = WEFT_KERNEL(gemm),
    .attention_bytes = WEFT_KERNEL(attention_bytes),
    .attention = WEFT_KERNEL(attention),
    .layer_norm = WEFT_KERNEL(layer_norm),
    .softmax = WEFT_KERNEL(softmax),
    .activate = WEFT_KERNEL(activate),
    .add = WEFT_KERNEL(add),
    .mul = WEFT_KERNEL(mul),
    .scale = WEFT_KERNEL(scale),
    .axpy = WEFT_KERNEL(axpy),
    .dot = WEFT_KERNEL(dot),
};
