/* SPDX-License-Identifier: Apache-2.0 */
/*
 * values = pixels / 255 + sigma N(0, 1), not clipped. One draw a pixel, added to all its channels: noise on the
 * brightness, so that a grey picture stays grey.
 */
#include "../random.h"

#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>

enum { VALUES, SIZE, N_OUTPUTS };

struct noise {
  double sigma;
  struct weft_rows_term rows;
  struct weft_attribute attributes[3];
  struct weft_port outputs[N_OUTPUTS];
};

static const struct weft_host *host;

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  int pixels = weft_input_find(config, "pixels");
  if (pixels != 0 || weft_input_find(config, "pixels.size") != 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "noise: expected a picture with its size as `in`");
  struct noise *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  self->sigma = weft_parameter_find(config, "sigma")->number;
  self->rows = (struct weft_rows_term){pixels, WEFT_COUNT_ROWS, 1};
  self->attributes[0] = (struct weft_attribute){"modality", "image"};
  self->attributes[1] = (struct weft_attribute){"colour", "rgb"};
  self->attributes[2] = (struct weft_attribute){"range", "0..1"};
  self->outputs[VALUES] =
      (struct weft_port){.name = "values", .dtype = weft_f32(), .rank = 2, .dims = {-1, 3}, .n_split_levels = 1,
                         .rows_kind = WEFT_ROWS_EXACT, .n_terms = 1, .terms = &self->rows, .n_attributes = 3,
                         .attributes = self->attributes};
  self->outputs[SIZE] = (struct weft_port){.name = "values.size", .dtype = weft_i32(), .rank = 2, .dims = {-1, 2}};
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct noise *)instance)->outputs, N_OUTPUTS};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static void add_noise(const struct noise *self, struct weft_call *call, uint32_t item)
{
  struct weft_tensor *values = &call->outputs[VALUES].tensor;
  struct weft_rows from = weft_rows_of(call->inputs[0], item), to = weft_rows_of(values, item);
  uint64_t state = call->items[item].seed;
  for (int64_t i = 0; i < to.end - to.begin; i++) {
    const uint8_t *pixel = (const uint8_t *)call->inputs[0]->data + 3 * (from.begin + i);
    float *value = (float *)values->data + 3 * (to.begin + i);
    double noise = self->sigma * random_normal(&state);
    for (int c = 0; c < 3; c++)
      value[c] = (float)(pixel[c] / 255.0 + noise);
  }
}

static weft_status process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[1], i);
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    if (call->outputs[VALUES].wanted)
      add_noise(instance, call, i);
    if (call->outputs[SIZE].wanted && from.present)
      memcpy((int32_t *)call->outputs[SIZE].tensor.data + 2 * i,
             (const int32_t *)call->inputs[1]->data + 2 * from.begin, 2 * sizeof(int32_t));
  }
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static void destroy(void *instance)
{
  free(instance);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "noise") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
