/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include "plugin-private.h"

#include <stdio.h>

static const char help[] =
    "  list     what was changed, by whom, when: the oldest first\n"
    "  verify   whether each row continues the one before it; prints how many, and the last hash\n\n"
    "  --catalogue DIR  that catalogue, instead of the first of WEFT_CATALOGUE or the user's\n"
    "  --last N         list: only the last N rows\n"
    "  --json           the same as JSON\n\n"
    "exit codes: 0 done, whole; 1 a row does not fit; 2 options or arguments are wrong; 4 the trail cannot be read\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_audit = {"audit", "list|verify [OPTION]...",
                                        "Tells what was done to a catalogue, and proves that nobody changed it.", help, run};

static json_t *row_json(const WeftAuditRow *row)
{
  return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "number", (json_int_t)row->number, "at",
                   (json_int_t)row->at, "uid", (json_int_t)row->uid, "user", weft_command_text(row->user), "action",
                   weft_command_text(row->action), "object", weft_command_text(row->object), "sha256",
                   weft_command_text(row->digest), "detail", weft_command_text(row->detail), "repaired", row->repaired,
                   "hash", weft_command_text(row->hash));
}

static gboolean add_json(void *data, const WeftAuditRow *row)
{
  json_array_append_new(data, row_json(row));
  return TRUE;
}

static gboolean print_row(void *data, const WeftAuditRow *row)
{
  g_autofree char *when = weft_action_time(row->at);
  printf("%6" G_GINT64_FORMAT "  %s  %-10s %-9s %s%s%s%s\n", row->number, when, row->user, row->action, row->object,
         row->detail ? ": " : "", row->detail ? row->detail : "", row->repaired ? " (repaired)" : "");
  return TRUE;
}

static int list(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = weft_action_folder(options);
  if (options->words->len)
    return weft_command_usage_error(options->command, "list takes no argument");
  json_t *all = options->json ? json_array() : NULL;
  if (!weft_audit_each(folder, options->last, options->json ? add_json : print_row, all, &error)) {
    json_decref(all);
    return weft_action_fail(options, error);
  }
  if (all)
    weft_command_print_json(all);
  return WEFT_EXIT_OK;
}

static int verify(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = weft_action_folder(options), *last = NULL;
  guint64 n = 0;
  if (options->words->len)
    return weft_command_usage_error(options->command, "verify takes no argument");
  gboolean ok = weft_audit_verify(folder, &n, &last, &error);
  gboolean broken = g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT);
  if (!ok && !broken)
    return weft_action_fail(options, error);
  if (options->json)
    weft_command_print_json(json_pack("{s:b, s:I, s:o, s:o}", "whole", ok, "rows", (json_int_t)n, "hash", weft_command_text(last),
                                "reason", weft_command_text(ok ? NULL : error->message)));
  else if (ok)
    printf("%s: whole: %" G_GUINT64_FORMAT " rows, last hash %s\n", folder, n, last);
  if (ok)
    return WEFT_EXIT_OK;
  fprintf(stderr, "weft audit: %s\n", error->message);
  return WEFT_EXIT_FAILED;
}

static const WeftAction actions[] = {{"list", "--last", list}, {"verify", "", verify}};

static int run(int argc, char **argv)
{
  return weft_action_run(&weft_command_audit, actions, G_N_ELEMENTS(actions), argc, argv);
}
