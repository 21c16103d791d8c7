/* SPDX-License-Identifier: Apache-2.0 */
/* gated: one program for each modality (model.c), and the node that adds their results (plugin.c). */
#ifndef WEFT_PLUGIN_GATED_H
#define WEFT_PLUGIN_GATED_H

#include <model.h>
#include <weft/node.h>

/* Outputs in the order of the manifest. */
enum { GATED_FUSED, GATED_WEIGHTS, GATED_QUALITY, GATED_N_OUTPUTS };

struct modality {
  char *key;
  struct weft_program *program; /* tokens -> value h [items, d], gate g [items, 1] */
  int64_t n_slots_max, n_rows_max; /* since activate */
};

struct gated {
  const struct weft_compute *compute;
  struct modality *modalities; /* [n], in the order of the inputs */
  uint32_t n;
  int64_t d;
  char *space;
  struct weft_attribute attribute;
  struct weft_port outputs[GATED_N_OUTPUTS];
};

/* Reads the folder, compiles a program for each bound input. On failure host->fail was called; gated is left for
   destroy. */
weft_status gated_model_read(struct gated *gated, const struct weft_host *host, struct weft_setup *setup,
                             const struct weft_config *config);

#endif
