/* SPDX-License-Identifier: Apache-2.0 */
/* Live inputs and sinks against what is installed: sources, and where bytes go. */
#include "live-decl.h"

#include <string.h>
#include <weft/source.h>

const WeftYaml *weft_step_params_at(const WeftStep *step)
{
  if (step->node)
    return step->node->params_at;
  return step->live ? step->input->live->params_at : NULL;
}

gboolean weft_source_resolve(WeftBuilder *builder, WeftStep *step)
{
  const WeftLiveDecl *live = step->input->live;
  if (!live->plugin || !step->input->type) /* reported */
    return FALSE;
  WeftFound *found = weft_plugin_find(builder, live->use_at->text, live->plugin, live->range);
  WeftDiagnostic *fault = NULL;
  if (!found->spec)
    fault = weft_fault(builder->diagnostics, live->use_at, "no-plugin", "%s", found->error);
  else if (strcmp(found->spec->kind, WEFT_KIND_SOURCE) != 0)
    fault = weft_fault(builder->diagnostics, live->use_at, "wrong-kind", "%s is no source but a plugin of kind %s",
                       found->label, found->spec->kind);
  if (fault) {
    weft_diagnostic_at(fault, step->name, NULL);
    if (found->hint)
      weft_diagnostic_hint(fault, "%s", found->hint);
    return FALSE;
  }
  step->found = found;
  const char *gives = weft_port_spec_attribute(found->spec->outputs->pdata[0], WEFT_ATTRIBUTE_MODALITY);
  if (!gives || strcmp(gives, step->input->type) == 0)
    return TRUE;
  fault = weft_fault(builder->diagnostics, step->input->type_at, "modality", "%s gives %s, the input has type \"%s\"",
                     found->label, gives, step->input->type);
  weft_diagnostic_hint(weft_diagnostic_at(fault, step->name, NULL), "type: %s", gives);
  return FALSE;
}

static gint64 row_bytes(const struct weft_port *port)
{
  gint64 n = port->dtype.bits / 8;
  for (guint d = 1; d < port->rank; d++)
    if (port->dims[d] < 0 || port->dims[d] == 0 || __builtin_mul_overflow(n, port->dims[d], &n) ||
        n > WEFT_LIVE_BUFFER_MAX_BYTES)
      return -1;
  return n;
}

gboolean weft_source_check(WeftBuilder *builder, WeftStep *step)
{
  gint64 bytes = row_bytes(&step->offers[0].port);
  if (bytes <= 0 || (guint64)bytes + sizeof(gint64) > step->input->live->buffer_bytes / 2) {
    WeftDiagnostic *fault =
        bytes <= 0 ? weft_fault(builder->diagnostics, step->input->live->use_at, "contract",
                                "%s gives rows whose size is not fixed", step->found->label)
                   : weft_fault(builder->diagnostics, step->input->live->use_at, "buffer", "a row of %s has %"
                                G_GINT64_FORMAT " bytes, and the buffer of %" G_GUINT64_FORMAT " holds not even two",
                                step->found->label, bytes, step->input->live->buffer_bytes);
    weft_diagnostic_at(fault, step->name, NULL);
    return FALSE;
  }
  /* A window holds no more than the stream keeps. */
  for (guint i = 0; i < step->found->spec->outputs->len; i++) {
    WeftOffer *offer = &step->offers[i];
    offer->per_item = offer->port.n_split_levels ? (gint64)(step->input->live->buffer_bytes / (guint64)(i ? 8 : bytes)) : 1;
    offer->fixed = 0;
  }
  return TRUE;
}

static guint64 period_of(const struct weft_port *port)
{
  const char *rate = weft_port_attribute(port, WEFT_ATTRIBUTE_RATE);
  double hz = rate ? g_ascii_strtod(rate, NULL) : 0;
  return hz > 1e-9 ? (guint64)(1e9 / hz) : 0;
}

