/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "bad-manifest"
#include "base.h"

__attribute__((used, section(".weft.manifest"))) static const char manifest[] = "{\"weft\": 1, \"name\": ";

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, base_get_node, NULL};
