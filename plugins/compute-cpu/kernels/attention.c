/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of one head over the rows of one item: keys and values are packed
 * once, then for each block of queries scores, softmax and values follow while
 * the scores are in the cache. All keys of a row are added up in one order.
 */
#include "vec.h"

#define V_TILE_COLUMNS ((size_t)V_LANES * V_TILE_VECTORS)
#define BLOCK ((size_t)V_TILE_ROWS * 2) /* queries at once */

static size_t round_up(size_t n, size_t to)
{
  return (n + to - 1) / to * to;
}

size_t WEFT_KERNEL(attention_bytes)(size_t n, size_t d)
{
  size_t keys = round_up(n, V_TILE_COLUMNS) * d, values = n * round_up(d, V_TILE_COLUMNS);
  size_t scores = BLOCK * round_up(n, 16);
  return (round_up(keys, 16) + round_up(values, 16) + scores) * sizeof(float);
}

/* keys^T as panels [d][V_TILE_COLUMNS] of keys. */
static void pack_keys(float *to, const struct weft_attention *a)
{
  for (size_t first = 0; first < a->n; first += V_TILE_COLUMNS, to += a->d * V_TILE_COLUMNS) {
    size_t columns = a->n - first < V_TILE_COLUMNS ? a->n - first : V_TILE_COLUMNS;
    if (columns < V_TILE_COLUMNS)
      memset(to, 0, a->d * V_TILE_COLUMNS * sizeof *to);
    for (size_t j = 0; j < columns; j++) {
      const float *key = a->k + (first + j) * a->ld;
      for (size_t i = 0; i < a->d; i++)
        to[i * V_TILE_COLUMNS + j] = key[i];
    }
  }
}

/* values as panels [n][V_TILE_COLUMNS] of their columns. */
static void pack_values(float *to, const struct weft_attention *a)
{
  for (size_t first = 0; first < a->d; first += V_TILE_COLUMNS, to += a->n * V_TILE_COLUMNS) {
    size_t columns = a->d - first < V_TILE_COLUMNS ? a->d - first : V_TILE_COLUMNS;
    for (size_t j = 0; j < a->n; j++) {
      memcpy(to + j * V_TILE_COLUMNS, a->v + j * a->ld + first, columns * sizeof *to);
      if (columns < V_TILE_COLUMNS)
        memset(to + j * V_TILE_COLUMNS + columns, 0, (V_TILE_COLUMNS - columns) * sizeof *to);
    }
  }
}

void WEFT_KERNEL(attention)(const struct weft_attention *a)
{
  size_t ld_scores = round_up(a->n, 16);
  float *keys = a->work;
  float *values = keys + round_up(round_up(a->n, V_TILE_COLUMNS) * a->d, 16);
  float *scores = values + round_up(a->n * round_up(a->d, V_TILE_COLUMNS), 16);
  pack_keys(keys, a);
  pack_values(values, a);
  for (size_t row = 0; row < a->n; row += BLOCK) {
    if (a->cancel && *(const volatile uint32_t *)a->cancel)
      return;
    size_t rows = a->n - row < BLOCK ? a->n - row : BLOCK;
    WEFT_KERNEL(gemm)(&(struct weft_product){.a = a->q + row * a->ld, .b = keys, .c = scores, .lda = a->ld,
                                          .ldc = ld_scores, .m = rows, .n = a->n, .k = a->d});
    for (size_t r = 0; r < rows; r++)
      WEFT_KERNEL(softmax)(scores + r * ld_scores, scores + r * ld_scores, a->n, a->scale);
    WEFT_KERNEL(gemm)(&(struct weft_product){.a = scores, .b = values, .c = a->out + row * a->ldo, .lda = ld_scores,
                                          .ldc = a->ldo, .m = rows, .n = a->d, .k = a->n});
  }
}
