/* SPDX-License-Identifier: Apache-2.0 */
#include "registrar.h"

#include "database.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct WeftRegistrar {
  WeftDatabase *database;
  char *folder;
  int lock;
};

void weft_registrar_free(WeftRegistrar *registrar)
{
  if (!registrar)
    return;
  weft_database_close(registrar->database);
  if (registrar->lock >= 0)
    close(registrar->lock);
  g_free(registrar->folder);
  g_free(registrar);
}

static gboolean take_lock(WeftRegistrar *registrar, GError **error)
{
  g_autofree char *path = g_build_filename(registrar->folder, "lock", NULL);
  registrar->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (registrar->lock < 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY, "%s: cannot be locked: %s", path,
                g_strerror(errno));
    return FALSE;
  }
  for (int waited = 0; flock(registrar->lock, LOCK_EX | LOCK_NB) != 0; waited += 20) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot be locked: %s", path,
                  g_strerror(errno));
      return FALSE;
    }
    if (waited >= WEFT_REGISTRAR_WAIT_MS) {
      g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_LOCKED,
                  "%s: another installation is running there (waited %d s); try again when it has ended",
                  registrar->folder, WEFT_REGISTRAR_WAIT_MS / 1000);
      return FALSE;
    }
    g_usleep(20000);
  }
  return TRUE;
}

static gboolean add_event(WeftRegistrar *registrar, const char *what, const WeftRegistrarFile *file, const char *code,
                          const char *reason, GError **error)
{
  WeftDatabase *database = registrar->database;
  if (!weft_database_run(database, error,
                         "INSERT INTO install_event (at, what, path, sha256, code, reason) VALUES (?, ?, ?, ?, ?, ?)",
                         "isssss", g_get_real_time() / G_USEC_PER_SEC, what, file->path, file->sha256, code, reason))
    return FALSE;
  gint64 number = sqlite3_last_insert_rowid(database->handle);
  for (guint i = 0; i < file->n_plugins; i++)
    if (!weft_database_run(database, error,
                           "INSERT INTO install_event_plugin (event, id, version, kind) VALUES (?, ?, ?, ?)", "isss",
                           number, file->plugins[i].id, file->version, file->plugins[i].kind))
      return FALSE;
  return TRUE;
}

/* Runs work inside one transaction. */
typedef gboolean (*WeftWork)(WeftRegistrar *registrar, gpointer data, GError **error);

static gboolean transact(WeftRegistrar *registrar, WeftWork work, gpointer data, GError **error)
{
  if (!weft_database_exec(registrar->database, "BEGIN IMMEDIATE", error))
    return FALSE;
  if (work(registrar, data, error) && weft_database_exec(registrar->database, "COMMIT", error))
    return TRUE;
  sqlite3_exec(registrar->database->handle, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

/* ---- repair ---- */

static void sweep_file(void *data, const char *sha256)
{
  g_hash_table_add(data, g_strdup(sha256));
}

typedef struct {
  GHashTable *files;  /* digests in the store; those without a row are left at the end */
  GPtrArray *lost;    /* digests of rows without a file */
} Repair;

static gboolean record_lost(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const char *sha256 = data;
  g_autofree char *path = weft_store_path(registrar->folder, sha256);
  return weft_database_run(registrar->database, error,
                           "INSERT INTO install_event (at, what, path, sha256, code, reason) "
                           "SELECT ?, 'lost', source, sha256, 'lost', 'its file was no longer in the store: ' || ? "
                           "FROM plugin_file WHERE sha256 = ?",
                           "iss", g_get_real_time() / G_USEC_PER_SEC, path, sha256) &&
         weft_database_run(registrar->database, error,
                           "INSERT INTO install_event_plugin (event, id, version, kind) "
                           "SELECT last_insert_rowid(), id, version, kind FROM plugin WHERE sha256 = ?",
                           "s", sha256) &&
         weft_database_run(registrar->database, error, "DELETE FROM plugin_file WHERE sha256 = ?", "s", sha256);
}

static gboolean compare(WeftRegistrar *registrar, Repair *repair, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement =
    weft_database_query(registrar->database, error, "SELECT sha256 FROM plugin_file", "");
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(registrar->database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_autofree char *sha256 = weft_column_text(statement, 0);
    if (!g_hash_table_remove(repair->files, sha256))
      g_ptr_array_add(repair->lost, g_steal_pointer(&sha256));
  }
}

static gboolean repair(WeftRegistrar *registrar, GError **error)
{
  g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
  Repair work = {files, lost};
  if (!weft_store_sweep(registrar->folder, sweep_file, files, error) || !compare(registrar, &work, error))
    return FALSE;
  GHashTableIter iter;
  gpointer sha256;
  g_hash_table_iter_init(&iter, files);
  while (g_hash_table_iter_next(&iter, &sha256, NULL))
    if (!weft_store_remove(registrar->folder, sha256, error))
      return FALSE;
  for (guint i = 0; i < lost->len; i++)
    if (!transact(registrar, record_lost, g_ptr_array_index(lost, i), error))
      return FALSE;
  return TRUE;
}

WeftRegistrar *weft_registrar_open(const char *folder, gboolean shared, GError **error)
{
  g_autoptr(WeftRegistrar) registrar = g_new0(WeftRegistrar, 1);
  registrar->lock = -1;
  registrar->folder = g_canonicalize_filename(folder, NULL);
  if (g_mkdir_with_parents(registrar->folder, 0755) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot make the folder: %s", folder,
                g_strerror(errno));
    return NULL;
  }
  if (!take_lock(registrar, error))
    return NULL;
  registrar->database = weft_database_open(folder, shared ? WEFT_DATABASE_SHARED : WEFT_DATABASE_USER, error);
  if (!registrar->database || !repair(registrar, error))
    return NULL;
  return g_steal_pointer(&registrar);
}

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
    *sha256 = weft_column_text(statement, 0);
  return TRUE;
}

