/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "missing-dependency"
#include "base.h"

int weft_test_from_nowhere(void);

static weft_status init_with_library(const struct weft_host *table)
{
  base_host = table;
  return weft_test_from_nowhere() ? WEFT_INTERNAL : WEFT_OK;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init_with_library, NULL, base_get_node, NULL};
