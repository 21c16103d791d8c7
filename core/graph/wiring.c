/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a file become steps: who refers to whom, in which order, and whether there is a way round. */
#include "live-decl.h"

#include <string.h>

const char *weft_step_name(const WeftPipeline *pipeline, guint step)
{
  const WeftNodeDecl *node = weft_step_node(pipeline, step);
  return node ? node->name : weft_input_at(pipeline, step)->name;
}

static void enter(WeftPipeline *pipeline, WeftDiagnostics *diagnostics, const char *name, const WeftYaml *at, guint step)
{
  guint other = GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->steps, name));
  if (!other)
    g_hash_table_insert(pipeline->steps, (gpointer)name, GUINT_TO_POINTER(step + 1));
  if (!other || at->reported)
    return;
  const WeftNodeDecl *node = weft_step_node(pipeline, other - 1);
  const WeftYaml *first = node ? node->at : weft_input_at(pipeline, other - 1)->at;
  weft_diagnostic_hint(weft_fault(diagnostics, at, "name-twice", "the name \"%s\" is taken by the %s in line %u", name,
                                  node ? "node" : "input", first->line),
                       "inputs and nodes share one set of names: give one of them another");
}

static void enter_all(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  for (guint i = 0; i < pipeline->inputs->len; i++)
    enter(pipeline, diagnostics, weft_input_at(pipeline, i)->name, weft_input_at(pipeline, i)->at, i);
  for (guint i = 0; i < pipeline->nodes->len; i++)
    enter(pipeline, diagnostics, weft_node_at(pipeline, i)->name, weft_node_at(pipeline, i)->at,
          pipeline->inputs->len + i);
}

/* Names that a hint lists. */
#define SHOWN_NAMES 12

/* A hint for who meant none of them closely; fault: may be NULL. */
static void list_names(const WeftPipeline *pipeline, WeftDiagnostic *fault)
{
  if (!fault || fault->hint)
    return;
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint s = 0; s < MIN(pipeline->n_steps, SHOWN_NAMES); s++)
    g_string_append_printf(list, "%s%s", s ? ", " : "", weft_step_name(pipeline, s));
  if (pipeline->n_steps > SHOWN_NAMES)
    g_string_append_printf(list, " and %u more", pipeline->n_steps - SHOWN_NAMES);
  weft_diagnostic_hint(fault, "inputs and nodes are %s", list->str);
}

/* The error where there is nothing of that name, NULL otherwise. */
static WeftDiagnostic *bind(WeftPipeline *pipeline, WeftDiagnostics *diagnostics, WeftReference *reference,
                            const char *node)
{
  if (!reference->name)
    return NULL;
  reference->step = (int)GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->steps, reference->name)) - 1;
  if (reference->step < 0 && reference->port && g_hash_table_contains(pipeline->steps, reference->at->text))
    return NULL; /* a name with a dot, which is reported where it stands */
  if (reference->step >= 0 || pipeline->names_unsure)
    return NULL;
  gboolean model = g_hash_table_contains(pipeline->model_index, reference->name);
  WeftDiagnostic *fault =
      weft_fault(diagnostics, reference->at, "dangling", "there is no %s\"%s\"%s",
                 model ? "input or node " : "input or node named ", reference->name, model ? ", only a model" : "");
  weft_diagnostic_at(fault, node, reference->key && node ? reference->key : NULL);
  if (weft_diagnostics_n_more(diagnostics)) /* nobody sees it */
    return fault;
  g_autofree gpointer *names = g_hash_table_get_keys_as_array(pipeline->steps, NULL);
  return weft_diagnostic_closest(fault, reference->name, (const char *const *)names,
                                 g_hash_table_size(pipeline->steps));
}

static void bind_all(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    WeftNodeDecl *node = weft_node_at(pipeline, i);
    for (guint k = 0; k < weft_node_n_sources(node); k++) {
      WeftDiagnostic *fault = bind(pipeline, diagnostics, weft_node_source(node, k), node->name);
      if (fault && k >= node->in->len && !fault->hint)
        weft_diagnostic_hint(fault, "a text stands in quotes: \"%s\"", weft_node_source(node, k)->at->text);
      list_names(pipeline, fault);
    }
  }
  for (guint i = 0; i < pipeline->outputs->len; i++)
    list_names(pipeline, bind(pipeline, diagnostics, weft_reference_at(pipeline->outputs, i), NULL));
  for (guint i = 0; i < pipeline->sinks->len; i++)
    bind(pipeline, diagnostics, weft_reference_at(weft_sink_at(pipeline, i)->from, 0), weft_sink_at(pipeline, i)->name);
}

