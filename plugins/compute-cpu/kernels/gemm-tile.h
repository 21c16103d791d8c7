/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gemm-tile.h
 * A few rows times one or several panels, a block of K: sums in registers.
 * Included by kernel sources only, behind vec.h and what says how a weight is
 * stored: COLUMN_WORDS(k), the words of k steps (k even or the end of K), and
 * column_load(b, at, v), vector v of the columns at step `at` behind b. Where a
 * step is not one fma: STEP_ADD(x, column, sum).
 */
#ifndef WEFT_CPU_GEMM_TILE_H
#define WEFT_CPU_GEMM_TILE_H

#include "gemm-put.h"

#ifndef STEP_ADD
#define STEP_ADD(x, column, sum) v_fma(x, column, sum)
#endif

/* A fresh panel is fetched so many chunks ahead. */
#define FRESH_CHUNKS 2
/* Few rows leave registers idle that hide the latency of fma: they take so many panels at once. */
#define WIDE_ROWS 2
#define WIDE_PANELS(rows) ((rows) == 1 ? 4 : 2)

/* Addresses of three rows are one register and a scaled one: gcc must not make others of them. */
#define ROWS_OF_BASE 3
#define N_BASES ((V_TILE_ROWS + ROWS_OF_BASE - 1) / ROWS_OF_BASE)
#define V_OPAQUE(x) __asm__("" : "+r"(x))

/* Where the sums have got to. */
struct place {
  const char *base[N_BASES];
  const uint32_t *b[WIDE_PANELS(1)]; /* of each panel */
  size_t lda;                        /* bytes */
};

V_INLINE vf row_load(const struct place *p, const int at, const int r)
{
  const char *row = p->base[r / ROWS_OF_BASE] + (size_t)(r % ROWS_OF_BASE) * p->lda;
  return v_set1(*(const float *)(const void *)(row + at * 4));
}

/* One step of k, `at` steps behind the place. */
V_INLINE void step(vf sum[], const struct place *place, const int at, const int rows, const int panels)
{
  vf first[WIDE_ROWS];
#pragma GCC unroll 4
  for (int r = 0; r < rows && panels > 1; r++)
    first[r] = row_load(place, at, r);
#pragma GCC unroll 4
  for (int p = 0; p < panels; p++) {
    vf column[V_TILE_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++)
      column[v] = column_load(place->b[p], at, v);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      vf x = panels > 1 ? first[r] : row_load(place, at, r), *s = sum + (r * panels + p) * V_TILE_VECTORS;
#pragma GCC unroll 4
      for (int v = 0; v < V_TILE_VECTORS; v++)
        s[v] = STEP_ADD(x, column[v], s[v]);
    }
  }
}

V_INLINE void forward(struct place *place, const int steps, const int n_bases, const int panels)
{
#pragma GCC unroll 4
  for (int p = 0; p < panels; p++)
    place->b[p] += COLUMN_WORDS(steps);
#pragma GCC unroll 8
  for (int i = 0; i < n_bases; i++)
    place->base[i] += (size_t)steps * sizeof(float);
}

/* rows and panels are constant at each call, so that the accumulators are registers. */
V_INLINE void tile_run(const struct tile *t, const int rows, const int panels)
{
  vf sum[V_TILE_ROWS * V_TILE_VECTORS + 4 * V_TILE_VECTORS];
  const int wide = panels * V_TILE_VECTORS, n_bases = (rows + ROWS_OF_BASE - 1) / ROWS_OF_BASE;
  struct place at = {.lda = t->lda * sizeof(float)};
#pragma GCC unroll 32
  for (int i = 0; i < rows * wide; i++)
    sum[i] = v_set1(0.f);
#pragma GCC unroll 8
  for (int i = 0; i < n_bases; i++)
    at.base[i] = (const char *)t->a + (size_t)(i * ROWS_OF_BASE) * at.lda;
#pragma GCC unroll 4
  for (int p = 0; p < panels; p++)
    at.b[p] = t->b + (size_t)p * t->panel;
  fetch_c(t, rows, panels);
  const char *ahead = t->ahead;
  ptrdiff_t next = (const char *)t->next_a - (const char *)t->a;
  size_t k = t->k;
  for (; k >= CHUNK; k -= CHUNK, forward(&at, CHUNK, n_bases, panels)) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
      __builtin_prefetch(at.base[r / ROWS_OF_BASE] + next + (size_t)(r % ROWS_OF_BASE) * at.lda);
    if (t->fresh) {
#pragma GCC unroll 4
      for (int p = 0; p < panels; p++)
#pragma GCC unroll 64
        for (int i = 0; i < COLUMN_WORDS(CHUNK); i += 16)
          __builtin_prefetch(at.b[p] + FRESH_CHUNKS * COLUMN_WORDS(CHUNK) + i);
    }
    for (const char *end = ahead + t->ahead_bytes; ahead < end; ahead += 64)
      __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < CHUNK; i++) {
#pragma GCC unroll 8
      for (int j = 0; j < n_bases; j++)
        V_OPAQUE(at.base[j]);
      V_OPAQUE(at.lda);
#pragma GCC unroll 4
      for (int p = 0; p < panels; p++)
        V_OPAQUE(at.b[p]);
      step(sum, &at, i, rows, panels);
#pragma GCC unroll 32
      for (int j = 0; j < rows * wide; j++)
        V_KEEP(sum[j]);
    }
  }
  for (size_t i = 0; i < k; i++) {
    step(sum, &at, (int)(i % 2), rows, panels);
    if (i % 2)
      forward(&at, 2, n_bases, panels);
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

#endif
