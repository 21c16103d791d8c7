/* SPDX-License-Identifier: Apache-2.0 */
/* Slots become instances when their node asks for it, and graphs of one node each. */
#include "precision.h"
#include "slot-step.h"

#include <string.h>

static WeftStep *slot_of(struct weft_setup *base, guint32 index)
{
  const struct weft_step_setup *setup = (const struct weft_step_setup *)base;
  return &setup->step->slots[index];
}

static weft_status describe(struct weft_setup *base, guint32 index, struct weft_slot *out)
{
  const struct weft_step_setup *setup = (const struct weft_step_setup *)base;
  const WeftStep *slot = slot_of(base, index);
  int model = slot->node->model;
  *out = (struct weft_slot){.name = slot->node->slot, .plugin = slot->found->row->id, .version = slot->found->row->version,
                            .kind = slot->found->spec->kind, .isolated = slot->isolated,
                            .model_digest = model >= 0 ? setup->builder->revision->model_digests[model] : NULL};
  return WEFT_OK;
}

/* ---- create ---- */

/* What the node will call it with, kept for as long as the revision lives. */
static WeftOffer *keep_offer(WeftRevision *revision, const struct weft_port *port, const char *name)
{
  WeftOffer *offer = weft_revision_new(revision, WeftOffer, 1);
  struct weft_attribute *attributes = weft_revision_new(revision, struct weft_attribute, port->n_attributes + 1);
  for (guint i = 0; i < port->n_attributes; i++)
    attributes[i] = (struct weft_attribute){weft_revision_text(revision, port->attributes[i].key),
                                            weft_revision_text(revision, port->attributes[i].value)};
  offer->port = *port;
  offer->port.name = name;
  offer->port.key = NULL;
  offer->port.attributes = attributes;
  offer->port.rows_kind = WEFT_ROWS_EXACT;
  offer->port.n_terms = 0;
  offer->port.terms = NULL;
  offer->concrete = TRUE;
  offer->per_item = 1;
  return offer;
}

static WeftDiagnostic *fault(WeftBuilder *builder, const WeftStep *slot, const char *port, const char *problem)
{
  WeftDiagnostic *diagnostic = weft_fault(builder->diagnostics, slot->node->use_at, "slot", "%s", problem);
  return weft_diagnostic_at(diagnostic, slot->name, port);
}

static const WeftPortSpec *input_of(const WeftPluginSpec *spec, const struct weft_port *port, guint index)
{
  if (port->name)
    return weft_plugin_spec_input(spec, port->name);
  return index < spec->inputs->len ? spec->inputs->pdata[index] : NULL;
}

/* The rank says how many dims there are, so it comes first. */
static const char *wrong_port(const struct weft_port *port)
{
  if (port->rank < 1 || port->rank > WEFT_MAX_RANK || port->n_split_levels > 2)
    return "has no sound rank or number of splits";
  for (guint d = 1; d < port->rank; d++)
    if (port->dims[d] < 0)
      return "has a dim that varies from call to call";
  return NULL;
}

static gboolean bind(WeftBuilder *builder, WeftStep *slot, const struct weft_port *inputs, guint n)
{
  const WeftPluginSpec *spec = slot->found->spec;
  const char *caller = slot->parent->found->label;
  slot->bindings = g_array_new(FALSE, FALSE, sizeof(WeftBinding));
  for (guint i = 0; i < n; i++) {
    const WeftPortSpec *port = input_of(spec, &inputs[i], i);
    const char *wrong = wrong_port(&inputs[i]);
    if (port && !wrong) {
      WeftBinding binding = {.spec = port, .given = keep_offer(builder->revision, &inputs[i], port->name)};
      g_array_append_val(slot->bindings, binding);
      continue;
    }
    g_autofree char *problem =
        port ? g_strdup_printf("what %s calls its slots with %s", caller, wrong)
             : g_strdup_printf("%s calls its slots with \"%s\", and %s has no such input", caller,
                               inputs[i].name ? inputs[i].name : "a further input", slot->found->label);
    fault(builder, slot, inputs[i].name, problem);
    return FALSE;
  }
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    gboolean bound = port->optional;
    for (guint k = 0; k < slot->bindings->len; k++)
      bound = bound || g_array_index(slot->bindings, WeftBinding, k).spec == port;
    if (bound)
      continue;
    g_autofree char *problem = g_strdup_printf("%s needs the input \"%s\", and %s calls its slots without", slot->found->label,
                                               port->name, caller);
    fault(builder, slot, port->name, problem);
    return FALSE;
  }
  return TRUE;
}

