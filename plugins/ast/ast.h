/* SPDX-License-Identifier: Apache-2.0 */
/* ast: an ASTModel folder turned into a program (model.c), and the node around it (plugin.c). */
#ifndef WEFT_PLUGIN_AST_H
#define WEFT_PLUGIN_AST_H

#include <encoder.h>
#include <logmel.h>

/* Tokens before the patches: class and distillation token. */
#define AST_N_SPECIAL 2

struct ast {
  struct weft_nn_encoder encoder;
  struct weft_logmel *mel;
  int64_t n_bins, n_frames, rate_hz;
  int64_t patch, stride_bins, stride_frames;
  int64_t n_bands, n_times; /* patches */
  int samples, rate;        /* bound inputs */
};

/* Reads the folder, compiles. On failure host->fail was called; ast is left for weft_nn_encoder_clear. */
weft_status ast_model_read(struct ast *ast, const struct weft_host *host, struct weft_setup *setup,
                           const struct weft_config *config);

#endif