static int find_input(const void *data, const char *name)
{
  const WeftPipeline *pipeline = data;
  guint step = GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->steps, name));
  return step && step <= pipeline->inputs->len ? (int)step - 1 : -1;
}

/* Inputs that must be given anyway, or a condition that nothing meets, say that the file means something else. */
static void check_require(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  const WeftYaml *at = pipeline->require_at;
  guint n = 0, n_inputs = pipeline->inputs->len;
  const int *names = weft_expr_names(pipeline->require, &n);
  for (guint i = 0; i < n; i++) {
    const WeftInput *input = weft_input_at(pipeline, (guint)names[i]);
    if (!input->optional) {
      weft_diagnostic_hint(weft_fault(diagnostics, at, "require", "require names \"%s\", which every request must bring "
                                      "anyway", input->name),
                           "write optional: true at the input, or leave it out of require");
      return;
    }
  }
  g_autofree gboolean *present = g_new0(gboolean, n_inputs);
  for (guint mask = 0; n <= 12 && mask < 1u << n; mask++) {
    for (guint i = 0; i < n; i++)
      present[names[i]] = (mask >> i) & 1u;
    if (weft_expr_eval(pipeline->require, present))
      return;
  }
  if (n <= 12)
    weft_fault(diagnostics, at, "require", "no request can meet \"%s\"", at->text);
}

static void parse_require(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  if (!pipeline->require_at || pipeline->names_unsure)
    return;
  const WeftYaml *at = pipeline->require_at;
  WeftExprFault bad;
  pipeline->require = weft_expr_parse(at->text, find_input, pipeline, &bad);
  if (pipeline->require) {
    check_require(pipeline, diagnostics);
    return;
  }
  WeftDiagnostic *fault = weft_diagnostics_add(diagnostics, "require", at->line,
                                               at->column + bad.offset + (at->plain ? 0 : 1), "require: %s", bad.message);
  if (strchr("&|!", at->text[bad.offset]) && at->text[bad.offset])
    weft_diagnostic_hint(fault, "it is written and, or, not");
  if (bad.word) {
    g_autofree const char **names = g_new0(const char *, pipeline->inputs->len + 1);
    for (guint i = 0; i < pipeline->inputs->len; i++)
      names[i] = weft_input_at(pipeline, i)->name;
    g_autofree char *list = g_strjoinv(", ", (char **)(gpointer)names);
    weft_diagnostic_hint(fault, "the inputs are %s", list);
    weft_diagnostic_closest(fault, bad.word, names, pipeline->inputs->len);
  }
  g_free(bad.message);
  g_free(bad.word);
}

/* Steps of a circle that a message names. */
#define SHOWN_STEPS 12

/* Consumers of every step as one array with offsets: begin[s]..begin[s + 1]. */
typedef struct {
  guint *begin, *consumers, *n_open; /* n_open: sources of a step that are not yet in order */
} Edges;

static void edges_init(Edges *edges, const WeftPipeline *pipeline)
{
  guint n = pipeline->n_steps, n_inputs = pipeline->inputs->len, n_edges = 0;
  edges->begin = g_new0(guint, n + 2);
  edges->n_open = g_new0(guint, n + 1);
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    const WeftNodeDecl *node = weft_node_at(pipeline, i);
    for (guint k = 0; k < weft_node_n_sources(node); k++) {
      int source = weft_node_source(node, k)->step;
      if (source < 0)
        continue;
      edges->begin[source + 2]++;
      edges->n_open[n_inputs + i]++;
      n_edges++;
    }
  }
  for (guint s = 2; s < n + 2; s++)
    edges->begin[s] += edges->begin[s - 1];
  edges->consumers = g_new0(guint, n_edges + 1);
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    const WeftNodeDecl *node = weft_node_at(pipeline, i);
    for (guint k = 0; k < weft_node_n_sources(node); k++) {
      int source = weft_node_source(node, k)->step;
      if (source >= 0)
        edges->consumers[edges->begin[source + 1]++] = n_inputs + i;
    }
  }
}

