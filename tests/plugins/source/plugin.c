/* SPDX-License-Identifier: Apache-2.0 */
/* y[k] = sum of the bytes of the text at positions k, k + 16, ...: easy to predict, different for different texts. */
#include <weft/entry.h>

#include <string.h>

#define D 16

static const struct weft_host *host;

static weft_status source_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  if (config->n_inputs != 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "source: expected one input, found %u", config->n_inputs);
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status source_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port output = {
    .name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, D}, .rows_kind = WEFT_ROWS_EXACT};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status source_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                   uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static weft_status source_process(void *instance, struct weft_call *call)
{
  const struct weft_tensor *text = call->inputs[0];
  struct weft_tensor *y = &call->outputs[0].tensor;
  if (!call->outputs[0].wanted)
    return WEFT_OK;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(text, i), to = weft_rows_of(y, i);
    if (!from.present || !to.present)
      continue;
    float *row = (float *)y->data + to.begin * D;
    memset(row, 0, D * sizeof *row);
    for (int64_t k = from.begin; k < from.end; k++)
      row[(k - from.begin) % D] += (float)((const uint8_t *)text->data)[k];
  }
  return WEFT_OK;
}

static void source_deactivate(void *instance) {}
static void source_destroy(void *instance) {}

static weft_status source_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *source_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,     0,              source_create,     source_ports,
                                        source_activate, source_process, source_deactivate, source_destroy};
  return strcmp(node_id, "source") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, source_init, NULL, source_get_node, NULL};
