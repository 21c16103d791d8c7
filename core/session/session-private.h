/* SPDX-License-Identifier: Apache-2.0 */
/** @file session-private.h What the files of core/session share. */
#ifndef WEFT_CORE_SESSION_PRIVATE_H
#define WEFT_CORE_SESSION_PRIVATE_H

#include "session.h"
#include "sink.h"
#include <pthread.h>

struct WeftSession {
  WeftCatalogue *catalogue;
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  WeftPipeline *pipeline;
  WeftRevision *revision;
  WeftBuildOptions build;
  WeftVariables *variables;
  char *worker_program, *isolate, *precision, *fingerprint;
  WeftPluginRow *compute; /* NULL: none installed */
  const struct weft_compute *compute_table; /* NULL until a model asks for it */
  pthread_mutex_t lock;   /* not GLib's, which the thread sanitizer does not see */
  pthread_cond_t drained;
  pthread_mutex_t sink_lock;
  WeftSinks *sinks;       /* under sink_lock; NULL until the first answer has something to write */
  guint n_submitted;      /* under the lock: tickets whose `done` has not returned */
};

#endif
