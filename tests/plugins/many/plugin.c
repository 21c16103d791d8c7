/* SPDX-License-Identifier: Apache-2.0 */
/* One of many: `tests/bench/run catalogue` and test-kill.c write other digits over its id, in code and manifest alike. */
#define BASE_ID "many-00000"
#include "base.h"

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, base_get_node, NULL};
