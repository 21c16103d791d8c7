/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a catalogue is sound. */
#include "archive-private.h"

#include "audit-private.h"
#include "audit.h"
#include "digest.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void weft_problem_free(WeftProblem *problem)
{
  if (!problem)
    return;
  g_free(problem->code);
  g_free(problem->message);
  g_free(problem);
}

static void add(GPtrArray *out, const char *code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void add(GPtrArray *out, const char *code, const char *format, ...)
{
  WeftProblem *problem = g_new0(WeftProblem, 1);
  va_list args;
  va_start(args, format);
  problem->message = g_strdup_vprintf(format, args);
  va_end(args);
  problem->code = g_strdup(code);
  g_ptr_array_add(out, problem);
}

/* What SQLite itself finds, a row each; "ok" is nothing. */
static void check_pragma(WeftDatabase *database, const char *sql, GPtrArray *out)
{
  gboolean row = FALSE;
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftStatement) statement = weft_database_query(database, &error, sql, "");
  while (statement && weft_database_step(database, statement, &row, &error) && row) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (g_strcmp0(text, "ok") != 0)
      add(out, "damaged", "%s/%s: damaged: %s", database->folder, database->schema->file, text ? text : "a row refers to none");
  }
  if (error)
    add(out, "damaged", "%s", error->message);
}

static void check_database(const WeftSchema *schema, const char *folder, GPtrArray *out)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, schema->file, NULL);
  if (access(path, F_OK) != 0)
    return;
  g_autoptr(WeftDatabase) database = weft_database_open_file(schema, folder, WEFT_DATABASE_READ, &error);
  if (!database) {
    add(out, "damaged", "%s", error->message);
    return;
  }
  check_pragma(database, "PRAGMA integrity_check", out);
  check_pragma(database, "PRAGMA foreign_key_check", out);
}

static void check_stored(const char *folder, const char *sha256, gboolean deep, GPtrArray *out)
{
  g_autofree char *path = weft_store_path(folder, sha256);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  g_autofree char *found = fd >= 0 && deep ? weft_digest_of_fd(fd) : NULL;
  if (fd < 0)
    add(out, errno == ENOENT ? "missing" : "damaged", "%s: named by a row, but cannot be opened: %s", path, g_strerror(errno));
  else if (deep && g_strcmp0(found, sha256) != 0)
    add(out, "changed", "%s: the file was changed (sha256 %.12s)", path, found ? found : "cannot be read");
  if (fd >= 0)
    close(fd);
}

static void check_store(WeftDatabase *catalogue, gboolean deep, GPtrArray *out)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) digests = weft_archive_digests(catalogue, &error);
  for (guint i = 0; digests && i < digests->len; i++)
    check_stored(catalogue->folder, g_ptr_array_index(digests, i), deep, out);
  if (error)
    add(out, "damaged", "%s", error->message);
}

/* A catalogue that only runs have touched has no trail: nothing in it was ever changed. */
static void check_audit(WeftDatabase *catalogue, GPtrArray *out)
{
  g_autoptr(GError) error = NULL;
  const char *folder = catalogue->folder;
  g_autofree char *path = g_build_filename(folder, "audit.db", NULL);
  gint64 given = 0;
  guint64 n = 0;
  gboolean known = weft_database_number(
      catalogue, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit_outbox'", &given, NULL);
  if (access(path, F_OK) != 0 && known && given == 0)
    return;
  if (access(path, F_OK) != 0)
    add(out, "audit", "%s: the audit trail is missing; the next change begins a new one", path);
  else if (!weft_audit_verify(folder, &n, NULL, &error))
    add(out, "audit", "%s", error->message);
}

/* Files that nothing names: the start of a change removes them, but not beside a catalogue.db that was put back. */
static void check_kept(WeftDatabase *catalogue, GPtrArray *out)
{
  g_autoptr(WeftDatabase) audit = weft_database_open_file(&weft_schema_audit, catalogue->folder, WEFT_DATABASE_READ, NULL);
  gboolean replaced = FALSE;
  gint64 named = 0;
  if (!audit || !weft_audit_replaced(audit, &replaced, NULL) || !replaced ||
      !weft_database_number(catalogue, "SELECT count(*) FROM (SELECT sha256 FROM plugin_file UNION SELECT sha256 FROM "
                            "quarantine UNION SELECT sha256 FROM artifact_file)", &named, NULL))
    return;
  guint n = weft_store_count(catalogue->folder);
  if (n > named)
    add(out, "kept", "%s: catalogue.db was older than the audit trail, put back by hand it seems: %u files of the store are "
        "named by no row of it and kept; put back the newer catalogue.db, install them again, or remove them with `weft "
        "plugin gc`", catalogue->folder, n - (guint)named);
}

GPtrArray *weft_archive_check(const char *folder, gboolean deep, GError **error)
{
  g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)weft_problem_free);
  g_autoptr(WeftDatabase) catalogue = weft_database_open(folder, WEFT_DATABASE_READ, error);
  if (!catalogue)
    return NULL;
  check_database(&weft_schema_catalogue, catalogue->folder, out);
  check_database(&weft_schema_audit, catalogue->folder, out);
  check_database(&weft_schema_stats, catalogue->folder, out);
  check_store(catalogue, deep, out);
  check_audit(catalogue, out);
  check_kept(catalogue, out);
  return g_steal_pointer(&out);
}
