/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnostic.h"

#include "catalogue.h"

static void diagnostic_free(WeftDiagnostic *diagnostic)
{
  g_free(diagnostic->code);
  g_free(diagnostic->file);
  g_free(diagnostic->within);
  g_free(diagnostic->node);
  g_free(diagnostic->port);
  g_free(diagnostic->message);
  g_free(diagnostic->hint);
  weft_port_text_free(diagnostic->source);
  weft_port_text_free(diagnostic->target);
  g_free(diagnostic);
}

WeftDiagnostics *weft_diagnostics_new(const char *file)
{
  WeftDiagnostics *diagnostics = g_new0(WeftDiagnostics, 1);
  diagnostics->file = g_strdup(file);
  diagnostics->list = g_ptr_array_new_with_free_func((GDestroyNotify)diagnostic_free);
  return diagnostics;
}

void weft_diagnostics_free(WeftDiagnostics *diagnostics)
{
  if (!diagnostics)
    return;
  g_ptr_array_unref(diagnostics->list);
  g_free(diagnostics->file);
  g_free(diagnostics);
}

/* Beyond the limit the last entry is rewritten again and again, so that callers need not look. */
static WeftDiagnostic *add(WeftDiagnostics *diagnostics, const char *code, guint line, guint column, char *message)
{
  WeftDiagnostic *diagnostic = g_new0(WeftDiagnostic, 1);
  diagnostic->code = g_strdup(code);
  diagnostic->line = line;
  diagnostic->column = column;
  diagnostic->message = message;
  if (diagnostics->list->len > WEFT_DIAGNOSTICS_MAX) {
    g_ptr_array_remove_index(diagnostics->list, WEFT_DIAGNOSTICS_MAX);
    diagnostics->n_dropped++;
  }
  g_ptr_array_add(diagnostics->list, diagnostic);
  return diagnostic;
}

WeftDiagnostic *weft_diagnostics_add(WeftDiagnostics *diagnostics, const char *code, guint line, guint column,
                                     const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  diagnostics->n_errors++;
  return add(diagnostics, code, line, column, message);
}

WeftDiagnostic *weft_diagnostics_warn(WeftDiagnostics *diagnostics, const char *code, guint line, guint column,
                                      const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  WeftDiagnostic *diagnostic = add(diagnostics, code, line, column, message);
  diagnostic->warning = TRUE;
  return diagnostic;
}

WeftDiagnostic *weft_diagnostic_at(WeftDiagnostic *diagnostic, const char *node, const char *port)
{
  diagnostic->node = g_strdup(node);
  diagnostic->port = g_strdup(port);
  return diagnostic;
}

WeftDiagnostic *weft_diagnostic_in(WeftDiagnostic *diagnostic, const WeftDiagnosticPlace *place)
{
  if (!place)
    return diagnostic;
  g_free(diagnostic->file);
  g_free(diagnostic->within);
  diagnostic->file = g_strdup(place->file);
  diagnostic->within = g_strdup(place->within);
  return diagnostic;
}

/* "node/word", word being freed; NULL where word is. */
static char *below(const char *node, char *word)
{
  char *path = word ? g_strconcat(node, "/", word, NULL) : NULL;
  g_free(word);
  return path;
}

void weft_diagnostics_move(WeftDiagnostics *from, WeftDiagnostics *into, const char *node)
{
  for (guint i = 0; i < from->list->len; i++) {
    WeftDiagnostic *given = from->list->pdata[i];
    WeftDiagnostic *moved = add(into, given->code, given->line, given->column, g_steal_pointer(&given->message));
    moved->file = given->file ? g_steal_pointer(&given->file) : g_strdup(from->file);
    moved->within = given->within ? below(node, g_steal_pointer(&given->within)) : g_strdup(node);
    moved->node = below(node, g_steal_pointer(&given->node));
    moved->port = g_steal_pointer(&given->port);
    moved->hint = g_steal_pointer(&given->hint);
    moved->warning = given->warning;
    weft_diagnostic_offers(moved, g_steal_pointer(&given->source), g_steal_pointer(&given->target));
  }
  into->n_errors += from->n_errors;
  into->n_dropped += from->n_dropped;
  g_ptr_array_set_size(from->list, 0);
  from->n_errors = from->n_dropped = 0;
}

