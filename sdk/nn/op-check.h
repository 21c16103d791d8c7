/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file op-check.h
 * The checks of single operations: what they are written with, and their
 * names by operation.
 */
#ifndef WEFT_NN_OP_CHECK_H
#define WEFT_NN_OP_CHECK_H

#include <weft/compute.h>

/** No dim of a plan is larger: products of two dims and a row count stay within 64 bits. */
#define WEFT_PLAN_DIM_MAX (INT64_C(1) << 31)

/** Of convolutions: kernels, strides, padding, distances. */
#define WEFT_PLAN_KERNEL_MAX 65536

/** One operation on its way into a plan. */
struct weft_nn_check {
  const struct weft_plan *plan;
  const struct weft_plan_op *op;
  struct weft_plan_value *result;
  char *message; /**< [WEFT_MESSAGE_BYTES] */
};

weft_status weft_nn_check_fail(const struct weft_nn_check *c, const char *format, ...) WEFT_PRINTF(2, 3);
/** "ROLE: expected WHAT, found ..." of an input. */
weft_status weft_nn_check_expected(const struct weft_nn_check *c, uint32_t input, const char *role, const char *what);
/** An input's value, or NULL. */
const struct weft_plan_value *weft_nn_check_input(const struct weft_nn_check *c, uint32_t input);
int weft_nn_check_absent(const struct weft_nn_check *c, uint32_t input);
int64_t weft_nn_check_elements(const struct weft_plan_value *v);
/** x: [*, d] f32. */
weft_status weft_nn_check_rows(const struct weft_nn_check *c, uint32_t input, const char *role);
/** A weight of n_rows x width elements, whatever its rank; n_rows < 0: any. */
weft_status weft_nn_check_weight(const struct weft_nn_check *c, uint32_t input, const char *role, int64_t n_rows,
                                 int64_t width);
weft_status weft_nn_check_splits(const struct weft_nn_check *c, uint32_t input, const char *role);
/** ints[0] is an activation. */
weft_status weft_nn_check_activation(const struct weft_nn_check *c);
/** The result is rows f32 [*, width]. */
weft_status weft_nn_check_give_rows(const struct weft_nn_check *c, weft_value splits, int64_t width);
/** The operation that writes a value, or NULL. */
const struct weft_plan_op *weft_nn_check_maker(const struct weft_nn_check *c, weft_value value);

weft_status weft_nn_check_add_position(const struct weft_nn_check *c);
weft_status weft_nn_check_attention(const struct weft_nn_check *c);
weft_status weft_nn_check_binary(const struct weft_nn_check *c);
weft_status weft_nn_check_embedding(const struct weft_nn_check *c);
weft_status weft_nn_check_layer_norm(const struct weft_nn_check *c);
weft_status weft_nn_check_linear(const struct weft_nn_check *c);
weft_status weft_nn_check_patches(const struct weft_nn_check *c);
weft_status weft_nn_check_pool(const struct weft_nn_check *c);
weft_status weft_nn_check_prepend(const struct weft_nn_check *c);
weft_status weft_nn_check_slice_rows(const struct weft_nn_check *c);
weft_status weft_nn_check_splits_op(const struct weft_nn_check *c);
weft_status weft_nn_check_unary(const struct weft_nn_check *c);

/* op-check-more.c */
weft_status weft_nn_check_splits_conv(const struct weft_nn_check *c);
weft_status weft_nn_check_splits_sum(const struct weft_nn_check *c);
weft_status weft_nn_check_length_norm(const struct weft_nn_check *c);
weft_status weft_nn_check_group_norm(const struct weft_nn_check *c);
weft_status weft_nn_check_rotary(const struct weft_nn_check *c);
weft_status weft_nn_check_clamp(const struct weft_nn_check *c);
weft_status weft_nn_check_columns(const struct weft_nn_check *c);
weft_status weft_nn_check_concat_columns(const struct weft_nn_check *c);
weft_status weft_nn_check_concat_rows(const struct weft_nn_check *c);
weft_status weft_nn_check_gather_rows(const struct weft_nn_check *c);
weft_status weft_nn_check_repeat_row(const struct weft_nn_check *c);
weft_status weft_nn_check_take_columns(const struct weft_nn_check *c);
weft_status weft_nn_check_weighted_sum(const struct weft_nn_check *c);
weft_status weft_nn_check_grouped_linear(const struct weft_nn_check *c);

#endif
