/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file probe.h
 * Runs weft-probe on a plugin file: its code runs in that process only, with a
 * deadline and limits. Crash, hang and exit are verdicts.
 */
#ifndef WEFT_CORE_PROBE_H
#define WEFT_CORE_PROBE_H

#include <glib.h>

typedef struct {
  char *code, *reason; /**< NULL: it passed */
} WeftProbeVerdict;

void weft_probe_verdict_clear(WeftProbeVerdict *verdict);
/** FALSE with error: the probe itself could not be run. */
gboolean weft_probe_run(const char *program, const char *file, guint timeout_ms, WeftProbeVerdict *out, GError **error);

#endif
