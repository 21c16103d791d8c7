/* SPDX-License-Identifier: Apache-2.0 */
/* What a catalogue still owes its models, assets and pipelines: folders of links, removal, repair. */
#include "artifact-private.h"

#include "derived.h"
#include "disk.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean fail(const char *path, const char *doing, GError **error)
{
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot %s: %s", path, doing,
              g_strerror(errno));
  return FALSE;
}

static gboolean same_file(const char *a, const char *b)
{
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A hard link, or, where the file system has none, a symbolic one that moves with the catalogue. */
static gboolean link_file(const char *folder, const WeftArtifactFile *file, gboolean *changed, GError **error)
{
  g_autofree char *path = g_build_filename(folder, file->name, NULL);
  if (same_file(path, file->path))
    return TRUE;
  *changed = TRUE;
  if (unlink(path) != 0 && errno != ENOENT)
    return fail(path, "replace the file", error);
  if (link(file->path, path) == 0)
    return TRUE;
  if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
    return fail(path, "link the file", error);
  g_autofree char *target = g_strdup_printf("../../sha256/%.2s/%s", file->sha256, file->sha256);
  return symlink(target, path) == 0 || fail(path, "link the file", error);
}

gboolean weft_artifact_link(const WeftArtifactRow *row, GError **error)
{
  g_autofree char *models = g_path_get_dirname(row->path);
  gboolean changed = FALSE;
  if (!weft_disk_make_folder(row->path, error))
    return FALSE;
  for (guint i = 0; i < row->files->len; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    if (weft_model_file_counts(file->name) && !link_file(row->path, file, &changed, error))
      return FALSE;
  }
  return !changed || (weft_disk_sync_folder(row->path, error) && weft_disk_sync_folder(models, error));
}

/* Whether a query with one text has a row. */
static gboolean any_row(WeftDatabase *database, const char *sql, const char *word, gboolean *has, GError **error)
{
  g_autoptr(WeftStatement) statement = weft_database_query(database, error, sql, "s", word);
  return statement && weft_database_step(database, statement, has, error);
}

/* ---- removal ---- */

gboolean weft_artifact_release(WeftRegistrar *registrar, const char *sha256, GError **error)
{
  static const char *const tables[] = {"artifact_file", "plugin_file", "quarantine"};
  gboolean named = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(tables) && !named; i++) {
    g_autofree char *sql = g_strdup_printf("SELECT 1 FROM %s WHERE sha256 = ? LIMIT 1", tables[i]);
    if (!any_row(registrar->database, sql, sha256, &named, error))
      return FALSE;
  }
  return named || weft_store_remove(registrar->folder, sha256, error);
}

