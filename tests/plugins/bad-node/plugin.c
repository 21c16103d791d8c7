/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "bad-node"
#include "base.h"

static const struct weft_node *incomplete(const char *node_id)
{
  static const struct weft_node node = {sizeof node,   0,    base_create,     base_ports,
                                        base_activate, NULL, base_deactivate, base_destroy};
  return strcmp(node_id, BASE_ID) == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, incomplete, NULL};
