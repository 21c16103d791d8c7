/* SPDX-License-Identifier: Apache-2.0 */
/* Live inputs and sinks as a file says them. */
#include "live-decl.h"

#include "literal.h"
#include <string.h>

/* A quantity within bounds; FALSE: reported. */
typedef struct {
  const char *unit, *what, *bounds;
  double least, most;
} Bounds;

static gboolean read_quantity(WeftReader *reader, const WeftYaml *value, const char *node, const Bounds *bounds,
                              double *out)
{
  g_autofree char *example = weft_quantity_example(bounds->unit);
  const char *text = weft_read_text(reader, value, node, bounds->what, example);
  if (!text)
    return FALSE;
  WeftQuantity quantity = weft_quantity_parse(text, bounds->unit, out);
  if (quantity == WEFT_QUANTITY_OK && *out >= bounds->least && *out <= bounds->most)
    return TRUE;
  WeftDiagnostic *fault =
      quantity == WEFT_QUANTITY_OK
          ? weft_fault(reader->diagnostics, value, "out-of-range", "%s \"%s\" must lie between %s", bounds->what, text,
                       bounds->bounds)
          : weft_fault(reader->diagnostics, value, quantity == WEFT_QUANTITY_NO_UNIT ? "no-unit" : "bad-value",
                       "%s \"%s\" %s", bounds->what, text,
                       quantity == WEFT_QUANTITY_NO_UNIT ? "has no unit" : "is no such quantity");
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as %s", example);
  return FALSE;
}

static gboolean read_span(WeftReader *reader, const WeftYaml *value, const char *node, const char *what, gint64 least,
                          gint64 *out)
{
  Bounds bounds = {"ns", what, least ? "1 ns and 24 h" : "0 ns and 24 h", (double)least, (double)WEFT_LIVE_SPAN_MAX_NS};
  double ns = 0;
  if (!read_quantity(reader, value, node, &bounds, &ns))
    return FALSE;
  *out = (gint64)ns;
  return TRUE;
}

static gboolean read_bytes(WeftReader *reader, const WeftYaml *value, const char *node, const Bounds *bounds,
                           guint64 *out)
{
  double bytes = 0;
  if (!read_quantity(reader, value, node, bounds, &bytes))
    return FALSE;
  *out = (guint64)bytes;
  return TRUE;
}

/* One of two words; answers whether it is the second. */
static gboolean read_choice(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                            const char *const words[2])
{
  const char *text = weft_read_text(reader, value, node, what, words[0]);
  if (!text || strcmp(text, words[0]) == 0)
    return FALSE;
  if (strcmp(text, words[1]) == 0)
    return TRUE;
  weft_diagnostic_at(weft_fault(reader->diagnostics, value, "bad-value", "%s is %s or %s, found \"%s\"", what, words[0],
                                words[1], text), node, NULL);
  return FALSE;
}

static void read_late(WeftReader *reader, const WeftYaml *value, const char *node, WeftLiveDecl *live)
{
  const char *text = weft_read_text(reader, value, node, "late", "drop");
  if (!text || strcmp(text, "drop") == 0)
    return;
  live->hold = TRUE;
  if (strcmp(text, "hold") == 0)
    return;
  double ns = 0;
  gboolean spelt = g_str_has_prefix(text, "hold ") && weft_quantity_parse(text + 5, "ns", &ns) == WEFT_QUANTITY_OK;
  if (spelt && ns >= 1 && ns <= (double)WEFT_LIVE_SPAN_MAX_NS) {
    live->hold_ns = (gint64)ns;
    return;
  }
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "bad-value", "late is drop, hold or hold with a time up "
                                     "to 24 h, found \"%s\"", text);
  weft_diagnostic_hint(weft_diagnostic_at(fault, node, NULL), "such as late: hold 30 s");
}

