/* SPDX-License-Identifier: Apache-2.0 */
/* What the policies of a node mean for its plugin, and how the runtime is told. */
#include "resolve.h"

#include <string.h>

static const WeftNodePolicy *policy_of(const WeftStep *step)
{
  return step->node ? step->node->policy : NULL;
}

static const char *binding_name(const WeftBinding *binding)
{
  return binding->key ? binding->key : binding->spec->name;
}

static gboolean can_lack(const WeftBinding *binding)
{
  return !binding->state && (binding->spec->variadic || binding->spec->optional);
}

/* `mask` where nothing can be masked says that the file means something else. */
static gboolean check_mask(WeftBuilder *builder, const WeftStep *step, const WeftMissingDecl *decl,
                           const WeftBinding *binding)
{
  gboolean maskable = binding && can_lack(binding);
  for (guint i = 0; !binding && i < step->bindings->len; i++)
    maskable = maskable || can_lack(&g_array_index(step->bindings, WeftBinding, i));
  if (maskable)
    return TRUE;
  WeftDiagnostic *fault =
      binding ? weft_fault(builder->diagnostics, decl->at, "on-missing", "%s needs the input \"%s\": it cannot be masked",
                           step->found->label, binding_name(binding))
              : weft_fault(builder->diagnostics, decl->at, "on-missing", "%s needs all its inputs: there is nothing to mask",
                           step->found->label);
  weft_diagnostic_at(fault, step->name, binding ? binding_name(binding) : NULL);
  return FALSE;
}

static const WeftBinding *binding_of(const WeftStep *step, const char *key)
{
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    if (!binding->spec->base && !binding->state && strcmp(binding_name(binding), key) == 0)
      return binding;
  }
  return NULL;
}

static gboolean unknown_input(WeftBuilder *builder, const WeftStep *step, const WeftMissingDecl *decl)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    if (binding->spec->base || binding->state)
      continue;
    g_ptr_array_add(names, (gpointer)binding_name(binding));
    g_string_append_printf(list, "%s%s", names->len > 1 ? ", " : "", binding_name(binding));
  }
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, decl->at, "on-missing", "nothing feeds an input \"%s\" here",
                                     decl->key);
  weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "what is fed: %s", list->str);
  weft_diagnostic_closest(fault, decl->key, (const char *const *)names->pdata, names->len);
  return FALSE;
}

/* What is held is kept per session or stream: without either there is never anything to hold. */
static void check_session(WeftBuilder *builder, const WeftStep *step, const WeftMissingDecl *decl)
{
  const WeftPipeline *pipeline = builder->pipeline;
  gboolean known = pipeline->lead >= 0;
  for (guint i = 0; !known && i < pipeline->context->len; i++)
    known = strcmp(weft_context_at(pipeline, i)->name, "session") == 0;
  if (known || decl->policy.missing != WEFT_MISSING_HOLD)
    return;
  WeftDiagnostic *fault = weft_diagnostics_warn(builder->diagnostics, "hold", decl->at->line, decl->at->column, "hold keeps "
                                                "values of a session, and requests of this pipeline have none");
  weft_diagnostic_hint(weft_diagnostic_at(weft_diagnostic_in(fault, decl->at->place), step->name, NULL),
                       "declare it, such as context: {session: optional}");
}

static gboolean check_missing(WeftBuilder *builder, const WeftStep *step, const WeftNodePolicy *policy)
{
  gboolean ok = TRUE;
  for (guint i = 0; policy->on_missing && i < policy->on_missing->len; i++) {
    const WeftMissingDecl *decl = &g_array_index(policy->on_missing, WeftMissingDecl, i);
    const WeftBinding *binding = decl->key ? binding_of(step, decl->key) : NULL;
    check_session(builder, step, decl);
    if (decl->key && !binding)
      ok = unknown_input(builder, step, decl);
    else if (decl->policy.missing == WEFT_MISSING_MASK)
      ok = check_mask(builder, step, decl, binding) && ok;
  }
  return ok;
}

static gboolean check_error(WeftBuilder *builder, const WeftStep *step, const WeftNodePolicy *policy)
{
  WeftDiagnostic *fault = NULL;
  if (policy->n_retries && !step->found->spec->pure)
    fault = weft_diagnostic_hint(weft_fault(builder->diagnostics, policy->on_error_at, "on-error", "%s is not pure: a retry "
                                            "would do twice what it does", step->found->label),
                                 "its manifest says \"pure\": true where that is not so");
  else if (policy->on_error == WEFT_ON_ERROR_ABSENT && weft_step_is_filter(step))
    fault = weft_diagnostic_hint(weft_fault(builder->diagnostics, policy->on_error_at, "on-error", "a filter cannot be "
                                            "absent: one that fails has not decided"),
                                 "on_verdict: {undecided: ...} says what happens then");
  if (fault)
    weft_diagnostic_at(fault, step->name, NULL);
  return !fault;
}

/* The first input whose rows are counted: tokens, pixels, samples; -1: all have one row an item. */
static int cost_input(const WeftStep *step)
{
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftPortSpec *spec = g_array_index(step->bindings, WeftBinding, i).spec;
    if (spec->n_splits && !spec->base)
      return (int)i;
  }
  return -1;
}

