/* SPDX-License-Identifier: Apache-2.0 */
/* A sub-pipeline's nodes in the place of the node that uses it. */
#include "subpipeline.h"

#include "live-decl.h"
#include <string.h>

/* One sub-pipeline, being put in. */
typedef struct {
  const char *name;          /* of the node */
  WeftNodeDecl outer;        /* the node itself, owned until the end */
  WeftPipeline *inner;       /* owned by pipeline->inner */
  const WeftReference **bound; /* [inner->inputs] of outer.in; NULL: not bound */
  WeftDiagnosticPlace *place;
} Sub;

typedef struct {
  WeftReader *reader;
  WeftPipeline *pipeline;
  GHashTable *subs;          /* name -> Sub */
  GHashTable *inputs;        /* name of an input of the file -> index + 1 */
} Inliner;

static void sub_free(gpointer data)
{
  Sub *sub = data;
  weft_node_clear(&sub->outer);
  g_free(sub->bound);
  g_free(sub);
}

static const char *keep(WeftPipeline *pipeline, char *word)
{
  g_ptr_array_add(pipeline->words, word);
  return word;
}

static WeftDiagnostic *fault_of(const Inliner *inliner, const Sub *sub, const WeftYaml *at, const char *format, ...)
  G_GNUC_PRINTF(4, 5);
static WeftDiagnostic *fault_of(const Inliner *inliner, const Sub *sub, const WeftYaml *at, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return weft_diagnostic_at(weft_fault(inliner->reader->diagnostics, at, "sub-pipeline", "%s", message), sub->name, NULL);
}

/* ---- what the node may say ---- */

static gboolean check_policies(const Inliner *inliner, const Sub *sub)
{
  const WeftNodeDecl *node = &sub->outer;
  const WeftNodePolicy *policy = node->policy;
  const struct {
    const char *key;
    const WeftYaml *at;
  } keys[] = {{"model", node->model_at},
              {"slots", node->slots_at},
              {"select", node->select_at},
              {"deadline", node->deadline_ns ? node->use_at : NULL},
              {"batch", policy ? policy->batch_at : NULL},
              {"on_missing", policy && policy->on_missing && policy->on_missing->len
                               ? g_array_index(policy->on_missing, WeftMissingDecl, 0).at : NULL},
              {"on_error", policy ? policy->on_error_at : NULL},
              {"on_verdict", policy ? policy->on_verdict_at : NULL}};
  gboolean ok = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    if (!keys[i].at)
      continue;
    weft_diagnostic_hint(fault_of(inliner, sub, keys[i].at, "a sub-pipeline has no \"%s\" of its own", keys[i].key),
                         "say it at the nodes of %s; isolate and when hold for all of them", node->use_at->text);
    ok = FALSE;
  }
  return ok;
}

static gboolean check_kind(const Inliner *inliner, const Sub *sub)
{
  const WeftPipeline *inner = sub->inner;
  const char *problem = inner->sinks->len ? "sinks" : inner->lead >= 0 ? "live inputs" : NULL;
  for (guint i = 0; !problem && i < inner->inputs->len; i++)
    problem = weft_input_at(inner, i)->live ? "live inputs" : NULL;
  if (problem)
    fault_of(inliner, sub, sub->outer.use_at, "a pipeline with %s cannot be used as a node", problem);
  else if (inliner->pipeline->nodes->len + inner->nodes->len > WEFT_PIPELINE_MAX_NODES)
    fault_of(inliner, sub, sub->outer.use_at, "with its nodes the pipeline has more than %u (WEFT_PIPELINE_MAX_NODES)",
             WEFT_PIPELINE_MAX_NODES);
  else
    return TRUE;
  return FALSE;
}

static WeftContextKey *context_find(const WeftPipeline *pipeline, const char *name)
{
  for (guint i = 0; i < pipeline->context->len; i++)
    if (strcmp(weft_context_at(pipeline, i)->name, name) == 0)
      return weft_context_at(pipeline, i);
  return NULL;
}

