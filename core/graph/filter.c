/* SPDX-License-Identifier: Apache-2.0 */
/* Filters: their ports, and that nothing acts before they have judged. */
#include "slot-step.h"

#include <string.h>

gboolean weft_step_is_filter(const WeftStep *step)
{
  return step->found && strcmp(step->found->spec->kind, WEFT_KIND_FILTER) == 0;
}

/* A reader only turns bytes into tensors, whatever its manifest leaves unsaid. */
gboolean weft_step_has_effects(const WeftStep *step)
{
  return step->node && step->found && !weft_step_is_pure(step);
}

gboolean weft_step_check_filter(WeftBuilder *builder, const WeftStep *step)
{
  if (!weft_step_is_filter(step))
    return TRUE;
  const WeftPortSpec *verdict = step->found->spec->outputs->pdata[0];
  const WeftPortSpec *rules = weft_plugin_spec_output(step->found->spec, "rules");
  WeftDiagnostic *fault = NULL;
  if (strcmp(verdict->name, "verdict") != 0 || !weft_dtype_equal(verdict->dtype, weft_i32()) || verdict->rank != 1 ||
      verdict->n_splits)
    fault = weft_fault(builder->diagnostics, step->node->use_at, "contract", "%s is of kind filter, and its first output "
                       "is not \"verdict\", i32 [*]", step->found->label);
  else if (rules && (!weft_dtype_equal(rules->dtype, weft_u8()) || rules->rank != 1 || rules->n_splits != 1))
    fault = weft_fault(builder->diagnostics, step->node->use_at, "contract", "%s is of kind filter, and its output "
                       "\"rules\" is not u8 [*] ragged", step->found->label);
  if (fault)
    weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "this is a fault of the plugin: tell its author");
  const WeftNodePolicy *policy = step->node->policy;
  if (policy && policy->when)
    weft_diagnostic_hint(weft_when_fault(builder->diagnostics, policy->when, step->name, 0, "a filter cannot be skipped"),
                         "put the condition at the nodes behind the filter");
  return !fault && !(policy && policy->when);
}

/* Of every step the first effect that it comes after, itself included, as index + 1; 0: none. */
static guint *effects_before(const WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  guint *first = g_new0(guint, pipeline->n_steps + 1);
  for (guint i = 0; i < pipeline->n_steps; i++) {
    guint s = pipeline->order[i];
    const WeftNodeDecl *node = weft_step_node(pipeline, s);
    for (guint k = 0; node && !first[s] && k < weft_node_n_sources(node); k++) {
      int source = weft_node_source(node, k)->step;
      first[s] = source < 0 ? 0 : first[source];
    }
    if (!first[s] && weft_step_has_effects(&builder->revision->steps[s]))
      first[s] = s + 1;
  }
  return first;
}

static void report_late(WeftBuilder *builder, const WeftStep *filter, const WeftStep *effect)
{
  WeftDiagnostic *fault;
  if (filter == effect)
    fault = weft_fault(builder->diagnostics, filter->node->use_at, "late-filter", "the filter %s is not pure itself: what "
                       "it does would be done before its verdict", filter->found->label);
  else
    fault = weft_fault(builder->diagnostics, filter->node->use_at, "late-filter", "\"%s\" (%s) is not pure and stands "
                       "before this filter: what it does would be done before the verdict", effect->name,
                       effect->found->label);
  weft_diagnostic_at(fault, filter->name, NULL);
  if (filter != effect)
    weft_diagnostic_hint(fault, "let the filter judge what goes into \"%s\"", effect->name);
}

void weft_nodes_warn_unused(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  for (guint s = pipeline->inputs->len; s < pipeline->n_steps; s++) {
    const WeftStep *step = &builder->revision->steps[s];
    /* A sub-pipeline may give more than this file asks for. */
    if (pipeline->unused[s] && !step->node->at->place && !weft_step_is_filter(step) && !weft_step_has_effects(step))
      weft_diagnostics_warn(builder->diagnostics, "unused", step->node->at->line, step->node->at->column,
                            "nothing uses the node \"%s\"", step->name);
  }
}

void weft_filters_order(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  WeftRevision *revision = builder->revision;
  g_autofree guint *first = effects_before(builder);
  guint n = 0;
  revision->order = g_new0(guint, pipeline->n_steps + 1);
  for (guint late = 0; late < 2; late++) {
    for (guint i = 0; i < pipeline->n_steps; i++) {
      if ((first[pipeline->order[i]] != 0) == late)
        revision->order[n++] = pipeline->order[i];
    }
  }
  for (guint s = 0; s < pipeline->n_steps; s++) {
    if (first[s] && weft_step_is_filter(&revision->steps[s]))
      report_late(builder, &revision->steps[s], &revision->steps[first[s] - 1]);
  }
}
