/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product of rows with a packed matrix. Each element of c is a sum over K in
 * blocks of WEFT_CPU_KC added in order, each block a chain of fma in order of
 * k: the same for every height of a tile, so a row's bytes do not depend on
 * the rows beside it.
 */
#include "vec.h"

#define V_TILE_COLUMNS (V_LANES * V_TILE_VECTORS)
/* A weight is floats [k][nr]. */
#define COLUMN_WORDS(k) ((k) * V_TILE_COLUMNS)

V_INLINE vf column_load(const uint32_t *b, const int at, const int v)
{
  return v_load((const float *)(const void *)(b + at * V_TILE_COLUMNS + v * V_LANES));
}

#include "gemm-tile.h"

#include "gemm-rows.h"

/* [k][nr] floats, filled up with zeros. */
static size_t panel_bytes(size_t k)
{
  return k * V_TILE_COLUMNS * sizeof(float);
}

/* In blocks that fit into the first-level cache, whole lines of both sides. */
static void pack(void *panel, const float *w, size_t n, size_t k)
{
  enum { STEP = 16 };
  float *to = panel;
  if (n < V_TILE_COLUMNS)
    memset(to, 0, panel_bytes(k));
  for (size_t at = 0; at < k; at += STEP) {
    size_t end = k - at < STEP ? k : at + STEP;
    for (size_t j = 0; j < n; j++)
      for (size_t i = at; i < end; i++)
        to[i * V_TILE_COLUMNS + j] = w[j * k + i];
  }
}

const struct weft_product_kernels WEFT_PRODUCT(f32) = {
    .name = V_STRING(V_NAME) "-f32",
    .isa = V_STRING(V_NAME),
    .format = WEFT_FORMAT_F32,
    .mr = V_TILE_ROWS,
    .nr = V_TILE_COLUMNS,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .product = multiply,
};
