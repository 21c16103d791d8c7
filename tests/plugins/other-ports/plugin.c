/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "other-ports"
#include "base.h"

static weft_status other_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port output = {
    .name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 8}, .rows_kind = WEFT_ROWS_EXACT};
  out->outputs = &output;
  out->n_outputs = 1;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,   0,            base_create,     other_ports,
                                        base_activate, base_process, base_deactivate, base_destroy};
  return strcmp(node_id, BASE_ID) == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, get_node, NULL};