gboolean weft_step_check_policy(WeftBuilder *builder, const WeftStep *step, gboolean bound)
{
  const WeftNodePolicy *policy = policy_of(step);
  if (!policy)
    return TRUE;
  gboolean ok = !bound || check_missing(builder, step, policy);
  ok = check_error(builder, step, policy) && ok;
  if (policy->on_verdict_at && !weft_step_is_filter(step)) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, policy->on_verdict_at, "on-verdict", "%s gives no verdicts: "
                                       "it is of kind %s and no filter", step->found->label, step->found->spec->kind);
    weft_diagnostic_at(fault, step->name, NULL);
    ok = FALSE;
  } else {
    ok = weft_step_take_messages(builder, step) && ok;
  }
  if (bound && policy->batch_cost && cost_input(step) < 0) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, policy->cost_at, "batch", "the inputs of %s have one row an "
                                       "item: there is no cost but the items", step->found->label);
    weft_diagnostic_at(fault, step->name, NULL);
    ok = FALSE;
  }
  return ok;
}

static const struct weft_input_policy *missing_of(const WeftBuilder *builder, const WeftStep *step,
                                                  const GArray *on_missing)
{
  guint n = step->bindings->len;
  struct weft_input_policy *list = weft_revision_new(builder->revision, struct weft_input_policy, n + 1);
  for (guint i = 0; i < n; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    const char *name = binding->spec->base ? binding->spec->base : binding_name(binding); /* as its base */
    for (guint k = 0; k < on_missing->len; k++) {
      const WeftMissingDecl *decl = &g_array_index(on_missing, WeftMissingDecl, k);
      if (!decl->key || strcmp(decl->key, name) == 0)
        list[i] = decl->policy;
    }
  }
  return list;
}

/* Models profit from larger calls, the other kinds seldom: those batch where the file says so. */
static gboolean batches_by_itself(const WeftStep *step)
{
  static const char *const kinds[] = {WEFT_KIND_ENCODER, WEFT_KIND_EXPERT, WEFT_KIND_FUSION, WEFT_KIND_HEAD, NULL};
  return step->node && step->found->spec->pure && g_strv_contains(kinds, step->found->spec->kind);
}

guint weft_step_items_max(const WeftBuilder *builder, const WeftStep *step)
{
  const WeftNodePolicy *policy = policy_of(step);
  return policy ? MAX(policy->n_batch_items, builder->n_items_max) : builder->n_items_max;
}

static void fill_batching(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_node *node)
{
  const WeftNodePolicy *policy = policy_of(step);
  gboolean said = policy && policy->batch_at;
  if (said ? !policy->batch : !batches_by_itself(step))
    return;
  guint items = said && policy->n_batch_items ? policy->n_batch_items : builder->n_items_max;
  if (step->limits.n_items > 0)
    items = MIN(items, (guint)MIN(step->limits.n_items, G_MAXINT));
  node->batching.n_items_max = items;
  node->batching.wait_ns = said ? policy->batch_wait_ns : 0;
  node->batching.cost_max = said ? policy->batch_cost : 0;
  node->batching.cost_input = node->batching.cost_max ? (guint32)cost_input(step) : 0;
}

void weft_step_fill_policy(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_node *node)
{
  const WeftNodePolicy *policy = policy_of(step);
  fill_batching(builder, step, node);
  node->effects = weft_step_has_effects(step);
  node->is_filter = weft_step_is_filter(step);
  if (node->is_filter)
    node->refuses = WEFT_REFUSES(WEFT_VERDICT_UNDECIDED) | WEFT_REFUSES(WEFT_VERDICT_REFUSE);
  if (!policy)
    return;
  if (policy->on_missing)
    node->policies = missing_of(builder, step, policy->on_missing);
  if (step->condition.n_steps)
    node->when = &step->condition;
  node->on_error = policy->on_error;
  node->n_retries = policy->n_retries;
  for (guint v = 0; node->is_filter && v < WEFT_N_VERDICTS; v++) {
    if (policy->verdicts[v].at)
      node->refuses = policy->verdicts[v].refuses ? node->refuses | WEFT_REFUSES(v) : node->refuses & ~WEFT_REFUSES(v);
  }
}

void weft_policy_digest(const WeftBuilder *builder, const WeftStep *step, GString *text)
{
  static const char *const missing[] = {"mask", "degrade", "hold", "fail"};
  const WeftNodePolicy *policy = policy_of(step);
  char number[24];
  if (policy && policy->when)
    weft_digest_line(text, "when", policy->when->at->text, NULL);
  for (guint i = 0; policy && policy->on_missing && i < policy->on_missing->len; i++) {
    const WeftMissingDecl *decl = &g_array_index(policy->on_missing, WeftMissingDecl, i);
    g_snprintf(number, sizeof number, "%" G_GUINT64_FORMAT, decl->policy.hold_ns);
    weft_digest_line(text, "on_missing", decl->key ? decl->key : "", missing[decl->policy.missing], number, NULL);
  }
  if (policy && policy->on_error_at) {
    g_snprintf(number, sizeof number, "%u", policy->n_retries);
    weft_digest_line(text, "on_error", policy->on_error == WEFT_ON_ERROR_ABSENT ? "absent" : "fail", number, NULL);
  }
  for (guint v = 0; policy && v < WEFT_N_VERDICTS; v++) {
    const WeftVerdictDecl *decl = &policy->verdicts[v];
    if (decl->at)
      weft_digest_line(text, "on_verdict", weft_verdict_names[v], decl->at->text,
                       decl->asset >= 0 ? builder->revision->asset_digests[decl->asset] : "", NULL);
  }
}
