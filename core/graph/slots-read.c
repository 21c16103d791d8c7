/* SPDX-License-Identifier: Apache-2.0 */
/* `slots: {fraud: {use: expert-mlp@^2, model: fraud}}` and `select: context.domain` of a node, as written. */
#include "read.h"

#include <string.h>
#include <weft/slots.h>

#define CONTEXT "context."

static void take_slot(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *key, const WeftYaml *value)
{
  static const char *const known[] = {"use", "model", "params", "isolate", NULL}, *const later[] = {NULL};
  g_autofree char *what = g_strdup_printf("slot \"%s\"", key->text), *name = g_strconcat(node->name, "/", key->text, NULL);
  WeftNodeDecl slot = {.slot = key->text, .at = key, .map = value, .model = -1, .in = weft_references_new()};
  slot.name = weft_blocks_text(&reader->pipeline->texts, name, strlen(name));
  weft_read_name(reader, key, "a slot");
  slot.unsure = !weft_read_map(reader, value, slot.name, what, "{use: expert-mlp@^1, model: fraud}") ||
                !weft_read_keys(reader, value, "a slot", slot.name, known, later);
  if (value->kind == WEFT_YAML_MAP)
    weft_read_node_plugin(reader, &slot);
  if (slot.is_pipeline) {
    weft_diagnostic_at(weft_fault(reader->diagnostics, slot.use_at, "slot", "a slot is a plugin, and \"%s\" is a pipeline",
                                  slot.use_at->text), slot.name, NULL);
    slot.is_pipeline = FALSE;
  }
  g_array_append_val(node->slots, slot);
}

static void read_slots(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  node->slots_at = value;
  node->slots = g_array_new(FALSE, TRUE, sizeof(WeftNodeDecl));
  g_array_set_clear_func(node->slots, weft_node_clear);
  if (!weft_read_map(reader, value, node->name, "slots", "{fraud: {use: expert-mlp@^1, model: fraud}}") ||
      value->unsure) {
    node->unsure = TRUE;
    return;
  }
  if (weft_yaml_n(value) > WEFT_SLOTS_MAX) {
    weft_diagnostic_at(weft_fault(reader->diagnostics, value, "too-many", "slots has %u entries, at most %u are allowed "
                                  "(WEFT_SLOTS_MAX)", weft_yaml_n(value), WEFT_SLOTS_MAX), node->name, NULL);
    node->unsure = TRUE;
    return;
  }
  for (guint i = 0; i < weft_yaml_n(value); i++)
    if (!weft_yaml_key(value, i)->reported)
      take_slot(reader, node, weft_yaml_key(value, i), weft_yaml_item(value, i));
}

/* What decides is a key that the pipeline declares, so that a request cannot leave it out unseen. */
static void take_by(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  const char *text = weft_read_text(reader, value, node->name, "select", CONTEXT "domain");
  if (!text)
    return;
  if (!g_str_has_prefix(text, CONTEXT) || !text[strlen(CONTEXT)]) {
    WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "bad-value", "select names a key of the context, found "
                                       "\"%s\"", text);
    weft_diagnostic_hint(weft_diagnostic_at(fault, node->name, NULL), "such as select: " CONTEXT "domain");
    return;
  }
  const char *key = text + strlen(CONTEXT);
  const GArray *context = reader->pipeline->context;
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < context->len; i++) {
    const char *name = g_array_index(context, WeftContextKey, i).name;
    if (strcmp(name, key) == 0)
      node->select_key = key;
    g_ptr_array_add(names, (gpointer)name);
  }
  if (node->select_key || reader->pipeline->context_unsure)
    return;
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "unknown-context", "there is no key \"%s\" in context", key);
  weft_diagnostic_hint(weft_diagnostic_at(fault, node->name, NULL), "declare it, such as context: {%s: optional}", key);
  weft_diagnostic_closest(fault, key, (const char *const *)names->pdata, names->len);
}

static void read_select(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value)
{
  static const char *const known[] = {"by", "required", NULL}, *const later[] = {NULL};
  node->select_at = value;
  if (value->kind != WEFT_YAML_MAP) {
    take_by(reader, node, value);
    return;
  }
  const WeftYaml *by = weft_yaml_get(value, "by"), *required = weft_yaml_get(value, "required");
  gboolean sure = weft_read_keys(reader, value, "select", node->name, known, later);
  if (by)
    take_by(reader, node, by);
  else if (sure)
    weft_diagnostic_at(weft_diagnostic_hint(weft_fault(reader->diagnostics, value, "missing-key", "select does not say by what"),
                                            "such as select: {by: " CONTEXT "domain, required: true}"), node->name, NULL);
  if (required)
    weft_read_bool(reader, required, node->name, "required", &node->select_required);
}

void weft_read_slots(WeftReader *reader, WeftNodeDecl *node)
{
  const WeftYaml *slots = weft_yaml_get(node->map, "slots"), *select = weft_yaml_get(node->map, "select");
  if (slots)
    read_slots(reader, node, slots);
  if (select)
    read_select(reader, node, select);
  if (select && !slots)
    weft_diagnostic_hint(weft_diagnostic_at(weft_fault(reader->diagnostics, select, "no-slots", "select chooses among slots, "
                                                       "and the node has none"), node->name, NULL),
                         "such as slots: {fraud: {use: expert-mlp@^1, model: fraud}}");
}
