/* SPDX-License-Identifier: Apache-2.0 */
/* One entry under `nodes`. */
#include "subpipeline.h"

#include "literal.h"
#include <string.h>

void weft_node_clear(gpointer data)
{
  WeftNodeDecl *node = data;
  g_clear_pointer(&node->in, g_array_unref);
  g_clear_pointer(&node->slots, g_array_unref);
  weft_policy_free(node->policy);
}

static void take_use(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->use_at = value;
  const char *text = weft_read_text(reader, value, node->name, "use", "vit@^1");
  if (!text)
    return;
  if (weft_subpipeline_use(reader, node, value))
    return;
  const char *at = strchr(text, '@');
  if (at == text) {
    weft_diagnostic_hint(weft_diagnostic_at(weft_fault(reader->diagnostics, value, "no-plugin", "use names no plugin, only "
                                                       "a version"), node->name, NULL), "such as use: vit@^1");
    return;
  }
  node->plugin = at ? weft_blocks_text(&reader->pipeline->texts, text, (gsize)(at - text)) : text;
  node->range = at && at[1] ? at + 1 : NULL;
}

static void take_in(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->in_at = value;
  if (value->kind == WEFT_YAML_SCALAR) {
    weft_read_reference(reader, node->in, NULL, value, node->name, "in");
    return;
  }
  if (!weft_read_map(reader, value, node->name, "in", "see.tokens or {picture: see.tokens}") || value->unsure)
    node->unsure = TRUE;
  for (guint i = 0; value->kind == WEFT_YAML_MAP && i < weft_yaml_n(value); i++) {
    if (!weft_yaml_key(value, i)->reported)
      weft_read_reference(reader, node->in, weft_yaml_key(value, i), weft_yaml_item(value, i), node->name, "an input");
  }
}

static void take_deadline(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  const char *text = weft_read_text(reader, value, node->name, "deadline", "20 ms");
  if (text)
    node->deadline_ns = weft_read_time_ns(reader, value, text, node->name, "deadline");
}

static void take_model_of(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->model_at = value;
  node->model = -2;
  const char *text = weft_read_text(reader, value, node->name, "model", "vit");
  if (!text)
    return;
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(reader->pipeline->model_index, text));
  if (found) {
    node->model = (int)found - 1;
    weft_model_at(reader->pipeline, found - 1)->used = TRUE;
    return;
  }
  if (reader->pipeline->models_unsure)
    return;
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

static void take_policy(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *map)
{
  static const struct {
    const char *key;
    void (*read)(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy);
  } keys[] = {{"when", weft_read_when},         {"on_missing", weft_read_on_missing}, {"on_error", weft_read_on_error},
              {"on_verdict", weft_read_on_verdict}, {"batch", weft_read_batch}};
  for (guint i = 0; i < weft_yaml_n(map); i++) {
    for (guint k = 0; k < G_N_ELEMENTS(keys); k++) {
      const WeftYaml *key = weft_yaml_key(map, i);
      if (key->reported || *key->text != *keys[k].key || strcmp(key->text, keys[k].key) != 0)
        continue;
      if (!node->policy)
        node->policy = g_new0(WeftNodePolicy, 1);
      keys[k].read(reader, weft_yaml_item(map, i), node->name, node->policy);
    }
  }
}

void weft_read_node_plugin(WeftReader *reader, WeftNodeDecl *node)
{
  const WeftYaml *part;
  if ((part = weft_yaml_get(node->map, "use")))
    take_use(reader, node, part);
  else if (!node->unsure)
    weft_diagnostic_at(weft_diagnostic_hint(weft_fault(reader->diagnostics, node->at, "missing-key", "no plugin is named"),
                                            "such as use: vit@^1"), node->name, NULL);
  if ((part = weft_yaml_get(node->map, "model")))
    take_model_of(reader, node, part);
  if ((part = weft_yaml_get(node->map, "params")) && weft_read_map(reader, part, node->name, "params", "{beam: 4}"))
    node->params_at = part;
  node->unsure = node->unsure || (part && (!node->params_at || part->unsure));
  if ((part = weft_yaml_get(node->map, "isolate"))) {
    node->isolate_at = part;
    node->has_isolate = weft_read_bool(reader, part, node->name, "isolate", &node->isolate);
  }
}

void weft_read_node(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  static const char *const known[] = {"use", "model", "in", "params", "isolate", "deadline", "when", "batch",
                                      "on_missing", "on_error", "on_verdict", "slots", "select", NULL};
  static const char *const later[] = {NULL};
  WeftNodeDecl node = {.name = key->text, .at = key, .map = value, .model = -1, .in = weft_references_new()};
  const WeftYaml *part;
  weft_read_name(reader, key, "a node");
  node.unsure = !weft_read_map(reader, value, key->text, "a node", "{use: vit@^1, in: picture}");
  if (!node.unsure) {
    node.unsure = !weft_read_keys(reader, value, "a node", node.name, known, later);
    weft_read_node_plugin(reader, &node);
    if ((part = weft_yaml_get(value, "in")))
      take_in(reader, &node, part);
    if ((part = weft_yaml_get(value, "deadline")))
      take_deadline(reader, &node, part);
    weft_read_slots(reader, &node);
    take_policy(reader, &node, value);
  }
  g_array_append_val(reader->pipeline->nodes, node);
}
