/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file encoder.h
 * What encoders built on transformer.h have in common (conventions:
 * weft/encoder.h): their outputs
 *
 *     tokens: [*, d] f32, ragged      last hidden state (main; space DIGEST/tokens)
 *     pooled: [*, p] f32              one row an item (space DIGEST/pooled)
 *     tokens.origin: [*, n] i32       where in the source each token comes from
 *     layers: [*, d] f32, groups      embeddings, then every block's output: L+1 groups an item
 *
 * and how a call becomes a run of the program. `layers` is no explain port: it
 * is large, and computed only where somebody reads it by name. Then the items
 * are run one by one, so that no memory is held for it otherwise; the bytes of
 * the other outputs stay the same.
 *
 * Usage: create records the model and calls weft_nn_encoder_init; ports,
 * activate, destroy pass on; process prepares the inputs in the scratch it was
 * given beyond weft_nn_encoder_scratch and calls weft_nn_encoder_run.
 */
#ifndef WEFT_NN_ENCODER_H
#define WEFT_NN_ENCODER_H

#include "transformer.h"

#include <weft/node.h>

/** Outputs in the order of the manifest. */
enum { WEFT_NN_TOKENS, WEFT_NN_POOLED, WEFT_NN_ORIGIN, WEFT_NN_LAYERS, WEFT_NN_ENCODER_OUTPUTS };

/** How the node looks from outside; strings borrowed until return. */
struct weft_nn_encoder_shape {
  int64_t d_model, d_pooled, n_layers;
  int64_t n_tokens;       /**< of an item: always (ragged 0), at most (ragged 1) */
  int ragged;
  int64_t d_origin;       /**< numbers of one origin: 2 or 4 */
  const char *digest;     /**< config->model_digest, or NULL */
  uint32_t n_inputs;      /**< of the plan; ragged: input 0 is the splits */
};

struct weft_nn_encoder {
  const struct weft_host *host;
  const struct weft_compute *compute;
  struct weft_program *program;
  struct weft_nn_encoder_shape shape;
  struct weft_rows_term terms[2];         /* of tokens and origin, of layers */
  struct weft_attribute spaces[2];        /* of tokens, pooled */
  char *texts;                            /* the values of spaces */
  struct weft_port outputs[WEFT_NN_ENCODER_OUTPUTS];
};

/**
 * Marks tokens and pooled as outputs of the plan (behind the layers that
 * weft_nn_transformer_record marked), compiles. e: zeroed; free with
 * weft_nn_encoder_clear, whatever is answered. The error is m's.
 * [control thread, in create]
 */
weft_status weft_nn_encoder_init(struct weft_nn_encoder *e, struct weft_nn_model *m,
                                 const struct weft_compute *compute, const struct weft_nn_encoder_shape *shape,
                                 const weft_value results[2]);
/** [control thread] */
void weft_nn_encoder_clear(struct weft_nn_encoder *e);
/** Answers `ports`. [control thread] */
weft_status weft_nn_encoder_ports(const struct weft_nn_encoder *e, struct weft_ports *out);

/** Scratch of weft_nn_encoder_run for n_items items with n_rows tokens together, a multiple of 64. [control thread] */
weft_status weft_nn_encoder_scratch(const struct weft_nn_encoder *e, struct weft_setup *setup, int64_t n_items,
                                    int64_t n_rows, uint64_t *n_bytes);

/** Rounds up to where the next block of a scratch begins. */
static inline uint64_t weft_nn_align(uint64_t n_bytes)
{
  return (n_bytes + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
}

/** One input of the plan but the splits. */
struct weft_nn_encoder_input {
  const void *data;    /**< rows of all items of the call, in order: borrowed until return */
  int64_t row_bytes;
};

/**
 * Runs the items of a call, which are the slots of its outputs. inputs: those
 * of the plan, without the splits. splits: [n_items + 1] tokens of each item,
 * NULL where not ragged; an item without tokens has no rows. scratch: 64-byte
 * aligned, as weft_nn_encoder_scratch said. Writes tokens, pooled, layers and
 * their splits; `tokens.origin` is the caller's. [in process]
 */
weft_status weft_nn_encoder_run(const struct weft_nn_encoder *e, struct weft_call *call,
                                const struct weft_nn_encoder_input *inputs, const int64_t *splits, void *scratch);

#endif
