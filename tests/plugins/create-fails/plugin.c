/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "create-fails"
#include "base.h"

static weft_status create_fails(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return base_host->fail(setup, WEFT_BAD_CONFIG, "the stars\n are \xffnot right");
}

static const struct weft_node *get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,   0,            create_fails,    base_ports,
                                        base_activate, base_process, base_deactivate, base_destroy};
  return strcmp(node_id, BASE_ID) == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, get_node, NULL};
