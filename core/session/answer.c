/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include "note.h"
#include "passage.h"
#include <math.h>
#include <string.h>

const char *weft_status_name(gint status)
{
  static const char *const names[WEFT_N_STATUS] = {"ok", "bad-input", "bad-config", "unsupported", "no-memory",
                                                   "deadline", "cancelled", "unavailable", "internal", "contract"};
  return status == WEFT_REFUSED ? "refused" : status >= 0 && status < WEFT_N_STATUS ? names[status] : "internal";
}

/* JSON has no word for NaN and infinity: they become null. */
static json_t *number_of(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static double float16_of(guint16 half)
{
  int exponent = (half >> 10) & 31;
  double fraction = half & 1023;
  double value = exponent == 0    ? ldexp(fraction, -24)
                 : exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                                  : ldexp(fraction + 1024, exponent - 25);
  return half & 0x8000 ? -value : value;
}

static double bfloat16_of(guint16 bits)
{
  guint32 wide = (guint32)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static json_t *element_of(const struct weft_tensor *tensor, gint64 index)
{
  guint bytes = tensor->dtype.bits / 8;
  const char *at = (const char *)tensor->data + index * bytes;
  union {
    gint8 i8;
    gint16 i16;
    gint32 i32;
    gint64 i64;
    guint16 u16;
    guint32 u32;
    float f32;
    double f64;
  } v;
  memset(&v, 0, sizeof v);
  memcpy(&v, at, bytes);
  switch (tensor->dtype.code) {
  case WEFT_DTYPE_FLOAT:
    return number_of(bytes == 4 ? v.f32 : bytes == 8 ? v.f64 : float16_of(v.u16));
  case WEFT_DTYPE_BFLOAT:
    return number_of(bfloat16_of(v.u16));
  case WEFT_DTYPE_BOOL:
    return json_boolean(v.i8 != 0);
  case WEFT_DTYPE_UINT:
    return json_integer(bytes == 1 ? (guint8)v.i8 : bytes == 2 ? v.u16 : bytes == 4 ? (gint64)v.u32 : v.i64);
  default:
    return json_integer(bytes == 1 ? v.i8 : bytes == 2 ? v.i16 : bytes == 4 ? v.i32 : v.i64);
  }
}

/* Values of one row: a scalar for rank 1, a flat array of the row otherwise. */
static json_t *row_of(const struct weft_tensor *tensor, gint64 row)
{
  gint64 width = weft_row_bytes(tensor) / (tensor->dtype.bits / 8);
  if (tensor->rank == 1)
    return element_of(tensor, row);
  json_t *list = json_array();
  for (gint64 i = 0; i < width; i++)
    json_array_append_new(list, element_of(tensor, row * width + i));
  return list;
}

/* Text (ragged u8 of rank 1) as a string, one row an item as a value, the rest as an array of rows; absent: null. */
static json_t *value_of(const struct weft_tensor *tensor, const struct weft_port *port, guint item)
{
  struct weft_rows rows = {0, 0, 0};
  if (tensor)
    rows = weft_rows_of(tensor, item);
  if (!rows.present)
    return json_null();
  if (port->n_split_levels == 0)
    return row_of(tensor, rows.begin);
  if (tensor->rank == 1 && weft_dtype_equal(tensor->dtype, weft_u8())) {
    json_t *text = json_stringn((const char *)tensor->data + rows.begin, (size_t)(rows.end - rows.begin));
    if (text)
      return text;
  }
  json_t *list = json_array();
  for (gint64 row = rows.begin; row < rows.end; row++)
    json_array_append_new(list, row_of(tensor, row));
  return list;
}

static json_t *weights_of(WeftRevision *revision, struct weft_frame *frame, guint item)
{
  guint n = 0;
  const WeftRevisionWeights *weights = weft_revision_weights(revision, &n);
  json_t *all = json_object();
  for (guint i = 0; i < n; i++) {
    const struct weft_tensor *tensor = weft_frame_value(frame, weights[i].value);
    struct weft_rows rows = {0, 0, 0};
    if (tensor)
      rows = weft_rows_of(tensor, item);
    if (!rows.present)
      continue;
    json_t *one = json_object();
    gint64 width = weft_row_bytes(tensor) / (gint64)sizeof(float);
    for (gint64 k = 0; k < width && weights[i].names[k]; k++)
      json_object_set_new(one, weights[i].names[k], number_of(((const float *)tensor->data)[rows.begin * width + k]));
    json_object_set_new(all, weights[i].node, one);
  }
  return all;
}

static json_t *missing_of(WeftRevision *revision, const WeftQuery *query)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  json_t *list = json_array();
  for (guint i = 0; i < n; i++)
    if (!query->inputs[i].bytes)
      json_array_append_new(list, json_string(inputs[i].name));
  return list;
}

static json_t *timings_of(const WeftAnswerSource *source, struct weft_frame *frame)
{
  json_t *timings = json_object(), *nodes = json_object();
  json_object_set_new(timings, "total_ms", number_of(source->total_ms));
  guint n = 0;
  const WeftRevisionNode *list = weft_revision_nodes(source->revision, &n);
  for (guint i = 0; frame && i < n; i++) {
    guint64 ns = list[i].graph_node == G_MAXUINT ? 0 : weft_frame_node_ns(frame, list[i].graph_node);
    if (ns)
      json_object_set_new(nodes, list[i].name, number_of((double)ns / 1e6));
  }
  json_object_set_new(timings, "nodes_ms", nodes);
  return timings;
}

static json_t *node_of(const WeftRevisionNode *node, struct weft_frame *frame, const WeftPassage *passage)
{
  const char *how = frame ? weft_passage_of(passage, node->graph_node) : NULL;
  guint64 ns = frame && node->graph_node != G_MAXUINT ? weft_frame_node_ns(frame, node->graph_node) : 0;
  json_t *one = json_object();
  json_object_set_new(one, "node", json_string(node->name));
  json_object_set_new(one, "plugin", json_string(node->plugin));
  json_object_set_new(one, "version", json_string(node->version));
  json_object_set_new(one, "kind", json_string(node->kind));
  json_object_set_new(one, "sha256", json_string(node->sha256));
  if (node->model) {
    json_object_set_new(one, "model", json_string(node->model));
    json_object_set_new(one, "model_digest", json_string(node->model_digest));
    if (node->precision)
      json_object_set_new(one, "precision", json_string(node->precision));
  }
  json_t *assets = json_object();
  for (guint i = 0; i < node->n_assets; i++)
    json_object_set_new(assets, node->assets[i].param,
                        json_pack("{s:s, s:s, s:s}", "asset", node->assets[i].name, "from", node->assets[i].path,
                                  "digest", node->assets[i].digest));
  if (node->n_assets)
    json_object_set(one, "assets", assets);
  json_decref(assets);
  json_object_set_new(one, "isolated", json_boolean(node->isolated));
  if (node->slot_of) { /* its node called it, or did not: its time is in the node's */
    json_object_set_new(one, "slot_of", json_string(node->slot_of));
    return one;
  }
  json_t *from = json_array();
  for (guint i = 0; node->inputs && node->inputs[i]; i++)
    json_array_append_new(from, json_string(node->inputs[i]));
  json_object_set_new(one, "from", from);
  gboolean called = !how || strcmp(how, "ran") == 0 || strcmp(how, "failed") == 0;
  json_object_set_new(one, "ran", json_boolean(ns != 0 && called));
  if (!called)
    json_object_set_new(one, "skipped", json_string(how));
  json_object_set_new(one, "ms", number_of((double)ns / 1e6));
  return one;
}

/* The path a request took, and every recorded value (ports marked explain). */
static json_t *explain_of(const WeftAnswerSource *source, struct weft_frame *frame, const WeftPassage *passage)
{
  json_t *explain = json_object(), *path = json_array(), *values = json_object();
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(source->revision, &n);
  for (guint i = 0; i < n; i++)
    json_array_append_new(path, node_of(&nodes[i], frame, passage));
  const WeftRevisionExplain *ports = weft_revision_explain(source->revision, &n);
  for (guint i = 0; frame && weft_passage_is_allowed(passage) && i < n; i++) {
    json_t *value = value_of(weft_frame_value(frame, ports[i].value), ports[i].port, passage->item);
    g_autofree char *name = g_strdup_printf("%s.%s", ports[i].node, ports[i].port_name);
    json_object_set_new(values, name, value);
  }
  json_object_set_new(explain, "path", path);
  json_object_set_new(explain, "values", values);
  return explain;
}

/* The input that a failed node reads: the node itself where it is a reader, or whose values it takes. */
static const char *input_of(WeftRevision *revision, const WeftRevisionNode *node)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &n);
  for (guint i = 0; i < n; i++) {
    gsize size = strlen(inputs[i].name);
    if (strcmp(inputs[i].name, node->name) == 0)
      return inputs[i].name;
    for (guint k = 0; node->inputs && node->inputs[k]; k++)
      if (strncmp(node->inputs[k], inputs[i].name, size) == 0 && node->inputs[k][size] == '.')
        return inputs[i].name;
  }
  return NULL;
}