static void read_source(WeftReader *reader, const WeftYaml *value, const char *node, WeftLiveDecl *live)
{
  static const char *const known[] = {"use", "params", "isolate", NULL}, *const later[] = {NULL};
  const WeftYaml *part;
  if (!weft_read_map(reader, value, node, "source", "{use: replay@^1, params: {file: vib}}"))
    return;
  weft_read_keys(reader, value, "a source", node, known, later);
  live->use_at = weft_yaml_get(value, "use");
  const char *text = live->use_at ? weft_read_text(reader, live->use_at, node, "use", "replay@^1") : NULL;
  if (text) {
    const char *at = strchr(text, '@');
    live->plugin = at ? g_strndup(text, (gsize)(at - text)) : g_strdup(text);
    live->range = at && at[1] ? at + 1 : NULL;
  } else if (!live->use_at) {
    weft_diagnostic_at(weft_diagnostic_hint(weft_fault(reader->diagnostics, value, "missing-key", "no plugin is named"),
                                            "such as source: {use: replay@^1}"), node, NULL);
  }
  if ((part = weft_yaml_get(value, "params")) && weft_read_map(reader, part, node, "params", "{speed: 1}"))
    live->params_at = part;
  if ((part = weft_yaml_get(value, "isolate")))
    live->has_isolate = weft_read_bool(reader, part, node, "isolate", &live->isolate);
}

static void read_keys(WeftReader *reader, const WeftYaml *map, const char *node, WeftLiveDecl *live)
{
  static const char *const full[] = {"wait", "drop"};
  static const Bounds buffer = {"bytes", "buffer", "4 KiB and 1 GiB (WEFT_LIVE_BUFFER_MAX_BYTES)",
                                WEFT_LIVE_BUFFER_MIN_BYTES, WEFT_LIVE_BUFFER_MAX_BYTES};
  const WeftYaml *part;
  if (live->window_at)
    read_span(reader, live->window_at, node, "window", 1, &live->window_ns);
  if (live->hop_at)
    read_span(reader, live->hop_at, node, "hop", 1, &live->hop_ns);
  if ((part = weft_yaml_get(map, "tolerance")))
    read_span(reader, part, node, "tolerance", 0, &live->tolerance_ns);
  if ((part = weft_yaml_get(map, "late")))
    read_late(reader, part, node, live);
  if ((part = weft_yaml_get(map, "buffer")))
    read_bytes(reader, part, node, &buffer, &live->buffer_bytes);
  if ((part = weft_yaml_get(map, "full")))
    live->drops = read_choice(reader, part, node, "full", full);
}

void weft_live_read(WeftReader *reader, WeftInput *input, const WeftYaml *map)
{
  static const char *const keys[] = {WEFT_LIVE_KEYS, NULL};
  const WeftYaml *source = weft_yaml_get(map, "source");
  for (guint i = 1; !source && keys[i]; i++) {
    const WeftYaml *value = weft_yaml_get(map, keys[i]);
    if (!value)
      continue;
    WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "not-live", "input \"%s\" has \"%s\", which only a live "
                                       "input has", input->name, keys[i]);
    weft_diagnostic_hint(fault, "such as source: {use: replay@^1}");
    return;
  }
  if (!source)
    return;
  WeftLiveDecl *live = g_new0(WeftLiveDecl, 1);
  *live = (WeftLiveDecl){.at = source, .tolerance_ns = WEFT_LIVE_TOLERANCE_NS, .buffer_bytes = WEFT_LIVE_BUFFER_BYTES,
                         .window_at = weft_yaml_get(map, "window"), .hop_at = weft_yaml_get(map, "hop")};
  input->live = live;
  read_source(reader, source, input->name, live);
  read_keys(reader, map, input->name, live);
}

void weft_live_decl_free(WeftLiveDecl *live)
{
  if (!live)
    return;
  g_free(live->plugin);
  g_free(live);
}

void weft_sink_clear(gpointer data)
{
  g_clear_pointer(&((WeftSinkDecl *)data)->from, g_array_unref);
}

