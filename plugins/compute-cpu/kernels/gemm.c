/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product of rows with a packed matrix. Each element of c is a sum over K in
 * blocks of WEFT_CPU_KC added in order, each block a chain of fma in order of
 * k: the same for every height of a tile, so a row's bytes do not depend on
 * the rows beside it.
 */
#include "vec.h"

#define V_TILE_COLUMNS (V_LANES * V_TILE_VECTORS)
/* Steps of k between two looks ahead: floats of a cache line. */
#define CHUNK 16
/* A fresh panel is fetched so many chunks ahead. */
#define FRESH_CHUNKS 2
/* Bytes of a that stay in the second-level cache beside panels and c. */
#define ROWS_BYTES (192 * 1024)
/* Rows that are taken at once. */
#define BLOCK_ROWS 96
/* Few rows leave registers idle that hide the latency of fma: they take so many panels at once. */
#define WIDE_ROWS 2
#define WIDE_PANELS(rows) ((rows) == 1 ? 4 : 2)

struct tile {
  const float *a, *b;
  float *c;
  size_t lda, ldc;
  size_t panel;        /* floats between panels */
  size_t k;            /* of this block */
  size_t columns;      /* 1..V_TILE_COLUMNS times panels */
  int first;           /* block of K: 0 adds to c */
  const float *next_a; /* rows of the tile that follows: fetched into the first-level cache */
  const char *ahead;   /* where the panel goes on: fetched into the second-level cache, */
  size_t ahead_bytes;  /* so many in each chunk */
  int fresh;           /* the panel's block is not in the first-level cache yet */
};

V_INLINE void put(float *c, vf x, size_t columns, int first)
{
  if (columns >= V_LANES) {
    v_store(c, first ? x : v_add(v_load(c), x));
  } else {
    vmask m = v_mask(columns);
    v_store_mask(c, first ? x : v_add(v_load_mask(c, m), x), m);
  }
}

V_INLINE void fetch_c(const struct tile *t, const int rows, const int panels)
{
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < panels * V_TILE_VECTORS; v += CHUNK / V_LANES < 1 ? 1 : CHUNK / V_LANES)
      __builtin_prefetch(t->c + (size_t)r * t->ldc + v * V_LANES, 1);
}

/* Addresses of three rows are one register and a scaled one: gcc must not make others of them. */
#define ROWS_OF_BASE 3
#define N_BASES ((V_TILE_ROWS + ROWS_OF_BASE - 1) / ROWS_OF_BASE)
#define V_OPAQUE(x) __asm__("" : "+r"(x))

/* Of one step of k, `at` steps behind the bases; the last three are constants. */
struct step {
  const float *b;
  size_t lda, panel; /* lda: bytes */
  int at, rows, panels;
};

V_INLINE void step(vf sum[], const char *const base[], const struct step s)
{
  const float *b = s.b;
  const size_t lda = s.lda, panel = s.panel;
  const int at = s.at, rows = s.rows, panels = s.panels;
  const int wide = panels * V_TILE_VECTORS;
  vf column[4 * V_TILE_VECTORS];
#pragma GCC unroll 4
  for (int p = 0; p < panels; p++)
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++)
      column[p * V_TILE_VECTORS + v] = v_load(b + (size_t)p * panel + at * V_TILE_COLUMNS + v * V_LANES);
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    vf x = v_set1(*(const float *)(const void *)(base[r / ROWS_OF_BASE] + (size_t)(r % ROWS_OF_BASE) * lda + at * 4));
#pragma GCC unroll 16
    for (int v = 0; v < wide; v++)
      sum[r * wide + v] = v_fma(x, column[v], sum[r * wide + v]);
  }
}

/* The right edge of c: the sums, stored one after the other, into what there is of it. */
static __attribute__((noinline)) void put_edge(const struct tile *t, const float *sums, size_t rows, size_t width)
{
  for (size_t r = 0; r < rows; r++)
    for (size_t n = 0; n < t->columns; n += V_LANES)
      put(t->c + r * t->ldc + n, v_load(sums + r * width + n), t->columns - n, t->first);
}

V_INLINE void put_all(const struct tile *t, const vf sum[], const int rows, const int wide)
{
  if (t->columns < (size_t)wide * V_LANES) {
    float sums[V_TILE_ROWS * V_TILE_COLUMNS + 4 * V_TILE_COLUMNS];
#pragma GCC unroll 32
    for (int i = 0; i < rows * wide; i++)
      v_store(sums + i * V_LANES, sum[i]);
    put_edge(t, sums, (size_t)rows, (size_t)wide * V_LANES);
    return;
  }
  if (t->first) {
#pragma GCC unroll 32
    for (int i = 0; i < rows * wide; i++)
      v_store(t->c + (size_t)(i / wide) * t->ldc + i % wide * V_LANES, sum[i]);
    return;
  }
#pragma GCC unroll 32
  for (int i = 0; i < rows * wide; i++) {
    float *c = t->c + (size_t)(i / wide) * t->ldc + i % wide * V_LANES;
    v_store(c, v_add(v_load(c), sum[i]));
  }
}

