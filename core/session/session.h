/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file session.h
 * What a program embeds: one catalogue, one pool, one runtime, and a pipeline
 * that answers requests.
 *
 *     g_autoptr(WeftSession) session = weft_session_new(&options, &error);
 *     if (!weft_session_load(session, "digits.yaml", diagnostics)) ...
 *     WeftQuery query = {.inputs = inputs};
 *     json_t *answer = NULL;
 *     weft_session_run(session, &query, 1, &answer);
 *     ... json_decref(answer)
 */
#ifndef WEFT_CORE_SESSION_H
#define WEFT_CORE_SESSION_H

#include "revision.h"
#include <jansson.h>

typedef struct WeftSession WeftSession;

typedef struct {
  const char *catalogue;     /**< with the bundled one instead of the search order; NULL: the search order */
  guint n_threads;           /**< 0: from affinity and cgroup */
  WeftVariables *variables;  /**< what ${NAME} of a pipeline file stands for, borrowed until the session is freed;
                                  NULL: none is given */
  WeftBuildOptions build;    /**< worker_program may be NULL: the one that came with the program */
} WeftSessionOptions;

/** One value of a request: bytes, or the error that kept them away, or neither: absent. */
typedef struct {
  GBytes *bytes;
  GError *error;
} WeftValue;

/** One request. inputs: [number of inputs of the pipeline], borrowed until the run returns. */
typedef struct {
  WeftValue *inputs;
  guint64 seed;              /**< of everything random in it */
  guint64 timeout_ns;        /**< from the start of the run; 0: none */
  const struct weft_context_entry *context; /**< [n_context] borrowed until the run returns */
  guint n_context;
  gboolean by_options;       /**< inputs come from a command line: messages call them --NAME, otherwise "NAME" */
} WeftQuery;

/** Errors: WEFT_ERROR with the status. [control thread] */
WeftSession *weft_session_new(const WeftSessionOptions *options, GError **error);
/** Waits for what was submitted. NULL is allowed. No run is in progress. [control thread] */
void weft_session_free(WeftSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftSession, weft_session_free)

/** Parses and builds a pipeline file, replacing none. FALSE: diagnostics say why. [control thread] */
gboolean weft_session_load(WeftSession *session, const char *path, WeftDiagnostics *diagnostics);

/** The pipeline as loaded: borrowed until free. */
WeftRevision *weft_session_revision(WeftSession *session);
const WeftPipeline *weft_session_pipeline(WeftSession *session);
WeftCatalogue *weft_session_catalogue(WeftSession *session);
/** How many requests one frame takes. */
guint weft_session_n_items_max(const WeftSession *session);

/**
 * Answers n requests (any number) together, in frames of n_items_max.
 * answers: [n] `weft.answer/1` objects, caller frees with json_decref; one
 * request's failure is its own answer. [any thread]
 */
void weft_session_run(WeftSession *session, const WeftQuery *queries, guint n, json_t **answers);

/** A request that was submitted. */
typedef struct WeftTicket WeftTicket;
/** answer: transferred, freed with json_decref. Called once per request. Must not block. [helper] */
typedef void (*WeftSessionDone)(json_t *answer, gpointer data);
typedef struct {
  WeftSessionDone done;
  gpointer data;
} WeftReceiver;
/**
 * Takes one request and returns at once; never runs plugin code on the caller.
 * What is wrong with the request itself is in its answer. Requests that are in
 * flight together share calls at nodes that batch. query, receiver: borrowed
 * until return (bytes are referenced, the rest is copied). out: caller frees with
 * weft_ticket_unref; NULL is allowed. FALSE, and `done` is not called:
 * WEFT_ERROR with WEFT_UNAVAILABLE (which queue is full, or no thread),
 * WEFT_NO_MEMORY. [any thread]
 */
gboolean weft_session_submit(WeftSession *session, const WeftQuery *query, const WeftReceiver *receiver,
                             WeftTicket **out, GError **error);
/** The answer of a request that submit did not take. Caller frees with json_decref. [any thread] */
json_t *weft_session_refusal(WeftSession *session, const WeftQuery *query, const GError *error);
/** The request ends as soon as it can, with status "cancelled" unless it is done already. [any thread] */
void weft_ticket_cancel(WeftTicket *ticket);
/** The request goes on. NULL is allowed. [any thread] */
void weft_ticket_unref(WeftTicket *ticket);
/** Returns when every `done` has returned. [control thread] */
void weft_session_drain(WeftSession *session);

/** What computes, as answers name it under `fingerprint`: borrowed until free. */
const char *weft_session_fingerprint(WeftSession *session);

/** The provider, loaded where it is not yet; NULL: none is to be had. Shared, lives as long as the process. [control thread] */
const struct weft_compute *weft_session_compute(WeftSession *session);

/** Name of a status code in answers: "ok", "bad-input", ... */
const char *weft_status_name(gint status);

#endif
