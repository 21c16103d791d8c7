/* SPDX-License-Identifier: Apache-2.0 */
/* The operations, divided into tasks whose results do not depend on the division. */
#include "program.h"

#include <string.h>

/* Elements that one task of a simple operation handles: some 5 us. */
#define TASK_ELEMENTS 16384
/* Multiplications that one task of a product handles: 1 ms at worst, without vectors. */
#define TASK_PRODUCTS (512 * 1024)
/* Rows of a product's task: they stay in the second-level cache while panels pass. */
#define TASK_ROWS 84

struct task {
  struct weft_cpu_run *run;
  const struct weft_program *program;
  const struct weft_kernels *kernels;
  const struct weft_plan_op *op;
  const struct weft_cpu_value *x;
  const float *in;  /* of x */
  float *out;
  size_t n_rows;    /* of x */
  size_t width;     /* of x */
  size_t step;      /* rows or items of one task */
  size_t columns, n_column_tasks; /* products */
};

static const struct weft_cpu_value *operand(const struct task *t, uint32_t input)
{
  return &t->program->values[t->op->inputs[input]];
}

static const float *operand_data(const struct task *t, uint32_t input)
{
  weft_value v = input < t->op->n_inputs ? t->op->inputs[input] : WEFT_NO_VALUE;
  if (v == WEFT_NO_VALUE)
    return NULL;
  const struct weft_cpu_value *value = &t->program->values[v];
  return value->kind == WEFT_VALUE_WEIGHT ? value->plain : t->run->data[v];
}

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Runs fn over `n` rows or items, each worth `elements` elements at `ns` each. */
static void divide(struct task *t, size_t n, size_t elements, double ns, void (*fn)(void *, uint32_t, void *))
{
  size_t step = elements ? TASK_ELEMENTS / elements : n;
  t->step = step ? step : 1;
  if (n > 0)
    weft_cpu_parallel(t->run, (uint32_t)((n + t->step - 1) / t->step), (double)n * (double)elements * ns, fn, t);
}

static void linear_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  const struct weft_cpu_value *w = operand(t, 1);
  size_t n = w->n_elements / t->width, k = t->width;
  size_t row = task / t->n_column_tasks * t->step, column = task % t->n_column_tasks * t->columns;
  const float *bias = operand_data(t, 2), *residual = operand_data(t, 3);
  struct weft_gemm g = {.a = t->in + row * k, .b = w->packed + column * k, .c = t->out + row * n + column,
                        .bias = bias ? bias + column : NULL, .residual = residual ? residual + row * n + column : NULL,
                        .lda = k, .ldc = n, .ld_residual = n, .m = smaller(t->step, t->n_rows - row),
                        .n = smaller(t->columns, n - column), .k = k, .act = (int)t->op->ints[0]};
  t->kernels->gemm(&g);
}

static void linear(struct task *t)
{
  size_t n = operand(t, 1)->n_elements / t->width, nr = t->kernels->nr;
  if (t->n_rows == 0)
    return;
  t->step = smaller(t->n_rows, TASK_ROWS);
  size_t panels = TASK_PRODUCTS / (t->step * t->width * nr);
  size_t n_panels = (n + nr - 1) / nr;
  panels = panels < 1 ? 1 : smaller(panels, n_panels);
  t->columns = panels * nr;
  t->n_column_tasks = (n_panels + panels - 1) / panels;
  size_t n_tasks = (t->n_rows + t->step - 1) / t->step * t->n_column_tasks;
  /* 16 multiplications a nanosecond: one AVX2 core at some 60 % of its peak */
  weft_cpu_parallel(t->run, (uint32_t)n_tasks, (double)t->n_rows * (double)n * (double)t->width / 16, linear_task, t);
}

static void layer_norm_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t end = smaller((task + (size_t)1) * t->step, t->n_rows);
  const float *gamma = operand_data(t, 1), *beta = operand_data(t, 2);
  for (size_t r = task * t->step; r < end; r++)
    t->kernels->layer_norm(t->out + r * t->width, t->in + r * t->width, gamma, beta, t->width,
                           (float)t->op->floats[0]);
}

static void softmax_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t end = smaller((task + (size_t)1) * t->step, t->n_rows);
  for (size_t r = task * t->step; r < end; r++)
    t->kernels->softmax(t->out + r * t->width, t->in + r * t->width, t->width, (float)t->op->floats[0]);
}

