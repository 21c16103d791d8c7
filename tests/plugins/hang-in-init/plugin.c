/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "hang-in-init"
#include "base.h"

#include <unistd.h>

static weft_status hang(const struct weft_host *table)
{
  base_host = table;
  while (pause() != 0)
    continue;
  return WEFT_OK;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, hang, NULL, base_get_node, NULL};
