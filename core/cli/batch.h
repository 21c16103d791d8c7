/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batch.h
 * `weft run --batch`: JSON lines in, JSON lines out, many requests in flight.
 */
#ifndef WEFT_CLI_BATCH_H
#define WEFT_CLI_BATCH_H

#include "session.h"

typedef struct {
  const char *path;   /**< the file, or - */
  guint64 seed;       /**< of the first line; each line adds one */
  GArray *context;    /**< of struct weft_context_entry, of every line that does not say otherwise; borrowed */
  guint64 timeout_ns; /**< of each request; 0: none */
  guint n_clients;    /**< requests in flight, 1..WEFT_FRAMES_MAX */
  gboolean unordered; /**< answers as they come, not in the order of the lines */
  gboolean at_once;   /**< each answer is flushed: somebody may wait for it before the next line */
} WeftBatch;

/**
 * Reads, answers and prints everything on standard output, with a progress bar
 * on standard error where that is a terminal. A bad line is an answer with its
 * error. Answers the exit code of the command.
 */
int weft_batch_run(WeftSession *session, const WeftBatch *batch);

#endif
