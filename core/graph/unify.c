/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of every edge, held against each other: meaning, type, rank, dims. */
#include "live-decl.h"

#include <string.h>

const char *weft_port_attribute(const struct weft_port *port, const char *key)
{
  for (guint i = 0; i < port->n_attributes; i++) {
    if (strcmp(port->attributes[i].key, key) == 0)
      return port->attributes[i].value;
  }
  return NULL;
}

const WeftOffer *weft_binding_offer(const WeftBuilder *builder, const WeftBinding *binding)
{
  if (binding->given)
    return binding->given;
  const WeftOffer *offers = binding->reference || binding->state ? builder->revision->steps[binding->step].offers : NULL;
  return offers ? &offers[binding->output] : NULL;
}

const char *weft_port_spec_attribute(const WeftPortSpec *spec, const char *key)
{
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *attribute = spec->attributes->pdata[i];
    if (strcmp(attribute->key, key) == 0)
      return attribute->value;
  }
  return NULL;
}

/* With what both sides say of themselves, and what to do about it. */
WeftDiagnostic *weft_edge_fault(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding,
                                const struct weft_port *port, const char *code, const char *problem)
{
  const WeftYaml *at = binding->reference ? binding->reference->at
                       : step->node       ? step->node->use_at
                                          : step->input->type_at;
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, code, "%s", problem);
  weft_diagnostic_at(fault, step->name, binding->key ? binding->key : binding->spec->name);
  const WeftStep *source = binding->given ? step->parent
                           : binding->reference ? &builder->revision->steps[binding->step] : NULL;
  weft_diagnostic_offers(fault, weft_port_text(port, source ? source->name : NULL, source ? source->found->label : NULL),
                         weft_port_spec_text(binding->spec, binding->key, step->name, step->found->label));
  if (!binding->given)
    weft_advise(builder, step, binding, port, fault);
  return fault;
}

/* What the source is called in the file: "see.tokens". */
static char *source_label(const WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding)
{
  if (binding->given)
    return g_strdup_printf("\"%s\" (%s)", step->parent->name, step->parent->found->label);
  if (!binding->reference)
    return g_strdup("the bytes of the input");
  const WeftStep *source = &builder->revision->steps[binding->step];
  const WeftPortSpec *port = source->found->spec->outputs->pdata[binding->output];
  return g_strdup_printf("\"%s.%s\" (%s)", source->name, port->name, source->found->label);
}

static gboolean check_attributes(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding,
                                 const struct weft_port *port)
{
  for (guint i = 0; i < binding->spec->attributes->len; i++) {
    const WeftAttribute *wanted = binding->spec->attributes->pdata[i];
    const char *given = weft_port_attribute(port, wanted->key);
    if (!given || strcmp(given, wanted->value) == 0)
      continue;
    g_autofree char *source = source_label(builder, step, binding);
    g_autofree char *one = weft_shorten(wanted->value), *other = weft_shorten(given);
    g_autofree char *problem = g_strdup_printf("%s takes %s \"%s\", %s gives %s \"%s\"", step->found->label,
                                               wanted->key, one, source, wanted->key, other);
    weft_edge_fault(builder, step, binding, port, wanted->key, problem);
    return FALSE;
  }
  return TRUE;
}

static gboolean sizes_fit(const WeftPortSpec *spec, const struct weft_port *port)
{
  gboolean fit = weft_dtype_equal(spec->dtype, port->dtype) && spec->rank == port->rank &&
                 spec->n_splits == port->n_split_levels;
  for (guint d = 1; fit && d < spec->rank; d++)
    fit = spec->dims[d].size <= 0 || spec->dims[d].size == port->dims[d];
  return fit;
}

