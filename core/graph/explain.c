/* SPDX-License-Identifier: Apache-2.0 */
/* A revision in words: where each piece comes from, why this version, where it runs, what each edge carries. */
#include "precision.h"
#include "slot-step.h"
#include "yamlprint.h"

#include <string.h>

/* Which versions there are of what `use` asks for. */
static void say_version(GString *out, WeftCatalogue *catalogue, const WeftStep *step)
{
  const WeftPluginRow *row = step->found->row;
  const char *range = step->node ? step->node->range : NULL;
  g_autoptr(GPtrArray) rows = weft_catalogue_list(catalogue, NULL);
  g_autoptr(GString) others = g_string_new(NULL);
  for (guint i = 0; rows && i < rows->len; i++) {
    const WeftPluginRow *other = rows->pdata[i];
    if (other->usable && strcmp(other->id, row->id) == 0 && strcmp(other->version, row->version) != 0)
      g_string_append_printf(others, "%s%s", others->len ? ", " : "", other->version);
  }
  g_string_append_printf(out, "  plugin    %s, %s, sha256 %.12s, from %s%s\n", step->found->label,
                         step->found->spec->summary ? step->found->spec->summary : step->found->spec->kind, row->sha256,
                         row->catalogue, row->bundled ? " (came with Weft)" : "");
  g_string_append_printf(out, "  version   %s is wanted, the newest of the first catalogue that has one; %s%s\n",
                         range ? range : "any", others->len ? "also installed: " : "no other is installed", others->str);
}

static void say_reader(GString *out, const WeftStep *step)
{
  const WeftInput *input = step->input;
  g_string_append_printf(out, "  type      %s%s; %s\n", input->type, input->optional ? ", a request may come without it" : "",
                         input->reader_at ? "the reader is named by the file" : "the reader is the installed one of that type");
}

static void say_place(GString *out, const WeftStep *step)
{
  const char *why = step->n_slots                             ? "it calls its slots itself"
                    : step->node && step->node->has_isolate ? "the file or the option says so"
                    : step->isolated                      ? "the plugin did not come with Weft, or it blocks"
                                                          : "the plugin came with Weft";
  g_string_append_printf(out, "  runs      %s: %s\n", step->isolated ? "in a process of its own" : "in this process", why);
}

/* dtype, dims, splits and attributes of what flows. */
static void append_port(GString *out, const struct weft_port *port)
{
  const char *dtype = weft_dtype_name(port->dtype);
  g_string_append_printf(out, "%s [*", dtype ? dtype : "?");
  for (guint d = 1; d < port->rank; d++) {
    if (port->dims[d] < 0)
      g_string_append(out, ", *");
    else
      g_string_append_printf(out, ", %" G_GINT64_FORMAT, port->dims[d]);
  }
  g_string_append(out, port->n_split_levels == 0 ? "], one row an item" : port->n_split_levels == 1 ? "], ragged rows"
                                                                                                   : "], ragged groups");
  for (guint i = 0; i < port->n_attributes; i++) {
    const char *value = port->attributes[i].value, *slash = strchr(value, '/');
    gboolean digest = slash && slash - value == 64;
    g_string_append_printf(out, ", %s %.*s%s", port->attributes[i].key, digest ? 12 : 60, value, digest ? slash : "");
  }
}

static void say_edges(GString *out, const WeftRevision *revision, const WeftStep *step)
{
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    if (binding->given) {
      g_string_append_printf(out, "  in        %s <- %s: ", binding->spec->name, step->parent->name);
      append_port(out, &binding->given->port);
      g_string_append_c(out, '\n');
      continue;
    }
    if (!binding->reference) {
      g_string_append(out, "  in        the bytes of the request\n");
      continue;
    }
    const WeftStep *source = &revision->steps[binding->step];
    const struct weft_port *port = &source->offers[binding->output].port;
    g_string_append_printf(out, "  in        %s <- %s.%s: ", binding->key ? binding->key : binding->spec->name, source->name,
                           port->name);
    append_port(out, port);
    g_string_append(out, binding->spec->variadic || binding->spec->optional ? "; may be absent\n" : "\n");
  }
}

static void say_params(GString *out, const WeftStep *step)
{
  const GPtrArray *params = step->found->spec->params;
  const WeftYaml *given = step->node ? step->node->params_at : NULL;
  for (guint i = 0; i < params->len; i++) {
    const WeftParamSpec *spec = params->pdata[i];
    const WeftYaml *value = given ? weft_yaml_get(given, spec->name) : NULL;
    g_autofree char *flow = value ? weft_yaml_flow(value) : NULL;
    const char *said = flow ? flow : spec->default_text ? spec->default_text : "";
    g_string_append_printf(out, "  param     %s = %s%s%s%s\n", spec->name, said, flow ? "" : " (default)",
                           spec->doc ? ": " : "", spec->doc ? spec->doc : "");
  }
}

