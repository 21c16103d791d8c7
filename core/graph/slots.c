/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that a node calls itself: whether they are what it takes. */
#include "slot-step.h"

#include <string.h>

static const WeftYaml *place_of(const WeftStep *step)
{
  return step->node->use_at ? step->node->use_at : step->node->at;
}

void weft_slots_resolve(WeftBuilder *builder, WeftStep *step)
{
  const GArray *decls = step->node->slots;
  if (!decls)
    return;
  step->slots = weft_revision_new(builder->revision, WeftStep, decls->len + 1);
  step->n_slots = decls->len;
  for (guint i = 0; i < decls->len; i++) {
    WeftStep *slot = &step->slots[i];
    slot->node = &g_array_index(decls, WeftNodeDecl, i);
    slot->name = slot->node->name;
    slot->parent = step;
    slot->failed = !weft_step_resolve(builder, slot);
    slot->told = slot->failed;
  }
}

static gboolean fault(WeftBuilder *builder, const WeftYaml *at, const WeftStep *step, const char *problem, const char *hint)
{
  WeftDiagnostic *diagnostic = weft_fault(builder->diagnostics, at, "slot", "%s", problem);
  weft_diagnostic_at(diagnostic, step->name, NULL);
  if (hint)
    weft_diagnostic_hint(diagnostic, "%s", hint);
  return FALSE;
}

/* How many there are, and who chooses. */
static gboolean check_number(WeftBuilder *builder, const WeftStep *step)
{
  const WeftPluginSpec *spec = step->found->spec;
  const WeftNodeDecl *node = step->node;
  const char *label = step->found->label;
  g_autofree char *problem = NULL, *hint = NULL;
  const WeftYaml *at = node->slots_at ? node->slots_at : node->use_at;
  if (!spec->slot_kind && node->slots_at) {
    problem = g_strdup_printf("%s takes no slots: it calls no other plugin", label);
    return fault(builder, at, step, problem, "a plugin that takes slots says so in its manifest, as pick does; what feeds "
                                             "this one stands under in");
  }
  guint n = node->slots ? node->slots->len : 0;
  if (!spec->slot_kind || node->unsure)
    return TRUE;
  if (!n && spec->slots_min) {
    problem = g_strdup_printf("%s calls plugins of kind %s itself, and none is named", label, spec->slot_kind);
    hint = g_strdup_printf("such as slots: {NAME: {use: %s}}", strcmp(spec->slot_kind, WEFT_KIND_EXPERT) == 0
                                                                   ? "expert-mlp@^1, model: NAME" : "PLUGIN");
    return fault(builder, at, step, problem, hint);
  }
  if (n < spec->slots_min || n > spec->slots_max) {
    problem = g_strdup_printf("%s takes %u to %u slots, found %u", label, spec->slots_min, spec->slots_max, n);
    return fault(builder, at, step, problem, NULL);
  }
  if (n && spec->slot_select == WEFT_SELECT_REQUIRED && !node->select_at) {
    problem = g_strdup_printf("%s sends each request to the slot that select names, and select is missing", label);
    return fault(builder, at, step, problem, "such as select: context.domain, with context: {domain: optional}");
  }
  if (spec->slot_select == WEFT_SELECT_NONE && node->select_at) {
    problem = g_strdup_printf("%s chooses among its slots itself", label);
    return fault(builder, node->select_at, step, problem, "leave select out");
  }
  return TRUE;
}

static gboolean has_state(const WeftPluginSpec *spec)
{
  for (guint i = 0; i < spec->inputs->len; i++)
    if (((const WeftPortSpec *)spec->inputs->pdata[i])->state)
      return TRUE;
  return FALSE;
}

/* What one slot may be. */
static gboolean check_slot(WeftBuilder *builder, const WeftStep *step, WeftStep *slot)
{
  const WeftPluginSpec *spec = slot->found->spec;
  const char *kind = step->found->spec->slot_kind, *label = slot->found->label;
  g_autofree char *problem = NULL;
  if (!kind)
    return TRUE; /* reported */
  if (strcmp(spec->kind, kind) != 0)
    problem = g_strdup_printf("%s takes slots of kind %s, and %s is of kind %s", step->found->label, kind, label, spec->kind);
  else if (has_state(spec))
    problem = g_strdup_printf("%s keeps state from call to call, which the host does for nodes only", label);
  else if (spec->slots_min)
    problem = g_strdup_printf("%s has slots itself, and a slot has none", label);
  return !problem || fault(builder, place_of(slot), slot, problem, NULL);
}

