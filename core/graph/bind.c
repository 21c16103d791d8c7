/* SPDX-License-Identifier: Apache-2.0 */
/* Which output feeds which input: what stands under `in`, and the companions that wire themselves. */
#include "resolve.h"

#include <string.h>

/* NULL: the reference names nothing (reported). */
static const WeftStep *source_of(const WeftBuilder *builder, const WeftReference *reference)
{
  return reference->step < 0 ? NULL : &builder->revision->steps[reference->step];
}

static int output_index(const WeftPluginSpec *spec, const char *name)
{
  for (guint i = 0; i < spec->outputs->len; i++) {
    if (strcmp(((WeftPortSpec *)spec->outputs->pdata[i])->name, name) == 0)
      return (int)i;
  }
  return -1;
}

/* A filter's main output is what goes on: its first one is the verdict. */
guint weft_main_output(const WeftPluginSpec *spec)
{
  for (guint i = 1; strcmp(spec->kind, WEFT_KIND_FILTER) == 0 && i < spec->outputs->len; i++) {
    const WeftPortSpec *port = spec->outputs->pdata[i];
    if (!port->base && !port->explain && strcmp(port->name, "rules") != 0)
      return i;
  }
  return 0;
}

int weft_reference_output(WeftBuilder *builder, const WeftReference *reference, const char *node)
{
  const WeftStep *source = source_of(builder, reference);
  if (!source || !source->found)
    return -1;
  const WeftPluginSpec *spec = source->found->spec;
  int output = reference->port ? output_index(spec, reference->port) : (int)weft_main_output(spec);
  if (output >= 0 && spec->outputs->len)
    return output;
  WeftDiagnostic *fault =
      reference->port ? weft_fault(builder->diagnostics, reference->at, "unknown-output", "\"%s\" (%s) has no output "
                                   "\"%s\"", source->name, source->found->label, reference->port)
                      : weft_fault(builder->diagnostics, reference->at, "unknown-output", "\"%s\" (%s) has no output",
                                   source->name, source->found->label);
  weft_diagnostic_at(fault, node, node ? reference->key : NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < spec->outputs->len; i++) {
    const WeftPortSpec *port = spec->outputs->pdata[i];
    g_ptr_array_add(names, port->name);
    g_string_append_printf(list, "%s%s", i ? ", " : "", port->name);
  }
  weft_diagnostic_hint(fault, "its outputs are %s", names->len ? list->str : "none");
  if (reference->port)
    weft_diagnostic_closest(fault, reference->port, (const char *const *)names->pdata, names->len);
  return -1;
}

/* Names of the inputs that a file can connect. */
static char *input_list(const WeftPluginSpec *spec, GPtrArray *names)
{
  GString *list = g_string_new(NULL);
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    if (port->base || port->state)
      continue;
    g_ptr_array_add(names, port->name);
    g_string_append_printf(list, "%s%s%s%s", names->len > 1 ? ", " : "", port->name, port->variadic ? "[]" : "",
                           port->optional ? " (optional)" : "");
  }
  return g_string_free(list, FALSE);
}

/* Of type, raggedness, rank and fixed sizes alone: the meaning may differ. */
static gboolean shapes_fit(const WeftPortSpec *input, const WeftPortSpec *output)
{
  gboolean fit = weft_dtype_equal(input->dtype, output->dtype) && input->rank == output->rank &&
                 input->n_splits == output->n_splits;
  for (guint d = 1; fit && d < input->rank; d++)
    fit = input->dims[d].size <= 0 || output->dims[d].size <= 0 || input->dims[d].size == output->dims[d].size;
  return fit;
}

gboolean weft_port_specs_fit(const WeftPortSpec *input, const WeftPortSpec *output)
{
  if (input->any)
    return TRUE;
  gboolean fit = shapes_fit(input, output);
  for (guint i = 0; fit && i < input->attributes->len; i++) {
    const WeftAttribute *wanted = input->attributes->pdata[i];
    const char *given = weft_port_spec_attribute(output, wanted->key);
    fit = !given || strcmp(given, wanted->value) == 0;
  }
  return fit;
}

/* The input for `in: SOURCE.PORT` without a name: the only one, or the first that the output fits. */
static const WeftPortSpec *unnamed_input(const WeftPluginSpec *spec, const WeftPortSpec *output)
{
  const WeftPortSpec *first = NULL;
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    if (port->base || port->state)
      continue;
    if (port->variadic)
      return NULL;
    if (!first || (output && weft_port_specs_fit(port, output) && !weft_port_specs_fit(first, output)))
      first = port;
  }
  return first;
}

