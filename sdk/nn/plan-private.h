/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan-private.h
 * The builder's own: growing arrays behind a struct weft_plan.
 */
#ifndef WEFT_NN_PLAN_PRIVATE_H
#define WEFT_NN_PLAN_PRIVATE_H

#include "plan.h"

struct weft_nn_plan {
  struct weft_plan plan; /* what `finish` answers; its pointers are set there */
  struct weft_plan_value *values;
  struct weft_plan_weight *weights;
  struct weft_plan_op *ops;
  weft_value *inputs, *outputs;
  char **names;
  uint32_t n_names;
  uint32_t room_values, room_weights, room_ops, room_inputs, room_outputs, room_names;
  weft_status status;
  char error[WEFT_MESSAGE_BYTES];
};

/** Sets the first error. Returns WEFT_NO_VALUE. */
weft_value weft_nn_plan_fail(struct weft_nn_plan *plan, weft_status status, const char *format, ...) WEFT_PRINTF(3, 4);

/** The plan so far, its pointers set. */
const struct weft_plan *weft_nn_plan_view(struct weft_nn_plan *plan);

/** Checks an operation, appends it and its result. Returns its first output, or WEFT_NO_VALUE. */
weft_value weft_nn_plan_append(struct weft_nn_plan *plan, const struct weft_plan_op *op);

/** An operation record with n inputs taken from `inputs`. */
struct weft_plan_op weft_nn_op(uint32_t code, uint32_t n_inputs, const weft_value *inputs);

/** The splits of rows; one row an item counts as splits of one each. */
weft_value weft_nn_splits_of(struct weft_nn_plan *plan, weft_value x);

#endif
