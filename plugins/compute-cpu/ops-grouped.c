/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products whose weight each row chooses: rows are gathered by choice, each
 * group is multiplied block by block with the panels of its weight, results go
 * back to where they belong. A row's sums do not depend on those beside it.
 */
#include "ops.h"

#include <string.h>

/* Rows of one block. */
#define BLOCK_ROWS ((size_t)96)
/* Rows that one task prepares. */
#define PREPARE_ROWS ((size_t)16)
/* Multiplications between two looks at cancel: 1 ms at worst, without vectors. */
#define STEP_PRODUCTS (512 * 1024)

struct block {
  uint32_t group; /* n_groups: no choice, zeros */
  uint32_t first, n;
};

/* What all tasks share, in the run's shared scratch. */
struct grouped {
  const struct weft_cpu_task *t;
  const struct weft_product_kernels *product;
  const float *bias, *multiplier;
  size_t n_groups, n, k, n_ids, n_choices; /* ids of a row; choices of all rows */
  int by_choice;
  uint32_t *starts;     /* [n_groups + 2] */
  uint32_t *order;      /* [n_choices] choices by group, within a group in order */
  struct block *blocks;
  size_t n_blocks;
  uint8_t *prepared;    /* [rows or choices][row_bytes]; NULL: rows are read as they are */
  size_t row_bytes;
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
  return (n + to - 1) / to * to;
}

static size_t blocks_max(size_t n_groups, size_t n_choices)
{
  return weft_cpu_smaller(n_groups + 1, n_choices) + n_choices / BLOCK_ROWS + 1;
}

static void describe(struct grouped *g, const struct weft_program *program, const struct weft_plan_op *op, size_t n_rows)
{
  const struct weft_cpu_value *w = &program->values[op->inputs[2]];
  g->product = w->product;
  g->n_groups = w->n_groups;
  g->n_ids = program->values[op->inputs[1]].width;
  g->by_choice = op->ints[1] != 0;
  g->k = program->values[op->inputs[0]].width / (g->by_choice ? g->n_ids : 1);
  g->n = w->n_elements / g->n_groups / g->k;
  g->n_choices = n_rows * g->n_ids;
  g->row_bytes = g->product->prepare ? g->product->row_bytes(g->k) : 0;
}

uint64_t weft_cpu_grouped_shared_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_rows)
{
  struct grouped g = {0};
  describe(&g, program, op, (size_t)n_rows);
  if (g.n_choices >= UINT32_MAX)
    return WEFT_CPU_SCRATCH_MAX;
  return round_up((g.n_groups + 2) * sizeof(uint32_t), 64) + round_up(g.n_choices * sizeof(uint32_t), 64) +
         round_up(blocks_max(g.n_groups, g.n_choices) * sizeof(struct block), 64) +
         (g.by_choice ? g.n_choices : (size_t)n_rows) * g.row_bytes;
}

uint64_t weft_cpu_grouped_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_rows)
{
  struct grouped g = {0};
  describe(&g, program, op, (size_t)n_rows);
  uint64_t rows = weft_cpu_smaller(g.n_choices, BLOCK_ROWS);
  return round_up(rows * (g.row_bytes ? g.row_bytes : g.k * sizeof(float)), 64) + round_up(rows * g.n * sizeof(float), 64);
}

static int32_t id_of(const struct grouped *g, size_t item, size_t row, size_t c)
{
  const int32_t *ids = g->t->run->data[g->t->op->inputs[1]];
  int of_item = weft_cpu_operand(g->t, 1)->splits != g->t->x->splits;
  int32_t id = ids[(of_item ? item : row) * g->n_ids + c];
  return id >= 0 && (size_t)id < g->n_groups ? id : (int32_t)g->n_groups;
}

/* Counting sort of the choices; items with bad ids are told of. */
static void sort_choices(struct grouped *g)
{
  const struct weft_cpu_task *t = g->t;
  const int32_t *ids = t->run->data[t->op->inputs[1]];
  memset(g->starts, 0, (g->n_groups + 2) * sizeof *g->starts);
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < t->run->run->n_items; i++) {
      int64_t row, end;
      weft_cpu_item(t->run, t->x->splits, i, &row, &end);
      for (; row < end; row++)
        for (size_t c = 0; c < g->n_ids; c++) {
          size_t group = (size_t)id_of(g, i, (size_t)row, c);
          if (pass)
            g->order[g->starts[group]++] = (uint32_t)((size_t)row * g->n_ids + c);
          else
            g->starts[group + 1]++;
        }
    }
    for (size_t k = 0; k <= g->n_groups && !pass; k++)
      g->starts[k + 1] += g->starts[k];
  }
  /* each start has become the end of its group */
  int of_item = weft_cpu_operand(t, 1)->splits != t->x->splits;
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t row = i, end = (int64_t)i + 1;
    if (!of_item)
      weft_cpu_item(t->run, t->x->splits, i, &row, &end);
    for (size_t k = (size_t)row * g->n_ids; k < (size_t)end * g->n_ids; k++)
      if (ids[k] < -1 || (ids[k] >= 0 && (size_t)ids[k] >= g->n_groups)) {
        weft_cpu_fail_item(t->run, i, "row %zu: id %d is outside of %zu", k / g->n_ids - (size_t)row, ids[k], g->n_groups);
        break;
      }
  }
}

