/* SPDX-License-Identifier: Apache-2.0 */
/* compute-cpu: weft.compute/1 on the processor. Offers a table and no node. */
#include "provider.h"

#include <string.h>
#include <weft/entry.h>

static const struct weft_node *get_node(const char *node_id)
{
  return NULL;
}

static const void *get_extension(const char *node_id, const char *extension_id)
{
  int known = strcmp(node_id, "compute-cpu") == 0 && strcmp(extension_id, WEFT_COMPUTE_ID) == 0;
  return known ? weft_cpu_table() : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, weft_cpu_init, NULL, get_node,
    get_extension};
