/* SPDX-License-Identifier: Apache-2.0 */
/* Models, assets and pipelines that a file names as NAME@RANGE of the catalogue. */
#include "resolve.h"
#include "yamlprint.h"

#include <string.h>

gboolean weft_is_path(const char *text)
{
  gsize n = strcspn(text, "@");
  return memchr(text, '/', n) || memchr(text, '.', n) || strchr(text, '/');
}

WeftArtifactRow *weft_resolve_artifact(WeftBuilder *builder, WeftArtifactKind kind, const WeftYaml *at, const char *what)
{
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) parts = g_strsplit(at->text, "@", 2);
  WeftArtifactRow *row = weft_artifact_find(builder->catalogue, kind, parts[0], parts[1], &error);
  if (row)
    return row;
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, "artifact", "%s: %s", what, error->message);
  weft_diagnostic_hint(fault, "a path is told from a name by a / or a file ending: ./%s", parts[0]);
  return NULL;
}

void weft_asset_from_catalogue(WeftBuilder *builder, guint asset)
{
  WeftRevision *revision = builder->revision;
  const WeftAsset *decl = weft_asset_at(builder->pipeline, asset);
  g_autofree char *what = g_strdup_printf("asset \"%s\"", decl->name);
  g_autoptr(WeftArtifactRow) row = weft_resolve_artifact(builder, WEFT_ARTIFACT_ASSET, decl->at, what);
  if (!row)
    return;
  revision->asset_paths[asset] = g_strdup(row->path);
  revision->asset_labels[asset] = g_strdup_printf("%s@%s", row->name, row->version);
}

const char *weft_model_label(const WeftRevision *revision, guint model)
{
  return revision->model_labels[model] ? revision->model_labels[model] : weft_model_at(revision->pipeline, model)->path;
}

const char *weft_pipeline_name(const WeftPipeline *pipeline)
{
  return pipeline->name;
}

char *weft_pipeline_yaml(const WeftPipeline *pipeline)
{
  return weft_yaml_canonical(pipeline->root);
}

/* What the sub-pipelines name is their own matter: they are in the catalogue already. */
char *weft_pipeline_first_path(const WeftPipeline *pipeline)
{
  for (guint i = 0; i < pipeline->inlined->len; i++) {
    const WeftInlined *inlined = pipeline->inlined->pdata[i];
    if (weft_is_path(inlined->use))
      return g_strdup(inlined->use);
  }
  for (guint i = 0; i < pipeline->models->len; i++)
    if (weft_model_at(pipeline, i)->path && weft_is_path(weft_model_at(pipeline, i)->path))
      return g_strdup(weft_model_at(pipeline, i)->path);
  for (guint i = 0; i < pipeline->assets->len; i++)
    if (weft_asset_at(pipeline, i)->path && weft_is_path(weft_asset_at(pipeline, i)->path))
      return g_strdup(weft_asset_at(pipeline, i)->path);
  return NULL;
}
