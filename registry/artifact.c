/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of models, assets and pipelines, read through the search order. */
#include "artifact-private.h"

#include "catalogue-private.h"
#include "digest.h"
#include "store.h"
#include "version.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[] = {"model", "asset", "pipeline"};

const char *weft_artifact_kind_name(WeftArtifactKind kind)
{
  return kind_names[kind];
}

gboolean weft_artifact_name_is_sound(const char *name)
{
  gsize n = strlen(name);
  gboolean sound = n && n <= WEFT_ARTIFACT_MAX_NAME && (g_ascii_isalpha(*name) || *name == '_');
  for (const char *c = name; *c && sound; c++)
    sound = g_ascii_isalnum(*c) || *c == '_' || *c == '-';
  return sound;
}

static void file_free(gpointer data)
{
  WeftArtifactFile *file = data;
  g_free(file->name);
  g_free(file->sha256);
  g_free(file->path);
  g_free(file);
}

void weft_artifact_row_free(WeftArtifactRow *row)
{
  if (!row)
    return;
  g_free(row->name);
  g_free(row->version);
  g_free(row->digest);
  g_free(row->source);
  g_free(row->catalogue);
  g_free(row->path);
  g_ptr_array_unref(row->files);
  g_free(row);
}

WeftArtifactRow *weft_artifact_row_new(WeftArtifactKind kind)
{
  WeftArtifactRow *row = g_new0(WeftArtifactRow, 1);
  row->kind = kind;
  row->files = g_ptr_array_new_with_free_func(file_free);
  return row;
}

char *weft_artifact_folder(const char *catalogue, const char *digest)
{
  return g_build_filename(catalogue, "models", digest, NULL);
}

static gboolean select_files(WeftDatabase *database, gint64 number, WeftArtifactRow *row, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(
    database, error, "SELECT name, sha256, n_bytes FROM artifact_file WHERE artifact = ? ORDER BY name", "i", number);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &has, error))
      return FALSE;
    if (!has)
      return TRUE;
    WeftArtifactFile *file = g_new0(WeftArtifactFile, 1);
    file->name = weft_column_sure(statement, 0);
    file->sha256 = weft_column_sure(statement, 1);
    file->n_bytes = sqlite3_column_int64(statement, 2);
    file->path = weft_store_path(database->folder, file->sha256);
    g_ptr_array_add(row->files, file);
  }
}

static WeftArtifactRow *read_row(WeftDatabase *database, WeftArtifactKind kind, sqlite3_stmt *statement, GError **error)
{
  g_autoptr(WeftArtifactRow) row = weft_artifact_row_new(kind);
  row->name = weft_column_sure(statement, 1);
  row->version = weft_column_sure(statement, 2);
  row->digest = weft_column_sure(statement, 3);
  row->n_bytes = sqlite3_column_int64(statement, 4);
  row->source = weft_column_sure(statement, 5);
  row->added_at = sqlite3_column_int64(statement, 6);
  row->catalogue = g_strdup(database->folder);
  row->path = kind == WEFT_ARTIFACT_MODEL ? weft_artifact_folder(database->folder, row->digest)
                                          : weft_store_path(database->folder, row->digest);
  return select_files(database, sqlite3_column_int64(statement, 0), row, error) ? g_steal_pointer(&row) : NULL;
}

gboolean weft_artifact_select(WeftDatabase *database, WeftArtifactKind kind, const char *name, GPtrArray *out,
                              GError **error)
{
  gboolean has = FALSE;
  g_autofree char *sql = g_strconcat("SELECT number, name, version, digest, n_bytes, source, added_at FROM artifact "
                                     "WHERE kind = ?", name ? " AND name = ?" : "", NULL);
  g_autoptr(WeftStatement) statement =
    weft_database_query(database, error, sql, name ? "ss" : "s", kind_names[kind], name);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(database, statement, &has, error))
      return FALSE;
    if (!has)
      return TRUE;
    WeftArtifactRow *row = read_row(database, kind, statement, error);
    if (!row)
      return FALSE;
    g_ptr_array_add(out, row);
  }
}

static int by_version(const WeftArtifactRow *a, const WeftArtifactRow *b)
{
  WeftVersion va, vb;
  weft_version_parse(a->version, &va);
  weft_version_parse(b->version, &vb);
  return weft_version_compare(&va, &vb);
}

static gint compare_rows(gconstpointer a, gconstpointer b)
{
  const WeftArtifactRow *x = *(WeftArtifactRow *const *)a, *y = *(WeftArtifactRow *const *)b;
  int c = strcmp(x->name, y->name);
  return c ? c : by_version(x, y);
}

