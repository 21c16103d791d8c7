/* SPDX-License-Identifier: Apache-2.0 */
/* What a registrar writes of files that are installed or refused. */
#include "registrar-private.h"

#include <string.h>
#include <unistd.h>

gboolean weft_registrar_holds(WeftRegistrar *registrar, const char *id, const char *version, char **sha256,
                              GError **error)
{
  gboolean row = FALSE;
  *sha256 = NULL;
  g_autoptr(WeftStatement) statement = weft_database_query(
    registrar->database, error, "SELECT sha256 FROM plugin WHERE id = ? AND version = ?", "ss", id, version);
  if (!statement || !weft_database_step(registrar->database, statement, &row, error))
    return FALSE;
  if (row)
    *sha256 = weft_column_sure(statement, 0);
  return TRUE;
}

/* ---- events ---- */

static gboolean insert_event(WeftRegistrar *registrar, const char *what, const WeftRegistrarFile *file,
                             const char *code, const char *reason, GError **error)
{
  g_autofree char *name = g_path_get_basename(file->path), *user = weft_audit_user();
  return weft_database_run(registrar->database, error,
                           "INSERT INTO install_event (at, what, path, file_name, sha256, code, reason, user) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                           "isssssss", g_get_real_time() / G_USEC_PER_SEC, what, file->path, name, file->sha256, code,
                           reason, user);
}

static char *names_of(const WeftRegistrarFile *file)
{
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < file->n_plugins; i++)
    g_string_append_printf(names, "%s%s@%s", i ? ", " : "", file->plugins[i].id, file->version);
  if (!file->n_plugins)
    g_string_append(names, file->path);
  return g_string_free(names, FALSE);
}

gboolean weft_registrar_event(WeftRegistrar *registrar, const char *what, const WeftRegistrarFile *file,
                              const char *code, const char *reason, GError **error)
{
  g_autofree char *names = names_of(file);
  if (!insert_event(registrar, what, file, code, reason, error))
    return FALSE;
  gint64 number = sqlite3_last_insert_rowid(registrar->database->handle);
  for (guint i = 0; i < file->n_plugins; i++)
    if (!weft_database_run(registrar->database, error,
                           "INSERT INTO install_event_plugin (event, id, version, kind) VALUES (?, ?, ?, ?)", "isss",
                           number, file->plugins[i].id, file->version, file->plugins[i].kind))
      return FALSE;
  return weft_audit_note(registrar->database, what, names, file->sha256, reason ? reason : file->path, error);
}

/* ---- installing ---- */

static gboolean insert_plugins(WeftRegistrar *registrar, const WeftRegistrarFile *file, GError **error)
{
  for (guint i = 0; i < file->n_plugins; i++) {
    const WeftRegistrarPlugin *plugin = &file->plugins[i];
    if (!weft_database_run(registrar->database, error,
                           "INSERT INTO plugin (id, version, sha256, kind, summary, reads_type, bundled) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?)",
                           "ssssssi", plugin->id, file->version, file->sha256, plugin->kind, plugin->summary,
                           plugin->reads_type, (gint64)file->bundled))
      return FALSE;
    /* What was refused under this name before is replaced by what is right. */
    if (!weft_database_run(registrar->database, error,
                           "DELETE FROM quarantine WHERE version = ? AND sha256 IN (SELECT sha256 FROM quarantine_plugin "
                           "WHERE id = ?)", "ss", file->version, plugin->id))
      return FALSE;
  }
  return TRUE;
}

static gboolean insert_file(WeftRegistrar *registrar, const WeftRegistrarFile *file, GError **error)
{
  return weft_database_run(registrar->database, error,
                           "INSERT INTO plugin_file (sha256, n_bytes, machine, name, version, licence, contract, "
                           "manifest, source, bundled, installed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           "siisssissii", file->sha256, file->n_bytes, (gint64)file->machine, file->name, file->version,
                           file->licence, (gint64)file->contract, file->manifest, file->path, (gint64)file->bundled,
                           g_get_real_time() / G_USEC_PER_SEC) &&
         insert_plugins(registrar, file, error) &&
         weft_registrar_event(registrar, "installed", file, NULL, NULL, error);
}

static gboolean insert_quarantine(WeftRegistrar *registrar, const WeftRegistrarEntry *entry, GError **error)
{
  const WeftRegistrarFile *file = entry->file;
  if (!weft_database_run(registrar->database, error,
                         "INSERT OR REPLACE INTO quarantine (sha256, at, code, reason, n_bytes, machine, name, version, "
                         "licence, contract, manifest, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         "sissiisssiss", file->sha256, g_get_real_time() / G_USEC_PER_SEC, entry->code, entry->reason,
                         file->n_bytes, (gint64)file->machine, file->name, file->version, file->licence,
                         (gint64)file->contract, file->manifest, file->path))
    return FALSE;
  for (guint i = 0; i < file->n_plugins; i++)
    if (!weft_database_run(registrar->database, error,
                           "INSERT OR REPLACE INTO quarantine_plugin (sha256, id, kind, summary, reads_type) "
                           "VALUES (?, ?, ?, ?, ?)", "sssss", file->sha256, file->plugins[i].id, file->plugins[i].kind,
                           file->plugins[i].summary, file->plugins[i].reads_type))
      return FALSE;
  return TRUE;
}

