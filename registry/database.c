/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include "disk.h"
#include "store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

G_DEFINE_QUARK(weft-catalogue-error-quark, weft_catalogue_error)

void weft_database_close(WeftDatabase *database)
{
  if (!database)
    return;
  sqlite3_close(database->handle);
  g_free(database->folder);
  g_free(database);
}

/* A process that locks one of the database's files, from the system's list; 0: not known. Asking by fcntl would have to
   open the file, and closing it again would drop the locks of this process. */
static int lock_holder(const WeftDatabase *database)
{
  static const char *const parts[] = {"", "-shm"};
  g_autofree char *locks = NULL;
  if (!g_file_get_contents("/proc/locks", &locks, NULL, NULL))
    return 0;
  g_auto(GStrv) lines = g_strsplit(locks, "\n", -1);
  for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *path = g_strconcat(database->folder, "/", database->schema->file, parts[i], NULL);
    struct stat about;
    if (stat(path, &about) != 0)
      continue;
    g_autofree char *inode = g_strdup_printf(":%lu ", (unsigned long)about.st_ino);
    for (char **line = lines; *line; line++) {
      int pid = 0;
      if (strstr(*line, inode) && strstr(*line, " WRITE ") && sscanf(*line, "%*s %*s %*s %*s %d", &pid) == 1 &&
          pid != getpid())
        return pid;
    }
  }
  return 0;
}

static void fail_locked(const WeftDatabase *database, const char *doing, GError **error)
{
  int pid = lock_holder(database);
  g_autofree char *who = pid ? g_strdup_printf("process %d", pid) : g_strdup("another process");
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_LOCKED,
              "%s: cannot %s: %s is locked by %s (waited %d s); try again when it has ended", database->folder, doing,
              database->schema->file, who, WEFT_BUSY_TIMEOUT_MS / 1000);
}

gboolean weft_database_fail(WeftDatabase *database, const char *doing, GError **error)
{
  int code = database->handle ? sqlite3_errcode(database->handle) & 0xff : SQLITE_NOMEM;
  const char *folder = database->folder, *file = database->schema->file;
  const char *said = database->handle ? sqlite3_errmsg(database->handle) : "out of memory";
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    fail_locked(database, doing, error);
  else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT,
                "%s: cannot %s: %s is damaged (%s); bring back a copy with `weft catalogue restore FILE --force`, or move "
                "it away and install the plugins again", folder, doing, file, said);
  else if (code == SQLITE_READONLY)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY,
                "%s: cannot %s: the catalogue may only be read by you; name another one with --catalogue or "
                "WEFT_CATALOGUE", folder, doing);
  else if (code == SQLITE_FULL)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED,
                "%s: cannot %s: no room is left for %s; what was there before is unchanged: make room and try again",
                folder, doing, file);
  else
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot %s: %s (%s)", folder, doing, said,
                file);
  return FALSE;
}

gboolean weft_database_exec(WeftDatabase *database, const char *sql, GError **error)
{
  if (sqlite3_exec(database->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
    return TRUE;
  return weft_database_fail(database, "change the catalogue", error);
}

static sqlite3_stmt *prepare(WeftDatabase *database, const char *sql, const char *types, va_list args, GError **error)
{
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL) != SQLITE_OK) {
    weft_database_fail(database, "read the catalogue", error);
    return NULL;
  }
  for (int i = 0; types[i]; i++) {
    if (types[i] == 's')
      sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
    else
      sqlite3_bind_int64(statement, i + 1, va_arg(args, gint64));
  }
  return statement;
}

sqlite3_stmt *weft_database_query(WeftDatabase *database, GError **error, const char *sql, const char *types, ...)
{
  va_list args;
  va_start(args, types);
  sqlite3_stmt *statement = prepare(database, sql, types, args, error);
  va_end(args);
  return statement;
}

gboolean weft_database_step(WeftDatabase *database, sqlite3_stmt *statement, gboolean *row, GError **error)
{
  int code = sqlite3_step(statement);
  *row = code == SQLITE_ROW;
  if (code == SQLITE_ROW || code == SQLITE_DONE)
    return TRUE;
  return weft_database_fail(database, "read the catalogue", error);
}

gboolean weft_database_run(WeftDatabase *database, GError **error, const char *sql, const char *types, ...)
{
  va_list args;
  va_start(args, types);
  g_autoptr(WeftStatement) statement = prepare(database, sql, types, args, error);
  va_end(args);
  if (!statement)
    return FALSE;
  if (sqlite3_step(statement) == SQLITE_DONE)
    return TRUE;
  return weft_database_fail(database, "change the catalogue", error);
}

char *weft_column_text(sqlite3_stmt *statement, int column)
{
  return g_strdup((const char *)sqlite3_column_text(statement, column));
}

