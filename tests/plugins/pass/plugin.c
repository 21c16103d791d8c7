/* SPDX-License-Identifier: Apache-2.0 */
/* y = x, one row of 16 an item. An item whose x is absent has no y. */
#include <weft/entry.h>

#include <string.h>

#define D 16

static const struct weft_host *host;

static weft_status pass_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  if (config->n_inputs != 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "pass: expected one input, found %u", config->n_inputs);
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status pass_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port output = {
    .name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, D}, .rows_kind = WEFT_ROWS_EXACT};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status pass_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                 uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static weft_status pass_process(void *instance, struct weft_call *call)
{
  const struct weft_tensor *x = call->inputs[0];
  struct weft_tensor *y = &call->outputs[0].tensor;
  if (!call->outputs[0].wanted)
    return WEFT_OK;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(x, i), to = weft_rows_of(y, i);
    if (from.present && to.present)
      memcpy((float *)y->data + to.begin * D, (const float *)x->data + from.begin * D, D * sizeof(float));
  }
  return WEFT_OK;
}

static void pass_deactivate(void *instance) {}
static void pass_destroy(void *instance) {}

static weft_status pass_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *pass_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,  0,           pass_create,     pass_ports,
                                        pass_activate, pass_process, pass_deactivate, pass_destroy};
  return strcmp(node_id, "pass") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, pass_init, NULL, pass_get_node, NULL};
