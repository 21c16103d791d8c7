/* SPDX-License-Identifier: Apache-2.0 */
/* Which file a sub-pipeline is, and reading it. */
#include "subpipeline.h"

#include "artifact.h"
#include "literal.h"
#include <string.h>
#include <sys/stat.h>

#define PREFIX "pipeline:"

void weft_inlined_free(gpointer data)
{
  WeftInlined *inlined = data;
  g_free(inlined->node);
  g_free(inlined->file);
  g_free(inlined->use);
  g_free(inlined->digest);
  g_free(inlined);
}

/* A plugin and a pipeline of one name: the plugin is meant. */
static gboolean is_named(WeftReader *reader, const WeftNodeDecl *node, const WeftYaml *value)
{
  const WeftLoad *load = reader->load;
  if (!load || !load->names) /* of most nodes no more is to be asked */
    return FALSE;
  g_auto(GStrv) parts = g_strsplit(value->text, "@", 2);
  if (!parts[0] || !g_hash_table_contains(load->names, parts[0]))
    return FALSE;
  g_autoptr(WeftPluginRow) row = weft_catalogue_find(load->catalogue, parts[0], NULL, NULL);
  if (!row)
    return TRUE;
  WeftDiagnostic *warning =
      weft_diagnostics_warn(reader->diagnostics, "plugin-or-pipeline", value->line, value->column,
                            "\"%s\" is a plugin and a pipeline of the catalogue: the plugin is used", parts[0]);
  weft_diagnostic_hint(weft_diagnostic_at(warning, node->name, NULL), "use: " PREFIX "%s names the pipeline", value->text);
  return FALSE;
}

gboolean weft_subpipeline_use(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  gboolean is_file = weft_is_path(value->text);
  if (!is_file && !g_str_has_prefix(value->text, PREFIX) && !is_named(reader, node, value))
    return FALSE;
  node->is_pipeline = TRUE;
  return TRUE;
}

static WeftDiagnostic *fault_at(WeftReader *reader, const WeftNodeDecl *node, const char *format, ...) G_GNUC_PRINTF(3, 4);
static WeftDiagnostic *fault_at(WeftReader *reader, const WeftNodeDecl *node, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return weft_diagnostic_at(weft_fault(reader->diagnostics, node->use_at, "sub-pipeline", "%s", message), node->name, NULL);
}

/* The file behind a node's `use`. */
typedef struct {
  char *path;   /* where it lies */
  char *key;    /* the same for the same file */
  char *shown;
} Found;

static void found_clear(Found *found)
{
  g_free(found->path);
  g_free(found->key);
  g_free(found->shown);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

static gboolean find_named(WeftReader *reader, const WeftNodeDecl *node, const char *name, Found *found)
{
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) parts = g_strsplit(name, "@", 2);
  if (!reader->load->catalogue) {
    fault_at(reader, node, "pipelines of the catalogue cannot be had here");
    return FALSE;
  }
  g_autoptr(WeftArtifactRow) row = weft_artifact_find(reader->load->catalogue, WEFT_ARTIFACT_PIPELINE,
                                                      parts[0] ? parts[0] : "", parts[0] ? parts[1] : NULL, &error);
  if (!row) {
    fault_at(reader, node, "%s", error->message);
    return FALSE;
  }
  found->path = g_strdup(row->path);
  found->key = g_strdup(row->digest);
  found->shown = g_strdup_printf("%s@%s", row->name, row->version);
  return TRUE;
}

static gboolean find(WeftReader *reader, const WeftNodeDecl *node, Found *found)
{
  const char *text = node->use_at->text, *folder = reader->pipeline->folder;
  if (!reader->load) {
    fault_at(reader, node, "a pipeline that is no file cannot use another one");
    return FALSE;
  }
  if (!weft_is_path(text))
    return find_named(reader, node, g_str_has_prefix(text, PREFIX) ? text + strlen(PREFIX) : text, found);
  while (g_str_has_prefix(text, "./"))
    text += 2;
  found->shown = g_path_is_absolute(text) || strcmp(folder, ".") == 0 ? g_strdup(text)
                                                                      : g_build_filename(folder, text, NULL);
  found->path = g_strdup(found->shown);
  found->key = g_canonicalize_filename(found->path, NULL);
  return TRUE;
}

/* "a.yaml -> b.yaml -> a.yaml" */
static char *chain_of(const WeftLoad *load, const char *last)
{
  GString *text = g_string_new(last);
  for (; load; load = load->outer) {
    g_string_prepend(text, " -> ");
    g_string_prepend(text, load->shown);
  }
  return g_string_free(text, FALSE);
}

static gboolean check_chain(WeftReader *reader, const WeftNodeDecl *node, const Found *found)
{
  g_autofree char *chain = chain_of(reader->load, found->shown);
  for (const WeftLoad *load = reader->load; load; load = load->outer) {
    if (strcmp(load->key, found->key) != 0)
      continue;
    fault_at(reader, node, "pipelines use each other in a circle: %s", chain);
    return FALSE;
  }
  if (reader->load->depth < WEFT_SUBPIPELINE_MAX_DEPTH)
    return TRUE;
  fault_at(reader, node, "pipelines stand more than %d deep in each other (WEFT_SUBPIPELINE_MAX_DEPTH): %s",
           WEFT_SUBPIPELINE_MAX_DEPTH, chain);
  return FALSE;
}

