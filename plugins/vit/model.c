/* SPDX-License-Identifier: Apache-2.0 */
/* ViTModel as a plan (Dosovitskiy et al. 2021, "An image is worth 16x16 words", section 3.1). */
#include "vit.h"

#include <stdio.h>

static const char *const architectures[] = {"ViTModel", "ViTForImageClassification", "ViTForMaskedImageModeling", NULL};
static const char *const prefixes[] = {"", "vit.", "encoder.", NULL};

/* `key` is one number for both sides or [height, width]. */
static void read_sides(struct weft_nn_model *m, const char *key, int64_t fallback, int64_t *y, int64_t *x)
{
  char path[64];
  int64_t n = weft_json_count(m->config, key);
  if (n < 0) {
    *y = *x = weft_json_int_or(m->config, key, fallback, 1, WEFT_IMAGE_MAX_SIDE);
    return;
  }
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s.%d", key, i);
    *(i ? x : y) = weft_json_int(m->config, path, 1, WEFT_IMAGE_MAX_SIDE);
  }
  if (n != 2)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "config.json: %s has %lld numbers; expected one, or [height, width]", key,
                       (long long)n);
}

static void read_geometry(struct vit *vit, struct weft_nn_model *m)
{
  if (m->status != WEFT_OK)
    return;
  vit->n_channels = weft_json_int_or(m->config, "num_channels", 3, 1, WEFT_NN_MAX_WIDTH);
  read_sides(m, "image_size", 224, &vit->height, &vit->width);
  read_sides(m, "patch_size", 16, &vit->patch_y, &vit->patch_x);
  if (weft_nn_model_check(m, m->config) != WEFT_OK)
    return;
  if (vit->n_channels != 1 && vit->n_channels != 3)
    weft_nn_model_fail(m, WEFT_UNSUPPORTED, "config.json: num_channels is %lld; vit takes 1 (grey) or 3 (RGB)",
                       (long long)vit->n_channels);
  vit->n_rows = vit->height / vit->patch_y;
  vit->n_columns = vit->width / vit->patch_x;
  if (vit->n_rows * vit->n_columns == 0)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "config.json: a patch of %lld x %lld does not fit into an image of %lld x %lld",
                       (long long)vit->patch_y, (long long)vit->patch_x, (long long)vit->height, (long long)vit->width);
}

static void read_preprocessing(struct vit *vit, struct weft_nn_model *m)
{
  struct weft_json *json = weft_nn_model_json(m, "preprocessor_config.json");
  if (!json)
    return;
  weft_image_settings_read(json, (int32_t)vit->n_channels, &vit->image);
  if (weft_nn_model_check(m, json) == WEFT_OK && (vit->image.height != vit->height || vit->image.width != vit->width))
    weft_nn_model_fail(m, WEFT_BAD_CONFIG,
                       "preprocessor_config.json makes pictures of %d x %d, but image_size of config.json is %lld x "
                       "%lld",
                       vit->image.height, vit->image.width, (long long)vit->height, (long long)vit->width);
  weft_json_close(json);
}

/* pixels [C, H, W] -> embeddings [1 + patches, d] */
static weft_value record_embeddings(const struct vit *vit, struct weft_nn_model *m, int64_t d)
{
  int64_t c = vit->n_channels, h = vit->height, w = vit->width, n = vit->n_rows * vit->n_columns;
  weft_value kernel = weft_nn_model_weight(m, 4, (int64_t[]){d, c, vit->patch_y, vit->patch_x},
                                           "embeddings.patch_embeddings.projection.weight");
  weft_value bias = weft_nn_model_weight(m, 1, &d, "embeddings.patch_embeddings.projection.bias");
  weft_value token = weft_nn_model_weight(m, 3, (int64_t[]){1, 1, d}, "embeddings.cls_token");
  weft_value positions = weft_nn_model_weight(m, 3, (int64_t[]){1, n + 1, d}, "embeddings.position_embeddings");
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  struct weft_nn_conv2d conv = {.height = h, .width = w, .channels = c, .kernel_y = vit->patch_y,
                                .kernel_x = vit->patch_x, .stride_y = vit->patch_y, .stride_x = vit->patch_x,
                                .at_y = w, .at_x = 1, .at_channel = h * w};
  weft_value pixels = weft_nn_input(m->plan, "pixels", weft_f32(), WEFT_NO_VALUE, c * h * w);
  weft_value x = weft_nn_conv2d(m->plan, pixels, &conv, kernel, bias);
  return weft_nn_add_position(m->plan, weft_nn_prepend(m->plan, x, token), positions, 0);
}

/* pooler_act(dense(class token)), or the class token where the file has no pooler */
static weft_value record_pooler(struct weft_nn_model *m, weft_value tokens, int64_t d, int64_t *d_pooled)
{
  *d_pooled = d;
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  weft_value first = weft_nn_select_row(m->plan, tokens, 0);
  if (!weft_nn_model_has(m, "pooler.dense.weight"))
    return first;
  *d_pooled = weft_json_int_or(m->config, "pooler_output_size", d, 1, WEFT_NN_MAX_WIDTH);
  int activation = weft_nn_model_activation(m, "pooler_act", "tanh");
  struct weft_nn_dense dense = {d, *d_pooled, 1, activation, WEFT_NO_VALUE};
  return weft_nn_model_dense(m, first, &dense, "pooler.dense");
}

weft_status vit_model_read(struct vit *vit, const struct weft_host *host, struct weft_setup *setup,
                           const struct weft_config *config)
{
  struct weft_nn_model m;
  struct weft_nn_transformer t;
  const struct weft_compute *compute = weft_nn_compute(host, setup);
  if (!compute)
    return WEFT_UNAVAILABLE;
  weft_nn_model_open(&m, host, setup, config, "vit", architectures);
  weft_nn_model_prefix(&m, "embeddings.cls_token", prefixes);
  weft_nn_transformer_read(&m, WEFT_NN_NORM_BEFORE, &t);
  read_geometry(vit, &m);
  read_preprocessing(vit, &m);
  weft_value x = record_embeddings(vit, &m, t.d_model);
  x = weft_nn_transformer_record(&m, &t, x);
  x = weft_nn_model_norm(&m, x, t.d_model, t.eps, "layernorm");
  struct weft_nn_encoder_shape shape = {.d_model = t.d_model, .n_layers = t.n_layers,
                                        .n_tokens = 1 + vit->n_rows * vit->n_columns, .d_origin = 4,
                                        .digest = config->model_digest, .n_inputs = 1};
  weft_value pooled = record_pooler(&m, x, t.d_model, &shape.d_pooled);
  weft_status status = weft_nn_encoder_init(&vit->encoder, &m, compute, &shape, (weft_value[]){x, pooled});
  weft_nn_model_close(&m);
  return status;
}