static void describe_source(WeftBuilder *builder, guint input)
{
  const WeftStep *step = &builder->revision->steps[input];
  const WeftLiveDecl *live = step->input->live;
  guint n = step->found->spec->outputs->len;
  struct weft_port *ports = weft_revision_new(builder->revision, struct weft_port, n);
  for (guint i = 0; i < n; i++)
    ports[i] = step->offers[i].port;
  const char *clock = weft_port_attribute(&ports[0], WEFT_ATTRIBUTE_CLOCK);
  WeftRevisionSource source = {
    .name = step->name, .label = step->found->label, .input = input, .time_value = weft_step_value(builder, step, 1),
    .table = step->worker ? NULL : step->table, .instance = step->instance, .worker = step->worker, .ports = ports,
    .limits = step->limits, .n_scratch_bytes = step->n_scratch_bytes, .lead = builder->pipeline->lead == (int)input,
    .optional = step->input->optional, .simulated = clock && strcmp(clock, WEFT_CLOCK_SIMULATED) == 0,
    .blocking = step->found->spec->blocking, .period_ns = period_of(&ports[0]),
    .window_ns = live->window_ns, .hop_ns = live->hop_ns, .tolerance_ns = live->tolerance_ns, .hold = live->hold,
    .hold_ns = live->hold_ns, .buffer_bytes = live->buffer_bytes, .drops = live->drops};
  g_array_append_val(builder->revision->sources, source);
}

static void describe_sink(WeftBuilder *builder, const WeftSinkDecl *sink)
{
  WeftRevision *revision = builder->revision;
  const WeftReference *reference = weft_reference_at(sink->from, 0);
  const WeftStep *step = &revision->steps[reference->step];
  int output = weft_reference_output(builder, reference, sink->name);
  gboolean standard = strcmp(sink->to, "-") == 0;
  g_autofree char *to = standard || g_path_is_absolute(sink->to) ? g_strdup(sink->to)
                                                                 : g_build_filename(builder->pipeline->folder, sink->to, NULL);
  WeftRevisionSink one = {sink->name, weft_revision_text(revision, to), weft_step_value(builder, step, (guint)output),
                          sink->on_error_drop, sink->rotate_bytes};
  g_array_append_val(revision->sinks, one);
}

void weft_live_describe(WeftBuilder *builder)
{
  const WeftPipeline *pipeline = builder->pipeline;
  for (guint i = 0; i < pipeline->inputs->len; i++)
    if (builder->revision->steps[i].live)
      describe_source(builder, i);
  for (guint i = 0; i < pipeline->sinks->len; i++)
    describe_sink(builder, weft_sink_at(pipeline, i));
}

gboolean weft_sink_resolve(WeftBuilder *builder, const WeftSinkDecl *sink)
{
  const WeftReference *reference = weft_reference_at(sink->from, 0);
  int output = weft_reference_output(builder, reference, sink->name);
  if (output < 0)
    return FALSE;
  const WeftStep *step = &builder->revision->steps[reference->step];
  const WeftPortSpec *port = step->found->spec->outputs->pdata[output];
  if (port->rank == 1 && port->n_splits == 1 && weft_dtype_equal(port->dtype, weft_u8()))
    return TRUE;
  WeftDiagnostic *fault = weft_fault(builder->diagnostics, reference->at, "shape", "a sink takes bytes (u8 [*] ragged), "
                                     "\"%s.%s\" is none", step->name, port->name);
  weft_diagnostic_hint(weft_diagnostic_at(fault, sink->name, NULL), "a writer such as jsonl makes bytes of values");
  return FALSE;
}

static void add_number(GString *text, gint64 number)
{
  g_string_append_printf(text, "%" G_GINT64_FORMAT, number);
  g_string_append_c(text, '\0');
}

/* Only of what decides answers: buffers do where they drop. Texts end with a zero byte, as everywhere in the digest. */
void weft_live_digest(const WeftPipeline *pipeline, GString *text)
{
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    const WeftInput *input = weft_input_at(pipeline, i);
    const WeftLiveDecl *live = input->live;
    if (!live)
      continue;
    g_string_append_len(text, "live", 5);
    g_string_append_len(text, input->name, (gssize)strlen(input->name) + 1);
    add_number(text, (int)i == pipeline->lead);
    add_number(text, live->window_ns);
    add_number(text, live->hop_ns);
    add_number(text, live->tolerance_ns);
    add_number(text, live->hold ? live->hold_ns : -1);
    add_number(text, live->drops ? (gint64)live->buffer_bytes : -1);
    g_string_append_c(text, '\n');
  }
}