/* The first of type, raggedness, rank and dims that differs: its code, and what both sides say of it. */
static const char *shape_difference(const WeftPortSpec *spec, const struct weft_port *port, char **takes, char **gives)
{
  static const char *const ragged[] = {"one row an item", "ragged rows", "ragged groups of rows"};
  if (!weft_dtype_equal(spec->dtype, port->dtype)) {
    const char *name = weft_dtype_name(port->dtype);
    *takes = g_strdup(weft_dtype_name(spec->dtype));
    *gives = g_strdup(name ? name : "an unknown type");
    return "dtype";
  }
  if (spec->n_splits != port->n_split_levels) {
    *takes = g_strdup(ragged[MIN(spec->n_splits, 2)]);
    *gives = g_strdup(ragged[MIN(port->n_split_levels, 2)]);
    return "splits";
  }
  if (spec->rank != port->rank) {
    *takes = g_strdup_printf("%u dims", spec->rank);
    *gives = g_strdup_printf("%u", port->rank);
    return "rank";
  }
  guint d = 1;
  while (spec->dims[d].size <= 0 || spec->dims[d].size == port->dims[d])
    d++;
  *takes = g_strdup_printf("%" G_GINT64_FORMAT " in dim %u", spec->dims[d].size, d);
  *gives = port->dims[d] < 0 ? g_strdup("a size that differs from call to call")
                             : g_strdup_printf("%" G_GINT64_FORMAT, port->dims[d]);
  return "dims";
}

const char *weft_edge_difference(const WeftPortSpec *spec, const struct weft_port *port)
{
  g_autofree char *takes = NULL, *gives = NULL;
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *wanted = spec->attributes->pdata[i];
    const char *given = weft_port_attribute(port, wanted->key);
    if (given && strcmp(given, wanted->value) != 0)
      return wanted->key;
  }
  return spec->any || sizes_fit(spec, port) ? NULL : shape_difference(spec, port, &takes, &gives);
}

static gboolean shape_fault(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding,
                            const struct weft_port *port)
{
  g_autofree char *source = source_label(builder, step, binding), *takes = NULL, *gives = NULL;
  const char *code = shape_difference(binding->spec, port, &takes, &gives);
  g_autofree char *problem = g_strdup_printf("%s takes %s, %s gives %s", step->found->label, takes, source, gives);
  weft_edge_fault(builder, step, binding, port, code, problem);
  return FALSE;
}

static WeftSymbol *symbol_find(const WeftStep *step, const char *name)
{
  for (guint i = 0; step->symbols && i < step->symbols->len; i++) {
    WeftSymbol *symbol = &g_array_index(step->symbols, WeftSymbol, i);
    if (strcmp(symbol->name, name) == 0)
      return symbol;
  }
  return NULL;
}

static void symbol_add(WeftStep *step, const char *name, gint64 size, const char *port)
{
  WeftSymbol symbol = {name, size, port};
  if (!step->symbols)
    step->symbols = g_array_new(FALSE, FALSE, sizeof(WeftSymbol));
  g_array_append_val(step->symbols, symbol);
}

static gboolean check_symbol(WeftBuilder *builder, WeftStep *step, const WeftBinding *binding,
                             const struct weft_port *port, guint d)
{
  const char *name = binding->spec->dims[d].name, *label = binding->key ? binding->key : binding->spec->name;
  const WeftSymbol *symbol = symbol_find(step, name);
  if (!symbol) {
    symbol_add(step, name, port->dims[d], label);
    return TRUE;
  }
  if (symbol->size == port->dims[d])
    return TRUE;
  g_autofree char *source = source_label(builder, step, binding);
  g_autofree char *problem =
      g_strdup_printf("%s gives %s = %" G_GINT64_FORMAT ", but port \"%s\" has %s = %" G_GINT64_FORMAT ", and %s needs "
                      "them equal", source, name, port->dims[d], symbol->port, name, symbol->size, step->found->label);
  weft_edge_fault(builder, step, binding, port, "dims-differ", problem);
  return FALSE;
}

