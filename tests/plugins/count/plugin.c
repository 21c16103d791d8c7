/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of these counts itself: every node adds one, exactly up to 2^24. */
#include <weft/entry.h>

#include <string.h>

static weft_status count_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status count_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port n = {.name = "n", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}};
  out->outputs = &n;
  out->n_outputs = 1;
  return WEFT_OK;
}

static weft_status count_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                  uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static weft_status from_process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++)
    ((float *)call->outputs[0].tensor.data)[i] = 1.0f;
  return WEFT_OK;
}

static weft_status count_process(void *instance, struct weft_call *call)
{
  const float *x = call->inputs[0]->data;
  float *y = call->outputs[0].tensor.data;
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    if (from.present && to.present)
      y[to.begin] = x[from.begin] + 1.0f;
  }
  return WEFT_OK;
}

static void count_deactivate(void *instance) {}
static void count_destroy(void *instance) {}

static weft_status count_init(const struct weft_host *table)
{
  (void)table;
  return WEFT_OK;
}

static const struct weft_node *count_get_node(const char *node_id)
{
  static const struct weft_node from = {sizeof from,    0,            count_create,     count_ports,
                                        count_activate, from_process, count_deactivate, count_destroy};
  static const struct weft_node count = {sizeof count,   0,             count_create,     count_ports,
                                         count_activate, count_process, count_deactivate, count_destroy};
  return strcmp(node_id, "count") == 0 ? &count : strcmp(node_id, "count-from") == 0 ? &from : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, count_init, NULL, count_get_node, NULL};
