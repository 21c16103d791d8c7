/* SPDX-License-Identifier: Apache-2.0 */
/* Backup and export: a catalogue as it is at one moment, into one file or another folder. */
#include "archive-private.h"

#include "digest.h"
#include "disk.h"
#include "registrar-private.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean step_1(WeftDatabase *database, GError **error)
{
  return weft_database_exec(
    database,
    "CREATE TABLE content ("
    "  name TEXT PRIMARY KEY,"        /* relative to the catalogue's folder */
    "  sha256 TEXT NOT NULL,"
    "  n_bytes INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE chunk ("
    "  number INTEGER PRIMARY KEY,"   /* a content's chunks follow each other */
    "  name TEXT NOT NULL,"
    "  bytes BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX chunk_by_name ON chunk (name, number);",
    error);
}

const WeftSchemaStep weft_archive_steps[1] = {step_1};

static const WeftSchema *const schemas[] = {&weft_schema_catalogue, &weft_schema_audit, &weft_schema_stats};

static gboolean fail(GError **error, const char *path, const char *doing)
{
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot %s: %s", path, doing,
              g_strerror(errno));
  return FALSE;
}

GPtrArray *weft_archive_digests(WeftDatabase *catalogue, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(WeftStatement) statement = weft_database_query(
    catalogue, error, "SELECT sha256 FROM plugin_file UNION SELECT sha256 FROM quarantine UNION SELECT sha256 FROM "
    "artifact_file ORDER BY sha256", "");
  for (;;) {
    if (!statement || !weft_database_step(catalogue, statement, &row, error))
      return NULL;
    if (!row)
      return g_steal_pointer(&out);
    g_ptr_array_add(out, weft_column_sure(statement, 0));
  }
}

void weft_archive_clear(const char *path, const char *ending)
{
  g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
  g_autofree char *prefix = g_strconcat(name, ending, NULL);
  g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
  const char *each;
  while (dir && (each = g_dir_read_name(dir))) {
    if (!g_str_has_prefix(each, prefix))
      continue;
    long pid = strtol(each + strlen(prefix), NULL, 10);
    g_autofree char *left = g_build_filename(parent, each, NULL);
    if (pid > 0 && (pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)))
      weft_disk_remove_folder(left, NULL);
  }
}

/* ---- databases ---- */

/* A copy of what is committed, by SQLite's own means; who writes meanwhile is waited for. */
static gboolean copy_database(WeftDatabase *from, const char *target, GError **error)
{
  sqlite3 *to = NULL;
  g_autofree char *path = g_build_filename(target, from->schema->file, NULL);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(path, &to, flags, weft_disk_vfs());
  sqlite3_backup *backup = code == SQLITE_OK ? sqlite3_backup_init(to, "main", from->handle, "main") : NULL;
  if (backup) {
    code = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
  }
  gboolean ok = backup && code == SQLITE_DONE;
  if (!ok)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot be copied to %s: %s", from->folder, path,
                to ? sqlite3_errmsg(to) : "out of memory");
  sqlite3_close(to);
  return ok;
}

/* Those of the folder's databases that are there; stats.db says what one machine saw. */
static gboolean copy_databases(const char *folder, const char *target, gboolean with_stats, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS(schemas); i++) {
    g_autofree char *path = g_build_filename(folder, schemas[i]->file, NULL);
    if ((i > 0 && access(path, F_OK) != 0) || (schemas[i] == &weft_schema_stats && !with_stats))
      continue;
    g_autoptr(WeftDatabase) from = weft_database_open_file(schemas[i], folder, WEFT_DATABASE_READ, error);
    if (!from || !copy_database(from, target, error))
      return FALSE;
  }
  return TRUE;
}

/* While the lock is held no file is removed. Who may not write the catalogue cannot lock it, and then neither need it. */
static gboolean try_lock(WeftRegistrar *registrar, GError **error)
{
  g_autoptr(GError) problem = NULL;
  if (access(registrar->folder, W_OK) != 0 || weft_registrar_lock(registrar, &problem))
    return TRUE;
  if (g_error_matches(problem, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&problem));
  return FALSE;
}

/* ---- one file ---- */

typedef struct {
  WeftDatabase *pack;
  WeftArchiveSize size;
} Backup;

static gboolean add_chunk(Backup *backup, const char *name, const void *bytes, gsize n, GError **error)
{
  g_autoptr(WeftStatement) statement =
      weft_database_query(backup->pack, error, "INSERT INTO chunk (name, bytes) VALUES (?, ?)", "s", name);
  if (!statement)
    return FALSE;
  sqlite3_bind_blob64(statement, 2, bytes, n, SQLITE_STATIC);
  return sqlite3_step(statement) == SQLITE_DONE || weft_database_fail(backup->pack, "write the backup", error);
}