/* rows and panels are constant at each call, so that the accumulators are registers. */
V_INLINE void tile_run(const struct tile *t, const int rows, const int panels)
{
  vf sum[V_TILE_ROWS * V_TILE_VECTORS + 4 * V_TILE_VECTORS];
  const char *base[N_BASES];
  const int wide = panels * V_TILE_VECTORS, n_bases = (rows + ROWS_OF_BASE - 1) / ROWS_OF_BASE;
  size_t lda = t->lda * sizeof(float), k = t->k;
#pragma GCC unroll 32
  for (int i = 0; i < rows * wide; i++)
    sum[i] = v_set1(0.f);
#pragma GCC unroll 8
  for (int i = 0; i < n_bases; i++)
    base[i] = (const char *)t->a + (size_t)(i * ROWS_OF_BASE) * lda;
  fetch_c(t, rows, panels);
  const float *b = t->b;
  const char *ahead = t->ahead;
  ptrdiff_t next = (const char *)t->next_a - (const char *)t->a;
  for (; k >= CHUNK; k -= CHUNK, b += CHUNK * V_TILE_COLUMNS) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
      __builtin_prefetch(base[r / ROWS_OF_BASE] + next + (size_t)(r % ROWS_OF_BASE) * lda);
    if (t->fresh) {
#pragma GCC unroll 64
      for (int i = 0; i < CHUNK * V_TILE_COLUMNS * panels; i += CHUNK)
        __builtin_prefetch(b + FRESH_CHUNKS * CHUNK * V_TILE_COLUMNS + i % (CHUNK * V_TILE_COLUMNS) +
                           (size_t)(i / (CHUNK * V_TILE_COLUMNS)) * t->panel);
    }
    for (const char *end = ahead + t->ahead_bytes; ahead < end; ahead += 64)
      __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < CHUNK; i++) {
#pragma GCC unroll 8
      for (int j = 0; j < n_bases; j++)
        V_OPAQUE(base[j]);
      V_OPAQUE(lda);
      step(sum, base, (struct step){b, lda, t->panel, i, rows, panels});
#pragma GCC unroll 32
      for (int j = 0; j < rows * wide; j++)
        V_KEEP(sum[j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < n_bases; i++)
      base[i] += CHUNK * sizeof(float);
  }
  for (; k > 0; k--, b += V_TILE_COLUMNS) {
    step(sum, base, (struct step){b, lda, t->panel, 0, rows, panels});
#pragma GCC unroll 8
    for (int i = 0; i < n_bases; i++)
      base[i] += sizeof(float);
  }
  put_all(t, sum, rows, wide);
}

#define TILE(n)                                                                                                        \
  static __attribute__((noinline)) void tile_##n(const struct tile *t) { tile_run(t, n, 1); }
#define WIDE(n)                                                                                                        \
  static __attribute__((noinline)) void wide_##n(const struct tile *t) { tile_run(t, n, WIDE_PANELS(n)); }

TILE(1) TILE(2) TILE(3) TILE(4)
#if V_TILE_ROWS > 4
TILE(5) TILE(6)
#endif
#if V_TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
WIDE(1) WIDE(2)

static void (*const tiles[])(const struct tile *t) = {
    NULL, tile_1, tile_2, tile_3, tile_4,
#if V_TILE_ROWS > 4
    tile_5, tile_6,
#endif
#if V_TILE_ROWS > 6
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12,
#endif
};
static void (*const wides[])(const struct tile *t) = {NULL, wide_1, wide_2};

static void clear_rows(const struct weft_product *g)
{
  for (size_t r = 0; r < g->m; r++)
    memset(g->c + r * g->ldc, 0, g->n * sizeof *g->c);
}

/* Rows of the next tile, `left` to go: a last one of few rows shares with the one before. */
static size_t tile_rows(size_t left)
{
  if (left >= 2 * V_TILE_ROWS || left == V_TILE_ROWS)
    return V_TILE_ROWS;
  return left > V_TILE_ROWS ? (left + 1) / 2 : left;
}

/* Some rows and a block of K. */
struct block {
  const float *a; /* the block's first column of the first row */
  float *c;
  size_t lda, m, k, at_k; /* k of this block, and where in K it begins */
  size_t next;            /* floats from a panel's block to the one that follows it */
};

