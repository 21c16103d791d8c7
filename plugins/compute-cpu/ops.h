/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ops.h
 * One operation of a run, as its implementations see it: each is divided into
 * tasks whose results do not depend on the division.
 */
#ifndef WEFT_CPU_OPS_H
#define WEFT_CPU_OPS_H

#include "program.h"

/** Elements that one task of a simple operation handles: some 5 us. */
#define WEFT_CPU_TASK_ELEMENTS 16384

struct weft_cpu_task {
  struct weft_cpu_run *run;
  const struct weft_program *program;
  const struct weft_kernels *kernels;
  const struct weft_plan_op *op;
  const struct weft_cpu_value *x; /**< the first operand */
  const float *in;  /**< of x */
  float *out;
  size_t n_rows;    /**< of x */
  size_t width;     /**< of x */
  size_t step;      /**< rows or items of one task */
  size_t columns, n_column_tasks; /**< products */
};

static inline const struct weft_cpu_value *weft_cpu_operand(const struct weft_cpu_task *t, uint32_t input)
{
  return &t->program->values[t->op->inputs[input]];
}

/** Rows of an operand, or a weight as plain floats; NULL where there is none. */
static inline const float *weft_cpu_operand_data(const struct weft_cpu_task *t, uint32_t input)
{
  weft_value v = input < t->op->n_inputs ? t->op->inputs[input] : WEFT_NO_VALUE;
  if (v == WEFT_NO_VALUE)
    return NULL;
  const struct weft_cpu_value *value = &t->program->values[v];
  return value->kind == WEFT_VALUE_WEIGHT ? value->plain : t->run->data[v];
}

static inline size_t weft_cpu_smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/** About how many rows an item has, 1 or more. */
static inline size_t weft_cpu_rows_per_item(const struct weft_cpu_task *t)
{
  return t->run->run->n_items ? t->n_rows / t->run->run->n_items + 1 : 1;
}

/** Runs fn over `n` rows or items, t->step of them a task, each worth `elements` elements at `ns` nanoseconds. */
void weft_cpu_divide(struct weft_cpu_task *t, size_t n, size_t elements, double ns,
                     void (*fn)(void *arg, uint32_t task, void *work));

/* The operations that are not on rows by themselves (chain.h), by the file that has them. [the run's thread] */

void weft_cpu_attention(struct weft_cpu_task *t); /* ops-attention.c */
void weft_cpu_embedding(struct weft_cpu_task *t); /* ops-items.c: rows of an item together */
void weft_cpu_add_position(struct weft_cpu_task *t);
void weft_cpu_patches(struct weft_cpu_task *t);
void weft_cpu_move(struct weft_cpu_task *t);      /* PREPEND, SLICE_ROWS */
void weft_cpu_select_row(struct weft_cpu_task *t);
void weft_cpu_pool(struct weft_cpu_task *t);      /* MEAN_ROWS, ATTENTION_POOL */
void weft_cpu_concat_rows(struct weft_cpu_task *t); /* ops-places.c */
void weft_cpu_gather_rows(struct weft_cpu_task *t);
void weft_cpu_repeat_row(struct weft_cpu_task *t);
void weft_cpu_max_rows(struct weft_cpu_task *t);
void weft_cpu_take_columns(struct weft_cpu_task *t);
void weft_cpu_rotary(struct weft_cpu_task *t);
void weft_cpu_group_norm(struct weft_cpu_task *t);
void weft_cpu_grouped_linear(struct weft_cpu_task *t); /* ops-grouped.c */

#endif
