/* SPDX-License-Identifier: Apache-2.0 */
/** @file manifest-private.h  Shared by the files that parse manifests. */
#ifndef WEFT_CORE_MANIFEST_PRIVATE_H
#define WEFT_CORE_MANIFEST_PRIVATE_H

#include "json.h"
#include "manifest.h"

void weft_port_spec_free(WeftPortSpec *port);
void weft_param_spec_free(WeftParamSpec *param);
/** Lower case letters, digits and the bytes of `more`; begins with a letter; at most WEFT_MANIFEST_MAX_NAME. */
gboolean weft_manifest_is_name(const char *text, const char *more);
/** The array `key` of ports, added to `out`. */
gboolean weft_manifest_parse_ports(WeftJson *json, const json_t *plugin, const char *key, gboolean output,
                                   GPtrArray *out);
/** Row terms of the outputs name inputs: checked when both lists stand. */
gboolean weft_manifest_check_terms(WeftJson *json, const WeftPluginSpec *plugin);
gboolean weft_manifest_check_states(WeftJson *json, const WeftPluginSpec *plugin);
gboolean weft_manifest_parse_params(WeftJson *json, const json_t *plugin, GPtrArray *out);

#endif