/* One head of one item; an item that failed (it may be longer than the working memory) gives zeros. */
static void attention_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t n_heads = (size_t)t->op->ints[0], d = t->width / n_heads, head = task % n_heads;
  uint32_t item = (uint32_t)(task / n_heads);
  int64_t begin, end;
  weft_cpu_item(t->run, t->x->splits, item, &begin, &end);
  size_t at = (size_t)begin * t->width + head * d;
  if (t->run->failed[item]) {
    for (int64_t r = begin; r < end; r++, at += t->width)
      memset(t->out + at, 0, d * sizeof(float));
    return;
  }
  struct weft_attention a = {.q = t->in + at, .k = operand_data(t, 1) + at, .v = operand_data(t, 2) + at,
                             .out = t->out + at, .ld = t->width, .ldo = t->width, .n = (size_t)(end - begin), .d = d,
                             .scale = (float)t->op->floats[0], .work = work, .cancel = t->run->run->cancel};
  if (a.n > 0)
    t->kernels->attention(&a);
}

static void attention(struct task *t)
{
  uint32_t n_items = t->run->run->n_items, n_heads = (uint32_t)t->op->ints[0];
  double cost = 0;
  for (uint32_t i = 0; i < n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    double n = (double)(end - begin);
    cost += n * n * ((double)t->width / 8 + n_heads);
  }
  weft_cpu_parallel(t->run, n_items * n_heads, cost, attention_task, t);
}

static void embedding_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  const struct weft_cpu_value *table = operand(t, 1);
  const int32_t *ids = t->run->data[t->op->inputs[0]];
  size_t end = smaller((task + (size_t)1) * t->step, t->n_rows), d = table->n_elements / table->n_rows;
  for (size_t r = task * t->step; r < end; r++) {
    if (ids[r] >= 0 && (size_t)ids[r] < table->n_rows)
      memcpy(t->out + r * d, table->plain + (size_t)ids[r] * d, d * sizeof(float));
    else
      memset(t->out + r * d, 0, d * sizeof(float));
  }
}

static void embedding(struct task *t)
{
  const struct weft_cpu_value *table = operand(t, 1);
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
  divide(t, t->n_rows, table->n_elements / table->n_rows, .1, embedding_task);
}

/* Items as tasks: `step` of them each. */
static void add_position_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t end = smaller((task + (size_t)1) * t->step, t->run->run->n_items);
  const float *table = operand_data(t, 1) + (size_t)t->op->ints[0] * t->width;
  size_t n_positions = operand(t, 1)->n_elements / t->width - (size_t)t->op->ints[0];
  for (size_t i = task * t->step; i < end; i++) {
    int64_t first, last;
    weft_cpu_item(t->run, t->x->splits, (uint32_t)i, &first, &last);
    size_t n = smaller((size_t)(last - first), n_positions) * t->width, at = (size_t)first * t->width;
    size_t rest = (size_t)(last - first) * t->width - n;
    t->kernels->add(t->out + at, t->in + at, table, n);
    memset(t->out + at + n, 0, rest * sizeof(float));
  }
}

static size_t rows_per_item(const struct task *t)
{
  return t->run->run->n_items ? t->n_rows / t->run->run->n_items + 1 : 1;
}

static void add_position(struct task *t)
{
  int64_t n_positions = (int64_t)(operand(t, 1)->n_elements / t->width) - t->op->ints[0];
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    if (end - begin > n_positions)
      weft_cpu_fail_item(t->run, i, "%lld rows, and the model has %lld positions: shorten the input",
                         (long long)(end - begin), (long long)n_positions);
  }
  divide(t, t->run->run->n_items, rows_per_item(t) * t->width, .15, add_position_task);
}

static void patches_item(const struct task *t, const float *in, float *out)
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
  const struct task *t = arg;
  size_t end = smaller((task + (size_t)1) * t->step, t->run->run->n_items);
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

static void patches(struct task *t)
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
  divide(t, t->run->run->n_items, (size_t)(a[0] * a[1] * a[2]), 1, patches_task);
}

/* Rows of an item to their places in the result: behind the tokens, or a part of them. */
static void move_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t end = smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  int prepend = t->op->code == WEFT_OP_PREPEND;
  const struct weft_cpu_value *tokens = prepend ? operand(t, 1) : NULL;
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

static void select_row(struct task *t)
{
  int64_t index = t->op->ints[0];
  for (uint32_t i = 0; i < t->run->run->n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    float *out = t->out + i * t->width;
    if (index < end - begin) {
      memcpy(out, t->in + (size_t)(begin + index) * t->width, t->width * sizeof(float));
      continue;
    }
    memset(out, 0, t->width * sizeof(float));
    weft_cpu_fail_item(t->run, i, "row %lld is asked for, and there are %lld", (long long)index,
                       (long long)(end - begin));
  }
}

