/* SPDX-License-Identifier: Apache-2.0 */
/* Why a command ends without doing what it was asked: words on standard error, with --json an object beside them. */
#include "catalogue.h"
#include "command.h"
#include "diagnostic-json.h"

#include <stdio.h>

static gboolean wants_json, answered;

void weft_command_expect_json(char **argv)
{
  for (char **word = argv; *word && !g_str_equal(*word, "--"); word++)
    wants_json |= g_str_equal(*word, "--json");
}

void weft_command_print_json(json_t *value)
{
  answered = TRUE;
  json_dumpf(value, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(value);
}

/* A program reads one value: what was done before the trouble, or else what the trouble is. */
static void print_object(const char *code, const char *message, const char *hint)
{
  if (!wants_json || answered)
    return;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(NULL);
  WeftDiagnostic *fault = weft_diagnostics_add(diagnostics, code, 0, 0, "%s", message);
  if (hint)
    weft_diagnostic_hint(fault, "%s", hint);
  weft_command_print_json(weft_diagnostics_json(diagnostics));
}

int weft_command_refuse(const WeftCommand *command, int exit_code, const char *code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  fprintf(stderr, "weft%s%s: %s\n", command ? " " : "", command ? command->name : "", message);
  print_object(code, message, NULL);
  return exit_code;
}

int weft_command_usage_error(const WeftCommand *command, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args), *hint = g_strdup_printf("weft %s --help", command->name);
  va_end(args);
  fprintf(stderr, "weft %s: %s\nsee: %s\n", command->name, message, hint);
  print_object("usage", message, hint);
  return WEFT_EXIT_USAGE;
}

static const char *code_of(const GError *error)
{
  static const char *const names[] = {
    [WEFT_CATALOGUE_ERROR_FAILED] = "failed",     [WEFT_CATALOGUE_ERROR_NOT_FOUND] = "not-found",
    [WEFT_CATALOGUE_ERROR_MISSING] = "no-catalogue", [WEFT_CATALOGUE_ERROR_LOCKED] = "locked",
    [WEFT_CATALOGUE_ERROR_CORRUPT] = "corrupt",   [WEFT_CATALOGUE_ERROR_NEWER] = "newer",
    [WEFT_CATALOGUE_ERROR_READ_ONLY] = "read-only", [WEFT_CATALOGUE_ERROR_RANGE] = "usage",
    [WEFT_CATALOGUE_ERROR_EXISTS] = "exists"};
  gboolean known = error->domain == WEFT_CATALOGUE_ERROR && error->code >= 0 && error->code < (int)G_N_ELEMENTS(names);
  return known && names[error->code] ? names[error->code] : "failed";
}

int weft_command_refuse_error(const WeftCommand *command, int exit_code, const GError *error)
{
  if (g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_MISSING))
    exit_code = WEFT_EXIT_PIPELINE;
  return weft_command_refuse(command, exit_code, code_of(error), "%s", error->message);
}
