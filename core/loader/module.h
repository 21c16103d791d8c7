/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file module.h
 * Loads a shared object (the only user of libdl). Knows neither GLib nor the
 * catalogue, so that a worker uses the same code. Modules stay loaded for the
 * life of the process: loading one file twice gives the same module.
 */
#ifndef WEFT_CORE_MODULE_H
#define WEFT_CORE_MODULE_H

#include <weft/entry.h>

struct weft_module;

/**
 * dlopens (RTLD_NOW, RTLD_LOCAL), copies the entry into a zero-filled struct,
 * checks the contract (the message names both versions and the file), calls
 * `init` with weft_host_table().
 * out: shared, lives as long as the process. message: [WEFT_MESSAGE_BYTES].
 * Errors: WEFT_CONTRACT, WEFT_UNAVAILABLE (cannot be loaded), or what `init` answered. [control thread]
 */
weft_status weft_module_load(const char *path, struct weft_module **out, char *message);

/** The node, checked (size, all six functions); NULL with message otherwise. [control thread] */
const struct weft_node *weft_module_node(struct weft_module *module, const char *node_id, char *message);

/** The extension or NULL. [control thread] */
const void *weft_module_extension(struct weft_module *module, const char *node_id, const char *extension_id);

/** Calls `fini` of every module, the latest first; the process ends next. [control thread] */
void weft_module_end(void);

#endif