static void edges_clear(Edges *edges)
{
  g_free(edges->begin);
  g_free(edges->consumers);
  g_free(edges->n_open);
}

/* A source of `step` that is itself not in order; there is one where n_open[step] > 0. */
static const WeftReference *open_source(const WeftPipeline *pipeline, const Edges *edges, guint step)
{
  const WeftNodeDecl *node = weft_step_node(pipeline, step);
  const WeftReference *reference = weft_node_source(node, 0);
  for (guint k = 1; reference->step < 0 || !edges->n_open[reference->step]; k++)
    reference = weft_node_source(node, k);
  return reference;
}

/* Told along the data, beginning with the node that stands first in the file. */
static void report_cycle(const WeftPipeline *pipeline, const Edges *edges, const GArray *cycle,
                         WeftDiagnostics *diagnostics)
{
  guint first = 0, n = cycle->len;
  for (guint i = 1; i < n; i++) {
    if (g_array_index(cycle, guint, i) < g_array_index(cycle, guint, first))
      first = i;
  }
  guint step = g_array_index(cycle, guint, first);
  g_autoptr(GString) text = g_string_new(weft_step_name(pipeline, step));
  for (guint i = 1; i <= n; i++) {
    if (i > SHOWN_STEPS && i < n)
      continue;
    if (i == n && n > SHOWN_STEPS + 1)
      g_string_append_printf(text, " -> ... (%u more)", n - 1 - SHOWN_STEPS);
    g_string_append_printf(text, " -> %s",
                           weft_step_name(pipeline, g_array_index(cycle, guint, (first + n - i % n) % n)));
  }
  WeftDiagnostic *fault = weft_fault(diagnostics, open_source(pipeline, edges, step)->at, "cycle",
                                     "the nodes feed each other in a circle: %s", text->str);
  weft_diagnostic_at(fault, weft_step_name(pipeline, step), NULL);
}

/* The steps in order whose consumers have not been looked at, from *n_seen on, and all that becomes ready by it. */
static void sort_ready(WeftPipeline *pipeline, Edges *edges, guint *n_seen, guint *n_done)
{
  for (; *n_seen < *n_done; ++*n_seen) {
    guint s = pipeline->order[*n_seen];
    for (guint e = edges->begin[s]; e < edges->begin[s + 1]; e++) {
      guint consumer = edges->consumers[e];
      if (edges->n_open[consumer] && --edges->n_open[consumer] == 0)
        pipeline->order[(*n_done)++] = consumer;
    }
  }
}

/*
 * Going from a step that never came in order to an open source ends in a
 * circle, and every circle is found from one side. Each is reported and then
 * put in order as if it were open, so that what stands behind it is still
 * looked at.
 */
static void break_cycles(WeftPipeline *pipeline, Edges *edges, guint *n_done, WeftDiagnostics *diagnostics)
{
  g_autofree guint *walk = g_new0(guint, pipeline->n_steps); /* which walk came by, from 1 */
  g_autoptr(GArray) cycle = g_array_new(FALSE, FALSE, sizeof(guint)), found = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint s = 0; s < pipeline->n_steps; s++) {
    if (!edges->n_open[s] || walk[s])
      continue;
    guint step = s;
    for (; !walk[step]; step = (guint)open_source(pipeline, edges, step)->step)
      walk[step] = s + 1;
    if (walk[step] != s + 1)
      continue;
    g_array_set_size(cycle, 0);
    for (guint begin = step; !cycle->len || step != begin; step = (guint)open_source(pipeline, edges, step)->step)
      g_array_append_val(cycle, step);
    report_cycle(pipeline, edges, cycle, diagnostics);
    g_array_append_vals(found, cycle->data, cycle->len);
  }
  for (guint i = 0; i < found->len; i++) {
    guint step = g_array_index(found, guint, i);
    edges->n_open[step] = 0;
    pipeline->order[(*n_done)++] = step;
  }
}