static void tell_ports(WeftBuilder *builder, const WeftStep *slot, struct weft_ports *out)
{
  guint n = slot->found->spec->outputs->len;
  struct weft_port *ports = weft_revision_new(builder->revision, struct weft_port, n + 1);
  for (guint i = 0; i < n; i++)
    ports[i] = slot->offers[i].port;
  *out = (struct weft_ports){ports, n};
}

static weft_status create(struct weft_setup *base, guint32 index, const struct weft_port *inputs, guint32 n_inputs,
                          struct weft_ports *out)
{
  struct weft_step_setup *setup = (struct weft_step_setup *)base;
  WeftStep *slot = slot_of(base, index);
  if (slot->bindings)
    return weft_host_table()->fail(base, WEFT_CONTRACT, "it makes its slot \"%s\" twice", slot->node->slot);
  slot->told = !bind(setup->builder, slot, inputs, n_inputs) || !weft_step_unify(setup->builder, slot) ||
               !weft_step_create(setup->builder, slot) || !weft_step_check_precision(setup->builder, slot);
  if (slot->told)
    return weft_host_table()->fail(base, WEFT_BAD_CONFIG, "its slot \"%s\" cannot be made", slot->node->slot);
  tell_ports(setup->builder, slot, out);
  return WEFT_OK;
}

/* ---- activate ---- */

static struct weft_limits keep_limits(WeftRevision *revision, const struct weft_limits *limits, guint n)
{
  gint64 *rows = weft_revision_new(revision, gint64, 2 * (gsize)n + 1);
  for (guint i = 0; i < n; i++) {
    rows[i] = limits->n_rows ? limits->n_rows[i] : limits->n_items;
    rows[n + i] = limits->n_groups ? limits->n_groups[i] : 0;
  }
  return (struct weft_limits){limits->n_items, rows, rows + n};
}

static weft_status activate(struct weft_setup *base, guint32 index, const struct weft_limits *limits)
{
  struct weft_step_setup *setup = (struct weft_step_setup *)base;
  WeftStep *slot = slot_of(base, index);
  struct weft_step_setup own;
  if (!slot->offers || slot->told || limits->n_items < 1 || limits->n_items > G_MAXINT32)
    return weft_host_table()->fail(base, WEFT_CONTRACT, "it activates its slot \"%s\", which it has not made, or for %"
                                   G_GINT64_FORMAT " items", slot->node->slot, limits->n_items);
  if (slot->active && !slot->worker)
    slot->table->deactivate(slot->instance);
  slot->active = FALSE;
  slot->n_scratch_bytes = 0;
  slot->limits = keep_limits(setup->builder->revision, limits, slot->bindings->len);
  weft_step_setup_init(&own, setup->builder, slot);
  weft_status status =
      slot->worker ? weft_worker_activate(slot->worker, &own.setup, &slot->limits)
                   : slot->table->activate(slot->instance, &own.setup, &slot->limits, &slot->n_scratch_bytes);
  slot->active = status == WEFT_OK;
  if (slot->active && slot->n_scratch_bytes <= (guint64)WEFT_ITEM_SCRATCH_MAX_BYTES)
    return WEFT_OK;
  g_autofree char *problem = g_strdup_printf("wants %" G_GUINT64_FORMAT " bytes of scratch for a call of %" G_GINT64_FORMAT
                                             " items, at most %" G_GINT64_FORMAT " are given (WEFT_ITEM_SCRATCH_MAX_BYTES)",
                                             slot->n_scratch_bytes, limits->n_items, WEFT_ITEM_SCRATCH_MAX_BYTES);
  weft_step_refused(&own, "activate", slot->active ? WEFT_NO_MEMORY : status,
                    slot->active ? problem : own.setup.message);
  slot->told = TRUE;
  return weft_host_table()->fail(base, WEFT_BAD_CONFIG, "its slot \"%s\" cannot be activated", slot->node->slot);
}

