/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
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

gboolean weft_database_fail(WeftDatabase *database, const char *doing, GError **error)
{
  int code = database->handle ? sqlite3_errcode(database->handle) & 0xff : SQLITE_NOMEM;
  const char *folder = database->folder;
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_LOCKED,
                "%s: cannot %s: another process holds the catalogue (waited %d s); try again when it has ended", folder,
                doing, WEFT_BUSY_TIMEOUT_MS / 1000);
  else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT,
                "%s: cannot %s: catalogue.db is damaged (%s); restore it, or move it away and install the plugins again",
                folder, doing, sqlite3_errmsg(database->handle));
  else if (code == SQLITE_READONLY)
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY,
                "%s: cannot %s: the catalogue may only be read by you; name another one with --catalogue or "
                "WEFT_CATALOGUE", folder, doing);
  else
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot %s: %s", folder, doing,
                database->handle ? sqlite3_errmsg(database->handle) : "out of memory");
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

static gboolean user_version(WeftDatabase *database, int *out, GError **error)
{
  gboolean row = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(database, error, "PRAGMA user_version", "");
  if (!statement || !weft_database_step(database, statement, &row, error))
    return FALSE;
  *out = row ? sqlite3_column_int(statement, 0) : 0;
  return TRUE;
}

/* Checked again inside the transaction: two processes may open an old catalogue at once. */
static gboolean upgrade(WeftDatabase *database, GError **error)
{
  int version;
  if (!weft_database_exec(database, "BEGIN IMMEDIATE", error))
    return FALSE;
  if (user_version(database, &version, error) && weft_schema_migrate(database, version, error) &&
      weft_database_exec(database, "COMMIT", error))
    return TRUE;
  sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

static gboolean check_schema(WeftDatabase *database, GError **error)
{
  int version;
  if (!user_version(database, &version, error))
    return FALSE;
  if (version > WEFT_SCHEMA_VERSION) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NEWER,
                "%s: a newer Weft wrote this catalogue (schema %d, this program knows up to %d); use that Weft, or "
                "another catalogue with WEFT_CATALOGUE", database->folder, version, WEFT_SCHEMA_VERSION);
    return FALSE;
  }
  if (version == WEFT_SCHEMA_VERSION)
    return TRUE;
  if (database->writable)
    return upgrade(database, error);
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY,
              "%s: an older Weft wrote this catalogue (schema %d, this program needs %d), and you may only read it; let "
              "its owner run `weft plugin list --catalogue %s` once", database->folder, version, WEFT_SCHEMA_VERSION,
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
  if (sqlite3_open_v2(uri, &database->handle, flags, NULL) != SQLITE_OK)
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
  if (sqlite3_open_v2(path, &database->handle, flags, NULL) != SQLITE_OK)
    return weft_database_fail(database, "open the catalogue", error);
  sqlite3_busy_timeout(database->handle, WEFT_BUSY_TIMEOUT_MS);
  if (is_new && mode == WEFT_DATABASE_USER && !weft_database_exec(database, "PRAGMA journal_mode = WAL", error))
    return FALSE;
  /* With a log, FULL syncs at each commit: a row that was reported is there after a power loss. */
  return weft_database_exec(database, "PRAGMA synchronous = FULL", error);
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

WeftDatabase *weft_database_open(const char *folder, WeftDatabaseMode mode, GError **error)
{
  g_autoptr(WeftDatabase) database = g_new0(WeftDatabase, 1);
  database->folder = g_canonicalize_filename(folder, NULL);
  g_autofree char *path = g_build_filename(database->folder, "catalogue.db", NULL);
  if (mode == WEFT_DATABASE_READ && access(path, F_OK) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_MISSING,
                "%s: no catalogue there (catalogue.db: %s); `weft plugin install --catalogue %s FILE.so` makes one",
                folder, g_strerror(errno), folder);
    return NULL;
  }
  if (mode != WEFT_DATABASE_READ && g_mkdir_with_parents(database->folder, 0755) != 0) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_FAILED, "%s: cannot make the folder: %s", folder,
                g_strerror(errno));
    return NULL;
  }
  gboolean is_new = access(path, F_OK) != 0;
  database->writable = may_write(database->folder, path);
  if (!database->writable && mode != WEFT_DATABASE_READ) {
    g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_READ_ONLY,
                "%s: you may not write there; name another catalogue with --catalogue or WEFT_CATALOGUE", folder);
    return NULL;
  }
  gboolean ok = database->writable ? open_writable(database, path, mode, error) : open_read_only(database, path, error);
  if (ok && weft_database_exec(database, "PRAGMA foreign_keys = ON", error) && check_schema(database, error))
    return g_steal_pointer(&database);
  if (is_new)
    remove_new(database, path);
  return NULL;
}
