/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of inputs of type "bytes": the text is the bytes, whatever they are. */
#include <weft/entry.h>

#include <string.h>

static const struct weft_host *host;

static weft_status plain_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  if (config->n_inputs != 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "plain: expected one input, found %u", config->n_inputs);
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status plain_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_rows_term rows = {0, WEFT_COUNT_ROWS, 1};
  static const struct weft_port output = {.name = "text", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                          .n_split_levels = 1, .rows_kind = WEFT_ROWS_EXACT, .n_terms = 1,
                                          .terms = &rows};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status plain_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                  uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static weft_status plain_process(void *instance, struct weft_call *call)
{
  const struct weft_tensor *bytes = call->inputs[0];
  struct weft_tensor *text = &call->outputs[0].tensor;
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(bytes, i), to = weft_rows_of(text, i);
    if (from.present && to.present && from.end > from.begin)
      memcpy((char *)text->data + to.begin, (const char *)bytes->data + from.begin, (size_t)(from.end - from.begin));
  }
  return WEFT_OK;
}

static void plain_deactivate(void *instance) {}
static void plain_destroy(void *instance) {}

static weft_status plain_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *plain_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,    0,             plain_create,     plain_ports,
                                        plain_activate, plain_process, plain_deactivate, plain_destroy};
  return strcmp(node_id, "plain") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, plain_init, NULL, plain_get_node, NULL};
