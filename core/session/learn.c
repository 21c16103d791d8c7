/* SPDX-License-Identifier: Apache-2.0 */
#include "learn.h"

#include "stats.h"
#include "worker.h"

static void fill(const WeftRevisionNode *node, WeftPluginStats *out, char *reason)
{
  struct weft_worker_stats seen;
  weft_worker_stats(node->worker, &seen);
  *out = (WeftPluginStats){.sha256 = node->sha256, .id = node->plugin, .n_starts = 1, .n_calls = (gint64)seen.n_calls,
                           .n_crashes = (gint64)seen.n_deaths};
  if (!seen.n_deaths)
    return;
  weft_worker_last_death(node->worker, reason);
  out->last_crash = reason;
  out->last_crash_at = g_get_real_time() / G_USEC_PER_SEC;
}

void weft_learn_revision(WeftCatalogue *catalogue, const WeftRevision *revision)
{
  guint n = 0, n_seen = 0;
  const WeftRevisionNode *nodes = revision ? weft_revision_nodes(revision, &n) : NULL;
  g_autofree WeftPluginStats *seen = g_new0(WeftPluginStats, n + 1);
  g_autofree char *reasons = g_malloc0((gsize)(n + 1) * WEFT_MESSAGE_BYTES);
  /* Plugins in this process cannot be told apart from it when they crash, and cost a start nothing here. */
  for (guint i = 0; i < n; i++)
    if (nodes[i].worker && nodes[i].sha256) {
      fill(&nodes[i], &seen[n_seen], reasons + (gsize)n_seen * WEFT_MESSAGE_BYTES);
      n_seen++;
    }
  weft_catalogue_learn(catalogue, seen, n_seen);
}
