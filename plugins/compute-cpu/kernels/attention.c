/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of the query heads that share one head of keys and values, within
 * one item. Keys and values are packed once; then for each block of queries,
 * block of keys after block of keys: scores, softmax, values, while the scores
 * are in the cache. The softmax is the online one (Milakov and Gimelshein
 * 2018, "Online normalizer calculation for softmax", section 3): what was
 * added up before is scaled down whenever a larger score comes. Blocks of keys
 * stand at fixed places of the item and follow in order, so a row's bytes
 * depend on its item alone.
 */
#include "vec.h"

#include "transpose.h"

#define V_TILE_COLUMNS ((size_t)V_LANES * V_TILE_VECTORS)
/* Queries and keys at once: some 26 KB of scores. WEFT_ATTENTION_ROWS is a multiple of every ROWS. */
#define ROWS ((size_t)V_TILE_ROWS * (V_TILE_ROWS > 6 ? 2 : 4))
#define KEYS ((size_t)256)
#define LD_SCORES (KEYS + 16) /* so that the rows of a tile begin in different sets of the cache */
#define AHEAD 12 /* rows of one head lie far apart: the processor does not guess the next ones */
#define LOG2_E 1.4426950408889634

_Static_assert(WEFT_ATTENTION_ROWS % ROWS == 0, "calls begin where a block does");

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t round_up(size_t n, size_t to)
{
  return (n + to - 1) / to * to;
}

static size_t keys_floats(const struct weft_attention *a)
{
  return round_up(round_up(a->n_k, V_TILE_COLUMNS) * a->d, 16);
}

static size_t values_floats(const struct weft_attention *a)
{
  return round_up(a->n_k * round_up(a->d_v, V_TILE_COLUMNS), 16);
}

size_t WEFT_KERNEL(attention_bytes)(const struct weft_attention *a)
{
  return (keys_floats(a) + values_floats(a) + ROWS * LD_SCORES + round_up(ROWS * a->d, 16)) * sizeof(float);
}

/* Some keys, in order, and beside them those of the global range. */
struct ranges {
  size_t first, end;
  size_t global_first, global_end;
};

/* What the rows [row, row_end) see together. */
static struct ranges ranges_of(const struct weft_attention *a, size_t row, size_t row_end)
{
  struct ranges r = {.end = a->causal ? smaller(a->n_k, row_end) : a->n_k};
  int global = row < a->global_end && row_end > a->global_first;
  if (!a->window || global)
    return r;
  r.global_first = smaller(a->global_first, r.end);
  r.global_end = smaller(a->global_end, r.end);
  r.first = smaller(row > a->left ? row - a->left : 0, r.end);
  if (a->right < a->n_k && row_end + a->right < r.end)
    r.end = row_end + a->right;
  return r;
}

static int meets(const struct ranges *r, size_t key, size_t key_end)
{
  return (r->first < key_end && key < r->end) || (r->global_first < key_end && key < r->global_end);
}

/* [d][V_TILE_COLUMNS] for that many keys, filled up with zeros. */
static void pack_keys(float *to, const struct weft_attention *a, size_t key, size_t key_end)
{
  for (; key < key_end; key += V_TILE_COLUMNS, to += a->d * V_TILE_COLUMNS) {
    size_t n = smaller(key_end - key, V_TILE_COLUMNS);
    if (n < V_TILE_COLUMNS)
      memset(to, 0, a->d * V_TILE_COLUMNS * sizeof *to);
    transpose(to, V_TILE_COLUMNS, a->k + key * a->ld_k, a->ld_k, n, a->d);
  }
}

/* Panels [n_k][V_TILE_COLUMNS] of the values' columns: rows [key, key_end) of them. */
static void pack_values(float *values, const struct weft_attention *a, size_t key, size_t key_end)
{
  for (size_t first = 0; first < a->d_v; first += V_TILE_COLUMNS) {
    size_t columns = smaller(a->d_v - first, V_TILE_COLUMNS);
    float *to = values + first * a->n_k + key * V_TILE_COLUMNS;
    const float *from = a->v + key * a->ld_v + first;
    for (size_t j = key; j < key_end; j++, to += V_TILE_COLUMNS, from += a->ld_v) {
      __builtin_prefetch(from + AHEAD * a->ld_v);
      if (columns == V_TILE_COLUMNS) {
        for (int v = 0; v < V_TILE_VECTORS; v++)
          v_store(to + v * V_LANES, v_load(from + v * V_LANES));
      } else {
        memset(to, 0, V_TILE_COLUMNS * sizeof *to);
        memcpy(to, from, columns * sizeof *to);
      }
    }
  }
}

