/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bf16 products by tdpbf16ps: 32 x 32 sums in four tiles over all of K. A last
 * tile of few rows overlaps the one before: the same sums are written again, so
 * that all tiles have one height and one configuration.
 */
#include "amx.h"
#include "bf16.h"
#include "vec.h"

#define ROWS 16    /* of a tile */
#define COLUMNS 16 /* of a tile */
#define PANEL (2 * COLUMNS)
#define STEP_WORDS (16 * PANEL) /* of a panel: 32 of k */

struct part {
  const char *a[2];  /* prepared rows of each tile; equal: one tile of rows */
  const uint32_t *b;
  float *c[2];
  size_t row_bytes, ldc, rows, columns, n_steps;
  const char *ahead; /* the next panel, fetched into the second-level cache, */
  size_t n_lines;    /* so many lines in each step */
};

/* A tile's columns of c that exist, from sums [rows][COLUMNS]. */
static void put_edge(float *c, size_t ldc, const float *sums, size_t rows, size_t columns)
{
  for (size_t r = 0; r < rows; r++)
    memcpy(c + r * ldc, sums + r * COLUMNS, columns * sizeof *c);
}

#define PUT(tile, p, row, column)                                                                                      \
  if ((p)->columns >= (column) + COLUMNS) {                                                                            \
    _tile_stored(tile, (p)->c[row] + (column), (p)->ldc * sizeof(float));                                              \
  } else if ((p)->columns > (column)) {                                                                                \
    _tile_stored(tile, sums, COLUMNS * sizeof(float));                                                                 \
    put_edge((p)->c[row] + (column), (p)->ldc, sums, (p)->rows, (p)->columns - (column));                              \
  }

static void fetch(const struct part *p, size_t step)
{
  const char *at = p->ahead + step * p->n_lines * 64;
  for (size_t i = 0; i < p->n_lines; i++)
    __builtin_prefetch(at + i * 64, 0, 2);
}

static __attribute__((noinline)) void two_rows(const struct part *p)
{
  float sums[ROWS * COLUMNS];
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const uint32_t *b = p->b;
  for (size_t s = 0; s < p->n_steps; s++, b += STEP_WORDS) {
    _tile_loadd(6, b, PANEL * sizeof *b);
    _tile_loadd(4, p->a[0] + s * 64, p->row_bytes);
    _tile_loadd(7, b + COLUMNS, PANEL * sizeof *b);
    _tile_loadd(5, p->a[1] + s * 64, p->row_bytes);
    fetch(p, s);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  PUT(0, p, 0, 0)
  PUT(1, p, 0, COLUMNS)
  PUT(2, p, 1, 0)
  PUT(3, p, 1, COLUMNS)
}

static __attribute__((noinline)) void one_row(const struct part *p)
{
  float sums[ROWS * COLUMNS];
  _tile_zero(0);
  _tile_zero(1);
  const uint32_t *b = p->b;
  for (size_t s = 0; s < p->n_steps; s++, b += STEP_WORDS) {
    _tile_loadd(6, b, PANEL * sizeof *b);
    _tile_loadd(4, p->a[0] + s * 64, p->row_bytes);
    _tile_loadd(7, b + COLUMNS, PANEL * sizeof *b);
    fetch(p, s);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
  }
  PUT(0, p, 0, 0)
  PUT(1, p, 0, COLUMNS)
}

static size_t n_steps_of(size_t k)
{
  return (k + 31) / 32;
}

static size_t panel_bytes(size_t k)
{
  return n_steps_of(k) * STEP_WORDS * sizeof(uint32_t);
}

static void pack(void *panel, const float *w, size_t n, size_t k)
{
  weft_bf16_pack(panel, w, n, k, PANEL, n_steps_of(k) * 16);
}

static void run_panel(const struct weft_product *g, size_t n)
{
  size_t n_tiles = (g->m + ROWS - 1) / ROWS, n_parts = (n_tiles + 1) / 2;
  struct part p = {.b = (const uint32_t *)g->b + n / PANEL * n_steps_of(g->k) * STEP_WORDS,
                   .row_bytes = weft_bf16_row_bytes(g->k), .ldc = g->ldc, .rows = g->m < ROWS ? g->m : ROWS,
                   .columns = g->n - n, .n_steps = n_steps_of(g->k)};
  p.n_lines = n + PANEL < g->n ? STEP_WORDS * sizeof *p.b / 64 / n_parts : 0;
  p.ahead = (const char *)(p.b + p.n_steps * STEP_WORDS);
  for (size_t t = 0; t < n_tiles; t += 2) {
    for (size_t i = 0; i < 2; i++) {
      size_t row = (t + i) * ROWS + ROWS <= g->m ? (t + i) * ROWS : g->m - p.rows;
      p.a[i] = (const char *)g->a + row * p.row_bytes;
      p.c[i] = g->c + row * g->ldc + n;
    }
    (t + 1 < n_tiles ? two_rows : one_row)(&p);
    p.ahead += p.n_steps * p.n_lines * 64;
  }
}

static void product(const struct weft_product *g)
{
  if (g->m == 0)
    return;
  amx_configure(g->m < ROWS ? g->m : AMX_ROWS);
  for (size_t n = 0; n < g->n; n += PANEL) {
    run_panel(g, n);
    if (weft_product_finishes(g))
      WEFT_KERNEL(epilogue)(g, 0, g->m, n, g->n - n < PANEL ? g->n - n : PANEL);
  }
  _tile_release();
}

const struct weft_product_kernels weft_product_amx_bf16 = {
    .name = "amx-bf16",
    .isa = "amx",
    .format = WEFT_FORMAT_BF16,
    .mr = 2 * ROWS,
    .nr = PANEL,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .row_bytes = weft_bf16_row_bytes,
    .prepare = weft_bf16_prepare,
    .product = product,
};
