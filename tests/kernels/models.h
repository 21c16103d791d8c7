/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file models.h
 * Random models of the shapes that plans are written for, and batches for
 * them. Every rows value that an operation writes is an output.
 */
#ifndef WEFT_TEST_KERNELS_MODELS_H
#define WEFT_TEST_KERNELS_MODELS_H

#include "plan.h"

#include <glib.h>

/** How a model is run, with its weights and the builder that owns its plan. */
struct model {
  const char *name;
  struct weft_nn_plan *builder;
  const struct weft_plan *plan;
  GPtrArray *weights;     /**< of float arrays */
  int64_t item_floats;    /**< > 0: one input, that many floats an item */
  int64_t n_ids;          /**< > 0: inputs splits, ids below n_ids, at most rows_max an item */
  int64_t rows_max;
  int64_t d_rows;         /**< > 0: inputs splits, rows of that width, any number an item */
};

void model_vit(struct model *model);
void model_ast(struct model *model);
void model_bert(struct model *model);
void model_fusion(struct model *model); /**< one modality of the gated fusion, then a classifier */
void model_clear(struct model *model);

/** Items for a model, one after the other. */
struct batch {
  uint32_t n_items;
  int64_t *splits;  /**< [n_items + 1] rows or floats of each item */
  void *data;       /**< f32 or i32 */
  int64_t width;    /**< elements of a row */
  struct weft_compute_input inputs[2];
};

/** n random items, their rows 0..rows_max (1.. for item_floats models, where they are fixed). */
void batch_random(struct batch *batch, const struct model *model, uint32_t n_items);
/** The items `which` of another batch. */
void batch_pick(struct batch *batch, const struct model *model, const struct batch *from, const uint32_t *which,
                uint32_t n_items);
void batch_clear(struct batch *batch);

#endif