static gboolean check_edge(WeftBuilder *builder, WeftStep *step, const WeftBinding *binding,
                           const struct weft_port *port, gboolean concrete)
{
  const WeftPortSpec *spec = binding->spec;
  if (!check_attributes(builder, step, binding, port))
    return FALSE;
  if (spec->any)
    return TRUE;
  if (!weft_dtype_equal(spec->dtype, port->dtype) || spec->rank != port->rank ||
      spec->n_splits != port->n_split_levels)
    return shape_fault(builder, step, binding, port);
  for (guint d = 1; d < spec->rank; d++) {
    const WeftDim *dim = &spec->dims[d];
    gboolean known = port->dims[d] >= 0;
    if (dim->size > 0 && (known ? dim->size != port->dims[d] : concrete))
      return shape_fault(builder, step, binding, port);
    if (dim->name && known && !check_symbol(builder, step, binding, port, d))
      return FALSE;
  }
  return TRUE;
}

static const struct weft_attribute *spec_attributes(WeftBuilder *builder, const WeftPortSpec *spec, guint room)
{
  struct weft_attribute *list =
      weft_revision_new(builder->revision, struct weft_attribute, spec->attributes->len + room + 1);
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *attribute = spec->attributes->pdata[i];
    list[i] = (struct weft_attribute){attribute->key, attribute->value};
  }
  return list;
}

static void offers_from_manifest(WeftBuilder *builder, WeftStep *step)
{
  const GPtrArray *outputs = step->found->spec->outputs;
  step->offers = weft_revision_new(builder->revision, WeftOffer, outputs->len + 1);
  for (guint i = 0; i < outputs->len; i++) {
    const WeftPortSpec *spec = outputs->pdata[i];
    struct weft_port *port = &step->offers[i].port;
    port->name = spec->name;
    port->dtype = spec->dtype;
    port->rank = spec->rank;
    port->n_split_levels = spec->n_splits;
    port->rows_kind = spec->rows_kind;
    port->n_attributes = spec->attributes->len;
    port->attributes = spec_attributes(builder, spec, 0);
    for (guint d = 0; d < spec->rank; d++) {
      const WeftSymbol *symbol = spec->dims[d].name ? symbol_find(step, spec->dims[d].name) : NULL;
      port->dims[d] = symbol ? symbol->size : spec->dims[d].size;
    }
  }
}

gboolean weft_step_unify(WeftBuilder *builder, WeftStep *step)
{
  gboolean ok = TRUE;
  for (guint i = 0; step->bindings && i < step->bindings->len; i++) {
    const WeftBinding *binding = &g_array_index(step->bindings, WeftBinding, i);
    if (binding->state)
      continue;
    const WeftOffer *offer = weft_binding_offer(builder, binding);
    if (offer)
      ok = check_edge(builder, step, binding, &offer->port, offer->concrete) && ok;
    else if (!binding->reference && !binding->given)
      ok = check_edge(builder, step, binding, &weft_bytes_port, TRUE) && ok;
    else
      ok = FALSE; /* its source was not resolved: reported there */
  }
  offers_from_manifest(builder, step);
  return ok;
}

static gboolean broken(WeftBuilder *builder, const WeftStep *step, const char *problem)
{
  const WeftYaml *at = step->node ? step->node->use_at : step->input->type_at;
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, "contract", "%s breaks its manifest: %s",
                                     step->found->label, problem);
  weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "this is a fault of the plugin: tell its author");
  return FALSE;
}

static gboolean check_terms(const WeftStep *step, const struct weft_port *port)
{
  for (guint t = 0; t < port->n_terms; t++) {
    const struct weft_rows_term *term = &port->terms[t];
    gboolean of_items = term->of == WEFT_COUNT_ITEMS;
    gboolean named = term->input >= 0 && (guint)term->input < step->bindings->len;
    if (term->of > WEFT_COUNT_GROUPS || (!of_items && !named))
      return FALSE;
  }
  return TRUE;
}

