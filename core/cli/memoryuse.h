/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file memoryuse.h
 * What a process holds in memory, as the kernel tells it.
 */
#ifndef WEFT_CLI_MEMORYUSE_H
#define WEFT_CLI_MEMORYUSE_H

#include <glib.h>

/** Files smaller than this that are mapped are not counted as weights. */
#define WEFT_WEIGHTS_LEAST_BYTES 65536

/** Bytes. */
typedef struct {
  guint64 resident, anonymous, peak;         /**< VmRSS, RssAnon, VmHWM */
  guint64 weights_mapped, weights_resident;  /**< files mapped to be read only: models */
} WeftMemoryUse;

/** Of a process, 0: this one. FALSE: it is gone, or its files may not be read. */
gboolean weft_memory_use(gint pid, WeftMemoryUse *use);
/** From the texts of /proc/PID/status and /proc/PID/smaps; either may be NULL. */
void weft_memory_parse(const char *status, const char *smaps, WeftMemoryUse *use);

#endif
