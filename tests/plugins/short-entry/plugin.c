/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "short-entry"
#include "base.h"

WEFT_EXPORT const struct weft_entry weft_entry = {
  offsetof(struct weft_entry, get_extension), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0,
  base_init, NULL, base_get_node, NULL};
