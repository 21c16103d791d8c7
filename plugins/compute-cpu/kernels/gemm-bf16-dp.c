/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bf16 products by vdpbf16ps: a step takes a pair of k. The tiles of gemm.c on
 * words of two bf16. The instruction rounds each of its two sums to nearest and
 * takes subnormal numbers for zeros.
 */
#include "bf16.h"
#include "vec.h"

#define V_TILE_COLUMNS (V_LANES * V_TILE_VECTORS)
/* A weight is pairs [(k + 1) / 2][nr]; k counts pairs here. */
#define COLUMN_WORDS(k) ((k) * V_TILE_COLUMNS)
#define STEP_ADD(x, column, sum) _mm512_dpbf16_ps(sum, (__m512bh)(x), (__m512bh)(column))

V_INLINE vf column_load(const uint32_t *b, const int at, const int v)
{
  return _mm512_castsi512_ps(_mm512_load_si512(b + at * V_TILE_COLUMNS + v * V_LANES));
}

#include "gemm-tile.h"

#include "gemm-rows.h"

static size_t panel_bytes(size_t k)
{
  return COLUMN_WORDS((k + 1) / 2) * sizeof(uint32_t);
}

static void pack(void *panel, const float *w, size_t n, size_t k)
{
  weft_bf16_pack(panel, w, n, k, V_TILE_COLUMNS, (k + 1) / 2);
}

static void product(const struct weft_product *p)
{
  struct weft_product g = *p;
  g.k = (p->k + 1) / 2;
  g.lda = weft_bf16_row_bytes(p->k) / sizeof(uint32_t);
  multiply(&g);
}

const struct weft_product_kernels weft_product_avx512bf16_bf16 = {
    .name = "avx512bf16-bf16",
    .isa = "avx512bf16",
    .format = WEFT_FORMAT_BF16,
    .mr = V_TILE_ROWS,
    .nr = V_TILE_COLUMNS,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .row_bytes = weft_bf16_row_bytes,
    .prepare = weft_bf16_prepare,
    .product = product,
};
