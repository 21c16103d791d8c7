/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include "artifact.h"
#include "literal.h"
#include "live-decl.h"
#include "oneline.h"
#include "precision.h"
#include "subpipeline.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void input_clear(gpointer data)
{
  weft_live_decl_free(((WeftInput *)data)->live);
}

static void take_input(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  static const char *const known[] = {"type", "optional", "reader", WEFT_LIVE_KEYS, NULL}, *const later[] = {NULL};
  g_autofree char *what = g_strdup_printf("input \"%s\"", key->text);
  WeftInput input = {.name = key->text, .at = key};
  weft_read_name(reader, key, "an input");
  if (weft_read_map(reader, value, NULL, what, "{type: image, optional: true}")) {
    gboolean sure = weft_read_keys(reader, value, what, NULL, known, later);
    const WeftYaml *optional = weft_yaml_get(value, "optional");
    input.type_at = weft_yaml_get(value, "type");
    input.reader_at = weft_yaml_get(value, "reader");
    if (optional)
      weft_read_bool(reader, optional, NULL, "optional", &input.optional);
    if (input.type_at)
      input.type = weft_read_text(reader, input.type_at, NULL, "type", "image");
    else if (sure)
      weft_diagnostic_hint(weft_fault(reader->diagnostics, key, "missing-key", "%s has no type", what),
                           "such as {type: image}");
    if (input.reader_at && !weft_read_text(reader, input.reader_at, NULL, "reader", "png@^1"))
      input.reader_at = input.type_at = NULL;
    if (!input.type_at)
      input.type = NULL;
    weft_live_read(reader, &input, value);
  }
  g_array_append_val(reader->pipeline->inputs, input);
}

static void take_output(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  weft_read_name(reader, key, "an output");
  weft_read_reference(reader, reader->pipeline->outputs, key, value, NULL, "an output");
}

/* A map of things by name; missing is an error where `required`. FALSE: what it holds is not known (reported). */
static gboolean take_section(WeftReader *reader, const char *name, gboolean required, const char *example,
                         void (*take)(WeftReader *reader, const WeftYaml *key, const WeftYaml *value))
{
  const WeftYaml *section = weft_yaml_get(reader->pipeline->root, name);
  if (!section) {
    if (required && !reader->pipeline->unsure)
      weft_diagnostic_hint(weft_diagnostics_add(reader->diagnostics, "missing-key", 0, 0, "the key \"%s\" is missing",
                                                name), "such as %s: %s", name, example);
    return !required && !reader->pipeline->unsure;
  }
  if (!weft_read_map(reader, section, NULL, name, example))
    return FALSE;
  if (required && weft_yaml_n(section) == 0)
    weft_diagnostic_hint(weft_fault(reader->diagnostics, section, "empty-map", "%s is empty", name), "such as %s: %s",
                         name, example);
  if (weft_yaml_n(section) > WEFT_PIPELINE_MAX_NODES) {
    weft_fault(reader->diagnostics, section, "too-many", "%s has %u entries, at most %u are allowed "
               "(WEFT_PIPELINE_MAX_NODES)", name, weft_yaml_n(section), WEFT_PIPELINE_MAX_NODES);
    return FALSE;
  }
  for (guint i = 0; i < weft_yaml_n(section); i++) {
    if (strcmp(weft_yaml_key(section, i)->text, "<<") != 0)
      take(reader, weft_yaml_key(section, i), weft_yaml_item(section, i));
  }
  return !section->unsure && !(required && weft_yaml_n(section) == 0);
}

static void take_name(WeftReader *reader, const WeftYaml *name)
{
  if (!name)
    weft_diagnostic_hint(weft_diagnostics_add(reader->diagnostics, "missing-key", 0, 0, "the key \"name\" is missing"),
                         "the second line is \"name: NAME\"");
  else if (weft_read_text(reader, name, NULL, "name", "digits") && weft_read_name(reader, name, "a pipeline"))
    reader->pipeline->name = name->text;
}