static void pool_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t last = smaller((task + (size_t)1) * t->step, t->run->run->n_items), w = t->width;
  const float *score = t->op->code == WEFT_OP_ATTENTION_POOL ? operand_data(t, 1) : NULL;
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

static void binary_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  const struct weft_cpu_value *y = operand(t, 1);
  const float *b = operand_data(t, 1);
  size_t begin = task * t->step, end = smaller(begin + t->step, t->n_rows), w = t->width;
  int add = t->op->code == WEFT_OP_ADD;
  void (*kernel)(float *, const float *, const float *, size_t) = add ? t->kernels->add : t->kernels->mul;
  if (y->kind == WEFT_VALUE_ROWS && y->width == w) {
    kernel(t->out + begin * w, t->in + begin * w, b + begin * w, (end - begin) * w);
    return;
  }
  for (size_t r = begin; r < end; r++) {
    if (y->kind == WEFT_VALUE_WEIGHT)
      kernel(t->out + r * w, t->in + r * w, b, w);
    else
      t->kernels->scale(t->out + r * w, t->in + r * w, w, add ? 1.f : b[r], add ? b[r] : 0.f);
  }
}

static void unary_task(void *arg, uint32_t task, void *work)
{
  const struct task *t = arg;
  size_t begin = task * t->step, end = smaller(begin + t->step, t->n_rows);
  const float *in = t->in + begin * t->width;
  float *out = t->out + begin * t->width;
  if (t->op->code == WEFT_OP_SCALE)
    t->kernels->scale(out, in, (end - begin) * t->width, (float)t->op->floats[0], (float)t->op->floats[1]);
  else
    t->kernels->activate(out, in, (end - begin) * t->width, (int)t->op->ints[0]);
}

void weft_cpu_splits_op(struct weft_cpu_run *run, const struct weft_plan_op *op)
{
  int64_t *out = run->data[op->outputs[0]];
  const int64_t *in = op->n_inputs ? run->data[op->inputs[0]] : NULL;
  out[0] = 0;
  for (uint32_t i = 0; i < run->run->n_items; i++) {
    int64_t n = in ? in[i + 1] - in[i] : 0;
    if (op->code == WEFT_OP_SPLITS_SLICE) {
      n = n > op->ints[0] ? n - op->ints[0] : 0;
      n = n < op->ints[1] ? n : op->ints[1];
    } else {
      n += op->ints[0];
    }
    /* too many rows stay too many, and no sum overflows: the layout refuses them */
    out[i + 1] = out[i] + n < (int64_t)WEFT_CPU_SCRATCH_MAX ? out[i] + n : (int64_t)WEFT_CPU_SCRATCH_MAX;
  }
}

void weft_cpu_op(struct weft_cpu_run *run, const struct weft_plan_op *op)
{
  const struct weft_cpu_value *x = &run->program->values[op->inputs[0]];
  struct task t = {.run = run, .program = run->program, .kernels = run->program->kernels, .op = op, .x = x,
                   .in = run->data[op->inputs[0]], .out = run->data[op->outputs[0]],
                   .n_rows = (size_t)weft_cpu_rows(run, x->splits), .width = x->width};
  size_t n_items = run->run->n_items;
  switch (op->code) {
  case WEFT_OP_LINEAR: linear(&t); break;
  case WEFT_OP_LAYER_NORM: divide(&t, t.n_rows, t.width, .3, layer_norm_task); break;
  case WEFT_OP_ATTENTION: attention(&t); break;
  case WEFT_OP_EMBEDDING: embedding(&t); break;
  case WEFT_OP_ADD_POSITION: add_position(&t); break;
  case WEFT_OP_PATCHES: patches(&t); break;
  case WEFT_OP_PREPEND:
  case WEFT_OP_SLICE_ROWS: divide(&t, n_items, rows_per_item(&t) * t.width, .1, move_task); break;
  case WEFT_OP_SELECT_ROW: select_row(&t); break;
  case WEFT_OP_MEAN_ROWS:
  case WEFT_OP_ATTENTION_POOL: divide(&t, n_items, rows_per_item(&t) * t.width, .3, pool_task); break;
  case WEFT_OP_SOFTMAX: divide(&t, t.n_rows, t.width, 1, softmax_task); break;
  case WEFT_OP_ADD:
  case WEFT_OP_MUL: divide(&t, t.n_rows, t.width, .15, binary_task); break;
  default: divide(&t, t.n_rows, t.width, 1, unary_task); break;
  }
}