/* The input of that name, or the variadic one; NULL: none. */
static const WeftPortSpec *named_input(const WeftPluginSpec *spec, const char *key)
{
  const WeftPortSpec *variadic = NULL;
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    if (!port->base && !port->state && !port->variadic && strcmp(port->name, key) == 0)
      return port;
    if (port->variadic)
      variadic = port;
  }
  return variadic;
}

/*
 * The bare name of a node: its main output, or, where an input cannot hold that
 * by its shape, the only other one that fits. What has another meaning is never
 * replaced: that is an error to be told. Of a filter nothing but what goes on.
 */
static int fitting_output(const WeftPluginSpec *spec, const WeftPortSpec *input, int main_output)
{
  int only = -1;
  if (input->any || strcmp(spec->kind, WEFT_KIND_FILTER) == 0 || shapes_fit(input, spec->outputs->pdata[main_output]))
    return main_output;
  for (guint i = 0; i < spec->outputs->len; i++) {
    const WeftPortSpec *port = spec->outputs->pdata[i];
    if (port->base || port->explain || port->state || !weft_port_specs_fit(input, port))
      continue;
    if (only >= 0)
      return main_output;
    only = (int)i;
  }
  return only >= 0 ? only : main_output;
}

static void report_no_input(WeftBuilder *builder, const WeftStep *step, const WeftReference *reference)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autofree char *list = input_list(step->found->spec, names);
  WeftDiagnostic *fault;
  if (reference->key) {
    fault = weft_fault(builder->diagnostics, reference->key_at, "unknown-input", "%s has no input \"%s\"",
                       step->found->label, reference->key);
    weft_diagnostic_hint(fault, names->len ? "its inputs are %s" : "it has none%s", list);
    weft_diagnostic_closest(fault, reference->key, (const char *const *)names->pdata, names->len);
  } else {
    fault = weft_fault(builder->diagnostics, reference->at, "which-input", "%s %s%s: say what \"%s\" is called there",
                       step->found->label, names->len ? "takes any number of inputs by name, " : "has no inputs", list,
                       reference->at->text);
    weft_diagnostic_hint(fault, "such as in: {NAME: %s}", reference->at->text);
  }
  weft_diagnostic_at(fault, step->name, NULL);
}

static void add(WeftStep *step, const WeftPortSpec *spec, const WeftReference *reference, int output)
{
  WeftBinding binding = {.spec = spec, .reference = reference};
  if (reference) {
    binding.key = spec->variadic ? reference->key : NULL;
    binding.step = (guint)reference->step;
    binding.output = (guint)output;
  }
  g_array_append_val(step->bindings, binding);
}

/* PORT.ROLE of the source feeds BASE.ROLE of the step. */
static gboolean bind_companion(WeftBuilder *builder, WeftStep *step, const WeftPortSpec *companion)
{
  for (guint i = 0; i < step->bindings->len; i++) {
    const WeftBinding base = g_array_index(step->bindings, WeftBinding, i);
    if (base.spec->variadic || base.state || strcmp(base.spec->name, companion->base) != 0)
      continue;
    const WeftStep *source = &builder->revision->steps[base.step];
    const WeftPortSpec *given = source->found->spec->outputs->pdata[base.output];
    g_autofree char *name = g_strconcat(given->name, ".", companion->role, NULL);
    int output = output_index(source->found->spec, name);
    if (output >= 0) {
      add(step, companion, base.reference, output);
      return TRUE;
    }
    if (companion->optional)
      return TRUE;
    if (!weft_port_specs_fit(base.spec, given)) /* the edge itself is wrong: unify says so */
      return FALSE;
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, base.reference->at, "no-companion",
                                       "%s needs \"%s\" beside \"%s\", and \"%s\" (%s) gives no \"%s\"",
                                       step->found->label, companion->name, base.spec->name, source->name,
                                       source->found->label, name);
    weft_diagnostic_at(fault, step->name, base.spec->name);
    weft_diagnostic_offers(fault, NULL, weft_port_spec_text(companion, NULL, step->name, step->found->label));
    return FALSE;
  }
  return TRUE;
}

/* What the output of that name left is the input at the session's next item: the host sees to it. */
static void bind_state(const WeftBuilder *builder, WeftStep *step, const WeftPortSpec *port)
{
  WeftBinding binding = {.spec = port, .state = TRUE, .step = (guint)(step - builder->revision->steps),
                         .output = (guint)output_index(step->found->spec, port->name)};
  g_array_append_val(step->bindings, binding);
}

