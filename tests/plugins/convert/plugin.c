/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms that a message can propose between two ports that do not fit. */
#include <weft/entry.h>

#include <stdlib.h>
#include <string.h>

static const struct weft_host *host;

/* Of resample; the others need none. */
struct instance {
  int32_t rate_hz;
  char rate_text[16];
  int64_t n_channels;
  struct weft_attribute attribute;
  struct weft_port ports[2];
};

static weft_status plain_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static void deactivate(void *instance) {}
static void plain_destroy(void *instance) {}

static weft_status colour_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_rows_term rows = {0, WEFT_COUNT_ROWS, 1};
  static const struct weft_port ports[] = {
    {.name = "pixels", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 2, .dims = {-1, 3}, .n_split_levels = 1,
     .rows_kind = WEFT_ROWS_EXACT, .n_terms = 1, .terms = &rows},
    {.name = "pixels.size", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 2, .dims = {-1, 2}}};
  out->outputs = ports;
  out->n_outputs = 2;
  return WEFT_OK;
}

static weft_status colour_process(void *instance, struct weft_call *call)
{
  const uint8_t *bgr = call->inputs[0]->data;
  uint8_t *rgb = call->outputs[0].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    struct weft_rows size_from = weft_rows_of(call->inputs[1], i), size_to = weft_rows_of(&call->outputs[1].tensor, i);
    for (int64_t k = 0; call->outputs[0].wanted && k < 3 * (to.end - to.begin); k++)
      rgb[3 * to.begin + k] = bgr[3 * from.begin + k - k % 3 + (2 - k % 3)];
    if (call->outputs[1].wanted && size_from.present && size_to.present)
      memcpy((int32_t *)call->outputs[1].tensor.data + 2 * size_to.begin,
             (const int32_t *)call->inputs[1]->data + 2 * size_from.begin, 2 * sizeof(int32_t));
  }
  return WEFT_OK;
}

static weft_status drop_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_rows_term rows = {0, WEFT_COUNT_ROWS, 1};
  static const struct weft_port samples = {.name = "samples", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2,
                                           .dims = {-1, 1}, .n_split_levels = 1, .rows_kind = WEFT_ROWS_EXACT,
                                           .n_terms = 1, .terms = &rows};
  out->outputs = &samples;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status drop_process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    if (to.end > to.begin)
      memcpy((float *)call->outputs[0].tensor.data + to.begin, (const float *)call->inputs[0]->data + from.begin,
             (size_t)(to.end - to.begin) * sizeof(float));
  }
  return WEFT_OK;
}

static weft_status celsius_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port value = {.name = "value", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}};
  out->outputs = &value;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status celsius_process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    if (from.present && to.present)
      ((float *)call->outputs[0].tensor.data)[to.begin] =
          (((const float *)call->inputs[0]->data)[from.begin] - 32.0f) / 1.8f;
  }
  return WEFT_OK;
}

static weft_status resample_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  const struct weft_parameter *rate = weft_parameter_find(config, "rate");
  struct instance *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "resample: no memory");
  self->rate_hz = rate ? (int32_t)rate->integer : 0;
  self->n_channels = config->n_inputs ? config->inputs[0].dims[1] : -1;
  char *end = self->rate_text + sizeof self->rate_text - 1;
  int32_t left = self->rate_hz;
  do
    *--end = (char)('0' + left % 10);
  while ((left /= 10));
  self->attribute = (struct weft_attribute){"rate", end};
  *instance = self;
  return WEFT_OK;
}

static void resample_destroy(void *instance)
{
  free(instance);
}

static weft_status resample_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  struct instance *self = instance;
  self->ports[0] = (struct weft_port){.name = "samples", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2,
                                      .dims = {-1, self->n_channels}, .n_split_levels = 1,
                                      .rows_kind = WEFT_ROWS_DYNAMIC, .n_attributes = 1, .attributes = &self->attribute};
  self->ports[1] = (struct weft_port){.name = "samples.rate", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}};
  out->outputs = self->ports;
  out->n_outputs = 2;
  return WEFT_OK;
}

static int64_t n_resampled(const struct instance *self, int64_t n, int32_t rate)
{
  return rate > 0 ? n * self->rate_hz / rate : 0;
}

static weft_status resample_process(void *instance, struct weft_call *call)
{
  const struct instance *self = instance;
  const float *x = call->inputs[0]->data;
  const int32_t *rates = call->inputs[1]->data;
  struct weft_output *samples = &call->outputs[0];
  int64_t c = self->n_channels, n = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), at = weft_rows_of(call->inputs[1], i);
    samples->splits[0][i] = n;
    n += from.present && at.present ? n_resampled(self, from.end - from.begin, rates[at.begin]) : 0;
  }
  samples->splits[0][call->n_items] = n;
  if (host->output_reserve(call, 0, n) != WEFT_OK)
    return WEFT_NO_MEMORY;
  samples->tensor.dims[0] = n;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), at = weft_rows_of(call->inputs[1], i);
    int64_t begin = samples->splits[0][i], end = samples->splits[0][i + 1];
    for (int64_t k = begin; k < end; k++)
      memcpy((float *)samples->tensor.data + k * c, x + (from.begin + (k - begin) * rates[at.begin] / self->rate_hz) * c,
             (size_t)c * sizeof(float));
    if (call->outputs[1].wanted)
      ((int32_t *)call->outputs[1].tensor.data)[i] = self->rate_hz;
  }
  return WEFT_OK;
}

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *node_id)
{
  static const struct weft_node colour = {sizeof colour, 0,         plain_create,   colour_ports,
                                          activate,      colour_process, deactivate, plain_destroy};
  static const struct weft_node celsius = {sizeof celsius, 0,         plain_create,    celsius_ports,
                                           activate,       celsius_process, deactivate, plain_destroy};
  static const struct weft_node drop = {sizeof drop, 0,         plain_create,    drop_ports,
                                        activate,    drop_process, deactivate, plain_destroy};
  static const struct weft_node resample = {sizeof resample, 0,         resample_create,  resample_ports,
                                            activate,        resample_process, deactivate, resample_destroy};
  if (strcmp(node_id, "bgr-to-rgb") == 0)
    return &colour;
  if (strcmp(node_id, "to-celsius") == 0)
    return &celsius;
  if (strcmp(node_id, "drop-rate") == 0)
    return &drop;
  return strcmp(node_id, "resample") == 0 ? &resample : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