/* What it requires must be required here too; what it would like is passed on. */
static gboolean take_context(const Inliner *inliner, const Sub *sub)
{
  gboolean ok = TRUE;
  for (guint i = 0; i < sub->inner->context->len; i++) {
    const WeftContextKey *wanted = weft_context_at(sub->inner, i);
    const WeftContextKey *given = context_find(inliner->pipeline, wanted->name);
    if (wanted->required && (!given || !given->required) && !inliner->pipeline->context_unsure) {
      weft_diagnostic_hint(fault_of(inliner, sub, sub->outer.use_at, "it requires the context key \"%s\", which is %s here",
                                    wanted->name, given ? "optional" : "not declared"),
                           "such as context: {%s: required}", wanted->name);
      ok = FALSE;
    } else if (!given && inliner->pipeline->context->len < WEFT_CONTEXT_MAX_KEYS) {
      g_array_append_val(inliner->pipeline->context, *wanted);
    }
  }
  return ok;
}

/* ---- inputs ---- */

static gint input_index(const WeftPipeline *inner, const char *name)
{
  for (guint i = 0; i < inner->inputs->len; i++)
    if (strcmp(weft_input_at(inner, i)->name, name) == 0)
      return (gint)i;
  return -1;
}

static void report_no_input(const Inliner *inliner, const Sub *sub, const WeftReference *reference)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < sub->inner->inputs->len; i++) {
    g_ptr_array_add(names, (gpointer)weft_input_at(sub->inner, i)->name);
    g_string_append_printf(list, "%s%s", i ? ", " : "", weft_input_at(sub->inner, i)->name);
  }
  if (!reference->key) {
    weft_diagnostic_hint(fault_of(inliner, sub, reference->at, "%s has %u inputs: say which one \"%s\" feeds",
                                  sub->outer.use_at->text, names->len, reference->at->text),
                         "its inputs are %s", list->str);
    return;
  }
  WeftDiagnostic *fault = fault_of(inliner, sub, reference->key_at, "%s has no input \"%s\"", sub->outer.use_at->text,
                                   reference->key);
  weft_diagnostic_hint(fault, "its inputs are %s", list->str);
  weft_diagnostic_closest(fault, reference->key, (const char *const *)names->pdata, names->len);
}

/* An input of the file feeds an input of the same type: its reader is shared. */
static gboolean check_type(const Inliner *inliner, const Sub *sub, const WeftReference *reference, guint input)
{
  const WeftInput *wanted = weft_input_at(sub->inner, input);
  guint found = reference->port ? 0 : GPOINTER_TO_UINT(g_hash_table_lookup(inliner->inputs, reference->name));
  const WeftInput *given = found ? weft_input_at(inliner->pipeline, found - 1) : NULL;
  if (!given || !given->type || strcmp(given->type, wanted->type) == 0)
    return TRUE;
  fault_of(inliner, sub, reference->at, "the input \"%s\" of %s has type %s, \"%s\" has type %s", wanted->name,
           sub->outer.use_at->text, wanted->type, given->name, given->type);
  return FALSE;
}

static gboolean bind(Inliner *inliner, Sub *sub)
{
  const GArray *in = sub->outer.in;
  guint n = sub->inner->inputs->len;
  gboolean ok = TRUE;
  sub->bound = g_new0(const WeftReference *, n + 1);
  for (guint k = 0; k < in->len; k++) {
    const WeftReference *reference = weft_reference_at(in, k);
    gint input = reference->key ? input_index(sub->inner, reference->key) : n == 1 ? 0 : -1;
    if (!reference->name)
      ok = FALSE;
    else if (input < 0) {
      report_no_input(inliner, sub, reference);
      return FALSE; /* what it was meant for is not missing too */
    } else {
      sub->bound[input] = reference;
      ok = check_type(inliner, sub, reference, (guint)input) && ok;
    }
  }
  for (guint i = 0; ok && i < n; i++) {
    const WeftInput *input = weft_input_at(sub->inner, i);
    if (sub->bound[i] || input->optional)
      continue;
    weft_diagnostic_hint(fault_of(inliner, sub, sub->outer.in_at ? sub->outer.in_at : sub->outer.use_at,
                                  "nothing feeds the input \"%s\" (%s) of %s", input->name, input->type,
                                  sub->outer.use_at->text),
                         "such as in: {%s: NODE.PORT}", input->name);
    ok = FALSE;
  }
  return ok;
}

/* An optional input that nothing binds stays an input: NODE/INPUT. */
static void take_inputs(const Inliner *inliner, Sub *sub)
{
  for (guint i = 0; i < sub->inner->inputs->len; i++) {
    WeftInput input = *weft_input_at(sub->inner, i);
    if (sub->bound[i])
      continue;
    input.name = keep(inliner->pipeline, g_strconcat(sub->name, "/", input.name, NULL));
    g_array_append_val(inliner->pipeline->inputs, input);
  }
}

