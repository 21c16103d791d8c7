/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a session: a frame of several on the caller's thread, or one that is submitted and answered later. */
#include "answer.h"
#include "hosttable.h"
#include "manifest.h"
#include "session-private.h"
#include <string.h>
#include <time.h>

struct WeftTicket {
  gint n_refs; /* atomic: who submitted it, and the runtime until `done` has returned */
  WeftSession *session;
  WeftSessionDone done;
  gpointer data;
  WeftQuery query; /* a copy */
  struct weft_context context;
  guint n_inputs;
  GError *error; /* why it is not run */
  guint64 begin_ns;
  pthread_mutex_t lock;
  struct weft_frame *frame; /* NULL: not in flight */
};

static guint64 now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (guint64)t.tv_sec * 1000000000u + (guint64)t.tv_nsec;
}

/* What a query lacks before it runs: a value that could not be had, inputs that `require` wants, its context. */
static GError *query_error(WeftSession *session, const WeftQuery *query, guint n_inputs, struct weft_context *context)
{
  g_autofree gboolean *present = g_new0(gboolean, n_inputs + 1);
  for (guint i = 0; i < n_inputs; i++) {
    if (query->inputs[i].error)
      return g_error_copy(query->inputs[i].error);
    present[i] = query->inputs[i].bytes != NULL;
  }
  g_autofree char *missing = NULL;
  GError *error = NULL;
  WeftGivenAs as = query->by_options ? WEFT_GIVEN_AS_OPTION : WEFT_GIVEN_AS_KEY;
  if (weft_revision_require(session->revision, present, as, &missing)) {
    weft_revision_take_context(session->revision, query->context, query->n_context, context, &error);
    return error;
  }
  return g_error_new(WEFT_ERROR, WEFT_BAD_INPUT, "%s", missing);
}

static void fill_request(struct weft_request *request, struct weft_blob *blobs, const WeftQuery *query, guint n_inputs,
                         const GError *error)
{
  for (guint k = 0; k < n_inputs; k++) {
    gsize n_bytes = 0;
    GBytes *bytes = query->inputs[k].bytes;
    blobs[k].data = bytes ? g_bytes_get_data(bytes, &n_bytes) : NULL;
    blobs[k].n_bytes = n_bytes;
    blobs[k].present = bytes != NULL;
  }
  request->inputs = blobs;
  request->seed = query->seed;
  request->deadline_ns = query->timeout_ns ? now_ns() + query->timeout_ns : 0;
  request->status = error ? WEFT_BAD_INPUT : WEFT_OK;
}

/* Which queue is full, how long it is, and what to do. */
static GError *full_error(WeftSession *session)
{
  struct weft_load load;
  weft_graph_load(weft_revision_graph(session->revision), &load);
  g_autoptr(GString) text = g_string_new(NULL);
  if (load.n_frames < load.n_frames_max)
    g_string_append(text, "no helper thread could be started (limit of threads of this process or user): raise the limit");
  else
    g_string_append_printf(text, "the queue of pipeline %s is full: %u requests are in flight, the most is %u",
                           weft_revision_name(session->revision), load.n_frames, load.n_frames_max);
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(session->revision, &n);
  for (guint i = 0; i < n && load.n_waiting > 0; i++)
    if (nodes[i].graph_node == load.node)
      g_string_append_printf(text, ", %u of them wait at node '%s'", load.n_waiting, nodes[i].name);
  if (load.n_frames >= load.n_frames_max)
    g_string_append(text, "; wait for answers before you send more, or send to another process");
  return g_error_new(WEFT_ERROR, WEFT_UNAVAILABLE, "the request could not be taken: %s", text->str);
}

static GError *refused(WeftSession *session, weft_status status)
{
  if (status == WEFT_UNAVAILABLE)
    return full_error(session);
  return g_error_new(WEFT_ERROR, status, "the request could not be taken: %s%s", weft_status_name(status),
                     status == WEFT_NO_MEMORY ? " (a frame reserves more than 8 GiB of addresses, of which it "
                                                "uses little: ulimit -v must allow them)" : "");
}