static json_t *error_of(const WeftAnswerSource *source, struct weft_frame *frame, guint item, const GError *error)
{
  json_t *failure = json_object();
  if (error) {
    json_object_set_new(failure, "code", json_string(weft_status_name(error->code)));
    /* A path in it may be any bytes. */
    g_autofree char *message = g_utf8_make_valid(error->message, -1);
    json_object_set_new(failure, "message", json_string(message));
    return failure;
  }
  json_object_set_new(failure, "code", json_string(weft_status_name(weft_frame_status(frame, item))));
  gint32 failed = weft_frame_failed_node(frame, item);
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(source->revision, &n);
  for (guint i = 0; failed >= 0 && i < n; i++)
    if (nodes[i].graph_node == (guint)failed) {
      const char *input = input_of(source->revision, &nodes[i]);
      json_object_set_new(failure, "node", json_string(nodes[i].name));
      if (input)
        json_object_set_new(failure, "input", json_string(input));
    }
  g_autofree char *message = g_utf8_make_valid(weft_frame_message(frame, item), -1);
  json_object_set_new(failure, "message", json_string(message));
  return failure;
}

/* What the request was like on its way; refused: nothing of what it brought or yielded. */
static void set_passage(json_t *answer, const WeftPassage *passage)
{
  gboolean refused = weft_passage_is_refused(passage);
  const char *message = NULL;
  if (refused)
    json_object_set_new(answer, "refusal", weft_passage_refusal(passage, &message));
  if (message)
    json_object_set_new(answer, "message", json_string(message));
  json_object_set_new(answer, "verdicts", weft_passage_verdicts(passage));
  json_object_set_new(answer, "errors", weft_passage_errors(passage));
  json_object_set_new(answer, "absent", weft_passage_absent(passage));
}

