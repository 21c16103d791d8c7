/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include "literal.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  WeftPipeline *pipeline;
  WeftDiagnostics *diagnostics;
} Reader;

static void reference_clear(gpointer data)
{
  g_free(((WeftReference *)data)->name);
}

static void node_clear(gpointer data)
{
  WeftNodeDecl *node = data;
  g_free(node->plugin);
  g_clear_pointer(&node->in, g_array_unref);
}

static GArray *references_new(void)
{
  GArray *references = g_array_new(FALSE, TRUE, sizeof(WeftReference));
  g_array_set_clear_func(references, reference_clear);
  return references;
}

static const char *kind_name(const WeftYaml *yaml)
{
  static const char *const names[] = {"text", "a list", "a map"};
  if (yaml->kind != WEFT_YAML_SCALAR)
    return names[yaml->kind];
  return weft_literal_of(yaml).type == WEFT_LITERAL_NULL ? "nothing" : "a single value";
}

/* Value of a key in a map, or NULL. */
static const WeftYaml *get(const WeftYaml *map, const char *key)
{
  for (guint i = 0; i < weft_yaml_n(map); i++) {
    if (strcmp(weft_yaml_key(map, i)->text, key) == 0)
      return weft_yaml_item(map, i);
  }
  return NULL;
}

/* Every key is in `known`; those in `later` belong to the format but not to this version of Weft. */
static void check_keys(Reader *reader, const WeftYaml *map, const char *what, const char *node,
                       const char *const *known, const char *const *later)
{
  for (guint i = 0; i < weft_yaml_n(map); i++) {
    const WeftYaml *key = weft_yaml_key(map, i);
    if (g_strv_contains(known, key->text) || strcmp(key->text, "<<") == 0)
      continue;
    if (g_strv_contains(later, key->text)) {
      weft_diagnostic_at(weft_fault(reader->diagnostics, key, "not-implemented", "not implemented yet: \"%s\" of %s",
                                    key->text, what), node, NULL);
      continue;
    }
    WeftDiagnostic *fault = weft_fault(reader->diagnostics, key, "unknown-key", "%s has no key \"%s\"", what, key->text);
    g_autofree char *list = g_strjoinv(", ", (char **)(gpointer)known);
    weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "the keys are %s", list);
    weft_diagnostic_closest(fault, key->text, known, g_strv_length((char **)(gpointer)known));
  }
}

static gboolean check_name(Reader *reader, const WeftYaml *at, const char *what)
{
  const char *c = at->text;
  gsize n = strlen(c);
  gboolean sound = g_ascii_isalpha(*c) || *c == '_';
  for (; *c && sound; c++)
    sound = g_ascii_isalnum(*c) || *c == '_' || *c == '-';
  if (n > WEFT_PIPELINE_MAX_NAME)
    weft_fault(reader->diagnostics, at, "name-too-long", "the name of %s has %" G_GSIZE_FORMAT " bytes, at most %d "
               "are allowed (WEFT_PIPELINE_MAX_NAME)", what, n, WEFT_PIPELINE_MAX_NAME);
  else if (!sound)
    weft_diagnostic_hint(weft_fault(reader->diagnostics, at, "bad-name", "\"%s\" is no name for %s", at->text, what),
                         "names are letters, digits, \"_\" and \"-\", and begin with a letter");
  else if (weft_expr_is_reserved(at->text))
    weft_fault(reader->diagnostics, at, "bad-name", "\"%s\" is a word of expressions, no name for %s", at->text, what);
  else
    return TRUE;
  return FALSE;
}

/* The text of a scalar, or NULL with an error. */
static const char *take_text(Reader *reader, const WeftYaml *value, const char *node, const char *what,
                             const char *example)
{
  if (value->kind == WEFT_YAML_SCALAR && weft_literal_of(value).type != WEFT_LITERAL_NULL)
    return value->text;
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "wrong-type", "%s is a text, found %s", what,
                                     kind_name(value));
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as %s", example);
  return NULL;
}