/* ---- nodes ---- */

/* A reference of the sub-pipeline becomes one of the file. */
static gboolean rename_reference(const Inliner *inliner, const Sub *sub, WeftReference *reference)
{
  gint input = reference->name ? input_index(sub->inner, reference->name) : -1;
  const WeftReference *bound = input >= 0 ? sub->bound[input] : NULL;
  if (!reference->name)
    return TRUE;
  reference->step = -1;
  if (!bound) {
    reference->name = keep(inliner->pipeline, g_strconcat(sub->name, "/", reference->name, NULL));
    return TRUE;
  }
  gboolean is_input = !bound->port && g_hash_table_contains(inliner->inputs, bound->name);
  if (reference->port && !is_input) {
    weft_diagnostic_hint(fault_of(inliner, sub, reference->at, "\"%s\" is bound to \"%s\", which is one port and has no "
                                  "\"%s\"", reference->name, bound->at->text, reference->port),
                         "refer to it as \"%s\"", reference->name);
    return FALSE;
  }
  reference->was_input = !reference->port;
  reference->name = bound->name;
  if (!is_input)
    reference->port = bound->port;
  return TRUE;
}

static void offset_assets(WeftNodePolicy *policy, guint n_assets)
{
  for (guint v = 0; v < WEFT_N_VERDICTS; v++)
    if (policy->verdicts[v].at && policy->verdicts[v].asset >= 0)
      policy->verdicts[v].asset += (int)n_assets;
}

/* `when` of the node holds for each of its nodes, beside their own. */
static void add_when(const Inliner *inliner, const Sub *sub, WeftNodeDecl *node)
{
  const WeftWhen *given = sub->outer.policy ? sub->outer.policy->when : NULL;
  if (!given || given->broken)
    return;
  WeftNodePolicy again = {0};
  weft_read_when(inliner->reader, given->at, sub->name, &again);
  node->outer_when = node->outer_when ? keep(inliner->pipeline, g_strconcat(node->outer_when, " and ", given->at->text, NULL))
                                      : given->at->text;
  if (!node->policy)
    node->policy = g_new0(WeftNodePolicy, 1);
  if (!node->policy->when) {
    node->policy->when = again.when;
    return;
  }
  if (!weft_when_join(node->policy->when, again.when))
    fault_of(inliner, sub, given->at, "with the condition of \"%s\" it has more than %d operations (WEFT_CONDITION_MAX_OPS)",
             node->name, WEFT_CONDITION_MAX_OPS);
}

/* What calls slots is isolated by its slots. */
static void take_isolate(const Sub *sub, WeftNodeDecl *node)
{
  if (!sub->outer.has_isolate)
    return;
  for (guint i = 0; node->slots && i < node->slots->len; i++) {
    WeftNodeDecl *slot = &g_array_index(node->slots, WeftNodeDecl, i);
    slot->has_isolate = TRUE;
    slot->isolate = sub->outer.isolate;
  }
  if (node->slots && sub->outer.isolate)
    return;
  node->has_isolate = TRUE;
  node->isolate = sub->outer.isolate;
}

/* The names of a node and of what it names, as the outer file sees them. */
static void rename_node(const Inliner *inliner, const Sub *sub, WeftNodeDecl *node, guint n_models)
{
  node->name = keep(inliner->pipeline, g_strconcat(sub->name, "/", node->name, NULL));
  node->scope = node->scope ? keep(inliner->pipeline, g_strconcat(sub->name, "/", node->scope, NULL)) : sub->name;
  if (node->model >= 0)
    node->model += (int)n_models;
  for (guint i = 0; node->slots && i < node->slots->len; i++)
    rename_node(inliner, sub, &g_array_index(node->slots, WeftNodeDecl, i), n_models);
}

