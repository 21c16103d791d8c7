/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline as a picture: graphviz, from left to right. */
#include "precision.h"

#include <string.h>

static void append_quoted(GString *dot, const char *text)
{
  g_string_append_c(dot, '"');
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c(dot, '\\');
    if (*c == '\n')
      g_string_append(dot, "\\n");
    else
      g_string_append_c(dot, *c);
  }
  g_string_append_c(dot, '"');
}

static void append_box(GString *dot, const char *prefix, const char *name, const char *label, const char *style)
{
  g_autofree char *id = g_strconcat(prefix, name, NULL);
  g_string_append(dot, "    ");
  append_quoted(dot, id);
  g_string_append(dot, " [label=");
  append_quoted(dot, label);
  g_string_append_printf(dot, "%s];\n", style);
}

static void append_edge(GString *dot, const char *from, const char *prefix, const char *to, const char *tail,
                        const char *head)
{
  g_autofree char *target = g_strconcat(prefix, to, NULL), *source = g_strconcat("s:", from, NULL);
  g_string_append(dot, "  ");
  append_quoted(dot, source);
  g_string_append(dot, " -> ");
  append_quoted(dot, target);
  g_autofree char *label = head ? g_strdup_printf("%s > %s", tail, head) : g_strdup(tail);
  g_string_append(dot, " [label=");
  append_quoted(dot, label);
  g_string_append(dot, "];\n");
}

/*
 * The output that a reference means: its own word, what the edge into `target`
 * was resolved to, the plugin's name for the main one, or "main". target:
 * revision's; NULL: no node's input.
 */
static const char *port_of(const WeftReference *reference, const WeftRevision *revision, const WeftStep *target)
{
  if (reference->port)
    return reference->port;
  const WeftStep *step = revision ? &revision->steps[reference->step] : NULL;
  for (guint i = 0; target && target->bindings && i < target->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(target->bindings, WeftBinding, i);
    if (binding->reference == reference && !binding->spec->base)
      return step->offers[binding->output].port.name;
  }
  return step ? step->offers[weft_main_output(step->found->spec)].port.name : "main";
}

/* Of a model, where it is not f32. */
static const char *precision_of(const WeftPipeline *pipeline, const WeftRevision *revision, int model)
{
  int precision = model < 0 ? 0 : revision ? revision->precisions[model].runs
                                                            : weft_model_at(pipeline, model)->precision;
  return precision > 0 ? weft_precision_name(precision) : NULL;
}

/* A plugin that a node calls itself hangs on it by a dotted line. */
static void append_slot(GString *dot, const WeftPipeline *pipeline, const WeftRevision *revision, const WeftNodeDecl *slot,
                        const WeftStep *step)
{
  const char *precision = precision_of(pipeline, revision, slot->model);
  const char *model = slot->model >= 0 ? weft_model_at(pipeline, slot->model)->path : NULL;
  const char *use = slot->use_at ? slot->use_at->text : "";
  g_autofree char *label = g_strdup_printf("%s\n%s%s%s%s%s%s", slot->slot, step ? step->found->label : use, model ? "\n" : "",
                                           model ? model : "", precision ? ", " : "", precision ? precision : "",
                                           step && step->isolated ? "\nisolated" : "");
  g_autofree char *node = g_strndup(slot->name, strlen(slot->name) - strlen(slot->slot) - 1);
  g_autofree char *from = g_strconcat("s:", node, NULL), *to = g_strconcat("s:", slot->name, NULL);
  append_box(dot, "s:", slot->name, label, step && step->isolated ? ", shape=component, style=dashed" : ", shape=component");
  g_string_append(dot, "    ");
  append_quoted(dot, from);
  g_string_append(dot, " -> ");
  append_quoted(dot, to);
  g_string_append(dot, " [style=dotted, dir=none];\n");
}

static void append_steps(GString *dot, const WeftPipeline *pipeline, const WeftRevision *revision)
{
  g_string_append(dot, "  subgraph cluster_inputs {\n    label=\"inputs\"; style=rounded; color=gray;\n");
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    const WeftInput *input = weft_input_at(pipeline, i);
    g_autofree char *label = g_strdup_printf("%s\n%s%s%s%s", input->name, input->type, input->optional ? ", optional" : "",
                                             revision ? "\n" : "", revision ? revision->steps[i].found->label : "");
    append_box(dot, "s:", input->name, label, ", shape=cds");
  }
  g_string_append(dot, "  }\n  subgraph cluster_nodes {\n    label=\"\"; style=invis;\n");
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    const WeftNodeDecl *node = weft_node_at(pipeline, i);
    const WeftStep *step = revision ? &revision->steps[pipeline->inputs->len + i] : NULL;
    const char *model = node->model >= 0 ? weft_model_at(pipeline, node->model)->path : NULL;
    const char *precision = precision_of(pipeline, revision, node->model);
    g_autofree char *label = g_strdup_printf("%s\n%s%s%s%s%s%s", node->name, step ? step->found->label : node->use_at->text,
                                             model ? "\n" : "", model ? model : "", precision ? ", " : "",
                                             precision ? precision : "",
                                             step && step->isolated ? "\nisolated" : "");
    append_box(dot, "s:", node->name, label, step && step->isolated ? ", shape=box, style=dashed" : ", shape=box");
    for (guint k = 0; node->slots && k < node->slots->len; k++)
      append_slot(dot, pipeline, revision, &g_array_index(node->slots, WeftNodeDecl, k), step ? &step->slots[k] : NULL);
  }
  g_string_append(dot, "  }\n  subgraph cluster_outputs {\n    label=\"outputs\"; style=rounded; color=gray;\n");
  for (guint i = 0; i < pipeline->outputs->len; i++)
    append_box(dot, "o:", weft_reference_at(pipeline->outputs, i)->key, weft_reference_at(pipeline->outputs, i)->key,
               ", shape=plaintext");
  g_string_append(dot, "  }\n");
}

char *weft_pipeline_dot(const WeftPipeline *pipeline, const WeftRevision *revision)
{
  GString *dot = g_string_new("digraph ");
  append_quoted(dot, pipeline->name);
  g_string_append(dot, " {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n"
                       "  edge [fontname=\"sans-serif\", fontsize=10];\n");
  append_steps(dot, pipeline, revision);
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    const WeftNodeDecl *node = weft_node_at(pipeline, i);
    const WeftStep *step = revision ? &revision->steps[pipeline->inputs->len + i] : NULL;
    for (guint k = 0; k < node->in->len; k++) {
      const WeftReference *reference = weft_reference_at(node->in, k);
      append_edge(dot, reference->name, "s:", node->name, port_of(reference, revision, step), reference->key);
    }
    for (guint k = node->in->len; k < weft_node_n_sources(node); k++) {
      const WeftReference *reference = weft_node_source(node, k);
      append_edge(dot, reference->name, "s:", node->name, port_of(reference, revision, NULL), "when");
    }
  }
  for (guint i = 0; i < pipeline->outputs->len; i++) {
    const WeftReference *reference = weft_reference_at(pipeline->outputs, i);
    append_edge(dot, reference->name, "o:", reference->key, port_of(reference, revision, NULL), NULL);
  }
  g_string_append(dot, "}\n");
  return g_string_free(dot, FALSE);
}
