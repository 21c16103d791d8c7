/* SPDX-License-Identifier: Apache-2.0 */
#include "archive.h"
#include "plugin-private.h"

#include <stdio.h>

static const char help[] =
    "  backup FILE    the whole catalogue as one file, also while it is in use\n"
    "  restore FILE   the catalogue of a backup takes the place of the one that is there\n"
    "  export DIR     a folder that another machine can name with WEFT_CATALOGUE\n"
    "  check          whether databases, store and audit trail are sound\n\n"
    "  --catalogue DIR  that catalogue, instead of the first of WEFT_CATALOGUE or the user's\n"
    "  --json           the same as JSON\n"
    "  --force          backup: replaces FILE; restore: moves a catalogue that is there aside, to DIR.old-DATE\n"
    "  --quick          check: does not read every file of the store\n\n"
    "exit codes: 0 done, sound; 1 something is wrong; 2 options or arguments are wrong; 4 the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_catalogue = {"catalogue", "backup FILE|restore FILE|export DIR|check [OPTION]...",
                                            "Keeps, brings back, hands on and checks a whole catalogue.", help, run};

/* The only argument; NULL: said. */
static const char *only_word(const WeftActionOptions *options, const char *action, const char *what, int *code)
{
  if (options->words->len == 1)
    return g_ptr_array_index(options->words, 0);
  *code = weft_command_usage_error(options->command, "%s: expected one %s", action, what);
  return NULL;
}

static int tell_size(const WeftActionOptions *options, const char *did, const char *to, const WeftArchiveSize *size)
{
  if (options->json)
    weft_command_print_json(json_pack("{s:s, s:o, s:i, s:I}", "done", did, "to", weft_command_text(to), "files", (int)size->n_files,
                                "bytes", (json_int_t)size->n_bytes));
  else
    printf("%s to %s: %u files, %" G_GINT64_FORMAT " bytes\n", did, to, size->n_files, size->n_bytes);
  return WEFT_EXIT_OK;
}

static int backup(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  int code = WEFT_EXIT_OK;
  WeftArchiveSize size;
  g_autofree char *folder = weft_action_folder(options);
  const char *file = only_word(options, "backup", "FILE", &code);
  if (!file)
    return code;
  if (!weft_catalogue_is_there(folder, &error) || !weft_archive_backup(folder, file, options->force, &size, &error))
    return weft_action_fail(options, error);
  return tell_size(options, "backed up", file, &size);
}

static int export(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  int code = WEFT_EXIT_OK;
  WeftArchiveSize size;
  g_autofree char *folder = weft_action_folder(options);
  const char *target = only_word(options, "export", "DIR", &code);
  if (!target)
    return code;
  if (!weft_catalogue_is_there(folder, &error) || !weft_archive_export(folder, target, &size, &error))
    return weft_action_fail(options, error);
  return tell_size(options, "exported", target, &size);
}

static int restore(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  int code = WEFT_EXIT_OK;
  g_autofree char *folder = weft_action_folder(options), *old = NULL;
  const char *file = only_word(options, "restore", "FILE", &code);
  if (!file)
    return code;
  if (!weft_archive_restore(file, folder, options->force, &old, &error))
    return weft_action_fail(options, error);
  if (options->json)
    weft_command_print_json(json_pack("{s:s, s:o, s:o}", "done", "restored", "to", weft_command_text(folder), "old",
                                weft_command_text(old)));
  else
    printf("restored to %s%s%s\n", folder, old ? "; the old one is kept in " : "", old ? old : "");
  return WEFT_EXIT_OK;
}

static int check(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = weft_action_folder(options);
  if (options->words->len)
    return weft_command_usage_error(options->command, "check takes no argument");
  g_autoptr(GPtrArray) problems = weft_archive_check(folder, !options->quick, &error);
  if (!problems)
    return weft_action_fail(options, error);
  json_t *all = json_array();
  for (guint i = 0; i < problems->len; i++) {
    const WeftProblem *problem = g_ptr_array_index(problems, i);
    if (options->json)
      json_array_append_new(all, json_pack("{s:o, s:o}", "code", weft_command_text(problem->code), "message",
                                           weft_command_text(problem->message)));
    else
      fprintf(stderr, "%s\n", problem->message);
  }
  if (options->json)
    weft_command_print_json(json_incref(all));
  else if (!problems->len)
    printf("%s: sound\n", folder);
  json_decref(all);
  return problems->len ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
}

static const WeftAction actions[] = {
    {"backup", "--force", backup}, {"restore", "--force", restore}, {"export", "", export}, {"check", "--quick", check}};

static int run(int argc, char **argv)
{
  return weft_action_run(&weft_command_catalogue, actions, G_N_ELEMENTS(actions), argc, argv);
}