static WeftAnswerSource source_of(WeftSession *session, guint64 begin_ns)
{
  return (WeftAnswerSource){session->revision, weft_session_fingerprint(session),
                            session->build.explain || session->build.record_heads, (double)(now_ns() - begin_ns) / 1e6};
}

/* What the pipeline's sinks are to get of an item that was answered; the error fails it. */
static GError *write_sinks(WeftSession *session, const struct weft_frame *frame, guint item)
{
  guint n = 0;
  GError *error = NULL;
  weft_revision_sinks(session->revision, &n);
  if (!n || weft_frame_status(frame, item) != WEFT_OK)
    return NULL;
  pthread_mutex_lock(&session->sink_lock);
  if (!session->sinks)
    session->sinks = weft_sinks_new(session->revision, &error);
  if (session->sinks)
    weft_sinks_write(session->sinks, frame, item, &error);
  pthread_mutex_unlock(&session->sink_lock);
  return error;
}

static void run_frame(WeftSession *session, const WeftQuery *queries, guint n, json_t **answers)
{
  guint n_inputs = 0;
  weft_revision_inputs(session->revision, &n_inputs);
  g_autofree struct weft_request *requests = g_new0(struct weft_request, n);
  g_autofree struct weft_blob *blobs = g_new0(struct weft_blob, (gsize)n * n_inputs + 1);
  g_autofree struct weft_context *contexts = g_new0(struct weft_context, n);
  g_autofree GError **errors = g_new0(GError *, n);
  for (guint i = 0; i < n; i++) {
    errors[i] = query_error(session, &queries[i], n_inputs, &contexts[i]);
    fill_request(&requests[i], blobs + (gsize)i * n_inputs, &queries[i], n_inputs, errors[i]);
    requests[i].context = &contexts[i];
  }
  guint64 begin = now_ns();
  struct weft_frame *frame = NULL;
  weft_status status = weft_graph_run(weft_revision_graph(session->revision), requests, n, &frame);
  WeftAnswerSource source = source_of(session, begin);
  for (guint i = 0; i < n; i++) {
    if (status != WEFT_OK && !errors[i])
      errors[i] = refused(session, status);
    if (frame && !errors[i])
      errors[i] = write_sinks(session, frame, i);
    answers[i] = weft_answer_new(&source, &queries[i], frame, i, errors[i]);
    g_clear_error(&errors[i]);
  }
  if (frame)
    weft_frame_release(frame);
}

void weft_session_run(WeftSession *session, const WeftQuery *queries, guint n, json_t **answers)
{
  guint most = session->build.n_items_max;
  for (guint done = 0; done < n; done += MIN(most, n - done))
    run_frame(session, queries + done, MIN(most, n - done), answers + done);
}

void weft_ticket_unref(WeftTicket *ticket)
{
  if (!ticket || !g_atomic_int_dec_and_test(&ticket->n_refs))
    return;
  for (guint k = 0; k < ticket->n_inputs; k++) {
    if (ticket->query.inputs[k].bytes)
      g_bytes_unref(ticket->query.inputs[k].bytes);
    g_clear_error(&ticket->query.inputs[k].error);
  }
  for (guint k = 0; k < ticket->query.n_context; k++) {
    g_free((char *)(uintptr_t)ticket->query.context[k].key);
    g_free((char *)(uintptr_t)ticket->query.context[k].value);
  }
  g_free((void *)(uintptr_t)ticket->query.context);
  g_free(ticket->query.inputs);
  g_clear_error(&ticket->error);
  pthread_mutex_destroy(&ticket->lock);
  g_free(ticket);
}

void weft_ticket_cancel(WeftTicket *ticket)
{
  pthread_mutex_lock(&ticket->lock);
  if (ticket->frame)
    weft_frame_cancel(ticket->frame, WEFT_ALL_ITEMS);
  pthread_mutex_unlock(&ticket->lock);
}