static void cut_blocks(struct grouped *g)
{
  uint32_t first = 0;
  g->n_blocks = 0;
  for (size_t group = 0; group <= g->n_groups; group++)
    for (uint32_t end = g->starts[group]; first < end;) {
      uint32_t n = (uint32_t)weft_cpu_smaller(end - first, BLOCK_ROWS);
      g->blocks[g->n_blocks++] = (struct block){(uint32_t)group, first, n};
      first += n;
    }
}

static void prepare_task(void *arg, uint32_t task, void *work)
{
  const struct grouped *g = arg;
  size_t n = g->t->n_rows * (g->by_choice ? g->n_ids : 1), first = task * PREPARE_ROWS;
  g->product->prepare(g->prepared + first * g->row_bytes, g->t->in + first * g->k, g->k,
                      weft_cpu_smaller(PREPARE_ROWS, n - first), g->k);
}

/* Where a choice's row of x is, as bytes. */
static const void *row_of(const struct grouped *g, uint32_t choice)
{
  size_t row = g->by_choice ? choice : choice / g->n_ids;
  return g->prepared ? (const void *)(g->prepared + row * g->row_bytes) : (const void *)(g->t->in + row * g->k);
}

static void put_rows(const struct grouped *g, const struct block *b, const float *c, size_t column, size_t columns)
{
  for (size_t r = 0; r < b->n; r++) {
    size_t at = g->order[b->first + r] * g->n + column;
    if (g->multiplier)
      g->t->kernels->mul(g->t->out + at, c + r * columns, g->multiplier + at, columns);
    else
      memcpy(g->t->out + at, c + r * columns, columns * sizeof *c);
  }
}

static void grouped_task(void *arg, uint32_t task, void *work)
{
  const struct grouped *g = arg;
  const struct weft_cpu_task *t = g->t;
  const struct block *b = &g->blocks[task / t->n_column_tasks];
  size_t first = task % t->n_column_tasks * t->columns, end = weft_cpu_smaller(first + t->columns, g->n);
  if (b->group == g->n_groups) {
    for (size_t r = 0; r < b->n; r++)
      memset(t->out + g->order[b->first + r] * g->n + first, 0, (end - first) * sizeof(float));
    return;
  }
  const struct weft_cpu_value *w = weft_cpu_operand(t, 2);
  size_t n_row = g->prepared ? g->row_bytes : g->k * sizeof(float), nr = g->product->nr;
  uint8_t *rows = work;
  float *c = (float *)(void *)(rows + round_up(weft_cpu_smaller(g->n_choices, BLOCK_ROWS) * n_row, 64));
  for (size_t r = 0; r < b->n; r++)
    memcpy(rows + r * n_row, row_of(g, g->order[b->first + r]), n_row);
  size_t step = STEP_PRODUCTS / (b->n * g->k * nr) * nr;
  step = step < nr ? nr : step;
  for (size_t at = first; at < end && !weft_cpu_cancelled(t->run); at += step) {
    size_t columns = weft_cpu_smaller(step, end - at);
    struct weft_product p = {.a = rows, .b = w->grouped + b->group * w->group_bytes + at / nr * g->product->panel_bytes(g->k),
                             .c = c, .bias = g->bias ? g->bias + b->group * g->n + at : NULL, .lda = g->k, .ldc = columns,
                             .m = b->n, .n = columns, .k = g->k, .act = (int)t->op->ints[0]};
    g->product->product(&p);
    put_rows(g, b, c, at, columns);
  }
}

/* Tasks enough for all threads, each at least some panels wide. */
static void cut_columns(struct weft_cpu_task *t, const struct grouped *g)
{
  size_t nr = g->product->nr, n_panels = (g->n + nr - 1) / nr, wanted = 8 * (size_t)t->program->n_threads;
  size_t cuts = (wanted + g->n_blocks - 1) / g->n_blocks, most = (n_panels + 3) / 4;
  cuts = weft_cpu_smaller(cuts, most);
  t->columns = (n_panels + cuts - 1) / cuts * nr;
  t->n_column_tasks = (g->n + t->columns - 1) / t->columns;
}

void weft_cpu_grouped_linear(struct weft_cpu_task *t)
{
  struct grouped g = {.t = t, .bias = weft_cpu_operand_data(t, 3), .multiplier = weft_cpu_operand_data(t, 4)};
  describe(&g, t->program, t->op, t->n_rows);
  if (g.n_choices == 0)
    return;
  uint8_t *at = t->run->shared;
  g.starts = (uint32_t *)(void *)at;
  at += round_up((g.n_groups + 2) * sizeof *g.starts, 64);
  g.order = (uint32_t *)(void *)at;
  at += round_up(g.n_choices * sizeof *g.order, 64);
  g.blocks = (struct block *)(void *)at;
  at += round_up(blocks_max(g.n_groups, g.n_choices) * sizeof *g.blocks, 64);
  sort_choices(&g);
  cut_blocks(&g);
  size_t n_rows = g.by_choice ? g.n_choices : t->n_rows;
  if (g.row_bytes) {
    g.prepared = at;
    weft_cpu_parallel(t->run, (uint32_t)((n_rows + PREPARE_ROWS - 1) / PREPARE_ROWS), (double)(n_rows * g.k) * .5,
                      prepare_task, &g);
  }
  cut_columns(t, &g);
  weft_cpu_parallel(t->run, (uint32_t)(g.n_blocks * t->n_column_tasks), (double)g.n_choices * (double)g.n * (double)g.k / 16,
                    grouped_task, &g);
}
