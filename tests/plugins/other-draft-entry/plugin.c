/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "other-draft-entry"
#include "base.h"

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), 999, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, base_get_node, NULL};