/* The text, or NULL (reported). A pipe would be waited for, and read once only. */
static char *read_text(WeftReader *reader, const WeftNodeDecl *node, const Found *found, gsize *n_bytes)
{
  struct stat about;
  char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (stat(found->path, &about) != 0)
    weft_diagnostic_hint(fault_at(reader, node, "there is no file \"%s\"", found->shown),
                         "paths are relative to the folder of the pipeline that says them, \"%s\"",
                         reader->pipeline->folder);
  else if (!S_ISREG(about.st_mode))
    fault_at(reader, node, "a pipeline is a file, and \"%s\" is none", found->shown);
  else if (about.st_size > (off_t)WEFT_PIPELINE_MAX_BYTES)
    fault_at(reader, node, "\"%s\" has %" G_GINT64_FORMAT " bytes, at most %u are read (WEFT_PIPELINE_MAX_BYTES)",
             found->shown, (gint64)about.st_size, WEFT_PIPELINE_MAX_BYTES);
  else if (!g_file_get_contents(found->path, &text, n_bytes, &error))
    fault_at(reader, node, "%s", error->message);
  return text;
}

/* `params` of the node are the variables of its file. NULL: reported. */
static WeftVariables *variables_of(WeftReader *reader, const WeftNodeDecl *node)
{
  g_autoptr(WeftVariables) variables = weft_variables_new_params();
  gboolean ok = TRUE;
  for (guint i = 0; node->params_at && i < weft_yaml_n(node->params_at); i++) {
    const WeftYaml *key = weft_yaml_key(node->params_at, i), *value = weft_yaml_item(node->params_at, i);
    g_autofree char *problem = NULL;
    if (value->kind != WEFT_YAML_SCALAR)
      problem = g_strdup("a variable is a single value");
    else {
      g_autofree char *given = g_strdup_printf("%s=%s", key->text, value->text);
      weft_variables_set(variables, given, &problem);
    }
    if (!problem)
      continue;
    weft_diagnostic_at(weft_fault(reader->diagnostics, key, "sub-pipeline", "parameter \"%s\" of a sub-pipeline: %s",
                                  key->text, problem), node->name, NULL);
    ok = FALSE;
  }
  return ok ? g_steal_pointer(&variables) : NULL;
}

static void check_variables(WeftReader *reader, const WeftNodeDecl *node, const Found *found,
                            const WeftVariables *variables)
{
  const char *unused = weft_variables_unused(variables);
  if (!unused)
    return;
  for (guint i = 0; i < weft_yaml_n(node->params_at); i++) {
    const WeftYaml *key = weft_yaml_key(node->params_at, i);
    if (strcmp(key->text, unused) == 0)
      weft_diagnostic_hint(weft_diagnostic_at(weft_fault(reader->diagnostics, key, "sub-pipeline", "\"%s\" has no variable "
                                                         "\"%s\"", found->shown, unused), node->name, NULL),
                           "params of a sub-pipeline are its variables, ${%s}", unused);
  }
}

static WeftInlined *enter(WeftReader *reader, const WeftNodeDecl *node, const Found *found, const char *text, gsize n_bytes)
{
  WeftInlined *inlined = g_new0(WeftInlined, 1);
  inlined->node = g_strdup(node->name);
  inlined->file = g_strdup(found->shown);
  inlined->use = g_strdup(node->use_at->text);
  inlined->digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, n_bytes);
  inlined->place = (WeftDiagnosticPlace){inlined->file, inlined->node};
  g_ptr_array_add(reader->pipeline->inlined, inlined);
  return inlined;
}

WeftPipeline *weft_subpipeline_load(WeftReader *reader, const WeftNodeDecl *node)
{
  g_auto(Found) found = {0};
  gsize n_bytes = 0;
  if (!find(reader, node, &found) || !check_chain(reader, node, &found))
    return NULL;
  g_autofree char *text = read_text(reader, node, &found, &n_bytes);
  g_autoptr(WeftVariables) variables = text ? variables_of(reader, node) : NULL;
  if (!variables)
    return NULL;
  const WeftLoad load = {reader->load->catalogue, reader->load->names, reader->load, found.key, found.shown,
                         reader->load->depth + 1};
  g_autoptr(WeftDiagnostics) inner = weft_diagnostics_new(found.shown);
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_parse_in(text, n_bytes, found.path, variables, &load, inner);
  if (pipeline)
    check_variables(reader, node, &found, variables);
  gboolean sound = pipeline && inner->n_errors == 0;
  weft_diagnostics_move(inner, reader->diagnostics, node->name);
  if (!sound)
    return NULL;
  enter(reader, node, &found, text, n_bytes);
  return g_steal_pointer(&pipeline);
}
