/* SPDX-License-Identifier: Apache-2.0 */
/* vit: a ViTModel folder turned into a program (model.c), and the node around it (plugin.c). */
#ifndef WEFT_PLUGIN_VIT_H
#define WEFT_PLUGIN_VIT_H

#include <encoder.h>
#include <image.h>

struct vit {
  struct weft_nn_encoder encoder;
  struct weft_image_settings image;
  int64_t n_channels, height, width; /* of the model's input */
  int64_t patch_y, patch_x;          /* pixels of a patch */
  int64_t n_rows, n_columns;         /* patches */
  int as_values;                     /* node vit-values: floats come in, not bytes */
  int picture, size;                 /* bound inputs */
};

/* Reads the folder, compiles. On failure host->fail was called; vit is left for weft_nn_encoder_clear. */
weft_status vit_model_read(struct vit *vit, const struct weft_host *host, struct weft_setup *setup,
                           const struct weft_config *config);

#endif