static gboolean take_bool(Reader *reader, const WeftYaml *value, const char *node, const char *what, gboolean *out)
{
  WeftLiteral literal = {.type = WEFT_LITERAL_TEXT};
  if (value->kind == WEFT_YAML_SCALAR)
    literal = weft_literal_of(value);
  *out = literal.boolean;
  if (literal.type == WEFT_LITERAL_BOOL)
    return TRUE;
  WeftDiagnostic *fault =
      value->kind == WEFT_YAML_SCALAR
          ? weft_fault(reader->diagnostics, value, "wrong-type", "%s is true or false, found \"%s\"", what, value->text)
          : weft_fault(reader->diagnostics, value, "wrong-type", "%s is true or false, found %s", what,
                       kind_name(value));
  weft_diagnostic_at(fault, node, NULL);
  return FALSE;
}

static gboolean take_map(Reader *reader, const WeftYaml *value, const char *node, const char *what, const char *example)
{
  if (value->kind == WEFT_YAML_MAP)
    return TRUE;
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "wrong-type", "%s is a map, found %s", what,
                                     kind_name(value));
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as %s", example);
  return FALSE;
}

static void take_reference(Reader *reader, GArray *into, const WeftYaml *key, const WeftYaml *value, const char *node,
                           const char *what)
{
  const char *text = take_text(reader, value, node, what, "see.tokens");
  if (!text)
    return;
  const char *dot = strchr(text, '.');
  WeftReference reference = {.key = key ? key->text : NULL, .key_at = key, .at = value, .step = -1};
  reference.name = dot ? g_strndup(text, (gsize)(dot - text)) : g_strdup(text);
  reference.port = dot ? dot + 1 : NULL;
  g_array_append_val(into, reference);
}

static void take_input(Reader *reader, const WeftYaml *key, const WeftYaml *value)
{
  static const char *const known[] = {"type", "optional", "reader", NULL}, *const later[] = {NULL};
  g_autofree char *what = g_strdup_printf("input \"%s\"", key->text);
  WeftInput input = {.name = key->text, .at = key};
  if (check_name(reader, key, "an input") && take_map(reader, value, NULL, what, "{type: image, optional: true}")) {
    check_keys(reader, value, what, NULL, known, later);
    const WeftYaml *optional = get(value, "optional");
    input.type_at = get(value, "type");
    input.reader_at = get(value, "reader");
    if (optional)
      take_bool(reader, optional, NULL, "optional", &input.optional);
    if (input.type_at)
      input.type = take_text(reader, input.type_at, NULL, "type", "image");
    else
      weft_diagnostic_hint(weft_fault(reader->diagnostics, key, "missing-key", "%s has no type", what),
                           "such as {type: image}");
    if (input.reader_at && !take_text(reader, input.reader_at, NULL, "reader", "png@^1"))
      input.reader_at = NULL;
  }
  g_array_append_val(reader->pipeline->inputs, input);
}

static gboolean is_path(const char *text)
{
  return strchr(text, '/') || strchr(text, '.');
}

static void take_model(Reader *reader, const WeftYaml *key, const WeftYaml *value)
{
  WeftModel model = {.name = key->text, .at = value};
  g_autofree char *what = g_strdup_printf("model \"%s\"", key->text);
  if (!check_name(reader, key, "a model"))
    return;
  model.path = take_text(reader, value, NULL, what, "models/vit");
  if (model.path && (!is_path(model.path) || strchr(model.path, '@'))) {
    weft_diagnostic_hint(weft_fault(reader->diagnostics, value, "not-implemented", "not implemented yet: %s from the "
                                    "catalogue (\"%s\")", what, model.path),
                         "give the path of a folder, such as ./%s", model.path);
    model.path = NULL;
  }
  g_array_append_val(reader->pipeline->models, model);
  g_hash_table_insert(reader->pipeline->model_index, (gpointer)model.name,
                      GUINT_TO_POINTER(reader->pipeline->models->len));
}

