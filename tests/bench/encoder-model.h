/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file encoder-model.h
 * Encoders of known shapes with random weights as plans, recorded as the
 * plugins bert and vit record theirs.
 */
#ifndef WEFT_BENCH_ENCODER_MODEL_H
#define WEFT_BENCH_ENCODER_MODEL_H

#include <plan.h>

struct encoder_shape {
  const char *name;  /**< as the rivals call it */
  const char *title; /**< as the table calls it */
  int64_t d, n_layers, n_heads, d_hidden;
  int is_vit;        /**< pictures of 224 x 224 in patches of 16, norms before; otherwise ids, norms behind */
};

struct encoder_model {
  struct encoder_shape shape;
  struct weft_nn_plan *builder;
  const struct weft_plan *plan; /**< NULL: it could not be recorded (told on stderr) */
  float *weights;               /**< of all layers */
};

#define ENCODER_WORDS 30522

void encoder_model_init(struct encoder_model *model, const struct encoder_shape *shape);
void encoder_model_clear(struct encoder_model *model);
/** Multiplications and additions of one item of n tokens, times two. */
double encoder_model_flops(const struct encoder_shape *shape, int64_t n_tokens);
/** Floats or ids of one item; ids are returned as i32. Caller frees with free. */
void *encoder_model_input(const struct encoder_shape *shape, int64_t n_tokens);

#endif
