/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that look at the rows of an item by place: joined, gathered, repeated, turned, the largest of them. */
#include "ops.h"

#include <math.h>
#include <string.h>

static weft_value splits_out(const struct weft_cpu_task *t)
{
  return t->program->values[t->op->outputs[0]].splits;
}

static void concat_rows_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t last = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  const float *other = weft_cpu_operand_data(t, 1);
  for (size_t i = task * t->step; i < last; i++) {
    int64_t a, a_end, b, b_end, to, to_end;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &a, &a_end);
    weft_cpu_item(t->run, weft_cpu_operand(t, 1)->splits, (uint32_t)i, &b, &b_end);
    weft_cpu_item(t->run, splits_out(t), (uint32_t)i, &to, &to_end);
    size_t n_a = (size_t)(a_end - a) * w, n_b = (size_t)(b_end - b) * w;
    if (n_a > 0)
      memcpy(t->out + (size_t)to * w, t->in + (size_t)a * w, n_a * sizeof(float));
    if (n_b > 0)
      memcpy(t->out + (size_t)to * w + n_a, other + (size_t)b * w, n_b * sizeof(float));
  }
}

void weft_cpu_concat_rows(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->run->run->n_items, 2 * weft_cpu_rows_per_item(t) * t->width, .1, concat_rows_task);
}

static void repeat_row_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t last = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  for (size_t i = task * t->step; i < last; i++) {
    int64_t to, to_end;
    weft_cpu_item(t->run, splits_out(t), (uint32_t)i, &to, &to_end);
    for (; to < to_end; to++)
      memcpy(t->out + (size_t)to * w, t->in + i * w, w * sizeof(float));
  }
}

void weft_cpu_repeat_row(struct weft_cpu_task *t)
{
  size_t n_items = t->run->run->n_items, n = (size_t)weft_cpu_rows(t->run, splits_out(t));
  weft_cpu_divide(t, n_items, (n_items ? n / n_items + 1 : 1) * t->width, .1, repeat_row_task);
}

static void max_rows_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t last = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  for (size_t i = task * t->step; i < last; i++) {
    int64_t row, end;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &row, &end);
    float *out = t->out + i * w;
    if (row == end)
      memset(out, 0, w * sizeof(float));
    else
      memcpy(out, t->in + (size_t)row * w, w * sizeof(float));
    for (row++; row < end; row++)
      t->kernels->binary(out, out, t->in + (size_t)row * w, 1, w, WEFT_BINARY_MAX);
  }
}

void weft_cpu_max_rows(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->run->run->n_items, weft_cpu_rows_per_item(t) * t->width, .15, max_rows_task);
}

/* In a row outside of its item nothing is read: the item has failed by then. */
static void gather_rows_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t last = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  const int32_t *rows = t->run->data[t->op->inputs[1]];
  for (size_t i = task * t->step; i < last; i++) {
    int64_t from, from_end, to, to_end;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &from, &from_end);
    weft_cpu_item(t->run, splits_out(t), (uint32_t)i, &to, &to_end);
    for (; to < to_end; to++)
      if (rows[to] >= 0 && rows[to] < from_end - from)
        memcpy(t->out + (size_t)to * w, t->in + (size_t)(from + rows[to]) * w, w * sizeof(float));
      else
        memset(t->out + (size_t)to * w, 0, w * sizeof(float));
  }
}

void weft_cpu_gather_rows(struct weft_cpu_task *t)
{
  const int32_t *rows = t->run->data[t->op->inputs[1]];
  size_t n_items = t->run->run->n_items, n = (size_t)weft_cpu_rows(t->run, splits_out(t));
  for (uint32_t i = 0; i < n_items; i++) {
    int64_t from, from_end, to, to_end;
    weft_cpu_item(t->run, t->x->splits, i, &from, &from_end);
    weft_cpu_item(t->run, splits_out(t), i, &to, &to_end);
    for (; to < to_end; to++)
      if (rows[to] < 0 || rows[to] >= from_end - from) {
        weft_cpu_fail_item(t->run, i, "row %d is asked for, and there are %lld", rows[to], (long long)(from_end - from));
        break;
      }
  }
  weft_cpu_divide(t, n_items, (n_items ? n / n_items + 1 : 1) * t->width, .1, gather_rows_task);
}

static void take_columns_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->n_rows), k = weft_cpu_operand(t, 1)->width;
  const int32_t *columns = t->run->data[t->op->inputs[1]];
  for (size_t r = task * t->step; r < end; r++)
    for (size_t c = 0; c < k; c++) {
      int32_t column = columns[r * k + c];
      t->out[r * k + c] = column >= 0 && (size_t)column < t->width ? t->in[r * t->width + (size_t)column] : 0;
    }
}

void weft_cpu_take_columns(struct weft_cpu_task *t)
{
  const int32_t *columns = t->run->data[t->op->inputs[1]];
  size_t k = weft_cpu_operand(t, 1)->width;
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    for (size_t c = (size_t)begin * k; c < (size_t)end * k; c++)
      if (columns[c] < 0 || (size_t)columns[c] >= t->width) {
        weft_cpu_fail_item(t->run, i, "row %zu: column %d is asked for, and there are %zu", c / k - (size_t)begin,
                           columns[c], t->width);
        break;
      }
  }
  weft_cpu_divide(t, t->n_rows, k, 1, take_columns_task);
}

