/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file transformer.h
 * The encoder of a transformer (Vaswani et al. 2017, "Attention is all you
 * need", section 3.1) as BERT (norm behind each part, Devlin et al. 2019) and
 * ViT (norm before each part, Dosovitskiy et al. 2021, equations 2 and 3)
 * arrange it, recorded into a plan with the tensor names of transformers.
 * [control thread, in create]
 */
#ifndef WEFT_NN_TRANSFORMER_H
#define WEFT_NN_TRANSFORMER_H

#include "model.h"

/** Limits of config.json; beyond them the file is refused, naming the key. */
#define WEFT_NN_MAX_WIDTH 65536
#define WEFT_NN_MAX_LAYERS 256

#define WEFT_NN_NORM_BEFORE 0 /**< ViT, AST: attention.attention.*, layernorm_before, layernorm_after */
#define WEFT_NN_NORM_BEHIND 1 /**< BERT: attention.self.*, attention.output.LayerNorm, output.LayerNorm */

struct weft_nn_transformer {
  int64_t d_model, n_layers, n_heads, d_hidden;
  double eps;      /**< of the layer norms */
  int activation;  /**< WEFT_ACT_* */
  int order;       /**< WEFT_NN_NORM_* */
  int qkv_bias;
};

/**
 * hidden_size, num_hidden_layers, num_attention_heads, intermediate_size,
 * hidden_act, layer_norm_eps, qkv_bias of config.json, with transformers'
 * defaults. Errors stick in m.
 */
void weft_nn_transformer_read(struct weft_nn_model *m, int order, struct weft_nn_transformer *out);

/**
 * Records `encoder.layer.0` .. over x [*, d_model]. Marks x and every block's
 * output as the next outputs of the plan: n_layers + 1 of them, the layers of
 * encoder.h. Answers the last block's output.
 */
weft_value weft_nn_transformer_record(struct weft_nn_model *m, const struct weft_nn_transformer *t, weft_value x);

#endif