/* An answered dim against the manifest's: fixed, named (equal within the plugin), or free. */
static gboolean check_answered_dim(WeftStep *step, const WeftPortSpec *spec, guint d, gint64 size)
{
  const WeftDim *dim = &spec->dims[d];
  if (d == 0)
    return size == -1;
  if (dim->size > 0)
    return size == dim->size;
  if (!dim->name)
    return size >= -1;
  const WeftSymbol *symbol = symbol_find(step, dim->name);
  if (!symbol && size > 0)
    symbol_add(step, dim->name, size, spec->name);
  return size > 0 && (!symbol || symbol->size == size);
}

static gboolean check_answered(WeftBuilder *builder, WeftStep *step, const WeftPortSpec *spec,
                               const struct weft_port *port)
{
  gboolean ok = port->name && strcmp(port->name, spec->name) == 0 && weft_dtype_equal(port->dtype, spec->dtype) &&
                port->rank == spec->rank && port->n_split_levels == spec->n_splits &&
                (spec->n_splits == 0 || port->rows_kind == spec->rows_kind);
  for (guint d = 0; ok && d < spec->rank; d++)
    ok = check_answered_dim(step, spec, d, port->dims[d]);
  if (!ok) {
    WeftPortText *manifest = weft_port_spec_text(spec, NULL, NULL, NULL);
    g_autofree char *one = weft_port_text_print(manifest), *other = weft_port_describe(port);
    weft_port_text_free(manifest);
    g_autofree char *problem = g_strdup_printf("output \"%s\" is %s there, the code answers \"%s\", %s", spec->name, one,
                                               port->name ? port->name : "", other);
    return broken(builder, step, problem);
  }
  if (check_terms(step, port))
    return TRUE;
  g_autofree char *problem = g_strdup_printf("the rows of output \"%s\" count an input that it has not", spec->name);
  return broken(builder, step, problem);
}

/* What the manifest says, and what is known only now; FALSE where they differ. */
static gboolean merge_attributes(WeftBuilder *builder, const WeftStep *step, const WeftPortSpec *spec,
                                 const struct weft_port *answered, struct weft_port *port)
{
  struct weft_attribute *list = (struct weft_attribute *)spec_attributes(builder, spec, answered->n_attributes);
  guint n = spec->attributes->len;
  for (guint i = 0; i < answered->n_attributes; i++) {
    const struct weft_attribute *attribute = &answered->attributes[i];
    const char *said = weft_port_spec_attribute(spec, attribute->key);
    if (!said)
      list[n++] = *attribute;
    else if (strcmp(said, attribute->value) != 0) {
      g_autofree char *problem = g_strdup_printf("output \"%s\" has %s \"%s\" there, the code answers \"%s\"", spec->name,
                                                 attribute->key, said, attribute->value);
      return broken(builder, step, problem);
    }
  }
  port->attributes = list;
  port->n_attributes = n;
  return TRUE;
}

gboolean weft_step_take_ports(WeftBuilder *builder, WeftStep *step, const struct weft_ports *ports)
{
  const GPtrArray *outputs = step->found->spec->outputs;
  if (ports->n_outputs != outputs->len) {
    g_autofree char *problem = g_strdup_printf("it has %u outputs there, the code answers %u", outputs->len,
                                               ports->n_outputs);
    return broken(builder, step, problem);
  }
  for (guint i = 0; i < outputs->len; i++) {
    const WeftPortSpec *spec = outputs->pdata[i];
    WeftOffer *offer = &step->offers[i];
    if (!check_answered(builder, step, spec, &ports->outputs[i]))
      return FALSE;
    offer->port = ports->outputs[i];
    offer->port.name = spec->name;
    offer->port.key = NULL;
    offer->concrete = TRUE;
    if (!merge_attributes(builder, step, spec, &ports->outputs[i], &offer->port))
      return FALSE;
    weft_offer_bound(builder, step, offer);
  }
  if (step->live)
    return weft_source_check(builder, step);
  return TRUE;
}