char *weft_column_sure(sqlite3_stmt *statement, int column)
{
  char *text = weft_column_text(statement, column);
  return text ? text : g_strdup("");
}

gboolean weft_database_number(WeftDatabase *database, const char *sql, gint64 *out, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(database, error, sql, "");
  if (!statement || !weft_database_step(database, statement, &row, error))
    return FALSE;
  *out = row ? sqlite3_column_int64(statement, 0) : 0;
  return TRUE;
}

gboolean weft_database_begin(WeftDatabase *database, GError **error)
{
  return weft_database_exec(database, "BEGIN IMMEDIATE", error);
}

gboolean weft_database_end(WeftDatabase *database, gboolean ok, GError **error)
{
  if (ok && weft_database_exec(database, "COMMIT", error))
    return TRUE;
  sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

/* Which program made which step: a program that is too old names the one to use. */
static gboolean record_step(WeftDatabase *database, int number, GError **error)
{
  g_autofree char *sql = g_strdup_printf("PRAGMA user_version = %d", number);
  return weft_database_exec(database, sql, error) &&
         weft_database_exec(database, "CREATE TABLE IF NOT EXISTS schema_step (number INTEGER PRIMARY KEY, "
                                      "program TEXT NOT NULL) STRICT", error) &&
         weft_database_run(database, error, "INSERT OR REPLACE INTO schema_step (number, program) VALUES (?, ?)", "is",
                           (gint64)number, WEFT_VERSION);
}

/* The version is asked again inside the transaction: two processes may open an old database at once. */
static gboolean upgrade(WeftDatabase *database, GError **error)
{
  gint64 version = 0;
  if (!weft_database_begin(database, error))
    return FALSE;
  gboolean ok = weft_database_number(database, "PRAGMA user_version", &version, error);
  for (int i = (int)version; ok && i < database->schema->n_steps; i++)
    ok = database->schema->steps[i](database, error) && record_step(database, i + 1, error);
  return weft_database_end(database, ok, error);
}

static void fail_newer(WeftDatabase *database, int version, GError **error)
{
  gboolean row = FALSE;
  g_autofree char *program = NULL;
  g_autoptr(WeftStatement) statement =
      weft_database_query(database, NULL, "SELECT program FROM schema_step ORDER BY number DESC LIMIT 1", "");
  if (statement && weft_database_step(database, statement, &row, NULL) && row)
    program = weft_column_text(statement, 0);
  gboolean known = program && strcmp(program, WEFT_VERSION) != 0;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NEWER,
              "%s: a newer Weft wrote %s (schema %d; this is weft %s, which knows up to %d); use weft %s%s, or another "
              "catalogue with WEFT_CATALOGUE", database->folder, database->schema->file, version, WEFT_VERSION,
              database->schema->n_steps, known ? program : "of that version", known ? " or a newer one" : "");
}

/* A database without tables beside a store with files lost its rows: made anew, its first sweep would remove the files. */
static gboolean check_not_lost(WeftDatabase *database, GError **error)
{
  guint n = database->schema == &weft_schema_catalogue ? weft_store_count(database->folder) : 0;
  if (n == 0)
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT,
              "%s: %s is missing or empty, but the store holds %u files; nothing was changed: bring back a copy with `weft "
              "catalogue restore FILE --force`, or move the folder away and install the plugins again", database->folder,
              database->schema->file, n);
  return FALSE;
}

static gboolean check_schema(WeftDatabase *database, GError **error)
{
  gint64 version = 0;
  int known = database->schema->n_steps;
  if (!weft_database_number(database, "PRAGMA user_version", &version, error))
    return FALSE;
  if (version > known) {
    fail_newer(database, (int)version, error);
    return FALSE;
  }
  if (version == known)
    return TRUE;
  if (version == 0 && !check_not_lost(database, error))
    return FALSE;
  if (database->writable)
    return upgrade(database, error);
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY,
              "%s: an older Weft wrote %s (schema %d, this program needs %d), and you may only read it; let its owner run "
              "`weft catalogue check --catalogue %s` once", database->folder, database->schema->file, (int)version, known,
              database->folder);
  return FALSE;
}

static gboolean try_read_only(WeftDatabase *database, const char *path, const char *more)
{
  g_autofree char *escaped = g_uri_escape_string(path, "/", FALSE);
  g_autofree char *uri = g_strconcat("file:", escaped, "?mode=ro", more, NULL);
  int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
  sqlite3_close(database->handle);
  database->handle = NULL;
  if (sqlite3_open_v2(uri, &database->handle, flags, weft_disk_vfs()) != SQLITE_OK)
    return FALSE;
  sqlite3_busy_timeout(database->handle, WEFT_BUSY_TIMEOUT_MS);
  return sqlite3_exec(database->handle, "SELECT 1 FROM sqlite_master LIMIT 1", NULL, NULL, NULL) == SQLITE_OK;
}

