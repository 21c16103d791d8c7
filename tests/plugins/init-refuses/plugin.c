/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "init-refuses"
#include "base.h"

static weft_status init_refuses(const struct weft_host *table)
{
  base_host = table;
  return WEFT_UNSUPPORTED;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init_refuses, NULL, base_get_node, NULL};
