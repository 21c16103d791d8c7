/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product of int8 rows with weights of four bits in groups of 32 along K, each
 * with a scale. The sum of a group is exact; groups are added in order in f32
 * (sum x scale, fused), then the row's scale: the same for any tile.
 *
 * A panel: for every group the scales of its columns (bf16), then for every
 * four of K one load of each pair of vectors: the first's weights in the low
 * halves of the bytes, the second's in the high ones, plus 8. A prepared row:
 * scale (f32), for every group what i_group_start begins with, filled up to
 * whole lines; then the integers.
 */
#include "int.h"
#include "quantise.h"

#define GROUP WEFT_INT4_GROUP
#define QUADS (GROUP / 4)
#define SCALE_BYTES (I_COLUMNS * 2)
#define GROUP_BYTES (SCALE_BYTES + I_COLUMNS * GROUP / 2)

struct tile {
  const uint8_t *rows;  /* prepared, the first one's head */
  const uint8_t *b;     /* the panel */
  float *c;
  size_t row_bytes, head_bytes, ldc;
  size_t groups;
  size_t columns;       /* 1..I_COLUMNS */
};

static size_t groups_of(size_t k) { return (k + GROUP - 1) / GROUP; }
static size_t head_bytes(size_t k) { return int_lines(sizeof(float) + groups_of(k) * sizeof(int32_t)); }
static size_t row_bytes(size_t k) { return head_bytes(k) + int_lines(groups_of(k) * GROUP); }
static size_t panel_bytes(size_t k) { return int_lines(groups_of(k) * GROUP_BYTES); }

V_INLINE void put(float *c, vf x, size_t columns)
{
  if (columns >= V_LANES)
    v_store(c, x);
  else if (columns > 0)
    v_store_mask(c, x, v_mask(columns));
}

/* The exact sums of one group. */
V_INLINE void group_run(vi sum[I_GROUP_ROWS][I_TILE_VECTORS], const int8_t *a, size_t lda, const uint8_t *b, const int rows)
{
#pragma GCC unroll 8
  for (int q = 0; q < QUADS; q++, a += 4, b += 2 * I_COLUMNS) {
    vi column[I_TILE_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v += 2) {
      vi both = i_load(b + 2 * v * V_LANES);
      column[v] = i_low_halves(both);
      column[v + 1] = i_high_halves(both);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      vi x = i_broadcast(a + (size_t)r * lda);
#pragma GCC unroll 4
      for (int v = 0; v < I_TILE_VECTORS; v++) {
        sum[r][v] = i_group_dot(sum[r][v], x, column[v]);
        I_KEEP(sum[r][v]);
      }
    }
  }
}

/* rows is constant at each call, so that the accumulators are registers. */
V_INLINE void tile_run(const struct tile *t, const int rows)
{
  /* there are too few registers for these beside a group's sums: they are at home in memory */
  float total[I_GROUP_ROWS * I_COLUMNS] __attribute__((aligned(64)));
  const size_t lda = t->row_bytes;
  const uint8_t *b = t->b, *head = t->rows + sizeof(float);
  const int8_t *a = (const int8_t *)t->rows + t->head_bytes;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v++)
      v_store(total + r * I_COLUMNS + v * V_LANES, v_set1(0.f));
  for (size_t g = t->groups; g > 0; g--, a += GROUP, b += GROUP_BYTES, head += sizeof(int32_t)) {
    vi sum[I_GROUP_ROWS][I_TILE_VECTORS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
      for (int v = 0; v < I_TILE_VECTORS; v++)
        sum[r][v] = i_broadcast((const int8_t *)head + (size_t)r * lda);
    group_run(sum, a, lda, b + SCALE_BYTES, rows);
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v++) {
      vf scale = i_short_floats(b + 2 * v * V_LANES);
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        float *at = total + r * I_COLUMNS + v * V_LANES;
        v_store(at, v_fma(i_group_float(sum[r][v]), scale, v_load(at)));
      }
    }
    __asm__ volatile("" : : "r"(total) : "memory");
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    float scale;
    memcpy(&scale, t->rows + (size_t)r * lda, sizeof scale);
#pragma GCC unroll 4
    for (int v = 0; v < I_TILE_VECTORS; v++) {
      size_t before = (size_t)v * V_LANES;
      put(t->c + (size_t)r * t->ldc + before, v_mul(v_load(total + r * I_COLUMNS + v * V_LANES), v_set1(scale)),
          t->columns > before ? t->columns - before : 0);
    }
  }
}

