/* SPDX-License-Identifier: Apache-2.0 */
/** @file gemm-put.h Where a tile stands, and how its sums get into c. Included by gemm-tile.h only. */
#ifndef WEFT_CPU_GEMM_PUT_H
#define WEFT_CPU_GEMM_PUT_H

/* Steps of k between two looks ahead: floats of a cache line. */
#ifndef CHUNK /* a test that emulates a set unrolls fewer, and so does a sanitizer's build */
#define CHUNK 16
#endif

struct tile {
  const float *a;
  const uint32_t *b;   /* words of a packed weight: column_load */
  float *c;
  size_t lda, ldc;
  size_t panel;        /* words between panels */
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

#endif