static const char *status_of(struct weft_frame *frame, guint item, const GError *error)
{
  weft_status status = error ? WEFT_BAD_INPUT : weft_frame_status(frame, item);
  if (status == WEFT_OK)
    return weft_frame_degraded(frame, item) ? "degraded" : "ok";
  return status == WEFT_REFUSED ? "refused" : "failed";
}

static const char *language_of(const WeftQuery *query)
{
  for (guint i = 0; i < query->n_context; i++)
    if (strcmp(query->context[i].key, "language") == 0)
      return query->context[i].value;
  return NULL;
}

json_t *weft_answer_new(const WeftAnswerSource *source, const WeftQuery *query, struct weft_frame *frame, guint item,
                        const GError *error)
{
  WeftPassage passage = {source->revision, frame, item, language_of(query)};
  gboolean answered = !error && weft_frame_status(frame, item) == WEFT_OK;
  gboolean refused = !error && weft_passage_is_refused(&passage);
  json_t *answer = json_object();
  json_object_set_new(answer, "schema", json_string("weft.answer/1"));
  json_object_set_new(answer, "status", json_string(status_of(frame, item, error)));
  if (!answered && !refused)
    json_object_set_new(answer, "error", error_of(source, frame, item, error));
  json_t *outputs = json_object();
  guint n = 0;
  const WeftRevisionOutput *list = weft_revision_outputs(source->revision, &n);
  for (guint i = 0; answered && i < n; i++) {
    json_t *value = value_of(weft_frame_value(frame, list[i].value), list[i].port, item);
    json_object_set_new(outputs, list[i].name, value);
  }
  json_object_set_new(answer, "outputs", outputs);
  json_object_set_new(answer, "weights", answered ? weights_of(source->revision, frame, item) : json_object());
  json_object_set_new(answer, "missing", missing_of(source->revision, query));
  if (frame && !error)
    set_passage(answer, &passage);
  g_autofree char *revision = g_strdup_printf("%s@%.12s", weft_revision_name(source->revision),
                                              weft_revision_digest(source->revision));
  json_object_set_new(answer, "revision", json_string(revision));
  json_object_set_new(answer, "fingerprint", json_string(source->fingerprint));
  json_object_set_new(answer, "timings", timings_of(source, frame));
  if (source->explain)
    json_object_set_new(answer, "explain", explain_of(source, error ? NULL : frame, &passage));
  return answer;
}