static void leave(WeftSession *session)
{
  pthread_mutex_lock(&session->lock);
  if (--session->n_submitted == 0)
    pthread_cond_broadcast(&session->drained);
  pthread_mutex_unlock(&session->lock);
}

/* [helper] */
static void on_done(struct weft_frame *frame, void *data)
{
  WeftTicket *ticket = data;
  WeftSession *session = ticket->session;
  WeftAnswerSource source = source_of(session, ticket->begin_ns);
  if (!ticket->error)
    ticket->error = write_sinks(session, frame, 0);
  json_t *answer = weft_answer_new(&source, &ticket->query, frame, 0, ticket->error);
  pthread_mutex_lock(&ticket->lock);
  ticket->frame = NULL;
  pthread_mutex_unlock(&ticket->lock);
  weft_frame_release(frame);
  ticket->done(answer, ticket->data);
  weft_ticket_unref(ticket);
  leave(session);
}

static WeftTicket *ticket_new(WeftSession *session, const WeftQuery *query, WeftSessionDone done, gpointer data)
{
  WeftTicket *ticket = g_new0(WeftTicket, 1);
  ticket->n_refs = 2;
  ticket->session = session;
  ticket->done = done;
  ticket->data = data;
  ticket->query = *query;
  ticket->begin_ns = now_ns();
  pthread_mutex_init(&ticket->lock, NULL);
  weft_revision_inputs(session->revision, &ticket->n_inputs);
  ticket->query.inputs = g_new0(WeftValue, ticket->n_inputs + 1);
  for (guint k = 0; k < ticket->n_inputs; k++) {
    ticket->query.inputs[k].bytes = query->inputs[k].bytes ? g_bytes_ref(query->inputs[k].bytes) : NULL;
    ticket->query.inputs[k].error = query->inputs[k].error ? g_error_copy(query->inputs[k].error) : NULL;
  }
  struct weft_context_entry *context = g_new0(struct weft_context_entry, query->n_context + 1);
  for (guint k = 0; k < query->n_context; k++)
    context[k] = (struct weft_context_entry){g_strdup(query->context[k].key), g_strdup(query->context[k].value)};
  ticket->query.context = context;
  ticket->error = query_error(session, &ticket->query, ticket->n_inputs, &ticket->context);
  return ticket;
}

gboolean weft_session_submit(WeftSession *session, const WeftQuery *query, const WeftReceiver *receiver,
                             WeftTicket **out, GError **error)
{
  WeftTicket *ticket = ticket_new(session, query, receiver->done, receiver->data);
  g_autofree struct weft_blob *blobs = g_new0(struct weft_blob, ticket->n_inputs + 1);
  struct weft_request request = {0};
  if (out)
    *out = NULL;
  fill_request(&request, blobs, &ticket->query, ticket->n_inputs, ticket->error);
  request.context = &ticket->context;
  pthread_mutex_lock(&session->lock);
  session->n_submitted++;
  pthread_mutex_unlock(&session->lock);
  weft_status status =
      weft_graph_submit(weft_revision_graph(session->revision), &request, 1, on_done, ticket, &ticket->frame);
  if (status != WEFT_OK) {
    g_propagate_error(error, refused(session, status));
    weft_ticket_unref(ticket);
    leave(session);
  } else if (out) {
    *out = ticket;
    return TRUE;
  }
  weft_ticket_unref(ticket);
  return status == WEFT_OK;
}

json_t *weft_session_refusal(WeftSession *session, const WeftQuery *query, const GError *error)
{
  WeftAnswerSource source = source_of(session, now_ns());
  return weft_answer_new(&source, query, NULL, 0, error);
}

void weft_session_drain(WeftSession *session)
{
  pthread_mutex_lock(&session->lock);
  while (session->n_submitted > 0)
    pthread_cond_wait(&session->drained, &session->lock);
  pthread_mutex_unlock(&session->lock);
}
