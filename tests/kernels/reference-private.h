/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reference-private.h
 * One operation on its way through the reference.
 */
#ifndef WEFT_TEST_KERNELS_REFERENCE_PRIVATE_H
#define WEFT_TEST_KERNELS_REFERENCE_PRIVATE_H

#include "reference.h"

struct op_run {
  struct reference *r;
  const struct weft_plan *plan;
  const struct weft_plan_op *op;
  uint32_t n_items;
  const double *x;
  double *y;
  int64_t n, d, d_out; /* rows and width of x, width of the result */
};

/** Columns of a value. */
int64_t reference_width(const struct weft_plan *plan, weft_value v);
/** An input's weight, or NULL. */
const float *reference_weight(const struct op_run *o, uint32_t input);
/** Rows [*begin, *end) of an item. */
void reference_item(const struct op_run *o, weft_value v, uint32_t item, int64_t *begin, int64_t *end);
/** The newer operations; 0: it is none of them. */
int reference_more(const struct op_run *o);

#endif
