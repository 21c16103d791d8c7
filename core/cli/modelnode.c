/* SPDX-License-Identifier: Apache-2.0 */
#include "modelnode.h"

#include "manifest.h"
#include "pipeline.h"
#include "planrun.h"

#include <string.h>
#include <weft/encoder.h>

static const char *modality_of(const WeftPortSpec *port)
{
  for (guint i = 0; port->attributes && i < port->attributes->len; i++) {
    const WeftAttribute *attribute = port->attributes->pdata[i];
    if (strcmp(attribute->key, "modality") == 0)
      return attribute->value;
  }
  return NULL;
}

/* What a reader must give it; NULL: it takes no model, or needs more than one medium. */
static const char *medium_of(const WeftPluginSpec *spec)
{
  const char *medium = NULL;
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    if (port->optional || port->base || port->state)
      continue;
    if (medium || port->variadic || !modality_of(port))
      return NULL;
    medium = modality_of(port);
  }
  return spec->model == WEFT_MODEL_NONE ? NULL : medium;
}

static WeftSession *session_new(const WeftModelSource *source, GError **error)
{
  WeftSessionOptions options = {.catalogue = source->catalogue, .build = {.isolate = "none", .precision = source->precision}};
  WeftSession *session = weft_session_new(&options, error);
  const struct weft_compute *compute = session && source->catch_plans ? weft_session_compute(session) : NULL;
  if (session && source->catch_plans && !compute) {
    g_set_error(error, WEFT_ERROR, WEFT_UNAVAILABLE, "no provider of computing is installed (compute-cpu)");
    weft_session_free(session);
    return NULL;
  }
  if (compute)
    weft_plan_catch(compute);
  return session;
}

static gboolean load(WeftSession *session, const char *path, GError **error)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(path);
  if (weft_session_load(session, path, diagnostics))
    return TRUE;
  g_autofree char *text = weft_diagnostics_text(diagnostics);
  g_clear_error(error);
  g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s", g_strchomp(text));
  return FALSE;
}

static char *line_of(const WeftModelSource *source, const char *plugin, const char *medium)
{
  g_autofree char *path = g_file_test(source->model, G_FILE_TEST_IS_DIR) ? g_canonicalize_filename(source->model, NULL)
                                                                       : g_strdup(source->model);
  g_auto(GStrv) parts = g_strsplit(path, "'", -1);
  g_autofree char *quoted = g_strjoinv("\\'", parts);
  return g_strdup_printf("input:%s ! node=%s model='%s'", medium, plugin, quoted);
}

/* TRUE: it was loaded. *tried: some plugin could have been. */
static gboolean try_plugin(WeftSession *session, const WeftModelSource *source, const WeftPluginRow *row, gboolean *tried,
                           GError **error)
{
  g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), row->id, NULL);
  const WeftPluginSpec *spec = manifest ? weft_manifest_find(manifest, row->id) : NULL;
  const char *medium = spec ? medium_of(spec) : NULL;
  if (!medium)
    return FALSE;
  *tried = TRUE;
  g_autofree char *line = line_of(source, row->id, medium);
  return load(session, line, error);
}

static gboolean load_node(WeftSession *session, const WeftModelSource *source, GError **error)
{
  g_autoptr(GPtrArray) rows = weft_catalogue_list(weft_session_catalogue(session), error);
  gboolean tried = FALSE;
  for (guint i = 0; rows && i < rows->len; i++) {
    const WeftPluginRow *row = rows->pdata[i];
    gboolean newest = i + 1 == rows->len || strcmp(((WeftPluginRow *)rows->pdata[i + 1])->id, row->id) != 0;
    if (!row->usable || !newest || (source->use ? strcmp(source->use, row->id) != 0 : strcmp(row->kind, "encoder") != 0))
      continue;
    if (try_plugin(session, source, row, &tried, error)) {
      g_clear_error(error);
      return TRUE;
    }
  }
  if (rows && !tried)
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s%s that a reader feeds and that takes a model is installed; a pipeline "
                "that uses the model (--pipeline FILE) says how it is fed", source->use ? "no plugin " : "no encoder",
                source->use ? source->use : "");
  else if (error && *error && !source->use)
    g_prefix_error(error, "no installed encoder reads %s (--use PLUGIN names one, --pipeline FILE a pipeline that uses it):\n",
                   source->model);
  return FALSE;
}

WeftSession *weft_model_session(const WeftModelSource *source, GError **error)
{
  WeftSession *session = session_new(source, error);
  if (!session)
    return NULL;
  if (source->pipeline ? load(session, source->pipeline, error) : load_node(session, source, error))
    return session;
  weft_session_free(session);
  if (source->catch_plans)
    weft_plan_catch_end();
  return NULL;
}

guint64 weft_model_weights_id(WeftSession *session, const char *weights)
{
  g_autofree char *digest = weft_catalogue_file_digest(weft_session_catalogue(session), weights, NULL);
  if (!digest)
    return 0;
  digest[16] = 0;
  return g_ascii_strtoull(digest, NULL, 16);
}
