/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin said when it refused to start. Where that was about one input
 * (host->takes), it is an edge that does not fit as any other: both sides, and
 * what would fit.
 */
#include "slot-step.h"

#include <string.h>

static const struct weft_attribute *keep_attributes(WeftBuilder *builder, const struct weft_port *port)
{
  struct weft_attribute *kept = weft_revision_new(builder->revision, struct weft_attribute, port->n_attributes + 1);
  for (guint i = 0; i < port->n_attributes; i++) {
    kept[i].key = weft_revision_text(builder->revision, port->attributes[i].key);
    kept[i].value = weft_revision_text(builder->revision, port->attributes[i].value);
  }
  return kept;
}

void weft_step_note_taken(struct weft_setup *setup, guint32 input, const struct weft_port *port)
{
  struct weft_step_setup *self = (struct weft_step_setup *)setup;
  if (input >= self->step->bindings->len)
    return;
  self->refused_input = (int)input;
  self->taken = NULL;
  if (!port)
    return;
  self->taken = weft_revision_new(self->builder->revision, struct weft_port, 1);
  *self->taken = *port;
  self->taken->attributes = keep_attributes(self->builder, port);
}

static void set_attribute(GPtrArray *attributes, const struct weft_attribute *from)
{
  WeftAttribute *attribute = NULL;
  for (guint i = 0; i < attributes->len && !attribute; i++) {
    WeftAttribute *each = attributes->pdata[i];
    attribute = strcmp(each->key, from->key) == 0 ? each : NULL;
  }
  if (!attribute) {
    attribute = g_new0(WeftAttribute, 1);
    g_ptr_array_add(attributes, attribute);
  }
  attribute->key = (char *)from->key;
  attribute->value = (char *)from->value;
}

/* The manifest's input with what the model fixes; attributes: a list of its own, its texts borrowed. */
static WeftPortSpec taken_spec(const WeftPortSpec *spec, const struct weft_port *taken, GPtrArray *attributes)
{
  WeftPortSpec out = *spec;
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *attribute = spec->attributes->pdata[i];
    set_attribute(attributes, &(struct weft_attribute){attribute->key, attribute->value});
  }
  for (guint i = 0; i < taken->n_attributes; i++)
    set_attribute(attributes, &taken->attributes[i]);
  if (spec->any) {
    out.dtype = taken->dtype;
    out.rank = taken->rank;
    out.n_splits = taken->n_split_levels;
    out.any = FALSE;
  }
  for (guint d = 1; d < MIN(out.rank, taken->rank); d++)
    out.dims[d].size = taken->dims[d] > 0 ? taken->dims[d] : out.dims[d].size;
  out.attributes = attributes;
  return out;
}

static WeftDiagnostic *fault_at_edge(const struct weft_step_setup *self, const char *what, const char *problem)
{
  const WeftStep *step = self->step;
  const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, self->refused_input);
  if (!self->taken) {
    const WeftYaml *at = binding->reference ? binding->reference->at : step->node ? step->node->use_at : step->input->type_at;
    return weft_diagnostic_at(weft_fault(self->builder->diagnostics, at, what, "%s", problem), step->name,
                              binding->key ? binding->key : binding->spec->name);
  }
  const WeftOffer *offer = weft_binding_offer(self->builder, binding);
  const struct weft_port *given = offer ? &offer->port : &weft_bytes_port;
  g_autoptr(GPtrArray) attributes = g_ptr_array_new_with_free_func(g_free);
  WeftPortSpec spec = taken_spec(binding->spec, self->taken, attributes);
  WeftBinding wanted = *binding;
  wanted.spec = &spec;
  const char *code = weft_edge_difference(&spec, given);
  return weft_edge_fault(self->builder, step, &wanted, given, code ? code : what, problem);
}

/* Behind what is advised already. */
static void name_model(const WeftBuilder *builder, const WeftStep *step, WeftDiagnostic *fault)
{
  const WeftModel *model = step->node && step->node->model >= 0 ? weft_model_at(builder->pipeline, step->node->model) : NULL;
  if (!model || strstr(fault->message, model->path))
    return;
  g_autofree char *before = g_steal_pointer(&fault->hint);
  weft_diagnostic_hint(fault, "%s%sits model is \"%s\", %s \"%s\"", before ? before : "", before ? "; " : "", model->name,
                       weft_is_path(model->path) ? "folder" : "of the catalogue,",
                       weft_model_label(builder->revision, (guint)step->node->model));
}

gboolean weft_step_refused(const struct weft_step_setup *self, const char *what, weft_status status, const char *message)
{
  static const char *const status_names[WEFT_N_STATUS] = {
    "ok", "bad input", "bad configuration", "unsupported", "no memory", "deadline", "cancelled", "unavailable",
    "internal error", "contract broken"};
  const WeftStep *step = self->step;
  const char *why = *message ? message : status >= 0 && status < WEFT_N_STATUS ? status_names[status] : "unknown status";
  if (weft_slots_told(step)) /* what it says follows from that */
    return FALSE;
  g_autofree char *problem = g_strdup_printf("%s: %s", step->found->label, why);
  WeftDiagnostic *fault;
  if (self->refused_input >= 0 && strcmp(what, "create") == 0) {
    fault = fault_at_edge(self, what, problem);
  } else {
    fault = weft_fault(self->builder->diagnostics, step->node ? step->node->use_at : step->input->type_at, what, "%s",
                       problem);
    weft_diagnostic_at(fault, step->name, NULL);
  }
  name_model(self->builder, step, fault);
  return FALSE;
}
