/* SPDX-License-Identifier: Apache-2.0 */
#include "session-private.h"

#include "hosttable.h"
#include "learn.h"
#include "manifest.h"
#include "module.h"
#include "places.h"
#include <string.h>
#include <weft/compute.h>

#define COMPUTE_PLUGIN "compute-cpu"
#define DEFAULT_ITEMS_MAX 64

/* The provider is loaded when the first model asks for it: a pipeline without one does not pay. */
static const void *find_extension(void *data, const char *id)
{
  WeftSession *session = data;
  if (strcmp(id, WEFT_COMPUTE_ID) != 0 || !session->compute)
    return NULL;
  if (session->compute_table)
    return session->compute_table;
  struct weft_module *module = NULL;
  char message[WEFT_MESSAGE_BYTES] = "";
  if (weft_module_load(session->compute->path, &module, message) != WEFT_OK) {
    weft_host_table()->log(WEFT_LOG_ERROR, "%s", message);
    return NULL;
  }
  session->compute_table = weft_module_extension(module, COMPUTE_PLUGIN, WEFT_COMPUTE_ID);
  return session->compute_table;
}

WeftSession *weft_session_new(const WeftSessionOptions *options, GError **error)
{
  g_autoptr(WeftSession) session = g_new0(WeftSession, 1);
  pthread_mutex_init(&session->lock, NULL);
  pthread_mutex_init(&session->sink_lock, NULL);
  pthread_cond_init(&session->drained, NULL);
  g_autofree char *bundled = weft_place_bundled_catalogue();
  if (options->catalogue)
    g_setenv("WEFT_CATALOGUE", options->catalogue, TRUE);
  session->catalogue = weft_catalogue_open(bundled, error);
  if (!session->catalogue)
    return NULL;
  weft_status status = weft_pool_new(options->n_threads, &session->pool);
  if (status == WEFT_OK)
    status = weft_runtime_new(session->pool, &session->runtime);
  if (status != WEFT_OK) {
    g_set_error(error, WEFT_ERROR, status, "the runtime does not start: %s", weft_status_name(status));
    return NULL;
  }
  weft_pool_offer(session->pool);
  session->compute = weft_catalogue_find(session->catalogue, COMPUTE_PLUGIN, NULL, NULL);
  weft_host_set_finder(find_extension, session);
  session->build = options->build;
  session->variables = options->variables;
  session->worker_program =
      options->build.worker_program ? g_strdup(options->build.worker_program) : weft_place_worker_program();
  session->isolate = g_strdup(options->build.isolate);
  session->build.worker_program = session->worker_program;
  session->build.isolate = session->isolate;
  session->precision = g_strdup(options->build.precision);
  session->build.precision = session->precision;
  session->build.compute = session->compute ? session->compute->path : NULL;
  if (session->build.n_items_max == 0)
    session->build.n_items_max = DEFAULT_ITEMS_MAX;
  return g_steal_pointer(&session);
}

void weft_session_free(WeftSession *session)
{
  if (!session)
    return;
  weft_session_drain(session);
  weft_learn_revision(session->catalogue, session->revision);
  g_clear_pointer(&session->sinks, weft_sinks_free);
  weft_revision_free(session->revision);
  weft_pipeline_free(session->pipeline);
  weft_runtime_free(session->runtime);
  weft_host_set_finder(NULL, NULL);
  weft_host_offer(WEFT_POOL_ID, NULL);
  weft_pool_free(session->pool);
  weft_plugin_row_free(session->compute);
  weft_catalogue_free(session->catalogue);
  g_free(session->worker_program);
  g_free(session->isolate);
  g_free(session->precision);
  g_free(session->fingerprint);
  pthread_cond_destroy(&session->drained);
  pthread_mutex_destroy(&session->lock);
  pthread_mutex_destroy(&session->sink_lock);
  g_free(session);
}

/* The provider's, with what does not run at f32: "compute-cpu 0.1.0 avx2, see int8 (avx2-int8)". */
static void take_fingerprint(WeftSession *session)
{
  g_autoptr(GString) text = g_string_new(session->compute_table ? session->compute_table->fingerprint : "none");
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(session->revision, &n);
  for (guint i = 0; i < n && session->compute_table; i++) {
    if (!nodes[i].precision || strcmp(nodes[i].precision, "f32") == 0)
      continue;
    const char *layout = session->compute_table->layout(nodes[i].precision_number);
    g_string_append_printf(text, ", %s %s (%s)", nodes[i].name, nodes[i].precision, layout ? layout : "none");
  }
  g_free(session->fingerprint);
  session->fingerprint = g_strdup(text->str);
}

/* Where every model runs in a worker, nothing has asked for the provider here; it is the same file on the same machine. */
static void load_compute_of_workers(WeftSession *session)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(session->revision, &n);
  for (guint i = 0; i < n && !session->compute_table; i++)
    if (nodes[i].isolated && nodes[i].model)
      find_extension(session, WEFT_COMPUTE_ID);
}

gboolean weft_session_load(WeftSession *session, const char *path, WeftDiagnostics *diagnostics)
{
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_open(path, session->catalogue, session->variables, diagnostics);
  if (!pipeline)
    return FALSE;
  const char *unused = weft_variables_unused(session->variables);
  if (unused)
    weft_diagnostics_add(diagnostics, "variable", 0, 0, "--set %s: nothing in the file uses the variable \"%s\"", unused,
                         unused);
  WeftRevision *revision =
      weft_revision_build(pipeline, session->catalogue, session->runtime, &session->build, diagnostics);
  if (!revision || unused) {
    weft_revision_free(revision);
    return FALSE;
  }
  weft_learn_revision(session->catalogue, session->revision);
  g_clear_pointer(&session->sinks, weft_sinks_free);
  weft_revision_free(session->revision);
  weft_pipeline_free(session->pipeline);
  session->revision = revision;
  session->pipeline = g_steal_pointer(&pipeline);
  load_compute_of_workers(session);
  take_fingerprint(session);
  return TRUE;
}

WeftRevision *weft_session_revision(WeftSession *session)
{
  return session->revision;
}

const WeftPipeline *weft_session_pipeline(WeftSession *session)
{
  return session->pipeline;
}

WeftCatalogue *weft_session_catalogue(WeftSession *session)
{
  return session->catalogue;
}

const char *weft_session_fingerprint(WeftSession *session)
{
  return session->fingerprint ? session->fingerprint : "none";
}

const struct weft_compute *weft_session_compute(WeftSession *session)
{
  return find_extension(session, WEFT_COMPUTE_ID);
}

guint weft_session_n_items_max(const WeftSession *session)
{
  return session->build.n_items_max;
}
