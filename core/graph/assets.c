/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assets: files that a pipeline names and plugins read by the name of a
 * parameter, and maps of texts in them: KEY -> text, or KEY -> {language: text}.
 */
#include "read.h"
#include "resolve.h"

#include "literal.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void weft_unknown_asset(WeftDiagnostics *diagnostics, const WeftPipeline *pipeline, const WeftYaml *at, const char *name,
                        const char *node)
{
  if (pipeline->assets_unsure)
    return;
  WeftDiagnostic *fault = weft_fault(diagnostics, at, "unknown-asset", "there is no asset \"%s\"", name);
  weft_diagnostic_at(fault, node, NULL);
  g_autofree gpointer *names = g_hash_table_get_keys_as_array(pipeline->asset_index, NULL);
  weft_diagnostic_hint(fault, "name its file under assets:, such as assets: {%s: %s.yaml}", name, name);
  weft_diagnostic_closest(fault, name, (const char *const *)names, g_hash_table_size(pipeline->asset_index));
}

void weft_read_asset(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  WeftAsset asset = {.name = key->text, .at = value};
  g_autofree char *what = g_strdup_printf("asset \"%s\"", key->text);
  weft_read_name(reader, key, "an asset");
  asset.path = weft_read_text(reader, value, NULL, what, "rules.yaml");
  g_array_append_val(reader->pipeline->assets, asset);
  if (!key->reported)
    g_hash_table_insert(reader->pipeline->asset_index, (gpointer)asset.name,
                        GUINT_TO_POINTER(reader->pipeline->assets->len));
}

static void resolve_asset(WeftBuilder *builder, guint i)
{
  const WeftAsset *asset = weft_asset_at(builder->pipeline, i);
  if (!asset->path) /* reported */
    return;
  const char *folder = asset->folder ? asset->folder : builder->pipeline->folder;
  if (!weft_is_path(asset->path)) {
    weft_asset_from_catalogue(builder, i);
    return;
  }
  char *path = g_path_is_absolute(asset->path) ? g_strdup(asset->path)
                                               : g_build_filename(folder, asset->path, NULL);
  builder->revision->asset_paths[i] = path;
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return;
  WeftDiagnostic *fault =
      weft_fault(builder->diagnostics, asset->at, "asset", g_file_test(path, G_FILE_TEST_EXISTS)
                 ? "asset \"%s\": \"%s\" is no file" : "asset \"%s\": there is no file \"%s\"", asset->name, asset->path);
  weft_diagnostic_hint(fault, "paths are relative to the pipeline's own folder, \"%s\"", folder);
  g_clear_pointer(&builder->revision->asset_paths[i], g_free);
}

void weft_assets_resolve(WeftBuilder *builder)
{
  for (guint i = 0; i < builder->pipeline->assets->len; i++)
    resolve_asset(builder, i);
}

gboolean weft_asset_use(WeftBuilder *builder, guint i)
{
  WeftRevision *revision = builder->revision;
  const WeftAsset *asset = weft_asset_at(builder->pipeline, i);
  g_autoptr(GError) error = NULL;
  if (revision->asset_digests[i] || !revision->asset_paths[i])
    return revision->asset_digests[i] != NULL;
  revision->asset_digests[i] = weft_catalogue_file_digest(builder->catalogue, revision->asset_paths[i], &error);
  if (!revision->asset_digests[i]) {
    weft_fault(builder->diagnostics, asset->at, "asset", "asset \"%s\": %s", asset->name, error->message);
    g_clear_pointer(&revision->asset_paths[i], g_free);
  }
  return revision->asset_digests[i] != NULL;
}

