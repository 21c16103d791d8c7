/* SPDX-License-Identifier: Apache-2.0 */
#include "transformer.h"

#include <stdio.h>

void weft_nn_transformer_read(struct weft_nn_model *m, int order, struct weft_nn_transformer *out)
{
  *out = (struct weft_nn_transformer){.order = order};
  if (m->status != WEFT_OK)
    return;
  out->d_model = weft_json_int_or(m->config, "hidden_size", 768, 1, WEFT_NN_MAX_WIDTH);
  out->n_layers = weft_json_int_or(m->config, "num_hidden_layers", 12, 1, WEFT_NN_MAX_LAYERS);
  out->n_heads = weft_json_int_or(m->config, "num_attention_heads", 12, 1, WEFT_NN_MAX_WIDTH);
  out->d_hidden = weft_json_int_or(m->config, "intermediate_size", 3072, 1, WEFT_NN_MAX_WIDTH);
  out->eps = weft_json_number_or(m->config, "layer_norm_eps", 1e-12, 0, 1);
  out->qkv_bias = order == WEFT_NN_NORM_BEHIND || weft_json_bool_or(m->config, "qkv_bias", 1);
  out->activation = weft_nn_model_activation(m, "hidden_act", "gelu");
  if (weft_nn_model_check(m, m->config) == WEFT_OK && out->d_model % out->n_heads != 0)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "config.json: hidden_size %lld is not a multiple of num_attention_heads %lld",
                       (long long)out->d_model, (long long)out->n_heads);
}

/* x [*, d] -> attention over x, projected, plus residual [*, d] */
static weft_value attention(struct weft_nn_model *m, const struct weft_nn_transformer *t, const char *block,
                            weft_value x, weft_value residual)
{
  const char *parts = t->order == WEFT_NN_NORM_BEFORE ? "attention.attention" : "attention.self";
  const char *names[3] = {"query", "key", "value"};
  struct weft_nn_dense dense = {t->d_model, t->d_model, t->qkv_bias, WEFT_ACT_NONE, WEFT_NO_VALUE};
  char name[WEFT_NN_NAME_BYTES];
  weft_value qkv[3];
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s.%s.%s", block, parts, names[i]);
    qkv[i] = weft_nn_model_dense(m, x, &dense, name);
  }
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  struct weft_nn_attention heads = {.q = qkv[0], .k = qkv[1], .v = qkv[2], .n_heads = t->n_heads};
  weft_value context = weft_nn_attention(m->plan, &heads);
  snprintf(name, sizeof name, "%s.attention.output.dense", block);
  dense.bias = 1;
  dense.residual = residual;
  return weft_nn_model_dense(m, context, &dense, name);
}

/* x [*, d] -> dense(act(dense(x))) plus residual [*, d] */
static weft_value feed_forward(struct weft_nn_model *m, const struct weft_nn_transformer *t, const char *block,
                               weft_value x, weft_value residual)
{
  char name[WEFT_NN_NAME_BYTES];
  snprintf(name, sizeof name, "%s.intermediate.dense", block);
  struct weft_nn_dense up = {t->d_model, t->d_hidden, 1, t->activation, WEFT_NO_VALUE};
  weft_value hidden = weft_nn_model_dense(m, x, &up, name);
  snprintf(name, sizeof name, "%s.output.dense", block);
  struct weft_nn_dense down = {t->d_hidden, t->d_model, 1, WEFT_ACT_NONE, residual};
  return weft_nn_model_dense(m, hidden, &down, name);
}

static weft_value norm(struct weft_nn_model *m, const struct weft_nn_transformer *t, const char *block,
                       const char *part, weft_value x)
{
  char name[WEFT_NN_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", block, part);
  return weft_nn_model_norm(m, x, t->d_model, t->eps, name);
}

weft_value weft_nn_transformer_record(struct weft_nn_model *m, const struct weft_nn_transformer *t, weft_value x)
{
  char block[64];
  if (m->status == WEFT_OK)
    weft_nn_output(m->plan, x);
  for (int64_t i = 0; i < t->n_layers && m->status == WEFT_OK; i++) {
    snprintf(block, sizeof block, "encoder.layer.%lld", (long long)i);
    if (t->order == WEFT_NN_NORM_BEFORE) {
      x = attention(m, t, block, norm(m, t, block, "layernorm_before", x), x);
      x = feed_forward(m, t, block, norm(m, t, block, "layernorm_after", x), x);
    } else {
      x = norm(m, t, block, "attention.output.LayerNorm", attention(m, t, block, x, x));
      x = norm(m, t, block, "output.LayerNorm", feed_forward(m, t, block, x, x));
    }
    if (m->status == WEFT_OK)
      weft_nn_output(m->plan, x);
  }
  return m->status == WEFT_OK ? x : WEFT_NO_VALUE;
}