/* `weft: 1` and `name` first, so that a stranger and a program know at once what they see. */
static gboolean take_head(WeftReader *reader)
{
  const WeftYaml *root = reader->pipeline->root;
  if (root->kind != WEFT_YAML_MAP) {
    weft_diagnostic_hint(weft_fault(reader->diagnostics, root, "not-a-map", "a pipeline is a map, found %s",
                                    weft_yaml_kind_name(root)),
                         root->kind == WEFT_YAML_SCALAR && strstr(root->text, "weft:")
                             ? "a space stands behind the \":\" of a key: \"weft: 1\""
                             : "it begins with the lines \"weft: 1\" and \"name: NAME\"");
    return FALSE;
  }
  const WeftYaml *version = weft_yaml_get(root, "weft"), *name = weft_yaml_get(root, "name");
  if (!version) {
    weft_diagnostic_hint(weft_diagnostics_add(reader->diagnostics, "missing-key", 1, 1, "the key \"weft\" is missing"),
                         "the first line is \"weft: %d\"", WEFT_PIPELINE_FORMAT);
    if (!weft_yaml_get(root, "nodes")) /* it is something else */
      return FALSE;
    take_name(reader, name);
    return TRUE;
  }
  WeftLiteral literal = {.type = WEFT_LITERAL_TEXT};
  if (version->kind == WEFT_YAML_SCALAR)
    literal = weft_literal_of(version);
  if (literal.type != WEFT_LITERAL_INT || literal.integer != WEFT_PIPELINE_FORMAT) {
    gboolean is_one = version->kind == WEFT_YAML_SCALAR && g_ascii_strtod(version->text, NULL) == WEFT_PIPELINE_FORMAT;
    WeftDiagnostic *fault =
        weft_fault(reader->diagnostics, version, "wrong-format", "this program reads format %d, the file says %s%s",
                   WEFT_PIPELINE_FORMAT, is_one && !version->plain ? "the text " : "",
                   version->kind == WEFT_YAML_SCALAR ? version->text : weft_yaml_kind_name(version));
    if (is_one)
      weft_diagnostic_hint(fault, "a whole number without quotes: weft: %d", WEFT_PIPELINE_FORMAT);
    else if (literal.type == WEFT_LITERAL_INT && literal.integer > WEFT_PIPELINE_FORMAT)
      weft_diagnostic_hint(fault, "a newer Weft reads it");
    return FALSE;
  }
  take_name(reader, name);
  if (strcmp(weft_yaml_key(root, 0)->text, "weft") != 0 || (name && weft_yaml_item(root, 1) != name))
    weft_fault(reader->diagnostics, weft_yaml_key(root, 0), "order", "the first two keys are \"weft\" and \"name\"");
  return TRUE;
}

/* FALSE: it is no pipeline of this format, and nothing more can be said. */
static gboolean take_root(WeftReader *reader)
{
  WeftPipeline *pipeline = reader->pipeline;
  static const char *const known[] = {"weft", "name", "inputs", "require", "models", "nodes", "outputs",
                                      "context", "assets", "sinks", "lead", "deadline", NULL};
  static const char *const later[] = {"audit", "rollout", NULL};
  if (!take_head(reader))
    return FALSE;
  pipeline->unsure = !weft_read_keys(reader, pipeline->root, "a pipeline", NULL, known, later);
  gboolean names = take_section(reader, "inputs", TRUE, "{picture: {type: image}}", take_input);
  pipeline->models_unsure = !take_section(reader, "models", FALSE, "{vit: models/vit}", weft_read_model);
  pipeline->assets_unsure = !take_section(reader, "assets", FALSE, "{rules: rules.yaml}", weft_read_asset);
  pipeline->context_unsure = !take_section(reader, "context", FALSE, "{user: required}", weft_read_context);
  names = take_section(reader, "nodes", TRUE, "{see: {use: vit@^1, model: vit, in: picture}}", weft_read_node) && names;
  take_section(reader, "outputs", TRUE, "{digit: head.label}", take_output);
  take_section(reader, "sinks", FALSE, "{log: {from: save.bytes, to: out/log.jsonl}}", weft_sink_read);
  weft_live_read_root(reader);
  const WeftYaml *require = weft_yaml_get(pipeline->root, "require");
  if (require && weft_read_text(reader, require, NULL, "require", "any(picture, speech)"))
    pipeline->require_at = require;
  pipeline->names_unsure = !names;
  return TRUE;
}