static void take_use(Reader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->use_at = value;
  const char *text = take_text(reader, value, node->name, "use", "vit@^1");
  if (!text)
    return;
  if (strchr(text, '/') || g_str_has_suffix(text, ".yaml")) {
    weft_diagnostic_at(weft_fault(reader->diagnostics, value, "not-implemented",
                                  "not implemented yet: a pipeline as a node (\"%s\")", text), node->name, NULL);
    return;
  }
  const char *at = strchr(text, '@');
  node->plugin = at ? g_strndup(text, (gsize)(at - text)) : g_strdup(text);
  node->range = at && at[1] ? at + 1 : NULL;
}

static void take_in(Reader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->in_at = value;
  if (value->kind == WEFT_YAML_SCALAR) {
    take_reference(reader, node->in, NULL, value, node->name, "in");
    return;
  }
  if (!take_map(reader, value, node->name, "in", "see.tokens or {picture: see.tokens}"))
    return;
  for (guint i = 0; i < weft_yaml_n(value); i++)
    take_reference(reader, node->in, weft_yaml_key(value, i), weft_yaml_item(value, i), node->name, "an input");
}

static void take_deadline(Reader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  const char *text = take_text(reader, value, node->name, "deadline", "20 ms");
  double ns = 0;
  if (!text)
    return;
  WeftQuantity quantity = weft_quantity_parse(text, "ns", &ns);
  if (quantity == WEFT_QUANTITY_OK && ns >= 1 && ns <= 86400e9) {
    node->deadline_ns = (guint64)ns;
    return;
  }
  const char *problem = quantity == WEFT_QUANTITY_OK ? "must lie between 1 ns and 24 h"
                        : quantity == WEFT_QUANTITY_NO_UNIT ? "has no unit"
                                                            : "is no time";
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, quantity == WEFT_QUANTITY_NO_UNIT ? "no-unit" :
                                     "bad-time", "deadline \"%s\" %s", text, problem);
  weft_diagnostic_hint(weft_diagnostic_at(fault, node->name, NULL), "such as 20 ms (ns, us, ms, s, min, h)");
}

static void take_on_missing(Reader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  const char *text = take_text(reader, value, node->name, "on_missing", "mask");
  node->on_missing_at = value;
  if (!text || strcmp(text, "mask") == 0)
    return;
  gboolean later = g_str_has_prefix(text, "hold") || strcmp(text, "degrade") == 0 || strcmp(text, "fail") == 0;
  WeftDiagnostic *fault =
      later ? weft_fault(reader->diagnostics, value, "not-implemented", "not implemented yet: on_missing: %s", text)
            : weft_fault(reader->diagnostics, value, "bad-value", "on_missing is mask, found \"%s\"", text);
  weft_diagnostic_at(fault, node->name, NULL);
}

static void take_model_of(Reader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->model_at = value;
  node->model = -2;
  const char *text = take_text(reader, value, node->name, "model", "vit");
  if (!text)
    return;
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(reader->pipeline->model_index, text));
  if (found) {
    node->model = (int)found - 1;
    weft_model_at(reader->pipeline, found - 1)->used = TRUE;
    return;
  }
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "unknown-model", "there is no model \"%s\"", text);
  weft_diagnostic_at(fault, node->name, NULL);
  if (strchr(text, '/')) {
    weft_diagnostic_hint(fault, "give the folder a name under models:, and that name here");
    return;
  }
  g_autofree gpointer *names = g_hash_table_get_keys_as_array(reader->pipeline->model_index, NULL);
  weft_diagnostic_hint(fault, "name it under models:, such as models: {%s: models/%s}", text, text);
  weft_diagnostic_closest(fault, text, (const char *const *)names, g_hash_table_size(reader->pipeline->model_index));
}