static gboolean take_node(const Inliner *inliner, Sub *sub, WeftNodeDecl *from, guint n_models, guint n_assets)
{
  WeftNodeDecl node = *from;
  gboolean ok = TRUE;
  memset(from, 0, sizeof *from); /* what it owned is the file's now */
  rename_node(inliner, sub, &node, n_models);
  for (guint k = 0; k < weft_node_n_sources(&node); k++)
    ok = rename_reference(inliner, sub, weft_node_source(&node, k)) && ok;
  take_isolate(sub, &node);
  if (node.policy)
    offset_assets(node.policy, n_assets);
  if (node.policy && node.policy->when)
    for (guint i = 0; i < node.policy->when->places->len; i++)
      if (!((WeftYaml *)node.policy->when->places->pdata[i])->place)
        ((WeftYaml *)node.policy->when->places->pdata[i])->place = sub->place;
  add_when(inliner, sub, &node);
  g_array_append_val(inliner->pipeline->nodes, node);
  return ok;
}

/* Models and assets under names of their own, relative to the file that says them. */
static void take_files(const Inliner *inliner, const Sub *sub)
{
  WeftPipeline *pipeline = inliner->pipeline, *inner = sub->inner;
  for (guint i = 0; i < inner->models->len; i++) {
    WeftModel model = *weft_model_at(inner, i);
    model.name = keep(pipeline, g_strconcat(sub->name, "/", model.name, NULL));
    model.folder = model.folder ? model.folder : inner->folder;
    g_array_append_val(pipeline->models, model);
    g_hash_table_insert(pipeline->model_index, (gpointer)model.name, GUINT_TO_POINTER(pipeline->models->len));
  }
  for (guint i = 0; i < inner->assets->len; i++) {
    WeftAsset asset = *weft_asset_at(inner, i);
    asset.name = keep(pipeline, g_strconcat(sub->name, "/", asset.name, NULL));
    asset.folder = asset.folder ? asset.folder : inner->folder;
    g_array_append_val(pipeline->assets, asset);
    g_hash_table_insert(pipeline->asset_index, (gpointer)asset.name, GUINT_TO_POINTER(pipeline->assets->len));
  }
}

static void mark(WeftYaml *yaml, const WeftDiagnosticPlace *place)
{
  yaml->place = place;
  for (guint i = 0; yaml->keys && i < yaml->keys->len; i++)
    mark(yaml->keys->pdata[i], place);
  for (guint i = 0; yaml->items && i < yaml->items->len; i++)
    mark(yaml->items->pdata[i], place);
}

/* What the inner file itself has inlined stands one level deeper now. */
static void take_inlined(const Inliner *inliner, const Sub *sub)
{
  for (guint i = 0; i < sub->inner->inlined->len; i++) {
    WeftInlined *deeper = sub->inner->inlined->pdata[i];
    char *node = g_strconcat(sub->name, "/", deeper->node, NULL);
    g_free(deeper->node);
    deeper->node = node;
    deeper->place.within = node;
    g_ptr_array_add(inliner->pipeline->inlined, deeper);
  }
  g_ptr_array_set_free_func(sub->inner->inlined, NULL);
  g_ptr_array_set_size(sub->inner->inlined, 0);
}

static gboolean put_in(Inliner *inliner, Sub *sub)
{
  WeftPipeline *pipeline = inliner->pipeline;
  guint n_models = pipeline->models->len, n_assets = pipeline->assets->len;
  gboolean ok = check_policies(inliner, sub);
  ok = check_kind(inliner, sub) && ok;
  ok = take_context(inliner, sub) && ok;
  ok = bind(inliner, sub) && ok;
  if (!ok)
    return FALSE;
  mark(sub->inner->root, sub->place);
  take_inlined(inliner, sub);
  take_inputs(inliner, sub);
  take_files(inliner, sub);
  for (guint i = 0; i < sub->inner->nodes->len; i++)
    ok = take_node(inliner, sub, weft_node_at(sub->inner, i), n_models, n_assets) && ok;
  for (guint i = 0; i < sub->inner->outputs->len; i++)
    ok = rename_reference(inliner, sub, weft_reference_at(sub->inner->outputs, i)) && ok;
  return ok;
}

/* ---- references to what a sub-pipeline gives ---- */

static const WeftReference *output_of(const Inliner *inliner, const Sub *sub, const WeftReference *reference,
                                      const char *node)
{
  const GArray *outputs = sub->inner->outputs;
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < outputs->len; i++) {
    const WeftReference *output = weft_reference_at(outputs, i);
    if (!reference->port || strcmp(output->key, reference->port) == 0)
      return output;
    g_ptr_array_add(names, (gpointer)output->key);
    g_string_append_printf(list, "%s%s", i ? ", " : "", output->key);
  }
  WeftDiagnostic *fault = weft_fault(inliner->reader->diagnostics, reference->at, "unknown-output",
                                     "\"%s\" (%s) has no output \"%s\"", sub->name, sub->outer.use_at->text,
                                     reference->port ? reference->port : "");
  weft_diagnostic_at(fault, node, node ? reference->key : NULL);
  weft_diagnostic_hint(fault, "its outputs are %s", list->str);
  if (reference->port)
    weft_diagnostic_closest(fault, reference->port, (const char *const *)names->pdata, names->len);
  return NULL;
}

