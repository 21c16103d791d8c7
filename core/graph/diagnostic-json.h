/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file diagnostic-json.h
 * Diagnostics for programs: `weft.diagnostics/1`, documented in docs/pipeline.md.
 */
#ifndef WEFT_CORE_DIAGNOSTIC_JSON_H
#define WEFT_CORE_DIAGNOSTIC_JSON_H

#include "diagnostic.h"
#include <jansson.h>

/** All of them in order of the file. Caller frees with json_decref. */
json_t *weft_diagnostics_json(const WeftDiagnostics *diagnostics);

#endif
