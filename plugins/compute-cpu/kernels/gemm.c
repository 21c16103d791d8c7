/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product of rows with a packed matrix. Each element of c is a sum over K in
 * blocks of WEFT_CPU_KC added in order, each block a chain of fma in order of
 * k: the same for every height of a tile, so a row's bytes do not depend on
 * the rows beside it.
 */
#include "vec.h"

#define V_TILE_COLUMNS (V_LANES * V_TILE_VECTORS)

struct tile {
  const float *a, *b;
  float *c;
  size_t lda, ldc;
  size_t k;       /* of this block */
  size_t columns; /* 1..V_TILE_COLUMNS */
  int first;      /* block of K: 0 adds to c */
};

V_INLINE void put(float *c, vf x, size_t columns, int first)
{
  if (columns >= V_LANES) {
    v_store(c, first ? x : v_add(v_load(c), x));
  } else if (columns > 0) {
    vmask m = v_mask(columns);
    v_store_mask(c, first ? x : v_add(v_load_mask(c, m), x), m);
  }
}

/* rows is constant at each call, so that the accumulators are registers. */
V_INLINE void tile_run(const struct tile *t, const int rows)
{
  vf sum[V_TILE_ROWS][V_TILE_VECTORS];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++)
      sum[r][v] = v_set1(0.f);
  const float *a = t->a, *b = t->b;
  const size_t lda = t->lda;
  for (size_t k = t->k; k > 0; k--, a++, b += V_TILE_COLUMNS) {
    vf column[V_TILE_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++)
      column[v] = v_load(b + v * V_LANES);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      vf x = v_set1(a[(size_t)r * lda]);
#pragma GCC unroll 4
      for (int v = 0; v < V_TILE_VECTORS; v++)
        sum[r][v] = v_fma(x, column[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++) {
      size_t before = (size_t)v * V_LANES;
      put(t->c + (size_t)r * t->ldc + before, sum[r][v], t->columns > before ? t->columns - before : 0, t->first);
    }
}

#define TILE(n)                                                                                                        \
  static __attribute__((noinline)) void tile_##n(const struct tile *t) { tile_run(t, n); }

TILE(1) TILE(2) TILE(3) TILE(4)
#if V_TILE_ROWS > 4
TILE(5) TILE(6)
#endif
#if V_TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif

static void (*const tiles[])(const struct tile *t) = {
    NULL, tile_1, tile_2, tile_3, tile_4,
#if V_TILE_ROWS > 4
    tile_5, tile_6,
#endif
#if V_TILE_ROWS > 6
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14,
#endif
};

static void clear_rows(const struct weft_product *g)
{
  for (size_t r = 0; r < g->m; r++)
    memset(g->c + r * g->ldc, 0, g->n * sizeof *g->c);
}

void WEFT_KERNEL(gemm)(const struct weft_product *g)
{
  int finish = weft_product_finishes(g);
  if (g->k == 0)
    clear_rows(g);
  for (size_t n = 0; n < g->n; n += V_TILE_COLUMNS) {
    size_t columns = g->n - n < V_TILE_COLUMNS ? g->n - n : V_TILE_COLUMNS;
    struct tile t = {.lda = g->lda, .ldc = g->ldc, .columns = columns};
    for (size_t k = 0; k < g->k; k += WEFT_CPU_KC) {
      t.b = (const float *)g->b + (n * g->k + k * V_TILE_COLUMNS);
      t.k = g->k - k < WEFT_CPU_KC ? g->k - k : WEFT_CPU_KC;
      t.first = k == 0;
      for (size_t m = 0; m < g->m; m += V_TILE_ROWS) {
        t.a = (const float *)g->a + m * g->lda + k;
        t.c = g->c + m * g->ldc + n;
        tiles[g->m - m < V_TILE_ROWS ? g->m - m : V_TILE_ROWS](&t);
      }
    }
    if (finish)
      WEFT_KERNEL(epilogue)(g, 0, g->m, n, columns);
  }
}

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
    .product = WEFT_KERNEL(gemm),
};