typedef struct {
  WeftRegistrarEntry *entries;
  guint n;
} Group;

/* Whether what the file offers is installed already, from it or from another. */
static gboolean compare(WeftRegistrar *registrar, WeftRegistrarEntry *entry, GError **error)
{
  guint n_same = 0;
  for (guint i = 0; i < entry->file->n_plugins && !entry->conflict; i++) {
    g_autofree char *sha256 = NULL;
    const char *id = entry->file->plugins[i].id;
    if (!weft_registrar_holds(registrar, id, entry->file->version, &sha256, error))
      return FALSE;
    n_same += sha256 && strcmp(sha256, entry->file->sha256) == 0;
    if (!sha256 || strcmp(sha256, entry->file->sha256) == 0)
      continue;
    entry->conflict = g_strdup_printf("%s@%s", id, entry->file->version);
    entry->conflict_sha256 = g_steal_pointer(&sha256);
  }
  entry->unchanged = !entry->conflict && n_same > 0;
  return TRUE;
}

static gboolean insert_entry(WeftRegistrar *registrar, WeftRegistrarEntry *entry, GError **error)
{
  if (!entry->code) {
    /* Two files of one group may meet: looked at in order. */
    if (!compare(registrar, entry, error))
      return FALSE;
    return entry->unchanged || entry->conflict || insert_file(registrar, entry->file, error);
  }
  return (!entry->staged || insert_quarantine(registrar, entry, error)) &&
         weft_registrar_event(registrar, "refused", entry->file, entry->code, entry->reason, error);
}

static gboolean insert_group(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const Group *group = data;
  for (guint i = 0; i < group->n; i++)
    if (!insert_entry(registrar, &group->entries[i], error))
      return FALSE;
  return TRUE;
}

static gboolean store_group(WeftRegistrar *registrar, WeftRegistrarEntry *entries, guint n, GError **error)
{
  g_autoptr(GPtrArray) digests = g_ptr_array_new();
  for (guint i = 0; i < n; i++) {
    if (!entries[i].staged)
      continue;
    if (!weft_store_commit(registrar->folder, entries[i].staged, entries[i].file->sha256, error))
      return FALSE;
    g_ptr_array_add(digests, (gpointer)entries[i].file->sha256);
  }
  return weft_store_sync(registrar->folder, (const char *const *)digests->pdata, digests->len, error);
}

/* Files that a failed transaction, a conflict or a replaced quarantine left: no row names them. */
static void remove_orphans(WeftRegistrar *registrar, WeftRegistrarEntry *entries, guint n)
{
  for (guint i = 0; i < n; i++) {
    gint64 n_rows = 1;
    g_autofree char *sql =
        entries[i].staged
            ? g_strdup_printf("SELECT (SELECT count(*) FROM plugin_file WHERE sha256 = '%1$s') + (SELECT count(*) FROM "
                              "quarantine WHERE sha256 = '%1$s') + (SELECT count(*) FROM artifact_file WHERE sha256 = "
                              "'%1$s')", entries[i].file->sha256)
            : NULL;
    if (sql && weft_database_number(registrar->database, sql, &n_rows, NULL) && n_rows == 0)
      weft_store_remove(registrar->folder, entries[i].file->sha256, NULL);
  }
}

gboolean weft_registrar_record(WeftRegistrar *registrar, WeftRegistrarEntry *entries, guint n, GError **error)
{
  Group group = {entries, n};
  if (!weft_registrar_lock(registrar, error))
    return FALSE;
  gboolean ok = store_group(registrar, entries, n, error) &&
                weft_registrar_transact(registrar, insert_group, &group, error);
  gboolean left = !ok;
  for (guint i = 0; i < n; i++)
    left = left || entries[i].conflict;
  if (left)
    remove_orphans(registrar, entries, n);
  weft_registrar_unlock(registrar);
  return ok;
}

gboolean weft_registrar_commit(WeftRegistrar *registrar, WeftStaged *staged, const WeftRegistrarFile *file,
                               GError **error)
{
  WeftRegistrarEntry entry = {.file = file, .staged = staged};
  if (!weft_registrar_record(registrar, &entry, 1, error))
    return FALSE;
  if (!entry.conflict)
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: %s is installed already with other content",
              file->path, entry.conflict);
  g_free(entry.conflict);
  g_free(entry.conflict_sha256);
  return FALSE;
}

gboolean weft_registrar_refuse(WeftRegistrar *registrar, const WeftRegistrarFile *file, const char *code,
                               const char *reason, GError **error)
{
  WeftRegistrarEntry entry = {.file = file, .code = code, .reason = reason};
  return weft_registrar_record(registrar, &entry, 1, error);
}
