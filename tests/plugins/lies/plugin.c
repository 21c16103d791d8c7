/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "truth"
#include "base.h"

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, base_get_node, NULL};