static void sort(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  Edges edges;
  guint n = pipeline->n_steps, n_done = 0, n_seen = 0;
  edges_init(&edges, pipeline);
  pipeline->order = g_new0(guint, n + 1);
  for (guint s = 0; s < n; s++) {
    if (!edges.n_open[s])
      pipeline->order[n_done++] = s;
  }
  sort_ready(pipeline, &edges, &n_seen, &n_done);
  while (n_done < n && diagnostics->n_errors <= WEFT_DIAGNOSTICS_MAX) {
    break_cycles(pipeline, &edges, &n_done, diagnostics);
    sort_ready(pipeline, &edges, &n_seen, &n_done);
  }
  for (guint s = 0; s < n && n_done < n; s++) { /* more circles than are shown */
    if (edges.n_open[s])
      pipeline->order[n_done++] = s;
  }
  edges_clear(&edges);
}

static void use(guint8 *used, const GArray *references, gboolean *all_known)
{
  for (guint i = 0; i < references->len; i++) {
    int step = weft_reference_at(references, i)->step;
    if (step >= 0)
      used[step] = 1;
    else
      *all_known = FALSE;
  }
}

/*
 * Where a reference names nothing, or nothing yet, it may have meant what seems
 * to be unused. A node may act by itself, which its plugin will tell.
 */
static void find_unused(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  pipeline->unused = g_malloc0(pipeline->n_steps + 1);
  g_autofree guint8 *used = g_malloc0(pipeline->n_steps + 1);
  gboolean all_known = pipeline->outputs->len && !pipeline->names_unsure, all_models_known = !pipeline->names_unsure;
  for (guint i = 0; i < pipeline->nodes->len; i++) {
    const WeftNodeDecl *node = weft_node_at(pipeline, i);
    use(used, node->in, &all_known);
    if (node->policy && node->policy->when)
      use(used, node->policy->when->references, &all_known);
    all_known = all_known && !node->unsure;
    all_models_known = all_models_known && !node->unsure && node->model != -2;
  }
  use(used, pipeline->outputs, &all_known);
  for (guint i = 0; i < pipeline->sinks->len; i++)
    use(used, weft_sink_at(pipeline, i)->from, &all_known);
  for (guint s = 0; all_known && s < pipeline->n_steps; s++) {
    gboolean named = GPOINTER_TO_UINT(g_hash_table_lookup(pipeline->steps, weft_step_name(pipeline, s))) == s + 1;
    pipeline->unused[s] = !used[s] && named; /* of two with one name only the first is meant */
    const WeftYaml *at = weft_step_node(pipeline, s) ? NULL : weft_input_at(pipeline, s)->at;
    if (at && !at->place && pipeline->unused[s])
      weft_diagnostics_warn(diagnostics, "unused", at->line, at->column, "nothing uses the input \"%s\"",
                            weft_step_name(pipeline, s));
  }
  for (guint i = 0; i < pipeline->models->len; i++) {
    const WeftModel *model = weft_model_at(pipeline, i);
    if (all_models_known && !model->used && !model->at->place)
      weft_diagnostics_warn(diagnostics, "unused", model->at->line, model->at->column, "no node uses the model \"%s\"",
                            model->name);
  }
}

void weft_pipeline_wire(WeftPipeline *pipeline, WeftDiagnostics *diagnostics)
{
  pipeline->n_steps = pipeline->inputs->len + pipeline->nodes->len;
  enter_all(pipeline, diagnostics);
  bind_all(pipeline, diagnostics);
  parse_require(pipeline, diagnostics);
  sort(pipeline, diagnostics);
  find_unused(pipeline, diagnostics);
}

void weft_pipeline_warn_options(const WeftPipeline *pipeline, const char *const *options, WeftDiagnostics *diagnostics)
{
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    const WeftInput *input = weft_input_at(pipeline, i);
    if (g_strv_contains(options, input->name))
      weft_diagnostic_hint(weft_diagnostics_warn(diagnostics, "ambiguous", input->at->line, input->at->column, "the input "
                                                 "\"%s\" is named like an option of weft run", input->name),
                           "--in %s=VALUE reaches it, --%s does not", input->name, input->name);
  }
}