void weft_sink_read(WeftReader *reader, const WeftYaml *key, const WeftYaml *value)
{
  static const char *const known[] = {"from", "to", "on_error", "rotate", NULL}, *const later[] = {NULL};
  static const char *const on_error[] = {"fail", "drop"};
  static const Bounds rotate = {"bytes", "rotate", "4 KiB and 1 TiB", WEFT_SINK_ROTATE_MIN_BYTES, 1099511627776.0};
  WeftSinkDecl sink = {.name = key->text, .at = key};
  const WeftYaml *part;
  if (!weft_read_name(reader, key, "a sink") ||
      !weft_read_map(reader, value, NULL, "a sink", "{from: save.bytes, to: out/log.jsonl}"))
    return;
  weft_read_keys(reader, value, "a sink", key->text, known, later);
  sink.from = weft_references_new();
  if ((part = weft_yaml_get(value, "from")))
    weft_read_reference(reader, sink.from, NULL, part, key->text, "from");
  if ((sink.to_at = weft_yaml_get(value, "to")))
    sink.to = weft_read_text(reader, sink.to_at, key->text, "to", "out/log.jsonl");
  if (!part || !sink.to_at)
    weft_diagnostic_hint(weft_diagnostic_at(weft_fault(reader->diagnostics, key, "missing-key", "the sink \"%s\" has no %s",
                                                       key->text, part ? "to" : "from"), key->text, NULL),
                         "such as {from: save.bytes, to: out/log.jsonl}");
  if ((part = weft_yaml_get(value, "on_error")))
    sink.on_error_drop = read_choice(reader, part, key->text, "on_error", on_error);
  if ((part = weft_yaml_get(value, "rotate")))
    read_bytes(reader, part, key->text, &rotate, &sink.rotate_bytes);
  if (sink.to && sink.from->len == 1)
    g_array_append_val(reader->pipeline->sinks, sink);
  else
    weft_sink_clear(&sink);
}

static int first_live(const WeftPipeline *pipeline)
{
  for (guint i = 0; i < pipeline->inputs->len; i++)
    if (weft_input_at(pipeline, i)->live)
      return (int)i;
  return -1;
}

static int find_lead(WeftReader *reader, const WeftYaml *value)
{
  WeftPipeline *pipeline = reader->pipeline;
  const char *name = weft_read_text(reader, value, NULL, "lead", "vibration");
  if (!name)
    return -1;
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    const WeftInput *input = weft_input_at(pipeline, i);
    if (!input->live)
      continue;
    if (strcmp(input->name, name) == 0)
      return (int)i;
    g_ptr_array_add(names, (gpointer)input->name);
  }
  WeftDiagnostic *fault = weft_fault(reader->diagnostics, value, "unknown-lead", "lead is no live input: \"%s\"", name);
  weft_diagnostic_closest(fault, name, (const char *const *)names->pdata, names->len);
  return -1;
}

/* The lead has the windows; other streams say at most how far back theirs reach. */
static void check_windows(WeftReader *reader)
{
  WeftPipeline *pipeline = reader->pipeline;
  WeftInput *lead = weft_input_at(pipeline, (guint)pipeline->lead);
  if (!lead->live->window_at)
    weft_diagnostic_hint(weft_diagnostic_at(weft_fault(reader->diagnostics, lead->at, "missing-key", "the lead \"%s\" has "
                                                       "no window", lead->name), lead->name, NULL),
                         "such as window: 1 s; every other stream follows its windows");
  if (!lead->live->hop_ns)
    lead->live->hop_ns = lead->live->window_ns;
  for (guint i = 0; i < pipeline->inputs->len; i++) {
    WeftInput *input = weft_input_at(pipeline, i);
    if (!input->live || input == lead)
      continue;
    if (input->live->hop_at)
      weft_diagnostic_hint(weft_diagnostic_at(weft_fault(reader->diagnostics, input->live->hop_at, "hop", "\"%s\" does not "
                                                         "set the pace, so it has no hop", input->name), input->name,
                                              NULL),
                           "the lead is \"%s\"", lead->name);
    if (!input->live->window_at)
      input->live->window_ns = lead->live->window_ns;
  }
}

void weft_live_read_root(WeftReader *reader)
{
  WeftPipeline *pipeline = reader->pipeline;
  const WeftYaml *lead = weft_yaml_get(pipeline->root, "lead"), *deadline = weft_yaml_get(pipeline->root, "deadline");
  gint64 ns = 0;
  pipeline->lead = first_live(pipeline);
  if (pipeline->lead < 0) {
    const WeftYaml *at = lead ? lead : deadline;
    if (at)
      weft_diagnostic_hint(weft_fault(reader->diagnostics, at, "not-live", "%s is said of live inputs, and there is none",
                                      lead ? "lead" : "deadline"),
                           "a live input has source: {use: replay@^1}");
    return;
  }
  if (lead) {
    int named = find_lead(reader, lead);
    pipeline->lead = named >= 0 ? named : pipeline->lead;
  }
  if (deadline && read_span(reader, deadline, NULL, "deadline", 1, &ns))
    pipeline->window_deadline_ns = (guint64)ns;
  check_windows(reader);
}
