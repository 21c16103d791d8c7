/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.h
 * Builds plans for weft.compute/1 (weft/compute.h says what each operation
 * computes). C11 only; for authors of neural plugins.
 *
 * The first error sticks: later calls do nothing and return WEFT_NO_VALUE, so
 * a model is written without checks and looked at once at its end. Each
 * function checks shapes and names in its message what was expected and found.
 *
 *     struct weft_nn_plan *p = weft_nn_plan_new();
 *     weft_value splits = weft_nn_input_splits(p, "text");
 *     weft_value ids = weft_nn_input(p, "ids", weft_i32(), splits, 0);      input 0: splits, 1: ids
 *     weft_value x = weft_nn_embedding(p, ids, weft_nn_weight(p, &words));
 *     x = weft_nn_layer_norm(p, x, weft_nn_weight(p, &gamma), weft_nn_weight(p, &beta), 1e-12);
 *     weft_nn_output(p, x);                                                output 0
 *     const struct weft_plan *plan = weft_nn_plan_finish(p);
 *     if (!plan)
 *       status = host->fail(setup, weft_nn_plan_status(p), "%s", weft_nn_plan_error(p));
 *     else
 *       status = compute->compile(setup, plan, &options, &program);
 *     weft_nn_plan_free(p);
 *
 * Inputs and outputs of a run stand in the order of these calls. Weights are
 * not copied: their bytes must live until compute->free. All functions:
 * [control thread, one at a time per plan].
 */
#ifndef WEFT_NN_PLAN_H
#define WEFT_NN_PLAN_H

#include <weft/compute.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weft_nn_plan;

/** NULL: no memory (every function takes NULL and fails). Caller frees with weft_nn_plan_free. */
struct weft_nn_plan *weft_nn_plan_new(void);
/** Frees the builder and the plan it finished; NULL is allowed. */
void weft_nn_plan_free(struct weft_nn_plan *plan);

/** The plan, or NULL after an error: borrowed until weft_nn_plan_free. */
const struct weft_plan *weft_nn_plan_finish(struct weft_nn_plan *plan);
/** WEFT_OK, WEFT_BAD_CONFIG or WEFT_NO_MEMORY. */
weft_status weft_nn_plan_status(const struct weft_nn_plan *plan);
/** The first error's message, "" without one: borrowed until weft_nn_plan_free. */
const char *weft_nn_plan_error(const struct weft_nn_plan *plan);
/** Rows that each item has in a value: 1 without splits, a fixed number behind weft_nn_splits_uniform; -1: varies. */
int64_t weft_nn_rows_per_item(const struct weft_nn_plan *plan, weft_value value);
/** Last dim of a value, or -1. */
int64_t weft_nn_width(const struct weft_nn_plan *plan, weft_value value);

/* Inputs, weights, outputs. Names are copied and may be NULL. */

/** A plan input: splits i64 [items + 1]. */
weft_value weft_nn_input_splits(struct weft_nn_plan *plan, const char *name);
/** A plan input: [*, d] (d == 0: [*]), f32 or i32, ragged by splits; WEFT_NO_VALUE: one row an item. */
weft_value weft_nn_input(struct weft_nn_plan *plan, const char *name, struct weft_dtype dtype, weft_value splits,
                         int64_t d);
/** Each item has n rows: splits for inputs of a fixed size, such as pictures after resizing. Not a plan input. */
weft_value weft_nn_splits_uniform(struct weft_nn_plan *plan, int64_t n);
/** A weight by (resource, data, offset, dtype, dims). weight: borrowed until return, its bytes as said above. */
weft_value weft_nn_weight(struct weft_nn_plan *plan, const struct weft_plan_weight *weight);
/** Marks any rows value as the next output of the plan. Returns its index, or -1. */
int weft_nn_output(struct weft_nn_plan *plan, weft_value value);

/* Layers. x: [*, d] f32. */

/**
 * act(x w^T + bias) + residual. weight: [N, K] (further dims are folded into K: a convolution's [N, C, kh, kw]);
 * bias: [N] or WEFT_NO_VALUE; activation: WEFT_ACT_*; residual: [*, N] or WEFT_NO_VALUE.
 */
weft_value weft_nn_linear(struct weft_nn_plan *plan, weft_value x, weft_value weight, weft_value bias, int activation,
                          weft_value residual);
