/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file chain.h
 * Chains: operations on rows by themselves that are run block of rows by block
 * of rows, while the block is in the second-level cache. A value that is read
 * inside its chain only lives in the block's memory. A chain is a list of
 * phases; each is divided by rows (norms, sums, preparing) or by columns
 * (products), and begins when the one before is done with the block.
 */
#ifndef WEFT_CPU_CHAIN_H
#define WEFT_CPU_CHAIN_H

#include "program.h"

enum weft_cpu_step_kind { WEFT_CPU_PREPARE, WEFT_CPU_PRODUCT, WEFT_CPU_ROWS };

/** Rows of a value that products read, in the form of their format. */
#define WEFT_CPU_NOT_PREPARED UINT32_MAX

struct weft_cpu_step {
  uint32_t kind;       /**< weft_cpu_step_kind */
  uint32_t op;         /**< whose result it computes; a product may have taken in the operations behind it */
  weft_value in, out;  /**< PREPARE: no out */
  weft_value weight, bias, multiplier, residual; /**< PRODUCT; WEFT_NO_VALUE: none */
  int act;             /**< PRODUCT */
  size_t prepared_at;  /**< PREPARE, PRODUCT: bytes per row before the prepared rows in the block's memory */
  uint32_t prepared;   /**< PREPARE, PRODUCT: number of the prepared rows, or WEFT_CPU_NOT_PREPARED */
};

/** Steps that run together: all by rows or all by columns. */
struct weft_cpu_phase {
  uint32_t first, n; /**< steps */
  int by_columns;
};

struct weft_cpu_group {
  uint32_t first_op, end_op;
  uint32_t first_phase, n_phases;
  weft_value splits;
  size_t row_bytes;  /**< of the block's memory, for each of its rows */
  size_t widest;     /**< bytes of the widest row that a product reads or anything writes */
  size_t rows_unit;  /**< blocks are multiples of it: whole tiles */
};

/** Scratch for one block at work. */
#define WEFT_CPU_SLOT_BYTES 128u

/** Groups the operations of a program whose values are described and gives local values their places; 0: no memory. */
int weft_cpu_chains(struct weft_program *program);
/** Rows of a block, for n_rows of them (> 0). */
size_t weft_cpu_block_rows(const struct weft_program *program, const struct weft_cpu_group *group, size_t n_rows);
/** Bytes of the memory of one block, at most, for n_rows or fewer. */
uint64_t weft_cpu_block_bytes(const struct weft_program *program, const struct weft_cpu_group *group, uint64_t n_rows);
/** Runs a group. [the run's thread] */
void weft_cpu_run_group(struct weft_cpu_run *run, const struct weft_cpu_group *group);
/** Whether an operation is one on rows by themselves. */
int weft_cpu_row_local(uint32_t code);

/** An operation on n rows; in: rows, or weights as plain floats. */
struct weft_cpu_rows {
  const struct weft_program *program;
  const struct weft_plan_op *op;
  const float *in[WEFT_PLAN_INPUTS];
  float *out;
  size_t n;
  size_t width; /**< of in[0] */
};
/** The function of an operation on rows, or NULL. */
void (*weft_cpu_rows_find(uint32_t code))(const struct weft_cpu_rows *r);

/* The operations on rows, by the file that has them. */
void weft_cpu_rows_layer_norm(const struct weft_cpu_rows *r); /* ops-rows.c */
void weft_cpu_rows_softmax(const struct weft_cpu_rows *r);
void weft_cpu_rows_add(const struct weft_cpu_rows *r);
void weft_cpu_rows_mul(const struct weft_cpu_rows *r);
void weft_cpu_rows_scale(const struct weft_cpu_rows *r);
void weft_cpu_rows_activation(const struct weft_cpu_rows *r);
void weft_cpu_rows_rms_norm(const struct weft_cpu_rows *r); /* ops-rows-more.c */
void weft_cpu_rows_l2_norm(const struct weft_cpu_rows *r);
void weft_cpu_rows_binary(const struct weft_cpu_rows *r);
void weft_cpu_rows_unary(const struct weft_cpu_rows *r);
void weft_cpu_rows_slice_columns(const struct weft_cpu_rows *r);
void weft_cpu_rows_concat_columns(const struct weft_cpu_rows *r);
void weft_cpu_rows_top_k(const struct weft_cpu_rows *r);
void weft_cpu_rows_weighted_sum(const struct weft_cpu_rows *r);

#endif
