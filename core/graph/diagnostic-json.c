/* SPDX-License-Identifier: Apache-2.0 */
/* `weft.diagnostics/1`: what docs/pipeline.md promises to programs. */
#include "diagnostic-json.h"

/* NULL: null. Names of files and words of plugins may be no UTF-8. */
static json_t *text_or_null(const char *text)
{
  if (!text)
    return json_null();
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  return json_string(valid);
}

/* A dim is a number, the name that a manifest gives it, or "*". */
static json_t *dim(const char *text)
{
  gint64 size = 0;
  return g_ascii_string_to_signed(text, 10, 0, G_MAXINT64, &size, NULL) ? json_integer(size) : text_or_null(text);
}

static json_t *offer(const WeftPortText *text)
{
  if (!text)
    return json_null();
  json_t *object = json_object(), *dims = json_array(), *attributes = json_object();
  for (guint d = 0; d < text->dims->len; d++)
    json_array_append_new(dims, dim(text->dims->pdata[d]));
  for (guint i = 0; i < text->attributes->len; i += 2) {
    g_autofree char *key = g_utf8_make_valid(text->attributes->pdata[i], -1);
    json_object_set_new(attributes, key, text_or_null(text->attributes->pdata[i + 1]));
  }
  json_object_set_new(object, "node", text_or_null(text->node));
  json_object_set_new(object, "plugin", text_or_null(text->plugin));
  json_object_set_new(object, "port", text_or_null(text->port));
  json_object_set_new(object, "dtype", text_or_null(text->dtype));
  json_object_set_new(object, "dims", dims);
  json_object_set_new(object, "splits", json_integer(text->n_splits));
  json_object_set_new(object, "attributes", attributes);
  return object;
}

static json_t *entry(const WeftDiagnostics *diagnostics, const WeftDiagnostic *diagnostic)
{
  json_t *object = json_object(), *offers = json_null();
  if (diagnostic->source || diagnostic->target) {
    offers = json_object();
    json_object_set_new(offers, "source", offer(diagnostic->source));
    json_object_set_new(offers, "target", offer(diagnostic->target));
  }
  json_object_set_new(object, "file", text_or_null(diagnostic->file ? diagnostic->file : diagnostics->file));
  json_object_set_new(object, "within", text_or_null(diagnostic->within));
  json_object_set_new(object, "line", json_integer(diagnostic->line));
  json_object_set_new(object, "column", json_integer(diagnostic->column));
  json_object_set_new(object, "code", text_or_null(diagnostic->code));
  json_object_set_new(object, "severity", json_string(diagnostic->warning ? "warning" : "error"));
  json_object_set_new(object, "node", text_or_null(diagnostic->node));
  json_object_set_new(object, "port", text_or_null(diagnostic->port));
  json_object_set_new(object, "message", text_or_null(diagnostic->message));
  json_object_set_new(object, "hint", text_or_null(diagnostic->hint));
  json_object_set_new(object, "offers", offers);
  return object;
}

json_t *weft_diagnostics_json(const WeftDiagnostics *diagnostics)
{
  json_t *root = json_object(), *list = json_array();
  g_autoptr(GPtrArray) sorted = weft_diagnostics_sorted(diagnostics);
  for (guint i = 0; i < sorted->len; i++)
    json_array_append_new(list, entry(diagnostics, sorted->pdata[i]));
  json_object_set_new(root, "schema", json_string("weft.diagnostics/1"));
  json_object_set_new(root, "file", text_or_null(diagnostics->file));
  json_object_set_new(root, "good", json_boolean(diagnostics->n_errors == 0));
  json_object_set_new(root, "errors", json_integer(diagnostics->n_errors));
  json_object_set_new(root, "not_shown", json_integer(weft_diagnostics_n_more(diagnostics)));
  json_object_set_new(root, "diagnostics", list);
  return root;
}