static gboolean add_open(Backup *backup, int fd, const char *path, const char *name, const char *expected, GError **error)
{
  g_autofree guint8 *buffer = g_malloc(WEFT_ARCHIVE_CHUNK_BYTES);
  WeftDigest *digest = weft_digest_new();
  gint64 n_bytes = 0;
  gssize n;
  gboolean ok = TRUE;
  while (ok && (n = pread(fd, buffer, WEFT_ARCHIVE_CHUNK_BYTES, n_bytes)) > 0) {
    weft_digest_update(digest, buffer, (gsize)n);
    ok = add_chunk(backup, name, buffer, (gsize)n, error);
    n_bytes += n;
  }
  g_autofree char *sha256 = weft_digest_end(digest);
  if (!ok)
    return FALSE;
  if (n < 0)
    return fail(error, path, "be read");
  if (expected && strcmp(expected, sha256) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT,
                "%s: the file was changed (sha256 %.12s); `weft plugin verify` tells which plugin it is of", path, sha256);
    return FALSE;
  }
  backup->size.n_files += expected != NULL;
  backup->size.n_bytes += n_bytes;
  return weft_database_run(backup->pack, error, "INSERT INTO content (name, sha256, n_bytes) VALUES (?, ?, ?)", "ssi", name,
                           sha256, n_bytes);
}

/* expected: of a file of the store; NULL: a database. */
static gboolean add_file(Backup *backup, const char *path, const char *name, const char *expected, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return fail(error, path, "be opened");
  gboolean ok = add_open(backup, fd, path, name, expected, error);
  close(fd);
  return ok;
}

static gboolean add_store(Backup *backup, const char *folder, const char *copies, GError **error)
{
  g_autoptr(WeftDatabase) catalogue = weft_database_open(copies, WEFT_DATABASE_READ, error);
  g_autoptr(GPtrArray) digests = catalogue ? weft_archive_digests(catalogue, error) : NULL;
  for (guint i = 0; digests && i < digests->len; i++) {
    const char *sha256 = g_ptr_array_index(digests, i);
    g_autofree char *path = weft_store_path(folder, sha256), *name = weft_store_path("", sha256);
    if (!add_file(backup, path, name, sha256, error))
      return FALSE;
  }
  return digests != NULL;
}