char *weft_registrar_stage(WeftRegistrar *registrar, const void *data, gsize n_bytes, const char *sha256,
                           GError **error)
{
  return weft_store_stage(registrar->folder, sha256, data, n_bytes, error);
}

void weft_registrar_discard(WeftRegistrar *registrar, const char *staged)
{
  unlink(staged);
}

static gboolean insert_file(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const WeftRegistrarFile *file = data;
  WeftDatabase *database = registrar->database;
  if (!weft_database_run(database, error,
                         "INSERT INTO plugin_file (sha256, n_bytes, machine, name, version, licence, contract, "
                         "manifest, source, bundled, installed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         "siisssissii", file->sha256, file->n_bytes, (gint64)file->machine, file->name, file->version,
                         file->licence, (gint64)file->contract, file->manifest, file->path, (gint64)file->bundled,
                         g_get_real_time() / G_USEC_PER_SEC))
    return FALSE;
  for (guint i = 0; i < file->n_plugins; i++)
    if (!weft_database_run(database, error,
                           "INSERT INTO plugin (id, version, sha256, kind, summary, reads_type) "
                           "VALUES (?, ?, ?, ?, ?, ?)",
                           "ssssss", file->plugins[i].id, file->version, file->sha256, file->plugins[i].kind,
                           file->plugins[i].summary, file->plugins[i].reads_type))
      return FALSE;
  return add_event(registrar, "installed", file, NULL, NULL, error);
}

gboolean weft_registrar_commit(WeftRegistrar *registrar, const char *staged, const WeftRegistrarFile *file,
                               GError **error)
{
  /* Where the rows fail, the file without a row is swept at the next opening. */
  return weft_store_commit(registrar->folder, staged, file->sha256, error) &&
         transact(registrar, insert_file, (gpointer)file, error);
}

typedef struct {
  const WeftRegistrarFile *file;
  const char *code, *reason;
} Refusal;

static gboolean insert_refusal(WeftRegistrar *registrar, gpointer data, GError **error)
{
  const Refusal *refusal = data;
  return add_event(registrar, "refused", refusal->file, refusal->code, refusal->reason, error);
}

gboolean weft_registrar_refuse(WeftRegistrar *registrar, const WeftRegistrarFile *file, const char *code,
                               const char *reason, GError **error)
{
  Refusal refusal = {file, code, reason};
  return transact(registrar, insert_refusal, &refusal, error);
}

/* ---- removal ---- */

typedef struct {
  const char *id, *version;
  GPtrArray *files, *names;
} Removal;

static gboolean collect(WeftRegistrar *registrar, GPtrArray *out, GError **error, const char *sql, const char *a,
                        const char *b)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(registrar->database, error, sql, b ? "ss" : "s", a, b);
  if (!statement)
    return FALSE;
  for (;;) {
    if (!weft_database_step(registrar->database, statement, &row, error))
      return FALSE;
    if (!row)
      return TRUE;
    g_ptr_array_add(out, weft_column_text(statement, 0));
  }
}

static gboolean delete_rows(WeftRegistrar *registrar, gpointer data, GError **error)
{
  Removal *removal = data;
  const char *sql = removal->version ? "SELECT DISTINCT sha256 FROM plugin WHERE id = ? AND version = ?"
                                     : "SELECT DISTINCT sha256 FROM plugin WHERE id = ?";
  if (!collect(registrar, removal->files, error, sql, removal->id, removal->version))
    return FALSE;
  for (guint i = 0; i < removal->files->len; i++) {
    const char *sha256 = g_ptr_array_index(removal->files, i);
    if (!collect(registrar, removal->names, error,
                 "SELECT id || '@' || version FROM plugin WHERE sha256 = ? ORDER BY id", sha256, NULL) ||
        !weft_database_run(registrar->database, error,
                           "INSERT INTO install_event (at, what, path, sha256) "
                           "SELECT ?, 'removed', source, sha256 FROM plugin_file WHERE sha256 = ?",
                           "is", g_get_real_time() / G_USEC_PER_SEC, sha256) ||
        !weft_database_run(registrar->database, error,
                           "INSERT INTO install_event_plugin (event, id, version, kind) "
                           "SELECT last_insert_rowid(), id, version, kind FROM plugin WHERE sha256 = ?",
                           "s", sha256) ||
        !weft_database_run(registrar->database, error, "DELETE FROM plugin_file WHERE sha256 = ?", "s", sha256))
      return FALSE;
  }
  return TRUE;
}

gboolean weft_registrar_remove(WeftRegistrar *registrar, const char *id, const char *version, char ***removed,
                               GError **error)
{
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  Removal removal = {id, version, files, names};
  if (!transact(registrar, delete_rows, &removal, error))
    return FALSE;
  if (files->len == 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND, "%s: no plugin \"%s%s%s\" is installed there",
                registrar->folder, id, version ? "@" : "", version ? version : "");
    return FALSE;
  }
  /* Rows first: a file without a row is swept at the next opening, a row without a file would be a broken promise. */
  for (guint i = 0; i < files->len; i++)
    if (!weft_store_remove(registrar->folder, g_ptr_array_index(files, i), error))
      return FALSE;
  g_ptr_array_add(names, NULL);
  *removed = (char **)g_ptr_array_steal(names, NULL);
  return TRUE;
}