/* c = a b, or, where there are factors for what c held before, c = c factor + a b. */
struct tile {
  const float *a, *b;
  float *c;
  const float *factors; /* [rows] or NULL */
  size_t lda, ldc, k;
  size_t columns;       /* 1..V_TILE_COLUMNS */
};

V_INLINE void tile_put(const struct tile *t, size_t r, int v, vf sum)
{
  float *c = t->c + r * t->ldc + (size_t)v * V_LANES;
  size_t before = (size_t)v * V_LANES;
  if (t->columns >= before + V_LANES) {
    v_store(c, t->factors ? v_fma(v_load(c), v_set1(t->factors[r]), sum) : sum);
  } else if (t->columns > before) {
    vmask m = v_mask(t->columns - before);
    v_store_mask(c, t->factors ? v_fma(v_load_mask(c, m), v_set1(t->factors[r]), sum) : sum, m);
  }
}

/* From row `first` of t; rows is constant at each call, so that the sums are registers. */
V_INLINE void tile_run(const struct tile *t, size_t first, const int rows)
{
  vf sum[V_TILE_ROWS][V_TILE_VECTORS];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++)
      sum[r][v] = v_set1(0.f);
  const size_t lda = t->lda;
  const float *a = t->a + first * lda, *b = t->b;
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
  int plain = t->columns == V_TILE_COLUMNS && !t->factors;
  float *c = t->c + first * t->ldc;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++, c += t->ldc)
#pragma GCC unroll 4
    for (int v = 0; v < V_TILE_VECTORS; v++)
      if (plain)
        v_store(c + v * V_LANES, sum[r][v]);
      else
        tile_put(t, first + (size_t)r, v, sum[r][v]);
}

/* What a whole tile leaves over; those that cannot be are one row high. */
#define LEFT(n) (n < V_TILE_ROWS ? n : 1)
#define TILE_LEFT(n)                                                                                                   \
  static __attribute__((noinline)) void tile_##n(const struct tile *t, size_t first) { tile_run(t, first, LEFT(n)); }

TILE_LEFT(1) TILE_LEFT(2) TILE_LEFT(3) TILE_LEFT(4) TILE_LEFT(5)
#if V_TILE_ROWS > 6
TILE_LEFT(6) TILE_LEFT(7) TILE_LEFT(8) TILE_LEFT(9) TILE_LEFT(10) TILE_LEFT(11) TILE_LEFT(12) TILE_LEFT(13)
#endif

static void (*const tiles[])(const struct tile *t, size_t first) = {
    NULL, tile_1, tile_2, tile_3, tile_4, tile_5,
#if V_TILE_ROWS > 6
    tile_6, tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13,
#endif
};
_Static_assert(V_TILE_ROWS <= sizeof tiles / sizeof *tiles, "every rest has a tile");

/* All rows of a block with one panel, which stays in the first-level cache. */
static __attribute__((noinline)) void tile_rows(const struct tile *t, size_t rows)
{
  size_t r = 0;
  for (; r + V_TILE_ROWS <= rows; r += V_TILE_ROWS)
    tile_run(t, r, V_TILE_ROWS);
  if (r < rows)
    tiles[rows - r](t, r);
}

/**
 * 2^x for x <= 0, relative error below 2.1e-7 (minimax polynomial of degree 5
 * on [-1/2, 1/2]); at most -126.5: 0. NaN stays NaN.
 */
V_INLINE vf exp2_of(vf x)
{
  vf magic = v_set1(12582912.f); /* 1.5 2^23: adding it rounds to an integer */
  x = v_max(v_set1(-127.f), x);
  vf t = v_add(x, magic);
  vf r = v_sub(x, v_sub(t, magic));
  vf p = v_set1(.00132764725f);
  p = v_fma(p, r, v_set1(.00967554096f));
  p = v_fma(p, r, v_set1(.0555071309f));
  p = v_fma(p, r, v_set1(.240221202f));
  p = v_fma(p, r, v_set1(.693146944f));
  p = v_fma(p, r, v_set1(1.00000012f));
  return v_mul(p, v_pow2_of_magic(t));
}

