/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file program.h
 * A compiled plan, and one run of it.
 */
#ifndef WEFT_CPU_PROGRAM_H
#define WEFT_CPU_PROGRAM_H

#include "isa.h"

#include <weft/compute.h>

/** No scratch is larger, bytes; nor has a value more rows. */
#define WEFT_CPU_SCRATCH_MAX (UINT64_C(1) << 48)

/** A value that is in no buffer. */
#define WEFT_CPU_NO_BUFFER UINT32_MAX

struct weft_cpu_value {
  uint32_t kind;
  weft_value splits;
  uint32_t buffer;      /* rows written by an operation: index of the buffer; otherwise WEFT_CPU_NO_BUFFER */
  size_t local_at;      /* rows kept in the memory of their chain's block: bytes per row before them; otherwise SIZE_MAX */
  size_t width;         /* elements of one row */
  int64_t rows_max;     /* splits: no valid item has more rows; INT64_MAX: unknown */
  const float *plain;   /* weights: as f32, dense; NULL: never read so */
  const uint8_t *packed; /* weights: panels of a product; NULL: never read so */
  const uint8_t *grouped; /* weights: the same for the groups of a grouped product, each beginning a panel; NULL: never read so */
  size_t n_groups, group_bytes; /* weights that are grouped */
  const struct weft_product_kernels *product; /* weights: whose panels these are */
  size_t n_rows;        /* weights: elements / last dim */
  size_t n_elements;    /* weights */
  const char *name;     /* may be NULL */
};

/* Rows of several values one after the other, each of one splits and at most that wide. */
struct weft_cpu_buffer {
  weft_value splits;
  size_t width;
};

struct weft_cpu_group;
struct weft_cpu_phase;
struct weft_cpu_step;

struct weft_program {
  const struct weft_host *host;
  const struct weft_cpu_isa *isa;
  const struct weft_kernels *kernels; /* isa->kernels */
  uint32_t precision;
  const struct weft_pool *pool;     /* NULL: the caller's thread only */
  uint32_t n_threads;
  uint32_t n_values, n_ops, n_inputs, n_outputs, n_buffers;
  struct weft_cpu_value *values;
  struct weft_plan_op *ops;
  struct weft_cpu_buffer *buffers;
  struct weft_cpu_group *groups;    /* chain.h */
  struct weft_cpu_phase *phases;
  struct weft_cpu_step *steps;
  uint32_t *group_of;               /* [n_ops] or UINT32_MAX */
  uint32_t n_groups, n_phases, n_steps;
  weft_value *inputs, *outputs;
  char *names;                      /* the values' names, one after the other */
  void *weights_memory;             /* packed and converted ones */
};

/* The state of one run, in its scratch. */
struct weft_cpu_run {
  const struct weft_program *program;
  struct weft_compute_run *run;
  void **data;                /* [n_values] rows and splits */
  int64_t *rows;              /* [n_values] at splits: rows of all items */
  void **buffers;             /* [n_buffers] */
  uint8_t *failed;            /* [n_items] */
  uint8_t *needed;            /* [n_ops] */
  uint8_t *needed_steps;      /* [n_steps] */
  void *slots;                /* [n_threads] blocks of rows at work: chain.c */
  uint8_t *work;              /* [n_threads][n_work_bytes] */
  size_t n_work_bytes;
  uint8_t *shared;            /* memory that the tasks of one operation share */
};

/** isa: lives as long as the program. precision: WEFT_PRECISION_*. */
weft_status weft_cpu_compile(const struct weft_host *host, const struct weft_cpu_isa *isa, uint32_t precision,
                             struct weft_setup *setup, const struct weft_plan *plan, struct weft_program **out);
/** The products of a weight at a precision: of that format, or of the next better one that this processor has. [any thread] */
const struct weft_product_kernels *weft_cpu_product_for(const struct weft_cpu_isa *isa, uint32_t precision);
/** Gives every weight that is read its bytes: packed (mapped where they were kept), converted, or where they lie.
    setup: compile's. 0: no memory. */
int weft_cpu_weights(struct weft_program *program, struct weft_setup *setup, const struct weft_plan *plan);
weft_status weft_cpu_scratch(const struct weft_program *program, const struct weft_compute_limits *limits,
                             uint64_t *n_bytes);
weft_status weft_cpu_run(const struct weft_program *program, struct weft_compute_run *run);
void weft_cpu_free(struct weft_program *program);

/** Whether an operation has an implementation. [any thread] */
int weft_cpu_offers(uint32_t code);
/** Runs one operation. [the run's thread] */
void weft_cpu_op(struct weft_cpu_run *run, const struct weft_plan_op *op);
/** Working memory of a thread that an attention needs, over n_q queries and n_k keys of one item. */
uint64_t weft_cpu_attention_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_q,
                                  int64_t n_k);
/* The same of other operations, by the file that has them. */
uint64_t weft_cpu_grouped_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_rows);
uint64_t weft_cpu_rotary_bytes(const struct weft_plan_op *op);
uint64_t weft_cpu_group_norm_bytes(const struct weft_program *program, const struct weft_plan_op *op);
/** Memory that all tasks of a grouped product of n_rows rows share. */
uint64_t weft_cpu_grouped_shared_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_rows);
/** Writes the splits that op derives. */
void weft_cpu_splits_op(struct weft_cpu_run *run, const struct weft_plan_op *op);

/** Workers that work of `cost` nanoseconds in n_tasks tasks is worth: 1 or more. */
uint32_t weft_cpu_workers(const struct weft_cpu_run *run, uint32_t n_tasks, double cost);

/** Tells the caller of a bad item, once. */
void weft_cpu_fail_item(struct weft_cpu_run *run, uint32_t item, const char *format, ...) WEFT_PRINTF(3, 4);

/** Whether the run is to end now. [any thread] */
static inline int weft_cpu_cancelled(const struct weft_cpu_run *run)
{
  return run->run->cancel && __atomic_load_n(run->run->cancel, __ATOMIC_RELAXED) != 0;
}

/** Whether an operation writes the value as rows. */
static inline int weft_cpu_written(const struct weft_cpu_value *value)
{
  return value->buffer != WEFT_CPU_NO_BUFFER || value->local_at != SIZE_MAX;
}

/** Places of a window over n rows: WEFT_OP_SPLITS_CONV. */
static inline int64_t weft_cpu_conv_rows(const int64_t *ints, int64_t n)
{
  int64_t last = n + ints[2] - (ints[3] ? ints[3] : 1) * (ints[0] - 1) - 1;
  return last < 0 ? 0 : last / ints[1] + 1;
}

/** Rows of a value in this run. */
static inline int64_t weft_cpu_rows(const struct weft_cpu_run *run, weft_value splits)
{
  return splits == WEFT_NO_VALUE ? (int64_t)run->run->n_items : run->rows[splits];
}

/** Rows [*begin, *end) of an item. */
static inline void weft_cpu_item(const struct weft_cpu_run *run, weft_value splits, uint32_t item, int64_t *begin,
                                 int64_t *end)
{
  const int64_t *s = splits == WEFT_NO_VALUE ? NULL : run->data[splits];
  *begin = s ? s[item] : (int64_t)item;
  *end = s ? s[item + 1] : (int64_t)item + 1;
}

/**
 * Calls fn(arg, task, work) for all tasks, on helpers too where `cost` (about
 * nanoseconds, all together) is worth it; looks at cancel before each task.
 * work: n_work_bytes of the thread's own.
 */
void weft_cpu_parallel(struct weft_cpu_run *run, uint32_t n_tasks, double cost,
                       void (*fn)(void *arg, uint32_t task, void *work), void *arg);

#endif
