/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "crash-in-init"
#include "base.h"

/* A sanitizer leaves the signal to the kernel. */
__attribute__((no_sanitize("undefined"))) static weft_status crash(const struct weft_host *table)
{
  volatile int *nowhere = NULL;
  base_host = table;
  *nowhere = 1;
  return WEFT_OK;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, crash, NULL, base_get_node, NULL};