static void take_node(Reader *reader, const WeftYaml *key, const WeftYaml *value)
{
  static const char *const known[] = {"use", "model", "in", "params", "isolate", "deadline", "on_missing", NULL};
  static const char *const later[] = {"slots", "select", "when", "batch", "on_error", "on_verdict", NULL};
  WeftNodeDecl node = {.name = key->text, .at = key, .model = -1, .in = references_new()};
  const WeftYaml *part;
  if (check_name(reader, key, "a node") && take_map(reader, value, key->text, "a node", "{use: vit@^1, in: picture}")) {
    check_keys(reader, value, "a node", node.name, known, later);
    if ((part = get(value, "use")))
      take_use(reader, &node, part);
    else
      weft_diagnostic_at(weft_diagnostic_hint(weft_fault(reader->diagnostics, key, "missing-key", "no plugin is named"),
                                              "such as use: vit@^1"), node.name, NULL);
    if ((part = get(value, "model")))
      take_model_of(reader, &node, part);
    if ((part = get(value, "in")))
      take_in(reader, &node, part);
    if ((part = get(value, "params")) && take_map(reader, part, node.name, "params", "{beam: 4}"))
      node.params_at = part;
    if ((part = get(value, "isolate"))) {
      node.isolate_at = part;
      node.has_isolate = take_bool(reader, part, node.name, "isolate", &node.isolate);
    }
    if ((part = get(value, "deadline")))
      take_deadline(reader, &node, part);
    if ((part = get(value, "on_missing")))
      take_on_missing(reader, &node, part);
  }
  g_array_append_val(reader->pipeline->nodes, node);
}

static void take_output(Reader *reader, const WeftYaml *key, const WeftYaml *value)
{
  if (check_name(reader, key, "an output"))
    take_reference(reader, reader->pipeline->outputs, key, value, NULL, "an output");
}

/* A map of things by name; missing is an error where `required`. */
static void take_section(Reader *reader, const char *name, gboolean required, const char *example,
                         void (*take)(Reader *reader, const WeftYaml *key, const WeftYaml *value))
{
  const WeftYaml *section = get(reader->pipeline->root, name);
  if (!section) {
    if (required)
      weft_diagnostic_hint(weft_diagnostics_add(reader->diagnostics, "missing-key", 0, 0, "the key \"%s\" is missing",
                                                name), "such as %s: %s", name, example);
    return;
  }
  if (!take_map(reader, section, NULL, name, example))
    return;
  if (required && weft_yaml_n(section) == 0)
    weft_diagnostic_hint(weft_fault(reader->diagnostics, section, "empty-map", "%s is empty", name), "such as %s: %s",
                         name, example);
  if (weft_yaml_n(section) > WEFT_PIPELINE_MAX_NODES) {
    weft_fault(reader->diagnostics, section, "too-many", "%s has %u entries, at most %u are allowed "
               "(WEFT_PIPELINE_MAX_NODES)", name, weft_yaml_n(section), WEFT_PIPELINE_MAX_NODES);
    return;
  }
  for (guint i = 0; i < weft_yaml_n(section); i++)
    take(reader, weft_yaml_key(section, i), weft_yaml_item(section, i));
}

/* `weft: 1` and `name` first, so that a stranger and a program know at once what they see. */
static gboolean take_head(Reader *reader)
{
  const WeftYaml *root = reader->pipeline->root;
  if (root->kind != WEFT_YAML_MAP) {
    weft_diagnostic_hint(weft_fault(reader->diagnostics, root, "not-a-map", "a pipeline is a map, found %s",
                                    kind_name(root)),
                         "it begins with the lines \"weft: 1\" and \"name: NAME\"");
    return FALSE;
  }
  const WeftYaml *version = get(root, "weft"), *name = get(root, "name");
  if (!version) {
    weft_diagnostic_hint(weft_diagnostics_add(reader->diagnostics, "missing-key", 1, 1, "the key \"weft\" is missing"),
                         "the first line is \"weft: %d\"", WEFT_PIPELINE_FORMAT);
    return FALSE;
  }
  WeftLiteral literal = {.type = WEFT_LITERAL_TEXT};
  if (version->kind == WEFT_YAML_SCALAR)
    literal = weft_literal_of(version);
  if (literal.type != WEFT_LITERAL_INT || literal.integer != WEFT_PIPELINE_FORMAT) {
    weft_fault(reader->diagnostics, version, "wrong-format", "this program reads format %d, the file says %s",
               WEFT_PIPELINE_FORMAT, version->kind == WEFT_YAML_SCALAR ? version->text : kind_name(version));
    return FALSE;
  }
  if (!name)
    weft_diagnostic_hint(weft_diagnostics_add(reader->diagnostics, "missing-key", 0, 0, "the key \"name\" is missing"),
                         "the second line is \"name: NAME\"");
  else if (take_text(reader, name, NULL, "name", "digits") && check_name(reader, name, "a pipeline"))
    reader->pipeline->name = name->text;
  if (strcmp(weft_yaml_key(root, 0)->text, "weft") != 0 || (name && root->items->pdata[1] != name))
    weft_fault(reader->diagnostics, weft_yaml_key(root, 0), "order", "the first two keys are \"weft\" and \"name\"");
  return TRUE;
}