static gboolean pack(Backup *backup, const char *folder, const char *copies, GError **error)
{
  if (!copy_databases(folder, copies, TRUE, error) || !add_store(backup, folder, copies, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(schemas); i++) {
    g_autofree char *path = g_build_filename(copies, schemas[i]->file, NULL);
    if (access(path, F_OK) == 0 && !add_file(backup, path, schemas[i]->file, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean sync_file(const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(error, path, "be opened");
  gboolean ok = weft_disk_sync(fd, path, error);
  close(fd);
  return ok;
}

/* Packs into work/backup; nothing there is synced before the end. */
static gboolean make_pack(const char *folder, const char *work, WeftArchiveSize *out, GError **error)
{
  static const WeftSchema schema = {"backup", weft_archive_steps, G_N_ELEMENTS(weft_archive_steps)};
  Backup backup = {0};
  g_autofree char *copies = g_build_filename(work, "databases", NULL);
  g_autoptr(WeftDatabase) database = NULL;
  if (!weft_disk_make_folder(copies, error))
    return FALSE;
  database = backup.pack = weft_database_open_file(&schema, work, WEFT_DATABASE_SHARED, error);
  if (!database || !weft_database_exec(database, "PRAGMA synchronous = OFF", error) ||
      !weft_database_begin(database, error))
    return FALSE;
  gboolean ok = pack(&backup, folder, copies, error);
  if (out)
    *out = backup.size;
  return weft_database_end(database, ok, error);
}

gboolean weft_archive_backup(const char *folder, const char *file, gboolean force, WeftArchiveSize *out, GError **error)
{
  g_autofree char *path = g_canonicalize_filename(file, NULL), *parent = g_path_get_dirname(path);
  g_autofree char *work = g_strdup_printf("%s.making-%d", path, (int)getpid());
  g_autofree char *made = g_build_filename(work, "backup", NULL);
  g_autofree char *absolute = g_canonicalize_filename(folder, NULL);
  WeftRegistrar lock = {.folder = absolute, .lock = -1};
  if (!force && access(path, F_OK) == 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
                "%s: is there already; name another file, or replace it with --force", file);
    return FALSE;
  }
  weft_archive_clear(path, ".making-");
  if (!weft_disk_make_folder(work, error))
    return FALSE;
  gboolean ok = try_lock(&lock, error) && make_pack(absolute, work, out, error);
  if (lock.n_locks)
    weft_registrar_unlock(&lock);
  ok = ok && sync_file(made, error) && weft_disk_rename(made, path, error) && weft_disk_sync_folder(parent, error);
  weft_disk_remove_folder(work, NULL);
  return ok;
}

/* ---- another folder ---- */

static gboolean copy_open(int from, const char *path, WeftStaged *to, const char *sha256, WeftArchiveSize *size,
                          GError **error)
{
  g_autofree guint8 *buffer = g_malloc(WEFT_ARCHIVE_CHUNK_BYTES);
  gint64 n_bytes = 0;
  gssize n;
  while ((n = pread(from, buffer, WEFT_ARCHIVE_CHUNK_BYTES, n_bytes)) > 0) {
    if (!weft_disk_write(to->fd, to->path, n_bytes, buffer, (gsize)n, error))
      return FALSE;
    n_bytes += n;
  }
  size->n_files++;
  size->n_bytes += n_bytes;
  return n == 0 || fail(error, path, "be read");
}

/* Committing compares the digest. */
static gboolean copy_stored(const char *folder, const char *target, const char *sha256, WeftArchiveSize *size,
                            GError **error)
{
  g_autofree char *path = weft_store_path(folder, sha256);
  int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (from < 0)
    return fail(error, path, "be opened");
  WeftStaged *staged = weft_store_stage(target, sha256, NULL, 0, error);
  gboolean ok = staged && copy_open(from, path, staged, sha256, size, error) &&
                weft_store_commit(target, staged, sha256, error);
  weft_staged_free(staged);
  close(from);
  return ok;
}

static gboolean set_rollback(const char *target, GError **error)
{
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(target, schemas[i]->file, NULL);
    if (access(path, F_OK) != 0)
      continue;
    g_autoptr(WeftDatabase) database = weft_database_open_file(schemas[i], target, WEFT_DATABASE_READ, error);
    if (!database || !weft_database_exec(database, "PRAGMA journal_mode = DELETE", error))
      return FALSE;
  }
  return TRUE;
}

/* The databases come last: a folder without them is no catalogue, and says so. */
static gboolean put_databases(const char *work, const char *target, GError **error)
{
  for (guint i = G_N_ELEMENTS(schemas); i-- > 0;) {
    g_autofree char *from = g_build_filename(work, schemas[i]->file, NULL);
    g_autofree char *to = g_build_filename(target, schemas[i]->file, NULL);
    if (access(from, F_OK) == 0 && !weft_disk_rename(from, to, error))
      return FALSE;
  }
  return weft_disk_sync_folder(target, error);
}

static gboolean export_through(const char *folder, const char *work, const char *target, WeftArchiveSize *size, GError **error)
{
  if (!weft_store_prepare(target, error) || !weft_disk_make_folder(work, error) ||
      !copy_databases(folder, work, FALSE, error) || !set_rollback(work, error))
    return FALSE;
  WeftDatabase *catalogue = weft_database_open(work, WEFT_DATABASE_READ, error);
  g_autoptr(GPtrArray) digests = catalogue ? weft_archive_digests(catalogue, error) : NULL;
  weft_database_close(catalogue);
  for (guint i = 0; digests && i < digests->len; i++)
    if (!copy_stored(folder, target, g_ptr_array_index(digests, i), size, error))
      return FALSE;
  return digests && weft_store_sync(target, (const char *const *)digests->pdata, digests->len, error) &&
         put_databases(work, target, error);
}

static gboolean export(const char *folder, const char *target, WeftArchiveSize *size, GError **error)
{
  g_autofree char *work = g_strdup_printf("%s/making-%d", target, (int)getpid());
  gboolean ok = export_through(folder, work, target, size, error);
  weft_disk_remove_folder(work, NULL);
  return ok;
}

gboolean weft_archive_export(const char *folder, const char *target, WeftArchiveSize *out, GError **error)
{
  g_autofree char *from = g_canonicalize_filename(folder, NULL), *to = g_canonicalize_filename(target, NULL);
  WeftArchiveSize size = {0};
  WeftRegistrar lock = {.folder = from, .lock = -1};
  g_autoptr(GDir) dir = g_dir_open(to, 0, NULL);
  if (dir && g_dir_read_name(dir)) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: expected a new or empty folder, found files",
                target);
    return FALSE;
  }
  if (!weft_disk_make_folder(to, error) || !try_lock(&lock, error))
    return FALSE;
  gboolean ok = export(from, to, &size, error);
  if (lock.n_locks)
    weft_registrar_unlock(&lock);
  if (out)
    *out = size;
  return ok;
}