#define TILE(n)                                                                                                        \
  static __attribute__((noinline)) void tile_##n(const struct tile *t) { tile_run(t, n); }

TILE(1) TILE(2) TILE(3) TILE(4)
#if I_GROUP_ROWS > 4
TILE(5) TILE(6)
#endif
#if I_GROUP_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif

static void (*const tiles[])(const struct tile *t) = {
    NULL, tile_1, tile_2, tile_3, tile_4,
#if I_GROUP_ROWS > 4
    tile_5, tile_6,
#endif
#if I_GROUP_ROWS > 6
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12,
#endif
};

static void product(const struct weft_product *g)
{
  for (size_t n = 0; n < g->n; n += I_COLUMNS) {
    struct tile t = {.b = (const uint8_t *)g->b + n / I_COLUMNS * panel_bytes(g->k), .row_bytes = row_bytes(g->k),
                     .head_bytes = head_bytes(g->k), .ldc = g->ldc, .groups = groups_of(g->k),
                     .columns = g->n - n < I_COLUMNS ? g->n - n : I_COLUMNS};
    if (g->k == 0)
      for (size_t r = 0; r < g->m; r++)
        memset(g->c + r * g->ldc + n, 0, t.columns * sizeof *g->c);
    for (size_t m = 0; m < g->m && g->k > 0; m += I_GROUP_ROWS) {
      t.rows = (const uint8_t *)g->a + m * t.row_bytes;
      t.c = g->c + m * g->ldc + n;
      tiles[g->m - m < I_GROUP_ROWS ? g->m - m : I_GROUP_ROWS](&t);
    }
    if (weft_product_finishes(g))
      WEFT_KERNEL(epilogue)(g, 0, g->m, n, t.columns);
  }
}

/* One group of one column; b: the group in the panel. */
static void pack_group(uint8_t *b, size_t column, const float *x)
{
  int8_t q[GROUP];
  float scale = weft_int4_quantise(q, x);
  uint32_t bits;
  memcpy(&bits, &scale, sizeof bits);
  uint16_t high = (uint16_t)(bits >> 16);
  memcpy(b + column * sizeof high, &high, sizeof high);
  size_t vector = column / V_LANES, lane = column % V_LANES;
  uint8_t *to = b + SCALE_BYTES + vector / 2 * 4 * V_LANES + lane * 4;
  for (size_t i = 0; i < GROUP; i++)
    to[i / 4 * 2 * I_COLUMNS + i % 4] |= (uint8_t)((q[i] + 8) << (vector % 2 * 4));
}

static void pack(void *panel, const float *w, size_t n, size_t k)
{
  memset(panel, 0, panel_bytes(k));
  uint8_t *b = panel;
  for (size_t g = 0; g < groups_of(k); g++, b += GROUP_BYTES)
    for (size_t j = 0; j < n; j++) {
      float x[GROUP] = {0};
      memcpy(x, w + j * k + g * GROUP, (k - g * GROUP < GROUP ? k - g * GROUP : GROUP) * sizeof *x);
      pack_group(b, j, x);
    }
}

static void prepare(void *to, const float *a, size_t lda, size_t m, size_t k)
{
  size_t head = head_bytes(k), n_bytes = row_bytes(k);
  uint8_t *row = to;
  for (size_t i = 0; i < m; i++, row += n_bytes, a += lda) {
    int8_t *q = (int8_t *)row + head;
    memset(row, 0, head);
    memset(q + k / GROUP * GROUP, 0, n_bytes - head - k / GROUP * GROUP);
    float scale = int_quantise(q, a, k);
    memcpy(row, &scale, sizeof scale);
    for (size_t g = 0; g < groups_of(k); g++) {
      int32_t start = i_group_start(q + g * GROUP);
      memcpy(row + sizeof scale + g * sizeof start, &start, sizeof start);
    }
  }
}

const struct weft_product_kernels I_PRODUCT(int4) = {
    .name = V_STRING(I_NAME) "-int4",
    .isa = V_STRING(I_NAME),
    .format = WEFT_FORMAT_INT4,
    .mr = I_GROUP_ROWS,
    .nr = I_COLUMNS,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .row_bytes = row_bytes,
    .prepare = prepare,
    .product = product,
};