static gboolean check_connected(WeftBuilder *builder, const WeftStep *step, const guint8 *connected)
{
  const WeftPluginSpec *spec = step->found->spec;
  gboolean ok = TRUE;
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    if (connected[i] || port->optional || port->base)
      continue;
    const WeftYaml *at = step->node->in_at ? step->node->in_at : step->node->at;
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, at, "not-connected", "nothing feeds the input \"%s\" of %s",
                                       port->name, step->found->label);
    weft_diagnostic_at(fault, step->name, port->name);
    weft_diagnostic_offers(fault, NULL, weft_port_spec_text(port, NULL, step->name, step->found->label));
    weft_diagnostic_hint(fault, port->variadic ? "such as in: {NAME: NODE.PORT}" : "such as in: {%s: NODE.PORT}",
                         port->name);
    ok = FALSE;
  }
  return ok;
}

/* TRUE: every entry of `in` found its input and its output. */
static gboolean bind_references(WeftBuilder *builder, WeftStep *step, guint8 *connected)
{
  const GArray *in = step->node->in;
  const WeftPluginSpec *spec = step->found->spec;
  gboolean ok = TRUE;
  for (guint k = 0; k < in->len; k++) {
    const WeftReference *reference = weft_reference_at(in, k);
    int output = weft_reference_output(builder, reference, step->name);
    const WeftPluginSpec *source = output >= 0 ? source_of(builder, reference)->found->spec : NULL;
    const WeftPortSpec *port = reference->key ? named_input(spec, reference->key)
                                              : unnamed_input(spec, source ? source->outputs->pdata[output] : NULL);
    if (!port)
      report_no_input(builder, step, reference);
    if (!port || (!reference->key && output < 0))
      memset(connected, 1, spec->inputs->len); /* what that name was meant for is not missing too */
    for (guint i = 0; port && i < spec->inputs->len; i++)
      connected[i] |= spec->inputs->pdata[i] == port;
    if (port && output >= 0 && !reference->port)
      output = fitting_output(source, port, output);
    if (port && output >= 0)
      add(step, port, reference, output);
    ok = port && output >= 0 && ok;
  }
  return ok;
}

static int by_port(const void *a, const void *b, void *data)
{
  const WeftBinding *x = a, *y = b;
  const GPtrArray *inputs = data;
  if (x->spec->variadic != y->spec->variadic)
    return x->spec->variadic ? 1 : -1;
  if (x->spec == y->spec)
    return 0; /* the sort is stable: keys of a variadic input keep the order of the file */
  for (guint i = 0; i < inputs->len; i++) {
    if (inputs->pdata[i] == x->spec || inputs->pdata[i] == y->spec)
      return inputs->pdata[i] == x->spec ? -1 : 1;
  }
  return 0;
}

gboolean weft_step_bind(WeftBuilder *builder, WeftStep *step)
{
  const WeftPluginSpec *spec = step->found->spec;
  step->bindings = g_array_new(FALSE, FALSE, sizeof(WeftBinding));
  if (step->live)
    return TRUE;
  if (step->input) {
    if (spec->inputs->len == 1)
      add(step, spec->inputs->pdata[0], NULL, 0);
    else
      weft_diagnostic_at(weft_fault(builder->diagnostics, step->input->type_at, "reader", "the reader %s has %u inputs, "
                                    "not one", step->found->label, spec->inputs->len), step->name, NULL);
    return step->bindings->len == 1;
  }
  g_autofree guint8 *connected = g_malloc0(spec->inputs->len + 1);
  gboolean ok = bind_references(builder, step, connected);
  if (step->node->unsure)
    ok = FALSE;
  else
    ok = check_connected(builder, step, connected) && ok;
  if (ok && step->bindings->len == 0) {
    WeftDiagnostic *fault = weft_fault(builder->diagnostics, step->node->at, "not-connected", "nothing feeds %s",
                                       step->found->label);
    weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "such as in: NODE.PORT");
    ok = FALSE;
  }
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *port = spec->inputs->pdata[i];
    if (port->base)
      ok = bind_companion(builder, step, port) && ok;
    else if (port->state)
      bind_state(builder, step, port);
  }
  g_array_sort_with_data(step->bindings, by_port, spec->inputs);
  return ok;
}
