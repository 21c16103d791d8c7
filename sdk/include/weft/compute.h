/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file compute.h
 * `weft.compute/1`: runs recorded plans. A plan is data: operation records of
 * a fixed size over numbered values, built once in `create` (sdk/nn/plan.h
 * builds one), compiled once, run many times. A new operation is a new number
 * (operations.h).
 *
 *     const struct weft_compute *compute = host->get_extension(WEFT_COMPUTE_ID);   in create
 *     compute->compile(setup, plan, &options, &program);   the plan may be freed now
 *     compute->scratch(program, &limits, &n_bytes);        in activate
 *     compute->run(program, &run);                         in process
 *     compute->free(program);                              in destroy
 *
 * Values. A plan runs over *items* (the slots of a tensor; absent items have
 * none). A value is rows: `[*, ...]`, dims[0] == -1, whose number of rows is
 * one an item (splits == WEFT_NO_VALUE) or splits[n_items]; or a weight: fixed
 * dims; or splits: i64 [n_items + 1], from 0, never falling, item i owning the
 * rows [splits[i], splits[i + 1]). Splits are values, so that operations
 * derive new ones. Every value is written by one operation, before all that
 * read it, and never changed: plans can be differentiated.
 *
 * Same bytes: a row's result depends on its item alone, never on the other
 * items of the run, on row blocks or on the number of threads.
 */
#ifndef WEFT_COMPUTE_H
#define WEFT_COMPUTE_H

#include "host.h"
#include "operations.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_COMPUTE_ID "weft.compute/1"

/** Number of a value within a plan. */
typedef uint32_t weft_value;
#define WEFT_NO_VALUE UINT32_MAX

#define WEFT_PLAN_RANK 5    /**< highest rank of a plan's value */
#define WEFT_PLAN_INPUTS 8  /**< inputs of one operation */
#define WEFT_PLAN_OUTPUTS 2 /**< outputs of one operation */
#define WEFT_PLAN_INTS 20   /**< integer attributes of one operation */
#define WEFT_PLAN_FLOATS 4  /**< float attributes of one operation */

/* What a value is. */
#define WEFT_VALUE_ROWS 0u
#define WEFT_VALUE_WEIGHT 1u
#define WEFT_VALUE_SPLITS 2u

struct weft_plan_value {
  const char *name;             /**< for people: borrowed like the plan; may be NULL */
  uint32_t kind;                /**< WEFT_VALUE_* */
  weft_value splits;            /**< ROWS: whose rows; WEFT_NO_VALUE: one row an item */
  uint32_t weight;              /**< WEIGHT: index into weights */
  uint32_t rank;                /**< 1..WEFT_PLAN_RANK */
  int64_t dims[WEFT_PLAN_RANK]; /**< ROWS and SPLITS: dims[0] is -1 */
  struct weft_dtype dtype;      /**< as seen by operations: f32, i32 or i64; weights as stored */
};

/** Where a weight's bytes are: dense, row-major, any alignment. */
struct weft_plan_weight {
  const char *name;             /**< name of the tensor in its file; may be NULL */
  const void *data;             /**< first byte of the resource: borrowed until compute->free */
  uint64_t resource;            /**< weft_resource.id; names the bytes for caches. 0: no resource */
  uint64_t offset;              /**< of the first element, bytes from data */
  struct weft_dtype dtype;      /**< f32, f16 or bf16; of two dims also i8 and u4 (sdk/nn/quantised.h) */
  uint32_t rank;
  int64_t dims[WEFT_PLAN_RANK];
  uint64_t scales;              /**< i8, u4: of the first scale, bytes from data */
  uint32_t at_least;            /**< WEFT_PRECISION_* + 1: products with it run at no lower precision; 0: as the options say */
};

struct weft_plan_op {
  uint32_t code;                          /**< WEFT_OP_* */
  uint32_t site;                          /**< where adapters attach: weight index + 1; 0: nowhere */
  uint32_t n_inputs, n_outputs;
  weft_value inputs[WEFT_PLAN_INPUTS];    /**< the rest is WEFT_NO_VALUE */
  weft_value outputs[WEFT_PLAN_OUTPUTS];  /**< the rest is WEFT_NO_VALUE */
  int64_t ints[WEFT_PLAN_INTS];           /**< the rest is 0 */
  double floats[WEFT_PLAN_FLOATS];        /**< the rest is 0 */
};

/** A plan: borrowed until `compile` returns, but for the bytes of its weights. */
struct weft_plan {
  uint32_t n_values, n_weights, n_ops, n_inputs, n_outputs;
  uint32_t flags;                          /**< 0 */
  const struct weft_plan_value *values;
  const struct weft_plan_weight *weights;
  const struct weft_plan_op *ops;          /**< in an order in which they can run */
  const weft_value *inputs;                /**< ROWS or SPLITS that no operation writes */
  const weft_value *outputs;               /**< ROWS that operations write: any of them */
};