void weft_assets_warn_unused(WeftBuilder *builder)
{
  gboolean all_known = !builder->pipeline->faulty;
  for (guint s = 0; all_known && s < builder->pipeline->n_steps; s++)
    all_known = builder->revision->steps[s].found && !builder->revision->steps[s].failed; /* it may have meant one */
  for (guint i = 0; all_known && i < builder->pipeline->assets->len; i++) {
    const WeftAsset *asset = weft_asset_at(builder->pipeline, i);
    if (!asset->at->place && !asset->used && builder->revision->asset_paths[i] && !builder->revision->asset_digests[i])
      weft_diagnostics_warn(builder->diagnostics, "unused", asset->at->line, asset->at->column,
                            "no node uses the asset \"%s\"", asset->name);
  }
}

/* The asset as a map of texts, read once; NULL: problem says why. */
static const WeftYaml *document_of(WeftBuilder *builder, guint i, char **problem)
{
  const char *path = builder->revision->asset_paths[i];
  WeftYaml *document = g_hash_table_lookup(builder->revision->documents, path);
  if (document)
    return document;
  g_autofree char *text = NULL;
  gsize n_bytes = 0;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, &n_bytes, &error)) {
    *problem = g_strdup(error->message);
    return NULL;
  }
  g_autoptr(WeftDiagnostics) faults = weft_diagnostics_new(path);
  document = weft_yaml_parse(text, n_bytes, faults);
  if (document && document->kind == WEFT_YAML_MAP && faults->n_errors == 0) {
    g_hash_table_insert(builder->revision->documents, g_strdup(path), document);
    return document;
  }
  const WeftDiagnostic *first = faults->list->len ? faults->list->pdata[0] : NULL;
  *problem = first ? g_strdup_printf("line %u: %s", first->line, first->message)
                   : g_strdup("it is no map of texts, such as blocked: \"Ask a person.\"");
  weft_yaml_free(document);
  return NULL;
}

static gboolean is_text(const WeftYaml *value)
{
  return value->kind == WEFT_YAML_SCALAR && weft_literal_of(value).type != WEFT_LITERAL_NULL;
}

/* A text, or a map of texts with one entry at least. */
static gboolean is_message(const WeftYaml *value)
{
  gboolean sound = value->kind == WEFT_YAML_MAP ? weft_yaml_n(value) > 0 : is_text(value);
  for (guint i = 0; sound && value->kind == WEFT_YAML_MAP && i < weft_yaml_n(value); i++)
    sound = is_text(weft_yaml_item(value, i));
  return sound;
}

const WeftYaml *weft_asset_entry(WeftBuilder *builder, guint i, const char *key, const WeftYaml *at, const char *node)
{
  const WeftAsset *asset = weft_asset_at(builder->pipeline, i);
  if (!weft_asset_use(builder, i))
    return NULL;
  g_autofree char *problem = NULL;
  const WeftYaml *document = document_of(builder, i, &problem);
  const WeftYaml *entry = document ? weft_yaml_get(document, key) : NULL;
  if (entry && is_message(entry))
    return entry;
  WeftDiagnostic *fault =
      !document ? weft_fault(builder->diagnostics, at, "asset", "asset \"%s\" (%s): %s", asset->name, asset->path, problem)
      : entry   ? weft_fault(builder->diagnostics, at, "asset", "asset \"%s\" (%s), line %u: \"%s\" is neither a text nor a "
                             "map language -> text", asset->name, asset->path, entry->line, key)
                : weft_fault(builder->diagnostics, at, "asset", "asset \"%s\" (%s) has no key \"%s\"", asset->name,
                             asset->path, key);
  weft_diagnostic_at(fault, node, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint k = 0; document && !entry && k < weft_yaml_n(document); k++)
    g_ptr_array_add(names, weft_yaml_key(document, k)->text);
  weft_diagnostic_closest(fault, key, (const char *const *)names->pdata, names->len);
  return NULL;
}

