/* SPDX-License-Identifier: Apache-2.0 */
#include "shelf.h"

#include "packed.h"

#include "places.h"

#include <stdio.h>
#include <string.h>

static int report(const WeftArtifactOptions *options, const GError *error)
{
  if (g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_RANGE))
    return weft_command_refuse_error(options->command, WEFT_EXIT_USAGE, error);
  gboolean about_it = g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND) ||
                      g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_EXISTS) ||
                      g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED);
  return weft_command_refuse_error(options->command, about_it ? WEFT_EXIT_FAILED : WEFT_EXIT_PIPELINE, error);
}

WeftCatalogue *weft_artifact_catalogue(const WeftArtifactOptions *options, GError **error)
{
  g_autofree char *bundled = options->catalogue ? NULL : weft_place_bundled_catalogue();
  if (options->catalogue)
    g_setenv("WEFT_CATALOGUE", options->catalogue, TRUE);
  return weft_catalogue_open(bundled, error);
}

/* make: also where there is none yet. */
static WeftRegistrar *open_registrar(const WeftArtifactOptions *options, gboolean make, GError **error)
{
  g_autofree char *folder =
      options->catalogue ? g_strdup(options->catalogue) : weft_catalogue_default_folder();
  return make || weft_catalogue_is_there(folder, error) ? weft_registrar_open(folder, FALSE, error) : NULL;
}

static json_t *row_json(const WeftArtifactRow *row, gboolean with_files)
{
  json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "kind",
                             weft_artifact_kind_name(row->kind), "name", row->name, "version", row->version, "digest",
                             row->digest, "bytes", (json_int_t)row->n_bytes, "files", (json_int_t)row->files->len,
                             "added_at", (json_int_t)row->added_at, "source", weft_command_text(row->source), "path",
                             weft_command_text(row->path), "catalogue", weft_command_text(row->catalogue));
  if (!with_files)
    return object;
  json_t *files = json_array();
  for (guint i = 0; i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    json_array_append_new(files, json_pack("{s:o, s:s, s:I, s:o}", "name", weft_command_text(file->name), "sha256",
                                           file->sha256, "bytes", (json_int_t)file->n_bytes, "path",
                                           weft_command_text(file->path)));
  }
  json_object_set_new(object, "files", files);
  if (row->kind == WEFT_ARTIFACT_MODEL) {
    g_autoptr(GPtrArray) packed = weft_packed_list(row);
    json_object_set_new(object, "packed", weft_packed_json(packed));
  }
  return object;
}

/* ---- add ---- */

char *weft_artifact_name_of_path(const WeftArtifactOptions *options, const char *path)
{
  (void)options;
  g_autofree char *clean = g_canonicalize_filename(path, NULL);
  char *name = g_path_get_basename(clean);
  char *dot = strchr(name, '.');
  if (dot && dot != name && !g_file_test(clean, G_FILE_TEST_IS_DIR))
    *dot = 0;
  return name;
}

int weft_artifact_command_add(const WeftArtifactOptions *options, WeftArtifactName default_name)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len != 1)
    return weft_command_usage_error(options->command, "add: expected one %s",
                                    options->kind == WEFT_ARTIFACT_MODEL ? "DIR" : "FILE");
  const char *path = options->words->pdata[0];
  g_autofree char *own_name = default_name(options, path);
  if (!own_name)
    return WEFT_EXIT_FAILED;
  WeftArtifactSource source = {options->kind, path, options->name ? options->name : own_name,
                               options->version ? options->version : "1.0.0"};
  g_autoptr(WeftRegistrar) registrar = open_registrar(options, TRUE, &error);
  gboolean is_new = FALSE;
  if (!registrar || !weft_artifact_add(registrar, &source, &is_new, &error))
    return report(options, error);
  const char *outcome = is_new ? "added" : "unchanged";
  if (!options->json)
    printf("%s %s %s@%s%s\n", outcome, weft_artifact_kind_name(options->kind), source.name, source.version,
           is_new ? "" : ": it is there already");
  else
    weft_command_print_json(json_pack("{s:s, s:s, s:s, s:s}", "outcome", outcome, "kind", weft_artifact_kind_name(options->kind),
                         "name", source.name, "version", source.version));
  return WEFT_EXIT_OK;
}