static GPtrArray *rows_new(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)weft_artifact_row_free);
}

GPtrArray *weft_artifact_list(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name, GError **error)
{
  g_autoptr(GPtrArray) out = rows_new();
  for (guint i = 0; i < catalogue->databases->len; i++)
    if (!weft_artifact_select(g_ptr_array_index(catalogue->databases, i), kind, name, out, error))
      return NULL;
  g_ptr_array_sort(out, compare_rows);
  return g_steal_pointer(&out);
}

gboolean weft_artifact_has(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name)
{
  g_autoptr(GPtrArray) rows = weft_artifact_list(catalogue, kind, name, NULL);
  return rows && rows->len > 0;
}

/* Why there is none: other versions, a close name, or nothing of the kind at all. */
static void not_found(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name, const char *range,
                      GError **error)
{
  const char *what = kind_names[kind];
  g_autoptr(GPtrArray) rows = weft_artifact_list(catalogue, kind, NULL, error);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GString) versions = g_string_new(NULL);
  if (!rows)
    return;
  for (guint i = 0; i < rows->len; i++) {
    const WeftArtifactRow *row = rows->pdata[i];
    g_ptr_array_add(names, row->name);
    if (strcmp(row->name, name) == 0)
      g_string_append_printf(versions, "%s%s", versions->len ? ", " : "", row->version);
  }
  const char *closest = weft_closest(name, (const char *const *)names->pdata, names->len);
  if (versions->len && range && *range)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                "%s \"%s\" is in the catalogue, but not in a version %s; there is %s", what, name, range, versions->str);
  else if (versions->len)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                "%s \"%s\" is in the catalogue only as a prerelease, which must be named exactly: %s", what, name,
                versions->str);
  else if (closest)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                "there is no %s \"%s\" in the catalogue; did you mean \"%s\"?", what, name, closest);
  else
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND,
                "there is no %s \"%s\" in the catalogue; `weft %s list` shows what is there, `weft %s add` adds one", what,
                name, what, what);
}

/* The newest of rows within range, taken out of rows; NULL: none. */
static WeftArtifactRow *newest(GPtrArray *rows, const WeftVersionRange *range)
{
  guint best = G_MAXUINT;
  for (guint i = 0; i < rows->len; i++) {
    WeftVersion version;
    const WeftArtifactRow *row = rows->pdata[i];
    if (!weft_version_parse(row->version, &version) || !weft_version_range_has(range, &version))
      continue;
    if (best == G_MAXUINT || by_version(row, rows->pdata[best]) > 0)
      best = i;
  }
  return best == G_MAXUINT ? NULL : g_ptr_array_steal_index_fast(rows, best);
}

WeftArtifactRow *weft_artifact_find(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name,
                                    const char *range, GError **error)
{
  WeftVersionRange parsed;
  if (!weft_version_range_parse(range, &parsed)) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_RANGE,
                "\"%s\" is not a version range; expected 1.2.3, ^1.2, ~1.2, or none for the newest", range);
    return NULL;
  }
  for (guint i = 0; i < catalogue->databases->len; i++) {
    g_autoptr(GPtrArray) rows = rows_new();
    if (!weft_artifact_select(g_ptr_array_index(catalogue->databases, i), kind, name, rows, error))
      return NULL;
    WeftArtifactRow *row = newest(rows, &parsed);
    if (row)
      return row;
  }
  not_found(catalogue, kind, name, range, error);
  return NULL;
}

static void check_file(const char *path, const WeftArtifactFile *file, GPtrArray *problems)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    g_ptr_array_add(problems, g_strdup_printf("%s: cannot be opened (%s): %s", file->name, path, g_strerror(errno)));
    return;
  }
  g_autofree char *found = weft_digest_of_fd(fd);
  if (!found)
    g_ptr_array_add(problems, g_strdup_printf("%s: cannot be read (%s): %s", file->name, path, g_strerror(errno)));
  else if (strcmp(found, file->sha256) != 0)
    g_ptr_array_add(problems, g_strdup_printf("%s: its bytes have changed (%s): expected sha256 %s, found %s", file->name,
                                              path, file->sha256, found));
  close(fd);
}

char **weft_artifact_check(const WeftArtifactRow *row)
{
  GPtrArray *problems = g_ptr_array_new();
  for (guint i = 0; i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    check_file(file->path, file, problems);
  }
  g_ptr_array_add(problems, NULL);
  return (char **)g_ptr_array_free(problems, FALSE);
}
