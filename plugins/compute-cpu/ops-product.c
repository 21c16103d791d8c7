/* SPDX-License-Identifier: Apache-2.0 */
/* Products of rows with weights. */
#include "ops.h"

/* Multiplications that one task of a product handles: 1 ms at worst, without vectors. */
#define TASK_PRODUCTS (512 * 1024)
/* Rows of a product's task: they stay in the second-level cache while panels pass. */
#define TASK_ROWS 84

const struct weft_product_kernels *weft_cpu_product_for(const struct weft_cpu_isa *isa, uint32_t precision)
{
  while (precision > WEFT_FORMAT_F32 && !isa->products[precision])
    precision--;
  return isa->products[precision];
}

uint64_t weft_cpu_linear_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_rows)
{
  const struct weft_product_kernels *product = program->values[op->inputs[1]].product;
  uint64_t rows = n_rows < TASK_ROWS ? (uint64_t)n_rows : TASK_ROWS;
  return product->prepare ? rows * product->row_bytes(program->values[op->inputs[0]].width) : 0;
}

static void linear_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  const struct weft_cpu_value *w = weft_cpu_operand(t, 1);
  size_t n = w->n_elements / t->width, k = t->width;
  size_t row = task / t->n_column_tasks * t->step, column = task % t->n_column_tasks * t->columns;
  const float *bias = weft_cpu_operand_data(t, 2), *residual = weft_cpu_operand_data(t, 3);
  struct weft_product g = {.a = t->in + row * k, .b = w->packed + column / w->product->nr * w->product->panel_bytes(k), .c = t->out + row * n + column,
                        .bias = bias ? bias + column : NULL, .residual = residual ? residual + row * n + column : NULL,
                        .lda = k, .ldc = n, .ld_residual = n, .m = weft_cpu_smaller(t->step, t->n_rows - row),
                        .n = weft_cpu_smaller(t->columns, n - column), .k = k, .act = (int)t->op->ints[0]};
  if (w->product->prepare) {
    w->product->prepare(work, g.a, k, g.m, k);
    g.a = work;
  }
  w->product->product(&g);
}

void weft_cpu_linear(struct weft_cpu_task *t)
{
  size_t n = weft_cpu_operand(t, 1)->n_elements / t->width, nr = weft_cpu_operand(t, 1)->product->nr;
  if (t->n_rows == 0)
    return;
  t->step = weft_cpu_smaller(t->n_rows, TASK_ROWS);
  size_t panels = TASK_PRODUCTS / (t->step * t->width * nr);
  size_t n_panels = (n + nr - 1) / nr;
  panels = panels < 1 ? 1 : weft_cpu_smaller(panels, n_panels);
  t->columns = panels * nr;
  t->n_column_tasks = (n_panels + panels - 1) / panels;
  size_t n_tasks = (t->n_rows + t->step - 1) / t->step * t->n_column_tasks;
  /* 16 multiplications a nanosecond: one AVX2 core at some 60 % of its peak */
  weft_cpu_parallel(t->run, (uint32_t)n_tasks, (double)t->n_rows * (double)n * (double)t->width / 16, linear_task, t);
}