static void say_policies(GString *out, const WeftStep *step)
{
  static const char *const keys[] = {"when", "select", "deadline", "batch", "on_missing", "on_error", "on_verdict"};
  for (guint i = 0; step->node && step->node->map && i < G_N_ELEMENTS(keys); i++) {
    const WeftYaml *value = weft_yaml_get(step->node->map, keys[i]);
    g_autofree char *flow = value ? weft_yaml_flow(value) : NULL;
    if (flow)
      g_string_append_printf(out, "  %-9s %s\n", keys[i], flow);
  }
  if (step->node && step->node->outer_when)
    g_string_append_printf(out, "  when      %s (of the sub-pipeline)\n", step->node->outer_when);
  g_string_append_printf(out, "  limits    %" G_GINT64_FORMAT " items a call", (gint64)step->limits.n_items);
  if (step->n_scratch_bytes)
    g_string_append_printf(out, ", %" G_GUINT64_FORMAT " bytes of scratch", step->n_scratch_bytes);
  g_string_append_printf(out, "%s%s\n", step->found->spec->pure ? ", pure" : "",
                         step->found->spec->parallel ? ", several calls at once" : "");
}

static void say_model(GString *out, const WeftRevision *revision, const WeftStep *step)
{
  if (!step->node || step->node->model < 0)
    return;
  guint model = (guint)step->node->model;
  const WeftArtifactRow *row = revision->model_rows[model];
  g_string_append_printf(out, "  model     %s, digest %.12s, %s%s%s\n", weft_model_label(revision, model),
                         revision->model_digests[model] ? revision->model_digests[model] : "",
                         row ? "in " : "folder ", row ? row->catalogue : revision->model_folders[model],
                         row ? ": the newest that fits" : "");
  if (step->computes)
    g_string_append_printf(out, "  precision %s: %s\n", weft_precision_name(revision->precisions[model].runs),
                           revision->precisions[model].why);
}

static void say_assets(GString *out, const WeftStep *step)
{
  for (guint i = 0; step->assets && i < step->assets->len; i++) {
    const WeftRevisionAsset *asset = &g_array_index(step->assets, WeftRevisionAsset, i);
    g_string_append_printf(out, "  asset     %s = %s, digest %.12s\n", asset->param, asset->path, asset->digest);
  }
}

static void say_step(GString *out, const WeftRevision *revision, WeftCatalogue *catalogue, const WeftStep *step)
{
  const WeftPipeline *pipeline = revision->pipeline;
  g_string_append_printf(out, "%s %s\n", step->input ? "input" : step->parent ? "slot" : "node", step->name);
  for (guint i = 0; i < pipeline->inlined->len; i++) {
    const WeftInlined *inlined = pipeline->inlined->pdata[i];
    gsize n = strlen(inlined->node);
    if (strncmp(step->name, inlined->node, n) == 0 && step->name[n] == '/')
      g_string_append_printf(out, "  part of   %s, the pipeline %s, sha256 %.12s\n", inlined->node, inlined->file,
                             inlined->digest);
  }
  if (step->input)
    say_reader(out, step);
  say_version(out, catalogue, step);
  say_model(out, revision, step);
  say_assets(out, step);
  say_params(out, step);
  if (step->bindings)
    say_edges(out, revision, step);
  say_place(out, step);
  say_policies(out, step);
}

/* And its slots. */
static void say_steps(GString *out, const WeftRevision *revision, WeftCatalogue *catalogue, const WeftStep *step)
{
  say_step(out, revision, catalogue, step);
  for (guint i = 0; i < step->n_slots; i++) {
    g_string_append_c(out, '\n');
    say_step(out, revision, catalogue, &step->slots[i]);
  }
}

static char *unknown_node(const WeftPipeline *pipeline, const char *node)
{
  g_autofree gpointer *names = g_hash_table_get_keys_as_array(pipeline->steps, NULL);
  const char *closest = weft_closest(node, (const char *const *)names, g_hash_table_size(pipeline->steps));
  return g_strdup_printf("explain: there is no node or input \"%s\"%s%s%s", node, closest ? "; did you mean " : "",
                         closest ? closest : "", closest ? "?" : "");
}

char *weft_revision_explain_text(const WeftRevision *revision, WeftCatalogue *catalogue, const char *node, GError **error)
{
  const WeftPipeline *pipeline = revision->pipeline;
  guint found = node ? GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->steps, node)) : 0;
  const WeftStep *slot = node && !found ? weft_slot_find(revision, node) : NULL;
  if (node && !found && !slot) {
    g_autofree char *message = unknown_node(pipeline, node);
    g_set_error_literal(error, WEFT_ERROR, WEFT_BAD_INPUT, message);
    return NULL;
  }
  GString *out = g_string_new(NULL);
  if (found || slot) {
    say_steps(out, revision, catalogue, slot ? slot : &revision->steps[found - 1]);
    return g_string_free(out, FALSE);
  }
  g_string_append_printf(out, "pipeline %s, revision %.12s\n", pipeline->name, revision->digest);
  if (pipeline->require)
    g_string_append_printf(out, "a request must bring %s\n", pipeline->require_at->text);
  for (guint i = 0; i < pipeline->context->len; i++)
    g_string_append_printf(out, "context %s, %s\n", weft_context_at(pipeline, i)->name,
                           weft_context_at(pipeline, i)->required ? "required" : "optional");
  for (guint s = 0; s < pipeline->n_steps; s++) {
    g_string_append_c(out, '\n');
    say_steps(out, revision, catalogue, &revision->steps[s]);
  }
  g_string_append_c(out, '\n');
  for (guint i = 0; i < pipeline->outputs->len; i++) {
    g_string_append_printf(out, "output %s <- %s.%s: ", revision->outputs[i].name, revision->outputs[i].node,
                           revision->outputs[i].port->name);
    append_port(out, revision->outputs[i].port);
    g_string_append_c(out, '\n');
  }
  return g_string_free(out, FALSE);
}