static void take_root(Reader *reader)
{
  static const char *const known[] = {"weft", "name", "inputs", "require", "models", "nodes", "outputs", NULL};
  static const char *const later[] = {"context", "assets", "audit", "rollout", NULL};
  if (!take_head(reader))
    return;
  check_keys(reader, reader->pipeline->root, "a pipeline", NULL, known, later);
  take_section(reader, "inputs", TRUE, "{picture: {type: image}}", take_input);
  take_section(reader, "models", FALSE, "{vit: models/vit}", take_model);
  take_section(reader, "nodes", TRUE, "{see: {use: vit@^1, model: vit, in: picture}}", take_node);
  take_section(reader, "outputs", TRUE, "{digit: head.label}", take_output);
  const WeftYaml *require = get(reader->pipeline->root, "require");
  if (require && take_text(reader, require, NULL, "require", "any(picture, speech)"))
    reader->pipeline->require_at = require;
}

WeftPipeline *weft_pipeline_parse(const char *text, gsize n_bytes, const char *path, WeftDiagnostics *diagnostics)
{
  guint n_before = diagnostics->n_errors;
  WeftYaml *root = weft_yaml_parse(text, n_bytes, diagnostics);
  if (!root)
    return NULL;
  g_autoptr(WeftPipeline) pipeline = g_new0(WeftPipeline, 1);
  pipeline->root = root;
  pipeline->path = g_strdup(path);
  pipeline->folder = g_path_get_dirname(path);
  pipeline->inputs = g_array_new(FALSE, TRUE, sizeof(WeftInput));
  pipeline->models = g_array_new(FALSE, TRUE, sizeof(WeftModel));
  pipeline->nodes = g_array_new(FALSE, TRUE, sizeof(WeftNodeDecl));
  g_array_set_clear_func(pipeline->nodes, node_clear);
  pipeline->outputs = references_new();
  pipeline->steps = g_hash_table_new(g_str_hash, g_str_equal);
  pipeline->model_index = g_hash_table_new(g_str_hash, g_str_equal);
  Reader reader = {pipeline, diagnostics};
  take_root(&reader);
  if (pipeline->inputs->len && pipeline->nodes->len) /* otherwise every reference dangles */
    weft_pipeline_wire(pipeline, diagnostics);
  return diagnostics->n_errors == n_before ? g_steal_pointer(&pipeline) : NULL;
}

/* A pipe or a device is read too, up to the limit and one byte more, so that the limit can be named. */
static char *read_file(const char *path, gsize *n_bytes, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s", g_strerror(errno));
    return NULL;
  }
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

WeftPipeline *weft_pipeline_load(const char *path, WeftDiagnostics *diagnostics)
{
  gsize n_bytes = 0;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = read_file(path, &n_bytes, &error);
  if (!text) {
    weft_diagnostics_add(diagnostics, "unreadable", 0, 0, "the file cannot be read: %s", error->message);
    return NULL;
  }
  return weft_pipeline_parse(text, n_bytes, path, diagnostics);
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
  g_array_unref(pipeline->nodes);
  g_array_unref(pipeline->outputs);
  weft_expr_free(pipeline->require);
  g_hash_table_unref(pipeline->steps);
  g_hash_table_unref(pipeline->model_index);
  g_free(pipeline->order);
  g_free(pipeline);
}
