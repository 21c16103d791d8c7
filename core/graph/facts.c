/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include "precision.h"
#include "yamlprint.h"
#include <string.h>

/* Names of files may be no UTF-8. */
static json_t *text(const char *words)
{
  g_autofree char *valid = words ? g_utf8_make_valid(words, -1) : NULL;
  return valid ? json_string(valid) : json_null();
}

static json_t *parameters(const WeftStep *step)
{
  json_t *object = json_object();
  const GPtrArray *params = step->found->spec->params;
  for (guint i = 0; i < params->len; i++) {
    const struct weft_parameter *parameter = &step->parameters[i];
    json_t *value = NULL;
    switch (parameter->type) {
    case WEFT_PARAMETER_INT:
      value = json_integer(parameter->integer);
      break;
    case WEFT_PARAMETER_NUMBER:
      value = json_real(parameter->number);
      break;
    case WEFT_PARAMETER_BOOL:
      value = json_boolean(parameter->integer);
      break;
    default:
      value = text(parameter->text);
    }
    json_object_set_new(object, parameter->name, value ? value : json_null());
  }
  return object;
}

static json_t *wiring(const WeftStep *step, const WeftRevisionNode *node)
{
  json_t *object = json_object();
  for (guint i = 0; node->inputs && node->inputs[i]; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    json_object_set_new(object, binding->key ? binding->key : binding->spec->name, text(node->inputs[i]));
  }
  return object;
}

/* The words of the file, in one form. */
static json_t *policies(const WeftNodeDecl *decl)
{
  static const char *const keys[] = {"when", "select", "deadline", "batch", "on_missing", "on_error", "on_verdict"};
  json_t *object = json_object();
  for (guint i = 0; decl->map && i < G_N_ELEMENTS(keys); i++) {
    const WeftYaml *value = weft_yaml_get(decl->map, keys[i]);
    g_autofree char *flow = value ? weft_yaml_flow(value) : NULL;
    if (flow)
      json_object_set_new(object, keys[i], text(flow));
  }
  if (decl->outer_when)
    json_object_set_new(object, "when_of_sub_pipeline", text(decl->outer_when));
  return object;
}

static json_t *assets(const WeftRevisionNode *node)
{
  json_t *object = json_object();
  for (guint i = 0; i < node->n_assets; i++) {
    const WeftRevisionAsset *asset = &node->assets[i];
    json_object_set_new(object, asset->param, json_pack("{s:o, s:o}", "from", text(asset->path), "digest",
                                                        text(asset->digest)));
  }
  return object;
}

static json_t *plugin_of(const WeftRevisionNode *node, json_t *object)
{
  g_autofree char *label = g_strdup_printf("%s@%s", node->plugin, node->version);
  json_object_set_new(object, "plugin", text(label));
  json_object_set_new(object, "sha256", text(node->sha256));
  return object;
}

/* As it was said, so that a lock file holds on every machine: what `auto` chose is in the fingerprint. */
static json_t *node_facts(const WeftStep *step, const WeftRevisionNode *node, const WeftModelPrecision *precision)
{
  json_t *object = plugin_of(node, json_object());
  if (node->model) {
    json_object_set_new(object, "model", text(node->model));
    json_object_set_new(object, "model_digest", text(node->model_digest));
    if (precision)
      json_object_set_new(object, "precision", text(weft_precision_name(precision->said < 0 ? precision->runs : precision->said)));
  }
  if (!step->parent)
    json_object_set_new(object, "in", wiring(step, node));
  json_object_set_new(object, "params", parameters(step));
  if (node->n_assets)
    json_object_set_new(object, "assets", assets(node));
  if (!step->parent)
    json_object_set_new(object, "policies", policies(step->node));
  json_object_set_new(object, "isolated", json_boolean(node->isolated));
  return object;
}

