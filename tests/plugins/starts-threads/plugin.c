/* SPDX-License-Identifier: Apache-2.0 */
#define BASE_ID "starts-threads"
#include "base.h"

#include <pthread.h>
#include <unistd.h>

static void *idle(void *unused)
{
  for (;;)
    pause();
  return unused;
}

static weft_status eager_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  pthread_t thread;
  pthread_create(&thread, NULL, idle, NULL);
  return base_create(setup, config, instance);
}

static const struct weft_node *get_node(const char *node_id)
{
  static const struct weft_node node = {sizeof node,   0,            eager_create,    base_ports,
                                        base_activate, base_process, base_deactivate, base_destroy};
  return strcmp(node_id, BASE_ID) == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, base_init, NULL, get_node, NULL};