/* The item that a row is in: the last one that begins at or before it and is not empty. */
static uint32_t item_of_row(const struct weft_cpu_task *t, size_t row)
{
  const int64_t *splits = t->run->data[t->x->splits];
  uint32_t low = 0, high = t->run->run->n_items;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (splits[middle] <= (int64_t)row)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* Cosines, then sines of a place's angles. */
static void angles(float *to, const float *frequencies, size_t half, int64_t place)
{
  for (size_t k = 0; k < half; k++)
    sincosf((float)place * frequencies[k], &to[half + k], &to[k]);
}

static void turn_pairs(float *y, const float *x, const float *a, size_t half)
{
  for (size_t k = 0; k < half; k++) {
    float u = x[2 * k], v = x[2 * k + 1];
    y[2 * k] = u * a[k] - v * a[half + k];
    y[2 * k + 1] = v * a[k] + u * a[half + k];
  }
}

static void rotary_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->n_rows), row = task * t->step;
  size_t n_heads = (size_t)t->op->ints[0], d = t->width / n_heads, n = (size_t)t->op->ints[1], half = n / 2;
  float *frequencies = work, *a = frequencies + half;
  for (size_t k = 0; k < half; k++)
    frequencies[k] = 1.f / powf((float)t->op->floats[0], (float)(2 * k) / (float)n);
  uint32_t item = t->x->splits == WEFT_NO_VALUE ? 0 : item_of_row(t, row);
  for (; row < end; row++) {
    int64_t first = (int64_t)row, item_end;
    for (; t->x->splits != WEFT_NO_VALUE; item++) {
      weft_cpu_item(t->run, t->x->splits, item, &first, &item_end);
      if ((int64_t)row < item_end)
        break;
    }
    angles(a, frequencies, half, t->op->ints[3] + (int64_t)row - first);
    const float *x = t->in + row * t->width;
    float *y = t->out + row * t->width;
    for (size_t h = 0; h < n_heads; h++, x += d, y += d) {
      if (t->op->ints[2])
        turn_pairs(y, x, a, half);
      else
        t->kernels->turn(y, x, a, a + half, half);
      memcpy(y + n, x + n, (d - n) * sizeof(float));
    }
  }
}

uint64_t weft_cpu_rotary_bytes(const struct weft_plan_op *op)
{
  return (uint64_t)op->ints[1] / 2 * 3 * sizeof(float);
}

void weft_cpu_rotary(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->n_rows, t->width, .3, rotary_task);
}

/* Columns of one task of a group norm: whole groups, about this many columns. */
#define NORM_COLUMNS 128

static size_t norm_columns(const struct weft_plan_op *op, size_t width)
{
  size_t group = width / (size_t)(op->ints[0] ? op->ints[0] : 1);
  size_t n = group < NORM_COLUMNS ? NORM_COLUMNS / group * group : group;
  return weft_cpu_smaller(n, width);
}

uint64_t weft_cpu_group_norm_bytes(const struct weft_program *program, const struct weft_plan_op *op)
{
  size_t n = norm_columns(op, program->values[op->inputs[0]].width);
  return n * (sizeof(double) + 3 * sizeof(float));
}

/* Sums of each group's columns, left in all of them. */
static void join_groups(double *sums, size_t columns, size_t group)
{
  for (size_t first = 0; first < columns; first += group) {
    double sum = 0;
    for (size_t c = first; c < first + group; c++)
      sum += sums[c];
    for (size_t c = first; c < first + group; c++)
      sums[c] = sum;
  }
}

static void group_norm_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t first = task % t->n_column_tasks * t->columns, columns = weft_cpu_smaller(t->columns, t->width - first);
  size_t group = t->width / (size_t)(t->op->ints[0] ? t->op->ints[0] : 1);
  int64_t begin, end;
  weft_cpu_item(t->run, t->x->splits, (uint32_t)(task / t->n_column_tasks), &begin, &end);
  size_t rows = (size_t)(end - begin), at = (size_t)begin * t->width + first;
  const float *gamma = weft_cpu_operand_data(t, 1), *beta = weft_cpu_operand_data(t, 2);
  double *sums = work, n = (double)rows * (double)group;
  float *mean = (float *)(sums + t->columns), *factor = mean + t->columns, *shift = factor + t->columns;
  if (rows == 0)
    return;
  memset(sums, 0, columns * sizeof *sums);
  t->kernels->column_sums(sums, t->in + at, t->width, rows, columns, NULL);
  join_groups(sums, columns, group);
  for (size_t c = 0; c < columns; c++) {
    mean[c] = (float)(sums[c] / n);
    sums[c] = 0;
  }
  t->kernels->column_sums(sums, t->in + at, t->width, rows, columns, mean);
  join_groups(sums, columns, group);
  for (size_t c = 0; c < columns; c++) {
    factor[c] = (float)(1 / sqrt(sums[c] / n + t->op->floats[0])) * (gamma ? gamma[first + c] : 1.f);
    shift[c] = beta ? beta[first + c] : 0.f;
  }
  for (size_t r = 0; r < rows; r++, at += t->width)
    t->kernels->column_map(t->out + at, t->in + at, mean, factor, shift, columns);
}

void weft_cpu_group_norm(struct weft_cpu_task *t)
{
  t->columns = norm_columns(t->op, t->width);
  t->n_column_tasks = (t->width + t->columns - 1) / t->columns;
  weft_cpu_parallel(t->run, (uint32_t)(t->run->run->n_items * t->n_column_tasks), (double)t->n_rows * (double)t->width * .5,
                    group_norm_task, t);
}
