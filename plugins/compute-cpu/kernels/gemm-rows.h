/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gemm-rows.h
 * A product from tiles: which block of K of which rows meets which panels when.
 * Rows of f32 and stride lda. Included by kernel sources only, behind gemm-tile.h.
 */
#ifndef WEFT_CPU_GEMM_ROWS_H
#define WEFT_CPU_GEMM_ROWS_H

/* Bytes of a that stay in the second-level cache beside panels and c. */
#define ROWS_BYTES (192 * 1024)
/* Rows that are taken at once. */
#define BLOCK_ROWS 96
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
  size_t next;            /* words from a panel's block to the one that follows it */
};

/* The block with as many panels as are taken at once; returns the columns. */
static size_t run_panels(const struct weft_product *g, const struct block *block, size_t n)
{
  size_t m = block->m, left = g->n - n, panels = 1;
  if (m <= WIDE_ROWS && left >= V_TILE_COLUMNS * (size_t)WIDE_PANELS(m))
    panels = WIDE_PANELS(m);
  size_t columns = left < panels * V_TILE_COLUMNS ? left : panels * V_TILE_COLUMNS;
  struct tile t = {.lda = block->lda, .ldc = g->ldc, .panel = COLUMN_WORDS(g->k), .columns = columns, .k = block->k,
                   .first = block->at_k == 0, .fresh = 1,
                   .b = (const uint32_t *)g->b + n / V_TILE_COLUMNS * COLUMN_WORDS(g->k) + COLUMN_WORDS(block->at_k)};
  size_t n_tiles = (m + V_TILE_ROWS - 1) / V_TILE_ROWS;
  t.ahead = (const char *)(t.b + block->next);
  t.ahead_bytes = n_tiles < 2 ? 0 : COLUMN_WORDS(CHUNK) * sizeof *t.b / n_tiles / 64 * 64;
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
                            .next = COLUMN_WORDS(WEFT_CPU_KC)};
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
                          .next = COLUMN_WORDS(g->k)};
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

static void multiply(const struct weft_product *g)
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

#endif
