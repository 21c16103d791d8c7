/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sink.h
 * Where bytes of answers go: the files that a pipeline names under `sinks`,
 * appended to. Only requests that were answered get here: what a filter
 * refused, or what failed, has nothing to write.
 */
#ifndef WEFT_CORE_SINK_H
#define WEFT_CORE_SINK_H

#include "revision.h"

/** How many files a sink that begins new ones may have beside the current one. */
#define WEFT_SINK_MAX_FILES 1000000u

typedef struct WeftSinks WeftSinks;

/** Opens every sink. Errors (WEFT_ERROR, WEFT_UNAVAILABLE) name sink and path. revision: borrowed until free. */
WeftSinks *weft_sinks_new(const WeftRevision *revision, GError **error);
/** NULL is allowed. */
void weft_sinks_free(WeftSinks *sinks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftSinks, weft_sinks_free)
/**
 * Writes what the item has for each sink, each with one write. FALSE with error
 * where one failed that may not: nothing half written is left in a file.
 * May block on the disk. [one thread at a time]
 */
gboolean weft_sinks_write(WeftSinks *sinks, const struct weft_frame *frame, guint item, GError **error);
/** Writes that failed, those that `on_error: drop` allows too. */
guint64 weft_sinks_n_errors(const WeftSinks *sinks);

#endif
