/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the rows of an item together: tables, patches, moves, pooling. */
#include "ops.h"

#include <string.h>

static void embedding_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  const struct weft_cpu_value *table = weft_cpu_operand(t, 1);
  const int32_t *ids = t->run->data[t->op->inputs[0]];
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->n_rows), d = table->n_elements / table->n_rows;
  for (size_t r = task * t->step; r < end; r++) {
    if (ids[r] >= 0 && (size_t)ids[r] < table->n_rows)
      memcpy(t->out + r * d, table->plain + (size_t)ids[r] * d, d * sizeof(float));
    else
      memset(t->out + r * d, 0, d * sizeof(float));
  }
}

void weft_cpu_embedding(struct weft_cpu_task *t)
{
  const struct weft_cpu_value *table = weft_cpu_operand(t, 1);
  const int32_t *ids = t->run->data[t->op->inputs[0]];
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    for (int64_t r = begin; r < end; r++)
      if (ids[r] < 0 || (size_t)ids[r] >= table->n_rows) {
        weft_cpu_fail_item(t->run, i, "row %lld: id %d is outside of %s, which has %zu rows", (long long)(r - begin),
                           ids[r], table->name ? table->name : "the table", table->n_rows);
        break;
      }
  }
  weft_cpu_divide(t, t->n_rows, table->n_elements / table->n_rows, .1, embedding_task);
}

/* Items as tasks: `step` of them each. */
static void add_position_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items);
  const float *table = weft_cpu_operand_data(t, 1) + (size_t)t->op->ints[0] * t->width;
  size_t n_positions = weft_cpu_operand(t, 1)->n_elements / t->width - (size_t)t->op->ints[0];
  for (size_t i = task * t->step; i < end; i++) {
    int64_t first, last;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &first, &last);
    size_t n = weft_cpu_smaller((size_t)(last - first), n_positions) * t->width, at = (size_t)first * t->width;
    size_t rest = (size_t)(last - first) * t->width - n;
    t->kernels->add(t->out + at, t->in + at, table, n);
    memset(t->out + at + n, 0, rest * sizeof(float));
  }
}

void weft_cpu_add_position(struct weft_cpu_task *t)
{
  int64_t n_positions = (int64_t)(weft_cpu_operand(t, 1)->n_elements / t->width) - t->op->ints[0];
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    if (end - begin > n_positions)
      weft_cpu_fail_item(t->run, i, "%lld rows, and the model has %lld positions: shorten the input",
                         (long long)(end - begin), (long long)n_positions);
  }
  weft_cpu_divide(t, t->run->run->n_items, weft_cpu_rows_per_item(t) * t->width, .15, add_position_task);
}

static void patches_item(const struct weft_cpu_task *t, const float *in, float *out)
{
  const int64_t *i = t->op->ints;
  for (int64_t y = 0; y + i[3] <= i[0]; y += i[5])
    for (int64_t x = 0; x + i[4] <= i[1]; x += i[6])
      for (int64_t c = 0; c < i[2]; c++)
        for (int64_t ky = 0; ky < i[3]; ky++) {
          const float *from = in + c * i[9] + (y + ky) * i[7] + x * i[8];
          for (int64_t kx = 0; kx < i[4]; kx++)
            *out++ = from[kx * i[8]];
        }
}

static void patches_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items);
  size_t width = t->program->values[t->op->outputs[0]].width;
  for (size_t i = task * t->step; i < end; i++) {
    int64_t from, from_end, to, to_end;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &from, &from_end);
    weft_cpu_item(t->run, t->program->values[t->op->outputs[0]].splits, (uint32_t)i, &to, &to_end);
    if (t->run->failed[i])
      memset(t->out + (size_t)to * width, 0, (size_t)(to_end - to) * width * sizeof(float));
    else
      patches_item(t, t->in + (size_t)from * t->width, t->out + (size_t)to * width);
  }
}

void weft_cpu_patches(struct weft_cpu_task *t)
{
  const int64_t *a = t->op->ints;
  int64_t expected = a[0] * a[1] * a[2];
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    if ((end - begin) * (int64_t)t->width != expected)
      weft_cpu_fail_item(t->run, i, "%lld values, and the model reads %lld (%lld x %lld with %lld channels)",
                         (long long)(end - begin) * (long long)t->width, (long long)expected, (long long)a[0],
                         (long long)a[1], (long long)a[2]);
  }
  weft_cpu_divide(t, t->run->run->n_items, (size_t)(a[0] * a[1] * a[2]), 1, patches_task);
}

/* Rows of an item to their places in the result: behind the tokens, or a part of them. */
static void move_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t end = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  int prepend = t->op->code == WEFT_OP_PREPEND;
  const struct weft_cpu_value *tokens = prepend ? weft_cpu_operand(t, 1) : NULL;
  for (size_t i = task * t->step; i < end; i++) {
    int64_t from, from_end, to, to_end;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &from, &from_end);
    weft_cpu_item(t->run, t->program->values[t->op->outputs[0]].splits, (uint32_t)i, &to, &to_end);
    float *out = t->out + (size_t)to * w;
    size_t n_before = prepend ? tokens->n_elements : 0;
    if (prepend)
      memcpy(out, tokens->plain, n_before * sizeof(float));
    else
      from += to_end > to ? t->op->ints[0] : 0;
    size_t n = (size_t)(to_end - to) * w - n_before;
    if (n > 0)
      memcpy(out + n_before, t->in + (size_t)from * w, n * sizeof(float));
  }
}

void weft_cpu_select_row(struct weft_cpu_task *t)
{
  int64_t index = t->op->ints[0];
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    float *out = t->out + i * t->width;
    int64_t at = index < 0 ? end + index : begin + index;
    if (at >= begin && at < end) {
      memcpy(out, t->in + (size_t)at * t->width, t->width * sizeof(float));
      continue;
    }
    memset(out, 0, t->width * sizeof(float));
    weft_cpu_fail_item(t->run, i, "row %lld is asked for, and there are %lld", (long long)index,
                       (long long)(end - begin));
  }
}

static void pool_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t last = weft_cpu_smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  const float *score = t->op->code == WEFT_OP_ATTENTION_POOL ? weft_cpu_operand_data(t, 1) : NULL;
  for (size_t i = task * t->step; i < last; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &begin, &end);
    size_t n = (size_t)(end - begin);
    float *out = t->out + i * w, *p = work;
    const float *x = t->in + (size_t)begin * w;
    memset(out, 0, w * sizeof(float));
    if (score && t->run->failed[i])
      continue;
    for (size_t r = 0; score && r < n; r++)
      p[r] = t->kernels->dot(x + r * w, score, w);
    if (score)
      t->kernels->softmax(p, p, n, 1.f / __builtin_sqrtf((float)w));
    for (size_t r = 0; r < n; r++)
      t->kernels->axpy(out, x + r * w, w, score ? p[r] : 1.f);
    if (!score && n > 0)
      t->kernels->scale(out, out, w, 1.f / (float)n, 0.f);
  }
}

void weft_cpu_move(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->run->run->n_items, weft_cpu_rows_per_item(t) * t->width, .1, move_task);
}

void weft_cpu_pool(struct weft_cpu_task *t)
{
  weft_cpu_divide(t, t->run->run->n_items, weft_cpu_rows_per_item(t) * t->width, .3, pool_task);
}