/* The slots of a node stand behind all steps, in order of their nodes. */
static json_t *slots_facts(const WeftRevision *revision, const WeftStep *step)
{
  json_t *object = json_object();
  guint n = revision->pipeline->n_steps;
  for (const WeftStep *before = revision->steps; before < step; before++)
    n += before->n_slots;
  for (guint i = 0; i < step->n_slots; i++) {
    const WeftRevisionNode *node = &revision->nodes[n + i];
    const WeftModelPrecision *precision = node->precision ? &revision->precisions[step->slots[i].node->model] : NULL;
    json_object_set_new(object, step->slots[i].node->slot, node_facts(&step->slots[i], node, precision));
  }
  return object;
}

static json_t *input_facts(const WeftInput *input, const WeftStep *step, const WeftRevisionNode *node)
{
  json_t *object = plugin_of(node, json_object());
  json_object_set_new(object, "type", text(input->type));
  json_object_set_new(object, "optional", json_boolean(input->optional));
  json_object_set_new(object, "isolated", json_boolean(step->isolated));
  return object;
}

static json_t *steps(const WeftRevision *revision, gboolean inputs)
{
  const WeftPipeline *pipeline = revision->pipeline;
  json_t *object = json_object();
  for (guint s = inputs ? 0 : pipeline->inputs->len; s < (inputs ? pipeline->inputs->len : pipeline->n_steps); s++) {
    const WeftStep *step = &revision->steps[s];
    const WeftRevisionNode *node = &revision->nodes[s];
    const WeftModelPrecision *precision = node->precision ? &revision->precisions[step->node->model] : NULL;
    json_t *facts = inputs ? input_facts(weft_input_at(pipeline, s), step, node) : node_facts(step, node, precision);
    if (step->n_slots)
      json_object_set_new(facts, "slots", slots_facts(revision, step));
    json_object_set_new(object, node->name, facts);
  }
  return object;
}

static json_t *context(const WeftPipeline *pipeline)
{
  json_t *object = json_object();
  for (guint i = 0; i < pipeline->context->len; i++)
    json_object_set_new(object, weft_context_at(pipeline, i)->name,
                        json_string(weft_context_at(pipeline, i)->required ? "required" : "optional"));
  return object;
}

static json_t *sub_pipelines(const WeftPipeline *pipeline)
{
  json_t *object = json_object();
  for (guint i = 0; i < pipeline->inlined->len; i++) {
    const WeftInlined *inlined = pipeline->inlined->pdata[i];
    json_object_set_new(object, inlined->node, json_pack("{s:o, s:o}", "use", text(inlined->use), "digest",
                                                         text(inlined->digest)));
  }
  return object;
}

static json_t *outputs(const WeftRevision *revision)
{
  json_t *object = json_object();
  for (guint i = 0; i < revision->pipeline->outputs->len; i++) {
    const WeftRevisionOutput *output = &revision->outputs[i];
    g_autofree char *source = g_strdup_printf("%s.%s", output->node, output->port->name);
    json_object_set_new(object, output->name, text(source));
  }
  return object;
}

json_t *weft_revision_facts(const WeftRevision *revision)
{
  const WeftPipeline *pipeline = revision->pipeline;
  json_t *object = json_object();
  json_object_set_new(object, "schema", json_string("weft.facts/1"));
  json_object_set_new(object, "name", text(pipeline->name));
  json_object_set_new(object, "context", context(pipeline));
  json_object_set_new(object, "inputs", steps(revision, TRUE));
  json_object_set_new(object, "require", pipeline->require ? text(pipeline->require_at->text) : json_null());
  json_object_set_new(object, "sub_pipelines", sub_pipelines(pipeline));
  json_object_set_new(object, "nodes", steps(revision, FALSE));
  json_object_set_new(object, "outputs", outputs(revision));
  return object;
}

/* ---- comparing ---- */

static void add_change(json_t *changes, const char *path, const json_t *before, const json_t *after)
{
  const char *what = !before ? "added" : !after ? "removed" : "changed";
  json_array_append_new(changes, json_pack("{s:s, s:s, s:o, s:o}", "what", what, "path", path, "before",
                                           before ? json_deep_copy(before) : json_null(), "after",
                                           after ? json_deep_copy(after) : json_null()));
}