/* {"LANGUAGE": "text"}, "" for a text without one. */
static char *entry_json(WeftRevision *revision, const WeftYaml *entry)
{
  json_t *object = json_object();
  if (entry->kind == WEFT_YAML_SCALAR)
    json_object_set_new(object, "", json_string(entry->text));
  for (guint i = 0; entry->kind == WEFT_YAML_MAP && i < weft_yaml_n(entry); i++)
    json_object_set_new(object, weft_yaml_key(entry, i)->text, json_string(weft_yaml_item(entry, i)->text));
  char *dumped = json_dumps(object, JSON_COMPACT), *text = weft_revision_text(revision, dumped);
  free(dumped);
  json_decref(object);
  return text;
}

gboolean weft_step_use_asset(WeftBuilder *builder, WeftStep *step, const char *param, const WeftYaml *at)
{
  const WeftPipeline *pipeline = builder->pipeline;
  const char *dot = strchr(at->text, '.');
  g_autofree char *name = dot ? g_strndup(at->text, (gsize)(dot - at->text)) : g_strdup(at->text);
  g_autofree char *scoped = step->node && step->node->scope ? g_strconcat(step->node->scope, "/", name, NULL) : NULL;
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->asset_index, scoped ? scoped : name));
  if (!found)
    weft_unknown_asset(builder->diagnostics, pipeline, at, name, step->name);
  if (!found || !weft_asset_use(builder, found - 1))
    return FALSE;
  const WeftYaml *entry = dot ? weft_asset_entry(builder, found - 1, dot + 1, at, step->name) : NULL;
  if (dot && !entry)
    return FALSE;
  const WeftAsset *asset = weft_asset_at(pipeline, found - 1);
  const char *label = builder->revision->asset_labels[found - 1];
  WeftRevisionAsset use = {param, asset->name, label ? label : asset->path, builder->revision->asset_digests[found - 1],
                           entry ? entry_json(builder->revision, entry) : NULL};
  if (!step->assets)
    step->assets = g_array_new(FALSE, FALSE, sizeof use);
  g_array_append_val(step->assets, use);
  return TRUE;
}

static void add_message(WeftRevision *revision, guint step, guint verdict, const char *language, const char *text)
{
  WeftMessage message = {step, verdict, language, text};
  g_array_append_val(revision->messages, message);
}

gboolean weft_step_take_messages(WeftBuilder *builder, const WeftStep *step)
{
  const WeftNodePolicy *policy = step->node->policy;
  WeftRevision *revision = builder->revision;
  gboolean ok = TRUE;
  for (guint v = 0; policy->on_verdict_at && v < WEFT_N_VERDICTS; v++) {
    const WeftVerdictDecl *decl = &policy->verdicts[v];
    if (!decl->at || decl->asset < 0)
      continue;
    const WeftYaml *entry = weft_asset_entry(builder, (guint)decl->asset, decl->key, decl->at, step->name);
    guint index = (guint)(step - revision->steps);
    if (entry && entry->kind == WEFT_YAML_SCALAR)
      add_message(revision, index, v, NULL, entry->text);
    for (guint i = 0; entry && entry->kind == WEFT_YAML_MAP && i < weft_yaml_n(entry); i++)
      add_message(revision, index, v, weft_yaml_key(entry, i)->text, weft_yaml_item(entry, i)->text);
    ok = entry && ok;
  }
  return ok;
}

/* "de" serves "de-AT": whole subtags of the language asked for, from the left. */
static gsize match(const char *offered, const char *asked)
{
  gsize n = strlen(offered);
  return g_ascii_strncasecmp(offered, asked, n) == 0 && (asked[n] == 0 || asked[n] == '-') ? n + 1 : 0;
}

const char *weft_revision_message(const WeftRevision *revision, guint graph_node, guint verdict, const char *language)
{
  const char *best = NULL;
  gsize n_best = 0;
  for (guint i = 0; i < revision->messages->len; i++) {
    const WeftMessage *message = &g_array_index(revision->messages, WeftMessage, i);
    if (revision->steps[message->step].graph_node != graph_node || message->verdict != verdict)
      continue;
    gsize n = message->language && language ? match(message->language, language) : 0;
    if (!best || n > n_best) {
      best = message->text;
      n_best = n;
    }
  }
  return best;
}
