/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan-check.h
 * The rules of weft/compute.h, written once: the builder uses them for each
 * operation as it is added, a computing provider for a whole plan that it did
 * not build.
 */
#ifndef WEFT_NN_PLAN_CHECK_H
#define WEFT_NN_PLAN_CHECK_H

#include <weft/compute.h>

/**
 * Checks one operation against the values of `plan` (op->outputs is not read)
 * and answers what its result is. message: [WEFT_MESSAGE_BYTES], written on
 * failure only. Errors: WEFT_BAD_CONFIG, WEFT_UNSUPPORTED (unknown number). [any thread]
 */
weft_status weft_nn_op_check(const struct weft_plan *plan, const struct weft_plan_op *op,
                             struct weft_plan_value *result, char *message);

/** Checks a weight record by itself. [any thread] */
weft_status weft_nn_weight_check(const struct weft_plan_weight *weight, char *message);

/**
 * Checks a whole plan: numbers in range, every value written once and before
 * it is read, shapes as the operations say. [any thread]
 */
weft_status weft_nn_plan_check(const struct weft_plan *plan, char *message);

/** "name f32 [*, 64]" of a value into text [n_bytes]; returns text. [any thread] */
const char *weft_nn_value_text(const struct weft_plan *plan, weft_value value, char *text, size_t n_bytes);

#endif
