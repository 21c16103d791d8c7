/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Product of int8 rows and weights with AMX: the sums of 32 rows and 32
 * columns stand in four tiles while K passes in steps of 64. Meaning of scales
 * and rows: gemm-int8.c, int.h.
 *
 * A panel: the scales of its 32 columns (f32); then for every 64 of K two
 * tiles of 16 columns, each 16 lines of four bytes of K for every column.
 */
#include "amx.h"
#include "int.h"

#define STEP 64
#define TILE_BYTES 1024
#define SCALE_BYTES (I_COLUMNS * sizeof(float))

struct block {
  const uint8_t *rows; /* prepared, the first one's head */
  const int8_t *a;     /* the first one's integers */
  const uint8_t *b;
  const float *scales; /* of the columns */
  float *c;
  size_t row_bytes, ldc;
  size_t steps;
  size_t n_rows, columns;
  int first;           /* block of K: 0 adds to c */
};

static size_t panel_bytes(size_t k)
{
  return SCALE_BYTES + (k + STEP - 1) / STEP * 2 * TILE_BYTES;
}

/* Sums of up to 16 rows: half of the tiles, and of the loads. */
static void sums_of_upper(const struct block *t, int32_t sums[AMX_ROWS][I_COLUMNS])
{
  _tile_zero(0);
  _tile_zero(1);
  const int8_t *a = t->a;
  const uint8_t *b = t->b;
  for (size_t k = t->steps; k > 0; k--, a += STEP, b += 2 * TILE_BYTES) {
    _tile_loadd(4, a, t->row_bytes);
    _tile_loadd(6, b, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, b + TILE_BYTES, 64);
    _tile_dpbssd(1, 4, 7);
  }
  _tile_stored(0, sums[0], sizeof sums[0]);
  _tile_stored(1, sums[0] + 16, sizeof sums[0]);
}

static void sums_of_both(const struct block *t, int32_t sums[AMX_ROWS][I_COLUMNS])
{
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int8_t *a = t->a, *lower = t->a + 16 * t->row_bytes;
  const uint8_t *b = t->b;
  for (size_t k = t->steps; k > 0; k--, a += STEP, lower += STEP, b += 2 * TILE_BYTES) {
    _tile_loadd(6, b, 64);
    _tile_loadd(4, a, t->row_bytes);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(5, lower, t->row_bytes);
    _tile_dpbssd(2, 5, 6);
    _tile_loadd(7, b + TILE_BYTES, 64);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_stored(0, sums[0], sizeof sums[0]);
  _tile_stored(1, sums[0] + 16, sizeof sums[0]);
  _tile_stored(2, sums[16], sizeof sums[0]);
  _tile_stored(3, sums[16] + 16, sizeof sums[0]);
}

static void put(float *c, vf x, size_t columns, int first)
{
  if (columns >= V_LANES) {
    v_store(c, first ? x : v_add(v_load(c), x));
  } else if (columns > 0) {
    vmask m = v_mask(columns);
    v_store_mask(c, first ? x : v_add(v_load_mask(c, m), x), m);
  }
}

static void block_run(const struct block *t)
{
  int32_t sums[AMX_ROWS][I_COLUMNS] __attribute__((aligned(64)));
  (t->n_rows > 16 ? sums_of_both : sums_of_upper)(t, sums);
  for (size_t r = 0; r < t->n_rows; r++) {
    float scale;
    memcpy(&scale, t->rows + r * t->row_bytes, sizeof scale);
    for (size_t v = 0; v < I_TILE_VECTORS; v++) {
      size_t before = v * V_LANES;
      vf x = i_float(i_load((const uint8_t *)(sums[r] + before)));
      x = v_mul(v_mul(x, v_load(t->scales + before)), v_set1(scale));
      put(t->c + r * t->ldc + before, x, t->columns > before ? t->columns - before : 0, t->first);
    }
  }
}

/* Rows [first, end) of c, so many at once. */
static void rows_run(const struct weft_product *g, size_t first, size_t end, size_t at_once)
{
  amx_configure(at_once);
  size_t head = int_head_bytes(g->k);
  struct block t = {.row_bytes = int_row_bytes(g->k), .ldc = g->ldc, .n_rows = at_once};
  for (size_t n = 0; n < g->n; n += I_COLUMNS) {
    const uint8_t *panel = (const uint8_t *)g->b + n / I_COLUMNS * panel_bytes(g->k);
    t.scales = (const float *)(const void *)panel;
    t.columns = g->n - n < I_COLUMNS ? g->n - n : I_COLUMNS;
    for (size_t k = 0; k < g->k; k += WEFT_INT_BLOCK) {
      size_t n_k = g->k - k < WEFT_INT_BLOCK ? g->k - k : WEFT_INT_BLOCK;
      t.first = k == 0;
      t.steps = (n_k + STEP - 1) / STEP;
      t.b = panel + SCALE_BYTES + k / STEP * 2 * TILE_BYTES;
      for (size_t m = first; m < end; m += at_once) {
        t.rows = (const uint8_t *)g->a + m * t.row_bytes;
        t.a = (const int8_t *)t.rows + head + k;
        t.c = g->c + m * g->ldc + n;
        block_run(&t);
      }
    }
    if (weft_product_finishes(g))
      WEFT_KERNEL(epilogue)(g, first, end - first, n, t.columns);
  }
}

static void product(const struct weft_product *g)
{
  size_t whole = g->m / AMX_ROWS * AMX_ROWS;
  if (g->k == 0)
    for (size_t r = 0; r < g->m; r++)
      memset(g->c + r * g->ldc, 0, g->n * sizeof *g->c);
  if (whole)
    rows_run(g, 0, whole, AMX_ROWS);
  if (g->m > whole)
    rows_run(g, whole, g->m, g->m - whole);
  if (g->m)
    _tile_release();
}

static void pack(void *panel, const float *w, size_t n, size_t k)
{
  memset(panel, 0, panel_bytes(k));
  float *scales = panel;
  for (size_t j = 0; j < n; j++) {
    const float *x = w + j * k;
    float highest = int_highest(x, k);
    uint8_t *to = (uint8_t *)panel + SCALE_BYTES + j / 16 * TILE_BYTES + j % 16 * 4;
    scales[j] = highest >= WEFT_INT_TINY ? highest / 127.f : highest == highest ? 0.f : NAN;
    for (size_t i = 0; highest >= WEFT_INT_TINY && i < k; i += I_CHUNK) {
      float some[I_CHUNK] = {0};
      int8_t q[I_CHUNK];
      size_t n_some = k - i < I_CHUNK ? k - i : I_CHUNK;
      memcpy(some, x + i, n_some * sizeof *some);
      i_quantise(q, some, 127.f / highest);
      for (size_t s = 0; s < n_some; s++)
        to[(i + s) / STEP * 2 * TILE_BYTES + (i + s) % STEP / 4 * 64 + (i + s) % 4] = (uint8_t)q[s];
    }
  }
}

const struct weft_product_kernels I_PRODUCT(int8) = {
    .name = V_STRING(I_NAME) "-int8",
    .isa = V_STRING(I_NAME),
    .format = WEFT_FORMAT_INT8,
    .mr = AMX_ROWS,
    .nr = I_COLUMNS,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .row_bytes = int_row_bytes,
    .prepare = int_prepare,
    .product = product,
};
