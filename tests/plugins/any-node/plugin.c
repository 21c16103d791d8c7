/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "any-node"
#include "base.h"

static const struct weft_node *any(const char *node_id)
{
  return &base_node;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, any, NULL};
