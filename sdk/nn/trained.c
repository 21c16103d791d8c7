/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <weft/manifest.h>

#include <string.h>

void weft_nn_model_take(struct weft_nn_model *m, const struct weft_config *config, uint32_t input, int64_t d,
                        const char *space)
{
  const struct weft_port *port = &config->inputs[input];
  const char *given = weft_attribute_find(port, WEFT_ATTRIBUTE_SPACE);
  int same_width = port->dims[1] == d;
  if (m->status != WEFT_OK || (same_width && (!space || (given && strcmp(space, given) == 0))))
    return;
  struct weft_attribute attribute = {WEFT_ATTRIBUTE_SPACE, space};
  struct weft_port takes = *port;
  takes.dims[1] = d;
  takes.n_attributes = space != NULL;
  takes.attributes = &attribute;
  m->host->takes(m->setup, input, &takes);
  if (!same_width)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "this input has %lld numbers %s, the model was trained on %lld",
                       (long long)port->dims[1], port->n_split_levels ? "a row" : "an item", (long long)d);
  else
    weft_nn_model_fail(m, WEFT_BAD_CONFIG,
                       "the model was trained on the embedding space %.150s, this input is in %.150s", space,
                       given ? given : "no named space");
}