gboolean weft_slots_check(WeftBuilder *builder, WeftStep *step)
{
  gboolean ok = check_number(builder, step);
  for (guint i = 0; i < step->n_slots; i++) {
    WeftStep *slot = &step->slots[i];
    if (!slot->found) {
      ok = FALSE;
      continue;
    }
    gboolean sound = check_slot(builder, step, slot);
    sound = weft_step_check_model(builder, slot) && sound && !slot->node->unsure;
    sound = weft_step_take_params(builder, slot) && sound;
    slot->told = slot->failed = !sound;
    ok = ok && sound;
  }
  return ok;
}

static void isolate_slot(const WeftBuilder *builder, WeftStep *slot)
{
  const char *option = builder->options->isolate;
  if (option)
    slot->isolated = slot->isolated || strcmp(option, "all") == 0;
  else if (slot->node->has_isolate)
    slot->isolated = slot->node->isolate;
  else if (slot->found)
    slot->isolated = !slot->found->row->bundled || slot->found->spec->blocking;
}

void weft_slots_isolate(WeftBuilder *builder, WeftStep *step)
{
  const char *option = builder->options->isolate;
  if (!step->n_slots)
    return;
  for (guint i = 0; i < step->n_slots; i++)
    isolate_slot(builder, &step->slots[i]);
  if (option && strcmp(option, "all") == 0)
    step->isolated = FALSE; /* what it calls is isolated instead */
  if (!step->isolated || !step->found)
    return;
  gboolean said = option || step->node->has_isolate;
  g_autofree char *problem =
      g_strdup_printf("%s calls its slots itself, so it runs in this process, and %s", step->found->label,
                      option            ? "--isolate gives it one of its own"
                      : said            ? "isolate gives it one of its own"
                      : step->found->row->bundled ? "as a plugin that blocks it would get one of its own"
                                        : "as a plugin that did not come with Weft it would get one of its own");
  fault(builder, step->node->isolate_at ? step->node->isolate_at : step->node->use_at, step, problem,
        said ? "isolate its slots instead, such as slots: {NAME: {use: PLUGIN, isolate: true}}"
             : "say isolate: false where you trust it; its slots get processes of their own");
  step->failed = TRUE;
}

WeftStep *weft_slot_find(const WeftRevision *revision, const char *name)
{
  for (guint s = 0; s < revision->pipeline->n_steps; s++) {
    WeftStep *step = &revision->steps[s];
    for (guint i = 0; i < step->n_slots; i++)
      if (strcmp(step->slots[i].name, name) == 0)
        return &step->slots[i];
  }
  return NULL;
}

gboolean weft_slots_told(const WeftStep *step)
{
  for (guint i = 0; i < step->n_slots; i++)
    if (step->slots[i].told)
      return TRUE;
  return FALSE;
}

gboolean weft_slots_check_made(WeftBuilder *builder, const WeftStep *step)
{
  for (guint i = 0; i < step->n_slots; i++) {
    const WeftStep *slot = &step->slots[i];
    if (slot->active)
      continue;
    g_autofree char *problem = g_strdup_printf("%s breaks its manifest: it did not make and activate its slot \"%s\"",
                                               step->found->label, slot->node->slot);
    return fault(builder, place_of(slot), slot, problem, "this is a fault of the plugin: tell its author");
  }
  return TRUE;
}

gboolean weft_step_is_pure(const WeftStep *step)
{
  gboolean pure = step->found->spec->pure;
  for (guint i = 0; i < step->n_slots; i++)
    pure = pure && step->slots[i].found && step->slots[i].found->spec->pure;
  return pure;
}

guint weft_slots_count(const WeftRevision *revision)
{
  guint n = 0;
  for (guint s = 0; s < revision->pipeline->n_steps; s++)
    n += revision->steps[s].n_slots;
  return n;
}
