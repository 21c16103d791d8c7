/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base.h
 * A plugin that does everything right: text in, y: [*, 16] f32 zeros out. Each
 * broken plugin differs from it in the one thing that its folder is named after.
 */
#ifndef WEFT_TEST_PLUGIN_BASE_H
#define WEFT_TEST_PLUGIN_BASE_H

#include <weft/entry.h>

#include <string.h>

static const struct weft_host *base_host;

static inline weft_status base_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static char shared_instance;
  *instance = &shared_instance;
  return WEFT_OK;
}

static inline weft_status base_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port output = {
    .name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 16}, .rows_kind = WEFT_ROWS_EXACT};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static inline weft_status base_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                        uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static inline weft_status base_process(void *instance, struct weft_call *call)
{
  struct weft_output *y = &call->outputs[0];
  if (y->wanted && y->tensor.n_bytes > 0)
    memset(y->tensor.data, 0, (size_t)y->tensor.n_bytes);
  return WEFT_OK;
}

static inline void base_deactivate(void *instance) {}
static inline void base_destroy(void *instance) {}

static const struct weft_node base_node = {sizeof base_node, 0,            base_create,     base_ports,
                                           base_activate,    base_process, base_deactivate, base_destroy};

static inline weft_status base_init(const struct weft_host *table)
{
  base_host = table;
  return WEFT_OK;
}

static inline const struct weft_node *base_get_node(const char *node_id)
{
  return strcmp(node_id, BASE_ID) == 0 ? &base_node : NULL;
}

#endif