/* root: transferred. n_before: errors that were told before it was read. */
static WeftPipeline *from_tree(WeftYaml *root, const char *path, guint n_before, const WeftLoad *load,
                               WeftDiagnostics *diagnostics)
{
  g_autoptr(WeftPipeline) pipeline = g_new0(WeftPipeline, 1);
  pipeline->root = root;
  pipeline->path = g_strdup(path);
  pipeline->folder = g_path_get_dirname(path);
  pipeline->inputs = g_array_new(FALSE, TRUE, sizeof(WeftInput));
  g_array_set_clear_func(pipeline->inputs, input_clear);
  pipeline->sinks = g_array_new(FALSE, TRUE, sizeof(WeftSinkDecl));
  g_array_set_clear_func(pipeline->sinks, weft_sink_clear);
  pipeline->models = g_array_new(FALSE, TRUE, sizeof(WeftModel));
  pipeline->assets = g_array_new(FALSE, TRUE, sizeof(WeftAsset));
  pipeline->context = g_array_new(FALSE, TRUE, sizeof(WeftContextKey));
  pipeline->nodes = g_array_new(FALSE, TRUE, sizeof(WeftNodeDecl));
  g_array_set_clear_func(pipeline->nodes, weft_node_clear);
  pipeline->outputs = weft_references_new();
  pipeline->steps = g_hash_table_new(g_str_hash, g_str_equal);
  pipeline->asset_index = g_hash_table_new(g_str_hash, g_str_equal);
  pipeline->model_index = g_hash_table_new(g_str_hash, g_str_equal);
  pipeline->inlined = g_ptr_array_new_with_free_func(weft_inlined_free);
  pipeline->inner = g_ptr_array_new_with_free_func((GDestroyNotify)weft_pipeline_free);
  pipeline->words = g_ptr_array_new_with_free_func(g_free);
  WeftReader reader = {pipeline, diagnostics, load};
  if (!take_root(&reader))
    return NULL;
  weft_subpipelines_inline(&reader);
  weft_pipeline_wire(pipeline, diagnostics);
  pipeline->faulty = diagnostics->n_errors != n_before;
  return g_steal_pointer(&pipeline);
}

WeftPipeline *weft_pipeline_parse_in(const char *text, gsize n_bytes, const char *path, WeftVariables *variables,
                                     const WeftLoad *load, WeftDiagnostics *diagnostics)
{
  guint n_before = diagnostics->n_errors;
  WeftYaml *root = weft_yaml_parse_with(text, n_bytes, variables, diagnostics);
  return root ? from_tree(root, path, n_before, load, diagnostics) : NULL;
}

WeftPipeline *weft_pipeline_parse(const char *text, gsize n_bytes, const char *path, WeftVariables *variables,
                                  WeftDiagnostics *diagnostics)
{
  return weft_pipeline_parse_in(text, n_bytes, path, variables, NULL, diagnostics);
}

/* Paths in a line are relative to the working directory. */
static WeftPipeline *parse_line(const char *text, WeftVariables *variables, const WeftLoad *load,
                                WeftDiagnostics *diagnostics)
{
  guint n_before = diagnostics->n_errors;
  g_free(diagnostics->file);
  diagnostics->file = g_strdup("one-line");
  WeftYaml *root = weft_oneline_parse(text, variables, diagnostics);
  return root ? from_tree(root, "one-line", n_before, load, diagnostics) : NULL;
}

gboolean weft_pipeline_is_sound(const WeftPipeline *pipeline)
{
  return !pipeline->faulty;
}

/* A file, or standard input: a pipe that nobody writes to would be waited for. -1: error says why. */
static int open_file(const char *path, GError **error)
{
  struct stat about;
  int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                  : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 || fstat(fd, &about) != 0) {
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s", g_strerror(errno));
  } else if (strcmp(path, "-") != 0 && !S_ISREG(about.st_mode)) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "expected a file, found %s; - reads standard input",
                S_ISDIR(about.st_mode)    ? "a directory"
                : S_ISFIFO(about.st_mode) ? "a pipe"
                                          : "a device or a socket");
  } else {
    return fd;
  }
  if (fd >= 0)
    close(fd);
  return -1;
}

