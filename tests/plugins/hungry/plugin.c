/* SPDX-License-Identifier: Apache-2.0 */
/* Answers how many items its call held, and wants as much scratch as its parameter says. */
#include <weft/entry.h>

#include <stdlib.h>
#include <string.h>

struct hungry {
  uint64_t per_item, n_scratch_bytes;
};

static const struct weft_host *host;

static weft_status hungry_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct hungry *self = malloc(sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "hungry: no memory");
  self->per_item = (uint64_t)weft_parameter_find(config, "per_item")->integer;
  *instance = self;
  return WEFT_OK;
}

static weft_status hungry_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port output = {.name = "n_items", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status hungry_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                   uint64_t *n_scratch_bytes)
{
  struct hungry *self = instance;
  self->n_scratch_bytes = self->per_item * (uint64_t)limits->n_items;
  *n_scratch_bytes = self->n_scratch_bytes;
  return WEFT_OK;
}

static weft_status hungry_process(void *instance, struct weft_call *call)
{
  struct hungry *self = instance;
  if (call->n_scratch_bytes < self->n_scratch_bytes)
    return host->fail_call(call, WEFT_CONTRACT, "hungry: %zu bytes of scratch", call->n_scratch_bytes);
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++)
    ((int32_t *)call->outputs[0].tensor.data)[i] = (int32_t)call->n_items;
  return WEFT_OK;
}

static void hungry_deactivate(void *instance) {}

static void hungry_destroy(void *instance)
{
  free(instance);
}

static weft_status hungry_init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *hungry_get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,     0,              hungry_create,     hungry_ports,
                                        hungry_activate, hungry_process, hungry_deactivate, hungry_destroy};
  return strcmp(node_id, "hungry") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, hungry_init, NULL, hungry_get_node, NULL};