/* One block of queries on its way through the keys. */
struct block {
  const struct weft_attention *a;
  const float *bias;   /* of this head, by distance; NULL: none */
  float *q;            /* [rows][d] scaled to base 2 */
  float *scores;       /* [rows][LD_SCORES] */
  float *out;
  size_t row, rows;
  int started;         /* some keys have been seen */
  float most[ROWS], sums[ROWS], factors[ROWS];
};

static void hide(float *scores, size_t from, size_t to)
{
  for (size_t j = from; j < to; j++)
    scores[j] = -INFINITY;
}

/* Minus infinity where row does not see [key, key + n), and behind it up to n_padded. */
static void hide_keys(const struct block *b, float *scores, size_t row, size_t key, size_t n, size_t n_padded)
{
  struct ranges r = ranges_of(b->a, row, row + 1);
  size_t near_first = r.first > key ? smaller(r.first - key, n) : 0, near_end = r.end > key ? smaller(r.end - key, n) : 0;
  size_t far_first = r.global_first > key ? smaller(r.global_first - key, n) : 0;
  size_t far_end = r.global_end > key ? smaller(r.global_end - key, n) : 0;
  if (far_first >= far_end)
    far_first = far_end = near_end;
  if (near_first >= near_end)
    near_first = near_end = far_end > far_first ? far_first : 0;
  int far_is_first = far_first < near_first;
  size_t first = far_is_first ? far_first : near_first, first_end = far_is_first ? far_end : near_end;
  size_t second = far_is_first ? near_first : far_first, second_end = far_is_first ? near_end : far_end;
  hide(scores, 0, first);
  hide(scores, first_end, second);
  hide(scores, first_end > second_end ? first_end : second_end, n_padded);
}

/* Scores of one row become weights; n is whole vectors. */
static void soften_row(struct block *b, size_t r, float *scores, size_t n, const float *bias)
{
  vf most = v_set1(b->most[r]), sum = v_set1(0.f);
  if (bias)
    for (size_t j = 0; j < n; j += V_LANES)
      v_store(scores + j, v_add(v_load(scores + j), v_load(bias + j)));
  for (size_t j = 0; j < n; j += V_LANES)
    most = v_max(most, v_load(scores + j));
  float highest = v_highest(most);
  most = v_set1(highest);
  for (size_t j = 0; j < n; j += V_LANES) {
    vf e = exp2_of(v_sub(v_load(scores + j), most));
    sum = v_add(sum, e);
    v_store(scores + j, e);
  }
  /* where nothing was seen before: 2^-3e38 = 0 */
  float lanes[V_LANES];
  v_store(lanes, exp2_of(v_set1(b->most[r] - highest)));
  b->factors[r] = lanes[0];
  b->sums[r] = b->sums[r] * lanes[0] + v_sum(sum);
  b->most[r] = highest;
}

/* Keys [key, key + n). */
static void attend_keys(struct block *b, const float *keys, const float *values, size_t key, size_t n)
{
  const struct weft_attention *a = b->a;
  size_t padded = round_up(n, V_TILE_COLUMNS);
  struct tile tile = {.a = b->q, .b = keys + key * a->d, .c = b->scores, .lda = a->d, .ldc = LD_SCORES, .k = a->d,
                      .columns = V_TILE_COLUMNS};
  for (size_t first = 0; first < padded; first += V_TILE_COLUMNS) {
    tile_rows(&tile, b->rows);
    tile.b += V_TILE_COLUMNS * a->d;
    tile.c += V_TILE_COLUMNS;
  }
  for (size_t r = 0; r < b->rows; r++) {
    float *scores = b->scores + r * LD_SCORES;
    size_t row = b->row + r;
    if (a->causal || a->window || n < padded)
      hide_keys(b, scores, row, key, n, padded);
    soften_row(b, r, scores, padded, b->bias ? b->bias + a->n_q - 1 - row + key : NULL);
  }
  tile = (struct tile){.a = b->scores, .factors = b->started ? b->factors : NULL, .lda = LD_SCORES, .ldc = a->ld_o, .k = n};
  for (size_t first = 0; first < a->d_v; first += V_TILE_COLUMNS) {
    tile.b = values + first * a->n_k + key * V_TILE_COLUMNS;
    tile.c = b->out + b->row * a->ld_o + first;
    tile.columns = smaller(a->d_v - first, V_TILE_COLUMNS);
    tile_rows(&tile, b->rows);
  }
  b->started = 1;
}