WeftDiagnostic *weft_diagnostic_hint(WeftDiagnostic *diagnostic, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_free(diagnostic->hint);
  diagnostic->hint = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return diagnostic;
}

WeftDiagnostic *weft_diagnostic_closest(WeftDiagnostic *diagnostic, const char *word, const char *const *names,
                                        gsize n_names)
{
  const char *closest = weft_closest(word, names, n_names);
  return closest ? weft_diagnostic_hint(diagnostic, "did you mean \"%s\"?", closest) : diagnostic;
}

WeftDiagnostic *weft_diagnostic_offers(WeftDiagnostic *diagnostic, WeftPortText *source, WeftPortText *target)
{
  weft_port_text_free(diagnostic->source);
  weft_port_text_free(diagnostic->target);
  diagnostic->source = source;
  diagnostic->target = target;
  return diagnostic;
}

static int by_place(const void *a, const void *b)
{
  const WeftDiagnostic *x = *(WeftDiagnostic *const *)a, *y = *(WeftDiagnostic *const *)b;
  int files = g_strcmp0(x->within, y->within); /* the file's own first */
  if (files)
    return files;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  return x->column == y->column ? 0 : x->column < y->column ? -1 : 1;
}

static void append_side(GString *text, const char *what, const WeftPortText *side)
{
  g_autofree char *port = side ? weft_port_text_print(side) : NULL;
  if (port)
    g_string_append_printf(text, "  %s: %s\n", what, port);
}

static void append(GString *text, const char *file, const WeftDiagnostic *diagnostic)
{
  g_string_append_printf(text, "%s:", diagnostic->file ? diagnostic->file : file);
  if (diagnostic->line)
    g_string_append_printf(text, "%u:%u:", diagnostic->line, diagnostic->column);
  g_string_append_c(text, ' ');
  if (diagnostic->warning)
    g_string_append(text, "warning: ");
  if (diagnostic->within)
    g_string_append_printf(text, "in sub-pipeline \"%s\": ", diagnostic->within);
  if (diagnostic->node)
    g_string_append_printf(text, "node \"%s\"%s", diagnostic->node, diagnostic->port ? ", " : ": ");
  if (diagnostic->port)
    g_string_append_printf(text, "port \"%s\": ", diagnostic->port);
  g_string_append_printf(text, "%s\n", diagnostic->message);
  append_side(text, "takes", diagnostic->target);
  append_side(text, "given", diagnostic->source);
  if (diagnostic->hint)
    g_string_append_printf(text, "  hint: %s\n", diagnostic->hint);
}

GPtrArray *weft_diagnostics_sorted(const WeftDiagnostics *diagnostics)
{
  guint n = MIN(diagnostics->list->len, WEFT_DIAGNOSTICS_MAX);
  GPtrArray *sorted = g_ptr_array_sized_new(n);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(sorted, diagnostics->list->pdata[i]);
  g_ptr_array_sort(sorted, by_place); /* GLib's is stable: merge sort */
  return sorted;
}

guint weft_diagnostics_n_more(const WeftDiagnostics *diagnostics)
{
  return diagnostics->list->len - MIN(diagnostics->list->len, WEFT_DIAGNOSTICS_MAX) + diagnostics->n_dropped;
}

char *weft_diagnostics_text(const WeftDiagnostics *diagnostics)
{
  g_autoptr(GPtrArray) sorted = weft_diagnostics_sorted(diagnostics);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < sorted->len; i++)
    append(text, diagnostics->file, sorted->pdata[i]);
  guint n_more = weft_diagnostics_n_more(diagnostics);
  if (n_more)
    g_string_append_printf(text, "%s: %u more not shown (at most %d are)\n", diagnostics->file, n_more,
                           WEFT_DIAGNOSTICS_MAX);
  return g_string_free(text, FALSE);
}
