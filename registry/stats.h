/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file stats.h
 * stats.db: what runs learn about plugins, by the digest of their file. It
 * lies in the catalogue of whoever runs, also for plugins of the system's.
 * Losing it loses no plugin; nothing waits for the disk because of it.
 */
#ifndef WEFT_STATS_H
#define WEFT_STATS_H

#include "catalogue.h"

/** What one run has seen of one plugin, or what all of them have. */
typedef struct {
  const char *sha256, *id;  /**< borrowed until return; NULL in what is read */
  gint64 n_starts;          /**< pipelines loaded with it */
  gint64 n_calls;           /**< calls into its process */
  gint64 n_crashes;         /**< deaths of its process, kills at a deadline included */
  gint64 last_crash_at;     /**< seconds since 1970; 0: none */
  const char *last_crash;   /**< why; NULL: none. Read: caller frees with g_free */
} WeftPluginStats;

/** Adds what was seen to stats.db of whoever runs. Where it cannot be written nothing is remembered: FALSE. */
gboolean weft_catalogue_learn(WeftCatalogue *catalogue, const WeftPluginStats *seen, guint n);
/** What is remembered of a file's plugin; zeros where nothing is. */
void weft_catalogue_learned(WeftCatalogue *catalogue, const char *sha256, const char *id, WeftPluginStats *out);

#endif
