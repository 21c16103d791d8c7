/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry.h
 * The one symbol that a plugin exports.
 *
 *     WEFT_EXPORT const struct weft_entry weft_entry = {
 *       sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST,
 *       0, my_init, my_fini, my_get_node, my_get_extension};
 *
 * At load the host copies it into a zero-filled struct of its own: an older,
 * shorter one reads as zeros beyond its size, a newer one is cut.
 */
#ifndef WEFT_ENTRY_H
#define WEFT_ENTRY_H

#include "node.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The contract these headers describe. While it is a draft, host and plugin must name the same draft. */
#define WEFT_CONTRACT_VERSION 1u
/** The lowest contract a plugin built against these headers can live with. */
#define WEFT_CONTRACT_LOWEST 1u
/** The symbol's name. */
#define WEFT_ENTRY_SYMBOL "weft_entry"

#if defined(__GNUC__)
#define WEFT_EXPORT_VISIBILITY __attribute__((visibility("default")))
#else
#define WEFT_EXPORT_VISIBILITY
#endif
#ifdef __cplusplus
#define WEFT_EXPORT extern "C" WEFT_EXPORT_VISIBILITY
#else
#define WEFT_EXPORT WEFT_EXPORT_VISIBILITY
#endif

struct weft_entry {
  uint32_t size;            /**< sizeof(struct weft_entry) */
  uint32_t contract;        /**< WEFT_CONTRACT_VERSION the plugin was built against */
  uint32_t contract_lowest; /**< the lowest it can live with */
  uint32_t flags;           /**< 0 */

  /** Called once after loading. host: lives as long as the process. Returns WEFT_OK or refuses. [control thread] */
  weft_status (*init)(const struct weft_host *host);
  /** Called once before the process ends; may be NULL. [control thread] */
  void (*fini)(void);
  /** The node of that id (manifest: plugins[].id), or NULL. Shared, lives as long as the process. [control thread] */
  const struct weft_node *(*get_node)(const char *node_id);
  /** An extension of a node, such as "weft.compute/1", or NULL; the pointer itself may be NULL. [control thread] */
  const void *(*get_extension)(const char *node_id, const char *extension_id);
};

#ifdef __cplusplus
}
#endif
#endif
