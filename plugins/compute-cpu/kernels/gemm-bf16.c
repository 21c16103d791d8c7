/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bf16 weights where the processor multiplies floats only: unpacked on the way
 * into the registers, half the bytes of f32. Rows are rounded to bf16 and
 * stored as f32; sums as in gemm.c.
 */
#include "bf16.h"
#include "vec.h"

#define V_TILE_COLUMNS (V_LANES * V_TILE_VECTORS)
/* A weight is pairs [(k + 1) / 2][nr]. */
#define COLUMN_WORDS(k) (((k) + 1) / 2 * V_TILE_COLUMNS)

V_INLINE vf column_load(const uint32_t *b, const int at, const int v)
{
  const uint32_t *pairs = b + at / 2 * V_TILE_COLUMNS + v * V_LANES;
  return at % 2 ? v_odd_bf16(pairs) : v_even_bf16(pairs);
}

#include "gemm-tile.h"

#include "gemm-rows.h"

static size_t panel_bytes(size_t k)
{
  return COLUMN_WORDS(k) * sizeof(uint32_t);
}

static void pack(void *panel, const float *w, size_t n, size_t k)
{
  weft_bf16_pack(panel, w, n, k, V_TILE_COLUMNS, (k + 1) / 2);
}

/* A line more where rows would lie 4 KiB apart. */
static size_t row_bytes(size_t k)
{
  size_t n_bytes = (k * sizeof(float) + 63) / 64 * 64;
  return n_bytes % 4096 ? n_bytes : n_bytes + 64;
}

static void prepare(void *to, const float *a, size_t lda, size_t m, size_t k)
{
  size_t ld = row_bytes(k) / sizeof(float);
  for (size_t r = 0; r < m; r++) {
    float *y = (float *)to + r * ld;
    const float *x = a + r * lda;
    for (size_t i = 0; i < k; i++)
      y[i] = weft_bf16_round(x[i]);
    memset(y + k, 0, (ld - k) * sizeof *y);
  }
}

static void product(const struct weft_product *p)
{
  struct weft_product g = *p;
  g.lda = row_bytes(p->k) / sizeof(float);
  multiply(&g);
}

const struct weft_product_kernels WEFT_PRODUCT(bf16) = {
    .name = V_STRING(V_NAME) "-bf16",
    .isa = V_STRING(V_NAME),
    .format = WEFT_FORMAT_BF16,
    .mr = V_TILE_ROWS,
    .nr = V_TILE_COLUMNS,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .row_bytes = row_bytes,
    .prepare = prepare,
    .product = product,
};
