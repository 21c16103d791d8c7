/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product of rows with a packed matrix, both int8: a weight's row by its
 * largest value, a row by its own. Sums are exact, so their order is free:
 * c = sum (scale of the column) (scale of the row), whatever the tile.
 *
 * A panel: the scales of its columns (f32), filled up to whole lines; then for
 * every four of K, four bytes of each column.
 */
#include "int.h"

#define SCALE_BYTES ((I_COLUMNS * sizeof(float) + 63) / 64 * 64)

struct tile {
  const uint8_t *rows;  /* prepared, the first one's head */
  const int8_t *a;      /* the first one's integers of this block of K */
  const uint8_t *b;     /* of this block */
  const float *scales;  /* of the columns */
  float *c;
  size_t row_bytes, ldc;
  size_t steps;         /* fours of K in this block */
  size_t columns;       /* 1..I_COLUMNS */
  size_t block;         /* of K: 0 writes c, the others add to it */
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

static inline float row_scale(const struct tile *t, size_t r)
{
  float scale;
  memcpy(&scale, t->rows + r * t->row_bytes, sizeof scale);
  return scale;
}

static inline int32_t row_sum(const struct tile *t, size_t r)
{
  int32_t sum;
  memcpy(&sum, t->rows + r * t->row_bytes + sizeof(float) + t->block * sizeof sum, sizeof sum);
  return sum;
}

/* rows is constant at each call, so that the accumulators are registers. */
V_INLINE void tile_run(const struct tile *t, const int rows)
{
  vi sum[I_TILE_ROWS][I_TILE_VECTORS];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v++)
      sum[r][v] = I_OFFSET ? i_set1(-I_OFFSET * row_sum(t, (size_t)r)) : i_set1(0);
  const int8_t *a = t->a;
  const uint8_t *b = t->b;
  const size_t lda = t->row_bytes;
  for (size_t k = t->steps; k > 0; k--, a += 4, b += 4 * I_COLUMNS) {
    vi column[I_TILE_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v++)
      column[v] = i_load(b + 4 * v * V_LANES);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      vi x = i_broadcast(a + (size_t)r * lda);
#pragma GCC unroll 4
      for (int v = 0; v < I_TILE_VECTORS; v++)
        sum[r][v] = i_dot(sum[r][v], x, column[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    vf scale = v_set1(row_scale(t, (size_t)r));
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v++) {
      size_t before = (size_t)v * V_LANES;
      vf x = v_mul(v_mul(i_float(sum[r][v]), v_load(t->scales + before)), scale);
      put(t->c + (size_t)r * t->ldc + before, x, t->columns > before ? t->columns - before : 0, t->block == 0);
    }
  }
}

#define TILE(n)                                                                                                        \
  static __attribute__((noinline)) void tile_##n(const struct tile *t) { tile_run(t, n); }

TILE(1) TILE(2) TILE(3) TILE(4)
#if I_TILE_ROWS > 4
TILE(5) TILE(6)
#endif
#if I_TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif

static void (*const tiles[])(const struct tile *t) = {
    NULL, tile_1, tile_2, tile_3, tile_4,
#if I_TILE_ROWS > 4
    tile_5, tile_6,
#endif
#if I_TILE_ROWS > 6
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12,
#endif
};

static size_t panel_bytes(size_t k)
{
  return int_lines(SCALE_BYTES + (k + 3) / 4 * 4 * I_COLUMNS);
}

static void product_block(const struct weft_product *g, struct tile *t, size_t k)
{
  size_t n_k = g->k - k < WEFT_INT_BLOCK ? g->k - k : WEFT_INT_BLOCK, head = int_head_bytes(g->k);
  t->block = k / WEFT_INT_BLOCK;
  t->steps = (n_k + 3) / 4;
  float *c = t->c;
  for (size_t m = 0; m < g->m; m += I_TILE_ROWS) {
    t->rows = (const uint8_t *)g->a + m * t->row_bytes;
    t->a = (const int8_t *)t->rows + head + k;
    t->c = c + m * g->ldc;
    tiles[g->m - m < I_TILE_ROWS ? g->m - m : I_TILE_ROWS](t);
  }
  t->c = c;
}

static void product(const struct weft_product *g)
{
  if (g->k == 0)
    for (size_t r = 0; r < g->m; r++)
      memset(g->c + r * g->ldc, 0, g->n * sizeof *g->c);
  for (size_t n = 0; n < g->n; n += I_COLUMNS) {
    const uint8_t *panel = (const uint8_t *)g->b + n / I_COLUMNS * panel_bytes(g->k);
    struct tile t = {.scales = (const float *)(const void *)panel, .c = g->c + n, .row_bytes = int_row_bytes(g->k),
                     .ldc = g->ldc, .columns = g->n - n < I_COLUMNS ? g->n - n : I_COLUMNS};
    for (size_t k = 0; k < g->k; k += WEFT_INT_BLOCK) {
      t.b = panel + SCALE_BYTES + k * I_COLUMNS;
      product_block(g, &t, k);
    }
    if (weft_product_finishes(g))
      WEFT_KERNEL(epilogue)(g, 0, g->m, n, t.columns);
  }
}

static void pack_column(uint8_t *to, const float *w, size_t k, float factor)
{
  for (size_t i = 0; i < k; i += I_CHUNK) {
    float x[I_CHUNK] = {0};
    int8_t q[I_CHUNK];
    size_t n = k - i < I_CHUNK ? k - i : I_CHUNK;
    memcpy(x, w + i, n * sizeof *x);
    i_quantise(q, x, factor);
    for (size_t j = 0; j < n; j++)
      to[(i + j) / 4 * 4 * I_COLUMNS + (i + j) % 4] = (uint8_t)(q[j] + I_OFFSET);
  }
}

static void pack(void *panel, const float *w, size_t n, size_t k)
{
  float *scales = panel;
  uint8_t *to = (uint8_t *)panel + SCALE_BYTES;
  memset(panel, 0, panel_bytes(k));
  for (size_t j = 0; j < n; j++) {
    float highest = int_highest(w + j * k, k);
    if (highest >= WEFT_INT_TINY) {
      scales[j] = highest / 127.f;
      pack_column(to + 4 * j, w + j * k, k, 127.f / highest);
    } else {
      scales[j] = highest == highest ? 0.f : NAN;
      for (size_t i = 0; i < k; i++)
        to[i / 4 * 4 * I_COLUMNS + 4 * j + i % 4] = I_OFFSET;
    }
  }
}

const struct weft_product_kernels I_PRODUCT(int8) = {
    .name = V_STRING(I_NAME) "-int8",
    .isa = V_STRING(I_NAME),
    .format = WEFT_FORMAT_INT8,
    .mr = I_TILE_ROWS,
    .nr = I_COLUMNS,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .row_bytes = int_row_bytes,
    .prepare = int_prepare,
    .product = product,
};