static gboolean open_read_only(WeftDatabase *database, const char *path, GError **error)
{
  if (try_read_only(database, path, ""))
    return TRUE;
  /* Where a write-ahead log's index cannot be made, on a medium that may only be read, nobody writes either. */
  int code = sqlite3_errcode(database->handle);
  if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && try_read_only(database, path, "&immutable=1"))
    return TRUE;
  return weft_database_fail(database, "read the catalogue", error);
}

static gboolean open_writable(WeftDatabase *database, const char *path, WeftDatabaseMode mode, GError **error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == WEFT_DATABASE_READ ? 0 : SQLITE_OPEN_CREATE);
  gboolean is_new = access(path, F_OK) != 0;
  if (sqlite3_open_v2(path, &database->handle, flags, weft_disk_vfs()) != SQLITE_OK)
    return weft_database_fail(database, "open the catalogue", error);
  sqlite3_busy_timeout(database->handle, WEFT_BUSY_TIMEOUT_MS);
  if (is_new && mode == WEFT_DATABASE_USER && !weft_database_exec(database, "PRAGMA journal_mode = WAL", error))
    return FALSE;
  /* What runs learn may be lost with the power, and must not make a run wait for the disk. */
  if (database->schema == &weft_schema_stats)
    return weft_database_exec(database, "PRAGMA synchronous = NORMAL", error);
  /* A row that was reported is there after a power loss: each commit is synced, with a rollback journal also that the
     journal is gone. */
  return weft_database_exec(database, "PRAGMA synchronous = EXTRA", error);
}

/* A catalogue half made, on a full disk say, would stop every later command that reads it. */
static void remove_new(WeftDatabase *database, const char *path)
{
  static const char *const parts[] = {"", "-wal", "-shm"};
  sqlite3_close(database->handle);
  database->handle = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *part = g_strconcat(path, parts[i], NULL);
    unlink(part);
  }
}

static gboolean may_write(const char *folder, const char *path)
{
  return access(folder, W_OK) == 0 && (access(path, W_OK) == 0 || (errno == ENOENT));
}

/* What a folder must have before its database is opened. */
static gboolean prepare_folder(WeftDatabase *database, const char *path, WeftDatabaseMode mode, GError **error)
{
  const char *folder = database->folder;
  if (mode == WEFT_DATABASE_READ && access(path, F_OK) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_MISSING,
                "%s: no catalogue there (%s: %s); " WEFT_HOW_TO_MAKE_ONE, folder, database->schema->file,
                g_strerror(errno));
    return FALSE;
  }
  if (mode != WEFT_DATABASE_READ && !weft_disk_make_folder(folder, error))
    return FALSE;
  database->writable = may_write(folder, path);
  if (database->writable || mode == WEFT_DATABASE_READ)
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY,
              "%s: you may not write there; name another catalogue with --catalogue or WEFT_CATALOGUE", folder);
  return FALSE;
}

WeftDatabase *weft_database_open_file(const WeftSchema *schema, const char *folder, WeftDatabaseMode mode,
                                      GError **error)
{
  g_autoptr(WeftDatabase) database = g_new0(WeftDatabase, 1);
  database->folder = g_canonicalize_filename(folder, NULL);
  database->schema = schema;
  g_autofree char *path = g_build_filename(database->folder, schema->file, NULL);
  gboolean is_new = access(path, F_OK) != 0;
  if (!prepare_folder(database, path, mode, error))
    return NULL;
  gboolean ok = database->writable ? open_writable(database, path, mode, error) : open_read_only(database, path, error);
  /* Steps make tables anew, which must not delete what refers to them. */
  if (ok && check_schema(database, error) && weft_database_exec(database, "PRAGMA foreign_keys = ON", error))
    return g_steal_pointer(&database);
  if (is_new)
    remove_new(database, path);
  return NULL;
}

WeftDatabase *weft_database_open_read_only(const WeftSchema *schema, const char *folder, GError **error)
{
  g_autoptr(WeftDatabase) database = g_new0(WeftDatabase, 1);
  database->folder = g_canonicalize_filename(folder, NULL);
  database->schema = schema;
  g_autofree char *path = g_build_filename(database->folder, schema->file, NULL);
  if (open_read_only(database, path, error) && check_schema(database, error))
    return g_steal_pointer(&database);
  return NULL;
}

WeftDatabase *weft_database_open(const char *folder, WeftDatabaseMode mode, GError **error)
{
  return weft_database_open_file(&weft_schema_catalogue, folder, mode, error);
}