/* An output may be an input that another sub-pipeline feeds, and so on. */
static void resolve_reference(const Inliner *inliner, WeftReference *reference, const char *node)
{
  for (guint hops = 0; reference->name; hops++) {
    const Sub *sub = g_hash_table_lookup(inliner->subs, reference->name);
    if (!sub)
      return;
    if (hops > g_hash_table_size(inliner->subs)) {
      weft_diagnostic_at(weft_fault(inliner->reader->diagnostics, reference->at, "cycle",
                                    "the nodes feed each other in a circle, through \"%s\"", sub->name), node, NULL);
      reference->name = NULL;
      return;
    }
    const WeftReference *output = output_of(inliner, sub, reference, node);
    reference->name = output ? output->name : NULL;
    reference->port = output ? output->port : NULL;
  }
}

static void resolve_references(const Inliner *inliner)
{
  WeftPipeline *pipeline = inliner->pipeline;
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    WeftNodeDecl *node = weft_node_at(pipeline, i);
    for (guint k = 0; k < weft_node_n_sources(node); k++)
      resolve_reference(inliner, weft_node_source(node, k), node->name);
  }
  for (guint i = 0; i < pipeline->outputs->len; i++)
    resolve_reference(inliner, weft_reference_at(pipeline->outputs, i), NULL);
  for (guint i = 0; i < pipeline->sinks->len; i++)
    resolve_reference(inliner, weft_reference_at(weft_sink_at(pipeline, i)->from, 0), weft_sink_at(pipeline, i)->name);
}

/* ---- all of them ---- */

/* The node as it stood, or the nodes of its pipeline. */
static void take(Inliner *inliner, WeftNodeDecl *node)
{
  WeftPipeline *pipeline = inliner->pipeline;
  WeftPipeline *inner = node->is_pipeline ? weft_subpipeline_load(inliner->reader, node) : NULL;
  if (!inner) { /* one that cannot be read stays as a node that is reported */
    g_array_append_val(pipeline->nodes, *node);
    return;
  }
  Sub *sub = g_new0(Sub, 1);
  sub->name = node->name;
  sub->outer = *node;
  sub->inner = inner;
  sub->place = &((WeftInlined *)pipeline->inlined->pdata[pipeline->inlined->len - 1])->place;
  g_ptr_array_add(pipeline->inner, inner);
  if (put_in(inliner, sub)) {
    g_hash_table_insert(inliner->subs, (gpointer)sub->name, sub);
    return;
  }
  g_array_append_val(pipeline->nodes, *node);
  memset(&sub->outer, 0, sizeof sub->outer);
  sub_free(sub);
}

void weft_subpipelines_inline(WeftReader *reader)
{
  WeftPipeline *pipeline = reader->pipeline;
  gboolean any = FALSE;
  for (guint i = 0; i < pipeline->nodes->len && !any; i++)
    any = weft_node_at(pipeline, i)->is_pipeline;
  if (!any)
    return;
  Inliner inliner = {.reader = reader, .pipeline = pipeline};
  inliner.subs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sub_free);
  inliner.inputs = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < pipeline->inputs->len; i++)
    g_hash_table_insert(inliner.inputs, (gpointer)weft_input_at(pipeline, i)->name, GUINT_TO_POINTER(i + 1));
  GArray *given = pipeline->nodes;
  pipeline->nodes = g_array_sized_new(FALSE, TRUE, sizeof(WeftNodeDecl), given->len);
  g_array_set_clear_func(pipeline->nodes, weft_node_clear);
  for (guint i = 0; i < given->len; i++)
    take(&inliner, &g_array_index(given, WeftNodeDecl, i));
  g_array_set_clear_func(given, NULL); /* each was moved */
  g_array_unref(given);
  resolve_references(&inliner);
  g_hash_table_unref(inliner.subs);
  g_hash_table_unref(inliner.inputs);
}
