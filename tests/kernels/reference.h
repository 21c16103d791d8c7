/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reference.h
 * Runs a plan in double precision, one element after the other, straight from
 * the words of weft/compute.h. Weights are f32.
 */
#ifndef WEFT_TEST_KERNELS_REFERENCE_H
#define WEFT_TEST_KERNELS_REFERENCE_H

#include <weft/compute.h>

struct reference {
  double **data;    /**< [n_values] rows of each ROWS value */
  int64_t **splits; /**< [n_values] of each SPLITS value */
  int64_t *n_rows;  /**< [n_values] */
  uint32_t n_values;
};

/** Items must be good: it checks nothing. inputs: as of a run. */
void reference_run(struct reference *reference, const struct weft_plan *plan, uint32_t n_items,
                   const struct weft_compute_input *inputs);
void reference_clear(struct reference *reference);

/** act: WEFT_ACT_* */
double reference_activate(double x, int64_t act);
/** Of n numbers times `factor`. */
void reference_softmax(double *p, const double *x, int64_t n, double factor);

#endif