/* Up to the limit and one byte more, so that the limit can be named. */
static char *read_file(const char *path, gsize *n_bytes, GError **error)
{
  int fd = open_file(path, error);
  if (fd < 0)
    return NULL;
  GByteArray *bytes = g_byte_array_new();
  guint8 block[65536];
  gssize n;
  while (bytes->len <= WEFT_PIPELINE_MAX_BYTES && (n = read(fd, block, sizeof block)) != 0) {
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s", g_strerror(errno));
      close(fd);
      g_byte_array_unref(bytes);
      return NULL;
    }
    g_byte_array_append(bytes, block, (guint)n);
  }
  close(fd);
  *n_bytes = bytes->len;
  g_byte_array_append(bytes, (const guint8 *)"", 1);
  return (char *)g_byte_array_free(bytes, FALSE);
}

static WeftPipeline *load_in(const char *path, WeftVariables *variables, const WeftLoad *load,
                             WeftDiagnostics *diagnostics)
{
  gsize n_bytes = 0;
  g_autoptr(GError) error = NULL;
  if (weft_oneline_is(path))
    return parse_line(path, variables, load, diagnostics);
  g_autofree char *text = read_file(path, &n_bytes, &error);
  if (!text) {
    weft_diagnostics_add(diagnostics, "unreadable", 0, 0, "the file cannot be read: %s", error->message);
    return NULL;
  }
  return weft_pipeline_parse_in(text, n_bytes, path, variables, load, diagnostics);
}

/* Names of the pipelines in a catalogue; most have none. */
static GHashTable *pipeline_names(WeftCatalogue *catalogue)
{
  g_autoptr(GPtrArray) rows = catalogue ? weft_artifact_list(catalogue, WEFT_ARTIFACT_PIPELINE, NULL, NULL) : NULL;
  GHashTable *names = rows && rows->len ? g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) : NULL;
  for (guint i = 0; names && i < rows->len; i++)
    g_hash_table_add(names, g_strdup(((WeftArtifactRow *)rows->pdata[i])->name));
  return names;
}

WeftPipeline *weft_pipeline_open(const char *path, WeftCatalogue *catalogue, WeftVariables *variables,
                                 WeftDiagnostics *diagnostics)
{
  g_autofree char *key = g_canonicalize_filename(path, NULL);
  GHashTable *names = pipeline_names(catalogue);
  const WeftLoad load = {.catalogue = catalogue, .names = names, .key = key, .depth = 1,
                         .shown = weft_oneline_is(path) ? "one-line" : path};
  WeftPipeline *pipeline = load_in(path, variables, &load, diagnostics);
  if (names)
    g_hash_table_unref(names);
  return pipeline;
}

WeftPipeline *weft_pipeline_load(const char *path, WeftVariables *variables, WeftDiagnostics *diagnostics)
{
  return weft_pipeline_open(path, NULL, variables, diagnostics);
}

void weft_pipeline_free(WeftPipeline *pipeline)
{
  if (!pipeline)
    return;
  weft_yaml_free(pipeline->root);
  g_free(pipeline->path);
  g_free(pipeline->folder);
  g_array_unref(pipeline->inputs);
  g_array_unref(pipeline->models);
  g_array_unref(pipeline->assets);
  g_array_unref(pipeline->context);
  g_array_unref(pipeline->nodes);
  g_array_unref(pipeline->outputs);
  g_array_unref(pipeline->sinks);
  weft_expr_free(pipeline->require);
  g_hash_table_unref(pipeline->steps);
  g_hash_table_unref(pipeline->model_index);
  g_hash_table_unref(pipeline->asset_index);
  g_ptr_array_unref(pipeline->words);
  weft_blocks_clear(&pipeline->texts);
  g_ptr_array_unref(pipeline->inlined);
  g_ptr_array_unref(pipeline->inner);
  g_free(pipeline->order);
  g_free(pipeline->unused);
  g_free(pipeline);
}