/** gamma, beta: [d]; beta may be WEFT_NO_VALUE. */
weft_value weft_nn_layer_norm(struct weft_nn_plan *plan, weft_value x, weft_value gamma, weft_value beta, double eps);
/**
 * Multi-head attention within each item (WEFT_OP_ATTENTION). q: [*, n_heads x d_head]; k, v: [*, n_kv_heads x ...],
 * of q's splits or of others. What is left out is 0. Output projection not included.
 */
struct weft_nn_attention {
  weft_value q, k, v;
  int64_t n_heads;
  int64_t n_kv_heads;  /**< 0: n_heads */
  double scale;        /**< 0: 1/sqrt(d_head) */
  int causal;
  int window;          /**< only `left` keys before and `right` behind a row's own place, and global ones */
  int64_t left, right;
  int64_t global_first, global_end; /**< rows that see and are seen by all, in spite of the window */
  int relative;        /**< with a bias by distance, as in T5 and MPNet */
  weft_value bias;     /**< relative: [n_buckets, n_heads] */
  int64_t max_distance; /**< relative: from where on all distances share a bucket (128) */
  int one_sided;       /**< relative: no buckets of their own for keys behind the row */
};
weft_value weft_nn_attention(struct weft_nn_plan *plan, const struct weft_nn_attention *attention);
/** ids: [*] i32; table: [n, d] -> [*, d]. */
weft_value weft_nn_embedding(struct weft_nn_plan *plan, weft_value ids, weft_value table);
/** x + table[first + index of the row within its item]; table: [n, d] or [1, n, d]. */
weft_value weft_nn_add_position(struct weft_nn_plan *plan, weft_value x, weft_value table, int64_t first);

/** A convolution without padding over a picture of fixed size. Strides 0 0 0 stand for [height, width, channels]. */
struct weft_nn_conv2d {
  int64_t height, width, channels;
  int64_t kernel_y, kernel_x;
  int64_t stride_y, stride_x;
  /** Distance in floats of neighbours in y, x and channel within an item. ViT: all 0. AST's [time, mel] seen as
      y = mel, x = time, one channel: 1, n_mels, 1. */
  int64_t at_y, at_x, at_channel;
};
/** x: each item height*width*channels floats; weight: [N, C, kh, kw]; bias: [N] or WEFT_NO_VALUE
    -> [*, N], positions row by row (y outer). Recorded as PATCHES, then LINEAR. */
weft_value weft_nn_conv2d(struct weft_nn_plan *plan, weft_value x, const struct weft_nn_conv2d *geometry,
                          weft_value weight, weft_value bias);
/** Puts k learned rows before each item's. tokens: [k, d], [1, k, d] or [d]. Class and distillation token: call with
    the distillation token first, then with the class token. */
weft_value weft_nn_prepend(struct weft_nn_plan *plan, weft_value x, weft_value tokens);

/* Pooling: [*, d] ragged -> [items, d]. */

weft_value weft_nn_select_row(struct weft_nn_plan *plan, weft_value x, int64_t index);
/** Rows [first, first + count) of each item, as far as there are any; stays ragged. */
weft_value weft_nn_slice_rows(struct weft_nn_plan *plan, weft_value x, int64_t first, int64_t count);
weft_value weft_nn_mean_rows(struct weft_nn_plan *plan, weft_value x);
/** softmax(x score / sqrt(d))^T x; score: [d]. */
weft_value weft_nn_attention_pool(struct weft_nn_plan *plan, weft_value x, weft_value score);

/* Elementwise and over the columns of a row. */

/** y: like x, or a weight [d], or [*, 1] of x's splits. */
weft_value weft_nn_add(struct weft_nn_plan *plan, weft_value x, weft_value y);
weft_value weft_nn_mul(struct weft_nn_plan *plan, weft_value x, weft_value y);
/** x factor + offset. */
weft_value weft_nn_scale(struct weft_nn_plan *plan, weft_value x, double factor, double offset);
weft_value weft_nn_activation(struct weft_nn_plan *plan, weft_value x, int activation);
/** softmax(x factor) over each row; factor 1/T for a temperature T. */
weft_value weft_nn_softmax(struct weft_nn_plan *plan, weft_value x, double factor);

/** WEFT_ACT_* of a `hidden_act` (gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, relu, silu, swish, tanh,
    sigmoid, linear), or -1. */
int weft_nn_activation_find(const char *hidden_act);

/** The name of an operation ("linear"), or NULL. */
const char *weft_nn_op_name(uint32_t code);
/** Prints a plan, one line an operation; write gets each line without its end: borrowed until return. */
void weft_nn_plan_print(const struct weft_plan *plan, void (*write)(void *data, const char *line), void *data);

#ifdef __cplusplus
}
#endif
#endif