/* How the weights of products are stored and multiplied; everything between them stays f32. */
#define WEFT_PRECISION_F32 0u
#define WEFT_PRECISION_BF16 1u /**< weights and rows rounded to bf16, sums in f32 */
#define WEFT_PRECISION_INT8 2u /**< weights int8 per output channel, rows int8 each by its largest value */
#define WEFT_PRECISION_INT4 3u /**< weights int4 in groups of 32 along K, rows as for int8 (w4a8) */
#define WEFT_N_PRECISIONS 4

struct weft_compute_options {
  uint32_t precision; /**< WEFT_PRECISION_* */
  uint32_t flags;     /**< 0 */
};

/** The most that one run will hold. */
struct weft_compute_limits {
  int64_t n_items;
  const int64_t *n_rows; /**< [n_inputs] rows of each plan input that is ragged; others are not read */
};

struct weft_compute_input {
  const void *data; /**< ROWS: the rows. SPLITS: i64 [n_items + 1]. Borrowed until return */
  int64_t n_rows;   /**< ROWS: rows that data holds, at least those that splits need. SPLITS: not read */
};

struct weft_compute_output {
  void *data;         /**< [n_rows_max, ...], 4-byte aligned; NULL: not wanted. Borrowed until return */
  int64_t *splits;    /**< [n_items + 1] gets the splits of a ragged output; NULL: not wanted */
  int64_t n_rows_max; /**< rows that fit */
  int64_t n_rows;     /**< set on return: rows written */
};

/** One run. Everything is borrowed until return. */
struct weft_compute_run {
  uint32_t n_items;                        /**< slots; 0 is legal */
  uint32_t n_inputs, n_outputs;            /**< as in the plan */
  uint32_t flags;                          /**< 0 */
  const struct weft_compute_input *inputs;
  struct weft_compute_output *outputs;
  void *scratch;                           /**< 64-byte aligned */
  uint64_t n_scratch_bytes;
  const uint32_t *cancel;                  /**< not 0: end soon; NULL: never */
  /** Told of an item (its slot) whose data is wrong; the others go on, its rows mean nothing. At most once an item,
      on the calling thread. message: borrowed until return. May be NULL. */
  void (*fail_item)(void *data, uint32_t slot, weft_status status, const char *message);
  void *fail_data;
};

/** A compiled plan with its packed weights: the provider's own. */
struct weft_program;

struct weft_compute {
  uint32_t size;  /**< sizeof(struct weft_compute) */
  uint32_t flags; /**< 0 */

  /** Whether operation `code` is offered at `precision`: 1 or 0. [any thread] */
  int (*supports)(uint32_t code, uint32_t precision);

  /**
   * Checks a plan, packs its weights. Starts no threads. On failure: host->fail(setup, ...) was called.
   * out: transferred on success; freed with `free`.
   * Errors: WEFT_BAD_CONFIG (the plan is wrong), WEFT_UNSUPPORTED, WEFT_NO_MEMORY. [control thread]
   */
  weft_status (*compile)(struct weft_setup *setup, const struct weft_plan *plan,
                         const struct weft_compute_options *options, struct weft_program **out);

  /** The most scratch that a run within `limits` needs. Errors: WEFT_BAD_CONFIG (negative, or beyond 2^48 bytes).
      [control thread] */
  weft_status (*scratch)(const struct weft_program *program, const struct weft_compute_limits *limits,
                         uint64_t *n_bytes);

  /**
   * Runs the program. Operations that no wanted output needs are left out; the bytes of the others stay the same.
   * Allocates nothing; looks at `cancel` more often than once a millisecond.
   * Errors: WEFT_CANCELLED; WEFT_BAD_INPUT (splits that fall, or rows missing: no item is told); WEFT_CONTRACT
   * (scratch or an output too small, counts that differ from the plan). Outputs mean nothing then.
   * [any thread; one program may run many times at once, each with a scratch of its own]
   */
  weft_status (*run)(const struct weft_program *program, struct weft_compute_run *run);

  /** Frees a program; NULL is allowed. [control thread] */
  void (*free)(struct weft_program *program);

  /**
   * Numerics fingerprint: provider, version and the instruction set chosen on this machine, such as
   * "compute-cpu 0.1.0 avx2". Two providers that name the same give the same bytes. Never NULL; lives as long as
   * the process.
   */
  const char *fingerprint;

  /**
   * How weights of products at `precision` are packed and multiplied here, such as "avx2-int8": that of the next
   * better precision where this processor lacks it. NULL: not a precision. Lives as long as the process. [any thread]
   */
  const char *(*layout)(uint32_t precision);

  /**
   * Tells of a program: one JSON object, `weft.plan/1` (docs/commands.md has its keys), in pieces.
   * text: borrowed until return. [any thread]
   */
  void (*describe)(const struct weft_program *program, void (*write)(void *data, const char *text), void *data);

  /**
   * Tells what runs on this processor and how fast, in the same way: `weft.compute/1`. Measures for some tenths of a
   * second, on the caller's thread. [any thread]
   */
  void (*survey)(void (*write)(void *data, const char *text), void *data);
};

#ifdef __cplusplus
}
#endif
#endif
