/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fixture.h
 * Small plans on random items: every rows value that an operation writes is
 * compared with double precision, on every instruction set of this machine,
 * and has the same bytes for each item alone, for any batch and any number of
 * threads.
 *
 *     struct fixture f;
 *     fixture_init(&f, "softmax");
 *     weft_value x = fixture_rows(&f, fixture_splits(&f, 9), 1 + test_random(40));
 *     fixture_out(&f, weft_nn_softmax(f.p, x, .5));
 *     fixture_check(&f);
 */
#ifndef WEFT_TEST_KERNELS_FIXTURE_H
#define WEFT_TEST_KERNELS_FIXTURE_H

#include "plan.h"

#include <glib.h>

#define FIXTURE_INPUTS 8

struct fixture_input {
  weft_value value, splits; /**< splits: WEFT_NO_VALUE for one row an item, and of splits themselves */
  int64_t width;            /**< rows f32 */
  int64_t n_ids, lowest;    /**< > 0: ids i32 in [lowest, lowest + n_ids) */
  int64_t rows_least, rows_most, rows_step; /**< splits */
  int64_t rows_each;        /**< rows of a fixed number an item; 0: by splits */
};

struct fixture {
  const char *name;
  struct weft_nn_plan *p;
  GPtrArray *weights;
  struct fixture_input inputs[FIXTURE_INPUTS];
  uint32_t n_inputs;
  double bar;       /**< |error| <= bar max(1, RMS); 1e-5 unless set */
  uint32_t precision; /**< WEFT_PRECISION_*; f32 unless set */
  float scale;      /**< standard deviation of rows; 1 unless set */
};

void fixture_init(struct fixture *f, const char *name);
/** Input splits: 0 to most rows an item. */
weft_value fixture_splits(struct fixture *f, int64_t most);
/** Input splits: least, least + step, ... up to most rows an item. */
weft_value fixture_splits_of(struct fixture *f, int64_t least, int64_t most, int64_t step);
weft_value fixture_rows(struct fixture *f, weft_value splits, int64_t d);
/** Rows of an item's own fixed number. */
weft_value fixture_rows_each(struct fixture *f, int64_t n, int64_t d);
weft_value fixture_ids(struct fixture *f, weft_value splits, int64_t lowest, int64_t n);
/** Normal numbers of deviation `scale`; n_1 0: rank 1; n_2 0: rank 2; n_3 0: rank 3. */
weft_value fixture_weight(struct fixture *f, float scale, const int64_t dims[4]);
#define FIXTURE_WEIGHT(f, scale, ...) fixture_weight(f, scale, (const int64_t[4]){__VA_ARGS__})
/** Marks an output and passes it on. */
weft_value fixture_out(struct fixture *f, weft_value v);
/** Runs everything, frees the fixture. */
void fixture_check(struct fixture *f);

#endif