/* y = x factor; y may be x. */
V_INLINE void scale_row(float *y, const float *x, size_t n, float factor)
{
  size_t i = 0;
  for (; i + V_LANES <= n; i += V_LANES)
    v_store(y + i, v_mul(v_load(x + i), v_set1(factor)));
  if (i < n) {
    vmask m = v_mask(n - i);
    v_store_mask(y + i, v_mul(v_load_mask(x + i, m), v_set1(factor)), m);
  }
}

/* Divides by the sums; a row that saw no key is zeros. */
static void finish(const struct block *b)
{
  for (size_t r = 0; r < b->rows; r++) {
    float *out = b->out + (b->row + r) * b->a->ld_o;
    if (b->started && b->sums[r] != 0)
      scale_row(out, out, b->a->d_v, 1.f / b->sums[r]);
    else
      memset(out, 0, b->a->d_v * sizeof *out);
  }
}

/* Of a block of keys only the panels that the rows see, where no key of the global range is among them. */
static void trim(const struct ranges *seen, size_t *first, size_t *end)
{
  if (seen->global_first < *end && *first < seen->global_end)
    return;
  size_t panel = seen->first / V_TILE_COLUMNS * V_TILE_COLUMNS;
  *first = *first < panel ? panel : *first;
  *end = smaller(*end, seen->end);
}

/* All blocks of queries of one head. 0: cancelled. */
static int attend_head(struct block *b, const float *keys, const float *values, const float *q)
{
  const struct weft_attention *a = b->a;
  for (b->row = a->first; b->row < a->end; b->row += b->rows) {
    b->rows = smaller(a->end - b->row, ROWS);
    b->started = 0;
    for (size_t r = 0; r < b->rows; r++) {
      if (b->row + r + AHEAD < a->end)
        for (size_t c = 0; c < a->d; c += 16)
          __builtin_prefetch(q + (b->row + r + AHEAD) * a->ld_q + c);
      scale_row(b->q + r * a->d, q + (b->row + r) * a->ld_q, a->d, (float)(a->scale * LOG2_E));
      b->most[r] = -3e38f;
      b->sums[r] = 0;
    }
    struct ranges seen = ranges_of(a, b->row, b->row + b->rows);
    for (size_t key = 0; key < a->n_k; key += KEYS) {
      size_t first = key, end = smaller(a->n_k, key + KEYS);
      if (!meets(&seen, key, end))
        continue;
      if (a->cancel && __atomic_load_n(a->cancel, __ATOMIC_RELAXED))
        return 0;
      trim(&seen, &first, &end);
      attend_keys(b, keys, values, first, end - first);
    }
    finish(b);
  }
  return 1;
}

void WEFT_KERNEL(attention)(const struct weft_attention *a)
{
  float *keys = a->work, *values = keys + keys_floats(a);
  struct block b = {.a = a, .scores = values + values_floats(a)};
  b.q = b.scores + ROWS * LD_SCORES;
  struct ranges seen = ranges_of(a, a->first, a->end);
  for (size_t key = 0; key < a->n_k; key += KEYS) {
    size_t end = smaller(a->n_k, key + KEYS);
    if (!meets(&seen, key, end))
      continue;
    if (a->cancel && __atomic_load_n(a->cancel, __ATOMIC_RELAXED))
      return;
    pack_keys(keys + key * a->d, a, key, end);
    pack_values(values, a, key, end);
  }
  for (size_t h = 0; h < a->n_heads; h++) {
    b.bias = a->bias ? a->bias + h * a->ld_bias : NULL;
    b.out = a->out + h * a->d_v;
    if (!attend_head(&b, keys, values, a->q + h * a->d))
      return;
  }
}