static int by_text(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keys of both, each once, sorted: of const char *, borrowed. */
static GPtrArray *keys_of(const json_t *before, const json_t *after)
{
  const json_t *const both[] = {before, after};
  GPtrArray *keys = g_ptr_array_new();
  for (guint i = 0; i < 2; i++)
    for (void *at = json_object_iter((json_t *)both[i]); at; at = json_object_iter_next((json_t *)both[i], at))
      if (i == 0 || !json_object_get(before, json_object_iter_key(at)))
        g_ptr_array_add(keys, (gpointer)json_object_iter_key(at));
  g_ptr_array_sort(keys, by_text);
  return keys;
}

/* Facts nest six deep. */
static void compare(json_t *changes, const char *path, const json_t *before, const json_t *after)
{
  if (before && after && json_equal(before, after))
    return;
  if (!json_is_object(before) || !json_is_object(after)) {
    add_change(changes, path, before, after);
    return;
  }
  g_autoptr(GPtrArray) keys = keys_of(before, after);
  for (guint i = 0; i < keys->len; i++) {
    const char *key = keys->pdata[i];
    g_autofree char *inner = *path ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
    compare(changes, inner, json_object_get(before, key), json_object_get(after, key));
  }
}

json_t *weft_facts_compare(const json_t *before, const json_t *after)
{
  json_t *changes = json_array();
  compare(changes, "", before, after);
  return changes;
}

static char *value_text(const json_t *value)
{
  if (json_is_string(value))
    return g_strdup(json_string_value(value));
  char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
  char *copy = g_strdup(dumped);
  free(dumped);
  return copy;
}

/* Digests are long: what tells them apart is how they begin. */
static char *short_value(const char *path, const json_t *value)
{
  char *whole = value_text(value);
  gboolean digest = strlen(whole) == 64 && (g_str_has_suffix(path, "digest") || g_str_has_suffix(path, "sha256"));
  if (digest)
    whole[12] = 0;
  return whole;
}

/* "nodes.see.params.beam" -> "node see: params.beam" */
static char *place_text(const char *path)
{
  static const char *const sections[][2] = {{"nodes.", "node "}, {"inputs.", "input "}, {"outputs.", "output "},
                                            {"context.", "context "}, {"sub_pipelines.", "sub-pipeline "}};
  for (guint i = 0; i < G_N_ELEMENTS(sections); i++) {
    if (!g_str_has_prefix(path, sections[i][0]))
      continue;
    const char *name = path + strlen(sections[i][0]), *dot = strchr(name, '.');
    return dot ? g_strdup_printf("%s%.*s: %s", sections[i][1], (int)(dot - name), name, dot + 1)
               : g_strdup_printf("%s%s", sections[i][1], name);
  }
  return g_strdup(path);
}

char *weft_facts_changes_text(const json_t *changes)
{
  GString *out = g_string_new(NULL);
  for (gsize i = 0; i < json_array_size(changes); i++) {
    const json_t *change = json_array_get(changes, i), *before = json_object_get(change, "before");
    const char *what = json_string_value(json_object_get(change, "what"));
    const char *path = json_string_value(json_object_get(change, "path"));
    const json_t *after = json_object_get(change, "after");
    g_autofree char *place = place_text(path);
    g_autofree char *old = short_value(path, before), *new = short_value(path, after);
    gboolean whole = json_is_object(strcmp(what, "added") == 0 ? after : before);
    const char *plugin = json_string_value(json_object_get(strcmp(what, "added") == 0 ? after : before, "plugin"));
    if (strcmp(what, "changed") == 0)
      g_string_append_printf(out, "%s: %s -> %s\n", place, old, new);
    else if (whole)
      g_string_append_printf(out, "%s: %s%s%s%s\n", place, what, plugin ? " (" : "", plugin ? plugin : "",
                             plugin ? ")" : "");
    else
      g_string_append_printf(out, "%s: %s %s\n", place, what, strcmp(what, "added") == 0 ? new : old);
  }
  return g_string_free(out, FALSE);
}
