/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file layers.h
 * More layers for plan.h's builder; weft/operations.h says what each computes.
 * The same rules: the first error sticks, WEFT_NO_VALUE passes through.
 */
#ifndef WEFT_NN_LAYERS_H
#define WEFT_NN_LAYERS_H

#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Rows [first, first + n) of a weight's first dim, a weight of its own: a part of a fused Wqkv or Wi. */
weft_value weft_nn_weight_rows(struct weft_nn_plan *plan, weft_value weight, int64_t first, int64_t n);
/** act(x gate^T + gate_bias) (x up^T + up_bias). gate, up: [N, K]; biases: [N] or WEFT_NO_VALUE. SwiGLU: WEFT_ACT_SILU;
    GEGLU: WEFT_ACT_GELU. ModernBERT's Wi [2N, K]: gate is rows [0, N), up rows [N, 2N). */
struct weft_nn_gated {
  weft_value x, gate, gate_bias, up, up_bias;
  int activation;
};
weft_value weft_nn_gated_linear(struct weft_nn_plan *plan, const struct weft_nn_gated *gated);

/** gamma: [d / parts] or WEFT_NO_VALUE; parts: 1, or the heads of a row that are normed one by one. */
weft_value weft_nn_rms_norm(struct weft_nn_plan *plan, weft_value x, weft_value gamma, double eps, int64_t parts);
/** Each row to length 1. */
weft_value weft_nn_l2_norm(struct weft_nn_plan *plan, weft_value x, double eps);
/** Over the rows of an item and each of `groups` parts of its columns; gamma, beta: [d] or WEFT_NO_VALUE. */
weft_value weft_nn_group_norm(struct weft_nn_plan *plan, weft_value x, weft_value gamma, weft_value beta, double eps,
                              int64_t groups);

/** Rotary positions of q or k. d_rotated 0: all of a head. pairs: neighbouring columns are turned together (GPT-J),
    not those half a head apart (most others). */
struct weft_nn_rotary {
  int64_t n_heads, d_rotated, first;
  double base;
  int pairs;
};
weft_value weft_nn_rotary(struct weft_nn_plan *plan, weft_value x, const struct weft_nn_rotary *rotary);

weft_value weft_nn_sub(struct weft_nn_plan *plan, weft_value x, weft_value y);
weft_value weft_nn_div(struct weft_nn_plan *plan, weft_value x, weft_value y);
weft_value weft_nn_min(struct weft_nn_plan *plan, weft_value x, weft_value y);
weft_value weft_nn_max(struct weft_nn_plan *plan, weft_value x, weft_value y);
weft_value weft_nn_exp(struct weft_nn_plan *plan, weft_value x);
weft_value weft_nn_abs(struct weft_nn_plan *plan, weft_value x);
weft_value weft_nn_clamp(struct weft_nn_plan *plan, weft_value x, double low, double high);

/** Columns [first, first + n). */
weft_value weft_nn_slice_columns(struct weft_nn_plan *plan, weft_value x, int64_t first, int64_t n);
/** 1 to WEFT_PLAN_INPUTS values of equal splits side by side. */
weft_value weft_nn_concat_columns(struct weft_nn_plan *plan, const weft_value *x, uint32_t n);
/** Of each item the rows of x, then those of y. */
weft_value weft_nn_concat_rows(struct weft_nn_plan *plan, weft_value x, weft_value y);
/** rows: [*] i32, places within the item; the result has their splits. */
weft_value weft_nn_gather_rows(struct weft_nn_plan *plan, weft_value x, weft_value rows);
/** x: one row an item; once for every row that `like` has. */
weft_value weft_nn_repeat_row(struct weft_nn_plan *plan, weft_value x, weft_value like);
weft_value weft_nn_max_rows(struct weft_nn_plan *plan, weft_value x);

/** Columns of the k largest of each row: [*, k] i32. */
weft_value weft_nn_top_k(struct weft_nn_plan *plan, weft_value x, int64_t k);
/** columns: [*, k] i32. */
weft_value weft_nn_take_columns(struct weft_nn_plan *plan, weft_value x, weft_value columns);

/**
 * Experts and adapters chosen by ids [*, k] i32 (or one row an item); see WEFT_OP_GROUPED_LINEAR. weight: [E, N, K];
 * bias: [E, N] or WEFT_NO_VALUE; multiplier: [*, k N] or WEFT_NO_VALUE.
 *
 *     ids = weft_nn_top_k(p, router, 2);
 *     g = {.x = x, .ids = ids, .weight = gate, .bias = WEFT_NO_VALUE, .multiplier = up, .activation = WEFT_ACT_SILU};
 *     h = weft_nn_grouped_linear(p, &g);
 *     g = {.x = h, .ids = ids, .weight = down, ..., .by_choice = 1};
 *     y = weft_nn_weighted_sum(p, weft_nn_grouped_linear(p, &g),
 *                              weft_nn_softmax(p, weft_nn_take_columns(p, router, ids), 1));
 */
struct weft_nn_grouped {
  weft_value x, ids, weight, bias, multiplier;
  int activation;
  int by_choice; /**< x is [*, k K]: each choice has columns of its own */
};
weft_value weft_nn_grouped_linear(struct weft_nn_plan *plan, const struct weft_nn_grouped *grouped);
/** x: [*, k N], p: [*, k] -> [*, N]. */
weft_value weft_nn_weighted_sum(struct weft_nn_plan *plan, weft_value x, weft_value p);

#ifdef __cplusplus
}
#endif
#endif