void weft_slots_offer(const WeftStep *step, struct weft_setup *setup)
{
  struct weft_step_setup *own = (struct weft_step_setup *)setup;
  if (!step->n_slots)
    return;
  own->slots = (struct weft_setup_slots){step->n_slots, step->node->select_at != NULL, describe, create, activate};
  setup->slots = &own->slots;
}

/* ---- graphs ---- */

static gboolean make_graph(WeftBuilder *builder, WeftStep *slot, struct weft_runtime *runtime)
{
  WeftRevision *revision = builder->revision;
  guint n_inputs = slot->bindings->len, n_outputs = slot->found->spec->outputs->len;
  struct weft_graph_value *values = weft_revision_new(revision, struct weft_graph_value, n_inputs + n_outputs + 1);
  struct weft_graph_node *node = weft_revision_new(revision, struct weft_graph_node, 1);
  for (guint i = 0; i < n_inputs; i++)
    values[i].port = &g_array_index(slot->bindings, WeftBinding, i).given->port;
  for (guint o = 0; o < n_outputs; o++) {
    const WeftPortSpec *spec = slot->found->spec->outputs->pdata[o];
    values[n_inputs + o] = (struct weft_graph_value){&slot->offers[o].port, !spec->explain, WEFT_FRAME_MEDIUM_MAX_BYTES};
  }
  weft_step_fill_node(builder, slot, node);
  guint32 *inputs = weft_revision_new(revision, guint32, n_inputs + 1);
  for (guint i = 0; i < n_inputs; i++)
    inputs[i] = i;
  node->inputs = inputs;
  node->first_output = n_inputs;
  struct weft_graph_spec spec = {.values = values, .nodes = node, .n_values = n_inputs + n_outputs, .n_inputs = n_inputs,
                                 .n_nodes = 1, .n_items_max = (guint32)slot->limits.n_items};
  char message[WEFT_MESSAGE_BYTES] = "";
  if (weft_graph_new(runtime, &spec, &slot->slot_graph, message) == WEFT_OK)
    return TRUE;
  g_autofree char *problem = g_strdup_printf("the runtime refuses it: %s", *message ? message : "no memory");
  fault(builder, slot, NULL, problem);
  return FALSE;
}

gboolean weft_slots_fill(WeftBuilder *builder, WeftStep *step, struct weft_runtime *runtime, struct weft_graph_node *node)
{
  WeftRevision *revision = builder->revision;
  if (!step->n_slots || !runtime)
    return TRUE;
  struct weft_graph_slots *slots = weft_revision_new(revision, struct weft_graph_slots, 1);
  struct weft_graph **graphs = weft_revision_new(revision, struct weft_graph *, step->n_slots);
  const char **names = weft_revision_new(revision, const char *, step->n_slots);
  for (guint i = 0; i < step->n_slots; i++) {
    if (!make_graph(builder, &step->slots[i], runtime))
      return FALSE;
    graphs[i] = step->slots[i].slot_graph;
    names[i] = step->slots[i].node->slot;
  }
  *slots = (struct weft_graph_slots){.graphs = graphs, .names = names, .n = step->n_slots,
                                     .select_key = step->node->select_key, .required = step->node->select_required};
  node->slots = slots;
  return TRUE;
}

void weft_slots_describe(WeftRevision *revision)
{
  guint n = revision->pipeline->n_steps;
  for (guint s = 0; s < revision->pipeline->n_steps; s++)
    for (guint i = 0; i < revision->steps[s].n_slots; i++)
      revision->nodes[n++].slot_graph = revision->steps[s].slots[i].slot_graph;
}

void weft_slots_clear(WeftStep *step)
{
  for (guint i = 0; i < step->n_slots; i++) {
    if (step->slots[i].slot_graph)
      weft_graph_free(step->slots[i].slot_graph);
    weft_step_clear(&step->slots[i]);
  }
}