/* ---- list ---- */

static void print_rows(const GPtrArray *rows)
{
  int name = 4, version = 7;
  for (guint i = 0; i < rows->len; i++) {
    const WeftArtifactRow *row = rows->pdata[i];
    name = MAX(name, (int)strlen(row->name));
    version = MAX(version, (int)strlen(row->version));
  }
  printf("%-*s  %-*s  %-12s  %9s  %s\n", name, "NAME", version, "VERSION", "DIGEST", "SIZE", "SOURCE");
  for (guint i = 0; i < rows->len; i++) {
    const WeftArtifactRow *row = rows->pdata[i];
    g_autofree char *size = g_format_size_full((guint64)row->n_bytes, G_FORMAT_SIZE_IEC_UNITS);
    printf("%-*s  %-*s  %.12s  %9s  %s\n", name, row->name, version, row->version, row->digest, size, row->source);
  }
}

int weft_artifact_command_list(const WeftArtifactOptions *options)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len)
    return weft_command_usage_error(options->command, "list takes no argument: %s",
                                    (const char *)options->words->pdata[0]);
  g_autoptr(WeftCatalogue) catalogue = weft_artifact_catalogue(options, &error);
  g_autoptr(GPtrArray) rows = catalogue ? weft_artifact_list(catalogue, options->kind, NULL, &error) : NULL;
  if (!rows)
    return report(options, error);
  if (!options->json) {
    print_rows(rows);
    return WEFT_EXIT_OK;
  }
  json_t *all = json_array();
  for (guint i = 0; i < rows->len; i++)
    json_array_append_new(all, row_json(rows->pdata[i], FALSE));
  weft_command_print_json(all);
  return WEFT_EXIT_OK;
}

/* ---- show, check ---- */

/* NAME or NAME@RANGE of the only argument; NULL with *code. */
static WeftArtifactRow *find(const WeftArtifactOptions *options, const char *action, int *code)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len != 1) {
    *code = weft_command_usage_error(options->command, "%s: expected one NAME[@RANGE]", action);
    return NULL;
  }
  g_auto(GStrv) parts = g_strsplit(options->words->pdata[0], "@", 2);
  const char *name = parts[0] ? parts[0] : "";
  g_autoptr(WeftCatalogue) catalogue = weft_artifact_catalogue(options, &error);
  WeftArtifactRow *row =
      catalogue ? weft_artifact_find(catalogue, options->kind, name, parts[0] ? parts[1] : NULL, &error) : NULL;
  if (!row)
    *code = report(options, error);
  return row;
}

int weft_artifact_command_show(const WeftArtifactOptions *options)
{
  int code = WEFT_EXIT_OK;
  g_autoptr(WeftArtifactRow) row = find(options, "show", &code);
  if (!row)
    return code;
  if (options->json) {
    weft_command_print_json(row_json(row, TRUE));
    return WEFT_EXIT_OK;
  }
  g_autoptr(GDateTime) at = g_date_time_new_from_unix_local(row->added_at);
  g_autofree char *when = at ? g_date_time_format(at, "%F %T") : g_strdup("?");
  printf("%s@%s, %s\n", row->name, row->version, weft_artifact_kind_name(row->kind));
  printf("digest  %s\nsource  %s, added %s\nstate   in %s\npath    %s\nfiles\n", row->digest, row->source, when,
         row->catalogue, row->path);
  for (guint i = 0; i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    printf("  %s  %12" G_GINT64_FORMAT "  %s\n", file->sha256, file->n_bytes, file->name);
  }
  if (row->kind == WEFT_ARTIFACT_MODEL)
    weft_packed_print(row);
  return WEFT_EXIT_OK;
}

