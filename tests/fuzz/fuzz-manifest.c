/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as manifest.json: a manifest whose parts can be looked up, or an error with a message. */
#include "manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftManifest) manifest = weft_manifest_parse((const char *)data, size, "fuzz.json", &error);
  if ((manifest == NULL) != (error != NULL))
    abort();
  for (guint i = 0; manifest && i < manifest->plugins->len; i++) {
    const WeftPluginSpec *plugin = g_ptr_array_index(manifest->plugins, i);
    if (weft_manifest_find(manifest, plugin->id) != plugin)
      abort();
    for (guint k = 0; k < plugin->outputs->len; k++) {
      const WeftPortSpec *port = g_ptr_array_index(plugin->outputs, k);
      if (weft_plugin_spec_output(plugin, port->name) != port || port->rank < 1 || port->rank > WEFT_MAX_RANK ||
          !weft_dtype_name(port->dtype))
        abort();
    }
  }
  return 0;
}