/* What was made out of a model, or (digest NULL) out of models that are not known. */
static gboolean remove_derived(const char *folder, const char *digest, GHashTable *known, GError **error)
{
  g_autoptr(GPtrArray) files = weft_derived_list(folder, digest);
  for (guint i = 0; i < files->len; i++) {
    const WeftDerivedFile *file = files->pdata[i];
    if (!(known && g_hash_table_contains(known, file->model_digest)) && !weft_derived_remove(file, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean release(WeftRegistrar *registrar, const WeftArtifactRow *row, GError **error)
{
  gboolean shared = FALSE;
  if (row->kind == WEFT_ARTIFACT_MODEL) {
    if (!any_row(registrar->database, "SELECT 1 FROM artifact WHERE kind = 'model' AND digest = ? LIMIT 1", row->digest,
                 &shared, error) ||
        (!shared && !(weft_disk_remove_folder(row->path, error) && remove_derived(row->catalogue, row->digest, NULL, error))))
      return FALSE;
  }
  for (guint i = 0; i < row->files->len; i++)
    if (!weft_artifact_release(registrar, ((WeftArtifactFile *)row->files->pdata[i])->sha256, error))
      return FALSE;
  return TRUE;
}

static gboolean note(WeftRegistrar *registrar, const char *action, const WeftArtifactRow *row, const char *detail,
                     GError **error)
{
  g_autofree char *object = g_strdup_printf("%s %s@%s", weft_artifact_kind_name(row->kind), row->name, row->version);
  return weft_audit_note(registrar->database, action, object, row->digest, detail, error);
}

static gboolean delete_row(WeftRegistrar *registrar, const WeftArtifactRow *row, GError **error)
{
  return weft_database_run(registrar->database, error, "DELETE FROM artifact WHERE kind = ? AND name = ? AND version = ?",
                           "sss", weft_artifact_kind_name(row->kind), row->name, row->version);
}

static gboolean remove_row(WeftRegistrar *registrar, gpointer data, GError **error)
{
  return delete_row(registrar, data, error) && note(registrar, "removed", data, NULL, error);
}

static gboolean remove_rows(WeftRegistrar *registrar, const GPtrArray *rows, const char *version, GPtrArray *names,
                            GError **error)
{
  for (guint i = 0; i < rows->len; i++) {
    const WeftArtifactRow *row = rows->pdata[i];
    if (version && strcmp(row->version, version) != 0)
      continue;
    /* Rows first: what has no row is swept later, a row without its files would be a broken promise. */
    if (!weft_registrar_transact(registrar, remove_row, (gpointer)row, error) || !release(registrar, row, error))
      return FALSE;
    g_ptr_array_add(names, g_strdup_printf("%s@%s", row->name, row->version));
  }
  return TRUE;
}

gboolean weft_artifact_remove(WeftRegistrar *registrar, WeftArtifactKind kind, const char *name, const char *version,
                              char ***removed, GError **error)
{
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)weft_artifact_row_free);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  if (!weft_registrar_lock(registrar, error))
    return FALSE;
  gboolean ok = weft_artifact_select(registrar->database, kind, name, rows, error) &&
                remove_rows(registrar, rows, version, names, error);
  weft_registrar_unlock(registrar);
  if (!ok)
    return FALSE;
  if (names->len == 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND, "%s: there is no %s \"%s%s%s\"",
                registrar->folder, weft_artifact_kind_name(kind), name, version ? "@" : "", version ? version : "");
    return FALSE;
  }
  g_ptr_array_add(names, NULL);
  *removed = (char **)g_ptr_array_steal(names, NULL);
  return TRUE;
}

/* ---- repair ---- */

typedef struct {
  const WeftArtifactRow *row;
  const WeftArtifactFile *file;
} Loss;

static gboolean record_lost(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const Loss *loss = data;
  const WeftArtifactRow *row = loss->row;
  g_autofree char *reason = g_strdup_printf("%s %s@%s: its file %s was no longer in the store: %s",
                                            weft_artifact_kind_name(row->kind), row->name, row->version,
                                            loss->file->name, loss->file->path);
  return delete_row(registrar, row, error) && note(registrar, "lost", row, reason, error);
}

/* A file that is gone; *lost NULL: the row has all it needs. */
static gboolean find_lost(const WeftArtifactRow *row, const WeftArtifactFile **lost, GError **error)
{
  *lost = NULL;
  for (guint i = 0; i < row->files->len && !*lost; i++) {
    const WeftArtifactFile *file = row->files->pdata[i];
    gboolean lacks = FALSE;
    if (!weft_store_lacks(row->catalogue, file->sha256, &lacks, error))
      return FALSE;
    if (lacks)
      *lost = file;
  }
  return TRUE;
}

/* Folders of models that are no longer there. */
static gboolean sweep_folders(const char *catalogue, GHashTable *known, GError **error)
{
  g_autofree char *models = g_build_filename(catalogue, "models", NULL);
  g_autoptr(GDir) dir = g_dir_open(models, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(models, name, NULL);
    if (!g_hash_table_contains(known, name) && !weft_disk_remove_folder(path, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean repair_row(WeftRegistrar *registrar, const WeftArtifactRow *row, GHashTable *folders, GError **error)
{
  Loss loss = {row, NULL};
  if (!find_lost(row, &loss.file, error))
    return FALSE;
  if (loss.file)
    return weft_registrar_transact(registrar, record_lost, &loss, error);
  if (row->kind != WEFT_ARTIFACT_MODEL)
    return TRUE;
  g_hash_table_add(folders, row->digest);
  return weft_artifact_link(row, error);
}

gboolean weft_artifact_repair(WeftRegistrar *registrar, GError **error)
{
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)weft_artifact_row_free);
  g_autoptr(GHashTable) folders = g_hash_table_new(g_str_hash, g_str_equal);
  for (int kind = WEFT_ARTIFACT_MODEL; kind <= WEFT_ARTIFACT_PIPELINE; kind++)
    if (!weft_artifact_select(registrar->database, (WeftArtifactKind)kind, NULL, rows, error))
      return FALSE;
  for (guint i = 0; i < rows->len; i++)
    if (!repair_row(registrar, rows->pdata[i], folders, error))
      return FALSE;
  weft_derived_sweep(registrar->folder);
  return sweep_folders(registrar->folder, folders, error) && remove_derived(registrar->folder, NULL, folders, error);
}