/* NULL-terminated; caller frees with g_strfreev. */
static char **problems_of(const WeftArtifactRow *row)
{
  g_autofree char **files = weft_artifact_check(row);
  GPtrArray *all = g_ptr_array_new();
  for (char **problem = files; *problem; problem++)
    g_ptr_array_add(all, *problem);
  if (row->kind == WEFT_ARTIFACT_MODEL)
    weft_packed_check(row, all);
  g_ptr_array_add(all, NULL);
  return (char **)g_ptr_array_free(all, FALSE);
}

int weft_artifact_command_check(const WeftArtifactOptions *options)
{
  int code = WEFT_EXIT_OK;
  g_autoptr(WeftArtifactRow) row = find(options, "check", &code);
  if (!row)
    return code;
  g_auto(GStrv) problems = problems_of(row);
  if (options->json) {
    json_t *object = row_json(row, FALSE), *list = json_array();
    for (char **problem = problems; *problem; problem++)
      json_array_append_new(list, weft_command_text(*problem));
    json_object_set_new(object, "good", json_boolean(!problems[0]));
    json_object_set_new(object, "problems", list);
    weft_command_print_json(object);
  } else if (!problems[0]) {
    printf("%s@%s: good, %u files as they were added\n", row->name, row->version, row->files->len);
  }
  for (char **problem = problems; !options->json && *problem; problem++)
    fprintf(stderr, "weft %s: %s@%s: %s\n", options->command->name, row->name, row->version, *problem);
  return problems[0] ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
}

/* ---- remove ---- */

int weft_artifact_command_remove(const WeftArtifactOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) removed = NULL;
  if (options->words->len != 1)
    return weft_command_usage_error(options->command, "remove: expected one NAME[@VERSION]");
  g_auto(GStrv) parts = g_strsplit(options->words->pdata[0], "@", 2);
  g_autoptr(WeftRegistrar) registrar = open_registrar(options, FALSE, &error);
  if (!registrar ||
      !weft_artifact_remove(registrar, options->kind, parts[0] ? parts[0] : "", parts[0] ? parts[1] : NULL, &removed,
                            &error))
    return report(options, error);
  json_t *all = json_array();
  for (char **name = removed; *name; name++) {
    if (!options->json)
      printf("removed %s %s\n", weft_artifact_kind_name(options->kind), *name);
    json_array_append_new(all, json_string(*name));
  }
  if (options->json)
    weft_command_print_json(json_incref(all));
  json_decref(all);
  return WEFT_EXIT_OK;
}

/* ---- options ---- */

int weft_artifact_unknown(const WeftCommand *command, const char *what, const char *word, const char *const *names,
                          gsize n_names)
{
  const char *closest = weft_closest(word, names, n_names);
  return weft_command_usage_error(command, "%s is not %s%s%s%s", word, what, closest ? "; did you mean " : "",
                                  closest ? closest : "", closest ? "?" : "");
}

int weft_artifact_parse(WeftArtifactOptions *options, int argc, char **argv)
{
  static const char *const names[] = {"--json", "--catalogue", "--name", "--version", "--help"};
  const char **const values[] = {NULL, &options->catalogue, &options->name, &options->version, NULL};
  gboolean literal = FALSE;
  options->words = g_ptr_array_new();
  for (int i = 2; i < argc; i++) {
    const char *word = argv[i];
    guint k = 0;
    while (k < G_N_ELEMENTS(names) && strcmp(word, names[k]) != 0)
      k++;
    if (literal || word[0] != '-')
      g_ptr_array_add(options->words, argv[i]);
    else if (strcmp(word, "--") == 0)
      literal = TRUE;
    else if (k == G_N_ELEMENTS(names))
      return weft_artifact_unknown(options->command, "an option", word, names, G_N_ELEMENTS(names));
    else if (values[k] && (i + 1 == argc || !*argv[i + 1]))
      return weft_command_usage_error(options->command, "%s: a value is missing", word);
    else if (values[k])
      *values[k] = argv[++i];
    else if (k == 0)
      options->json = TRUE;
    else
      options->help = TRUE;
  }
  return WEFT_EXIT_OK;
}
