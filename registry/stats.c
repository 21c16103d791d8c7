/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include "catalogue-private.h"

#include <string.h>
#include <unistd.h>

static gboolean step_1(WeftDatabase *database, GError **error)
{
  return weft_database_exec(
    database,
    "CREATE TABLE plugin_stats ("
    "  sha256 TEXT NOT NULL,"
    "  id TEXT NOT NULL,"
    "  n_starts INTEGER NOT NULL,"
    "  n_calls INTEGER NOT NULL,"
    "  n_crashes INTEGER NOT NULL,"
    "  last_crash_at INTEGER,"           /* seconds since 1970; NULL: none */
    "  last_crash TEXT,"
    "  PRIMARY KEY (sha256, id)"
    ") STRICT, WITHOUT ROWID;",
    error);
}

static const WeftSchemaStep steps[] = {step_1};
const WeftSchema weft_schema_stats = {"stats.db", steps, G_N_ELEMENTS(steps)};

static gboolean add_rows(WeftDatabase *database, const WeftPluginStats *seen, guint n)
{
  for (guint i = 0; i < n; i++)
    if (!weft_database_run(database, NULL,
                           "INSERT INTO plugin_stats (sha256, id, n_starts, n_calls, n_crashes, last_crash_at, last_crash) "
                           "VALUES (?, ?, ?, ?, ?, nullif(?, 0), ?) ON CONFLICT (sha256, id) DO UPDATE SET "
                           "n_starts = n_starts + excluded.n_starts, n_calls = n_calls + excluded.n_calls, "
                           "n_crashes = n_crashes + excluded.n_crashes, "
                           "last_crash_at = coalesce(excluded.last_crash_at, last_crash_at), "
                           "last_crash = coalesce(excluded.last_crash, last_crash)",
                           "ssiiiis", seen[i].sha256, seen[i].id, seen[i].n_starts, seen[i].n_calls, seen[i].n_crashes,
                           seen[i].last_crash_at, seen[i].last_crash))
      return FALSE;
  return TRUE;
}

gboolean weft_catalogue_learn(WeftCatalogue *catalogue, const WeftPluginStats *seen, guint n)
{
  if (n == 0)
    return TRUE;
  g_autoptr(WeftDatabase) database =
      weft_database_open_file(&weft_schema_stats, catalogue->cache_folder, WEFT_DATABASE_USER, NULL);
  if (!database)
    return FALSE;
  /* Closing the last connection would write the log back and wait for the disk. */
  sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  return weft_database_begin(database, NULL) && weft_database_end(database, add_rows(database, seen, n), NULL);
}

void weft_catalogue_learned(WeftCatalogue *catalogue, const char *sha256, const char *id, WeftPluginStats *out)
{
  gboolean row = FALSE;
  memset(out, 0, sizeof *out);
  g_autoptr(WeftDatabase) database =
      weft_database_open_file(&weft_schema_stats, catalogue->cache_folder, WEFT_DATABASE_READ, NULL);
  g_autoptr(WeftStatement) statement =
      database ? weft_database_query(database, NULL, "SELECT n_starts, n_calls, n_crashes, coalesce(last_crash_at, 0), "
                                     "last_crash FROM plugin_stats WHERE sha256 = ? AND id = ?", "ss", sha256, id)
               : NULL;
  if (!statement || !weft_database_step(database, statement, &row, NULL) || !row)
    return;
  out->n_starts = sqlite3_column_int64(statement, 0);
  out->n_calls = sqlite3_column_int64(statement, 1);
  out->n_crashes = sqlite3_column_int64(statement, 2);
  out->last_crash_at = sqlite3_column_int64(statement, 3);
  out->last_crash = weft_column_text(statement, 4);
}