/* The block with as many panels as are taken at once; returns the columns. */
static size_t run_panels(const struct weft_product *g, const struct block *block, size_t n)
{
  size_t m = block->m, left = g->n - n, panels = 1;
  if (m <= WIDE_ROWS && left >= V_TILE_COLUMNS * (size_t)WIDE_PANELS(m))
    panels = WIDE_PANELS(m);
  size_t columns = left < panels * V_TILE_COLUMNS ? left : panels * V_TILE_COLUMNS;
  struct tile t = {.lda = block->lda, .ldc = g->ldc, .panel = g->k * V_TILE_COLUMNS, .columns = columns, .k = block->k,
                   .first = block->at_k == 0, .fresh = 1,
                   .b = (const float *)g->b + n * g->k + block->at_k * V_TILE_COLUMNS};
  size_t n_tiles = (m + V_TILE_ROWS - 1) / V_TILE_ROWS;
  t.ahead = (const char *)(t.b + block->next);
  t.ahead_bytes = n_tiles < 2 ? 0 : CHUNK * V_TILE_COLUMNS * sizeof(float) / n_tiles / 64 * 64;
  for (size_t at = 0, rows; at < m; at += rows) {
    rows = tile_rows(m - at);
    t.a = block->a + at * block->lda;
    t.next_a = at + rows < m ? t.a + rows * block->lda : block->a;
    t.c = block->c + at * g->ldc + n;
    (panels > 1 ? wides : tiles)[rows](&t);
    t.ahead += t.ahead_bytes * (block->k / CHUNK);
    t.fresh = 0;
  }
  return columns;
}

/* All of K for some panels, then the next ones: rows of a stay in the cache. */
static void by_panels(const struct weft_product *g, size_t row, size_t rows)
{
  size_t columns;
  for (size_t n = 0; n < g->n; n += columns) {
    columns = 0;
    for (size_t k = 0; k < g->k; k += WEFT_CPU_KC) {
      struct block block = {.a = (const float *)g->a + row * g->lda + k, .c = g->c + row * g->ldc, .lda = g->lda,
                            .m = rows, .k = g->k - k < WEFT_CPU_KC ? g->k - k : WEFT_CPU_KC, .at_k = k,
                            .next = WEFT_CPU_KC * V_TILE_COLUMNS};
      columns = run_panels(g, &block, n);
    }
    if (weft_product_finishes(g))
      WEFT_KERNEL(epilogue)(g, row, rows, n, columns);
  }
}

/* Rows at a multiple of 4 KiB fall on the same few lines of the first-level cache: their block is copied. */
#define COPY_STRIDE (WEFT_CPU_KC + CHUNK)

static void copy_rows(float *to, const struct block *block)
{
  for (size_t r = 0; r < block->m; r++)
    memcpy(to + r * COPY_STRIDE, block->a + r * block->lda, block->k * sizeof *to);
}

/* A block of K for all panels, then the next one. */
static void by_blocks(const struct weft_product *g, size_t row, size_t rows)
{
  _Alignas(64) float copy[BLOCK_ROWS * COPY_STRIDE];
  int copied = g->lda * sizeof(float) % 4096 == 0;
  for (size_t k = 0, columns; k < g->k; k += WEFT_CPU_KC) {
    struct block block = {.a = (const float *)g->a + row * g->lda + k, .c = g->c + row * g->ldc, .lda = g->lda,
                          .m = rows, .k = g->k - k < WEFT_CPU_KC ? g->k - k : WEFT_CPU_KC, .at_k = k,
                          .next = g->k * V_TILE_COLUMNS};
    int last = g->k - k <= WEFT_CPU_KC;
    if (copied) {
      copy_rows(copy, &block);
      block.a = copy;
      block.lda = COPY_STRIDE;
    }
    for (size_t n = 0; n < g->n; n += columns) {
      columns = run_panels(g, &block, n);
      if (last && weft_product_finishes(g))
        WEFT_KERNEL(epilogue)(g, row, rows, n, columns);
    }
  }
}

void WEFT_KERNEL(gemm)(const struct weft_product *g)
{
  if (g->k == 0) {
    clear_rows(g);
    WEFT_KERNEL(epilogue)(g, 0, g->m, 0, g->n);
    return;
  }
  /* blocks of about the same height, whole tiles */
  size_t n_blocks = (g->m + BLOCK_ROWS - 1) / BLOCK_ROWS;
  size_t height = g->m ? (g->m + n_blocks - 1) / n_blocks : 0;
  height = height > V_TILE_ROWS ? (height + V_TILE_ROWS - 1) / V_TILE_ROWS * V_TILE_ROWS : height;
  height = height > BLOCK_ROWS ? BLOCK_ROWS : height;
  for (size_t row = 0, rows; row < g->m; row += rows) {
    rows = g->m - row < height ? g->m - row : height;
    int blocks = rows > WIDE_ROWS && (g->lda * sizeof(float) % 4096 == 0 || rows * g->k * sizeof(float) > ROWS_BYTES);
    (blocks ? by_blocks : by_panels)(g, row, rows);
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
