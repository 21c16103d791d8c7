/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include "audit-private.h"
#include "digest.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

static gboolean step_1(WeftDatabase *database, GError **error)
{
  return weft_database_exec(
    database,
    "CREATE TABLE audit ("
    "  number INTEGER PRIMARY KEY,"      /* without gaps */
    "  at INTEGER NOT NULL,"             /* seconds since 1970 */
    "  uid INTEGER NOT NULL,"
    "  user TEXT NOT NULL,"
    "  action TEXT NOT NULL,"
    "  object TEXT NOT NULL,"
    "  digest TEXT,"
    "  detail TEXT,"
    "  outbox INTEGER UNIQUE,"           /* its number in audit_outbox of catalogue.db; NULL: about this trail itself */
    "  repaired INTEGER NOT NULL,"
    "  previous TEXT NOT NULL,"          /* hash of the row before */
    "  hash TEXT NOT NULL"               /* over everything above */
    ") STRICT;"
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'audit.db is append-only'); END;"
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'audit.db is append-only'); END;"
    "CREATE TRIGGER audit_in_order BEFORE INSERT ON audit WHEN new.number != (SELECT coalesce(max(number), 0) + 1 FROM "
    "audit) BEGIN SELECT raise(ABORT, 'audit.db is append-only'); END;",
    error);
}

static const WeftSchemaStep steps[] = {step_1};
const WeftSchema weft_schema_audit = {"audit.db", steps, G_N_ELEMENTS(steps)};

char *weft_audit_user(void)
{
  struct passwd entry, *found = NULL;
  char buffer[4096];
  if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found && *found->pw_name)
    return g_strdup(found->pw_name);
  return g_strdup_printf("%lu", (unsigned long)getuid());
}

gboolean weft_audit_note(WeftDatabase *catalogue, const char *action, const char *object, const char *digest,
                         const char *detail, GError **error)
{
  g_autofree char *user = weft_audit_user();
  return weft_database_run(catalogue, error,
                           "INSERT INTO audit_outbox (at, uid, user, action, object, digest, detail) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?)",
                           "iisssss", g_get_real_time() / G_USEC_PER_SEC, (gint64)getuid(), user, action, object, digest,
                           detail);
}

/* ---- the chain ---- */

/* Each field with its length, so that no two rows have the same text. */
static void add_field(GString *text, const char *field)
{
  if (field)
    g_string_append_printf(text, "%" G_GSIZE_FORMAT ":%s;", strlen(field), field);
  else
    g_string_append(text, "-;");
}

static char *hash_of(const WeftAuditRow *row, gint64 outbox)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_append_printf(text, "weft.audit/1;%" G_GINT64_FORMAT ";%" G_GINT64_FORMAT ";%" G_GINT64_FORMAT ";%"
                         G_GINT64_FORMAT ";%d;", row->number, row->at, row->uid, outbox, row->repaired ? 1 : 0);
  add_field(text, row->user);
  add_field(text, row->action);
  add_field(text, row->object);
  add_field(text, row->digest);
  add_field(text, row->detail);
  add_field(text, row->previous);
  return weft_digest_of(text->str, text->len);
}

#define ROW_SQL                                                                                                \
  "SELECT number, at, uid, user, action, object, digest, detail, repaired, previous, hash, coalesce(outbox, 0) " \
  "FROM audit "

/* Borrows the statement's texts. */
static gint64 read_row(sqlite3_stmt *statement, WeftAuditRow *row)
{
  row->number = sqlite3_column_int64(statement, 0);
  row->at = sqlite3_column_int64(statement, 1);
  row->uid = sqlite3_column_int64(statement, 2);
  row->user = (char *)sqlite3_column_text(statement, 3);
  row->action = (char *)sqlite3_column_text(statement, 4);
  row->object = (char *)sqlite3_column_text(statement, 5);
  row->digest = (char *)sqlite3_column_text(statement, 6);
  row->detail = (char *)sqlite3_column_text(statement, 7);
  row->repaired = sqlite3_column_int(statement, 8) != 0;
  row->previous = (char *)sqlite3_column_text(statement, 9);
  row->hash = (char *)sqlite3_column_text(statement, 10);
  return sqlite3_column_int64(statement, 11);
}

typedef struct {
  WeftDatabase *database;
  sqlite3_stmt *insert;
  gint64 number;     /* of the last row */
  char *hash;        /* its hash */
} Trail;

static gboolean trail_open(Trail *trail, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftStatement) last =
      weft_database_query(trail->database, error, ROW_SQL "ORDER BY number DESC LIMIT 1", "");
  if (!last || !weft_database_step(trail->database, last, &has, error))
    return FALSE;
  trail->number = has ? sqlite3_column_int64(last, 0) : 0;
  trail->hash = has ? weft_column_text(last, 10) : g_strdup(NO_HASH);
  trail->insert = weft_database_query(trail->database, error,
                                      "INSERT INTO audit (number, at, uid, user, action, object, digest, detail, outbox, "
                                      "repaired, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "");
  return trail->insert != NULL;
}

static void bind_texts(sqlite3_stmt *statement, const WeftAuditRow *row)
{
  const char *texts[] = {row->user, row->action, row->object, row->digest, row->detail};
  for (int i = 0; i < 5; i++)
    sqlite3_bind_text(statement, i + 4, texts[i], -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(statement, 11, row->previous, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(statement, 12, row->hash, -1, SQLITE_TRANSIENT);
}

/* Gives the row its number and hashes, and appends it. */
static gboolean trail_append(Trail *trail, WeftAuditRow *row, gint64 outbox, GError **error)
{
  row->number = trail->number + 1;
  row->previous = trail->hash;
  g_autofree char *hash = hash_of(row, outbox);
  row->hash = hash;
  sqlite3_reset(trail->insert);
  sqlite3_bind_int64(trail->insert, 1, row->number);
  sqlite3_bind_int64(trail->insert, 2, row->at);
  sqlite3_bind_int64(trail->insert, 3, row->uid);
  bind_texts(trail->insert, row);
  if (outbox)
    sqlite3_bind_int64(trail->insert, 9, outbox);
  else
    sqlite3_bind_null(trail->insert, 9);
  sqlite3_bind_int(trail->insert, 10, row->repaired);
  if (sqlite3_step(trail->insert) != SQLITE_DONE)
    return weft_database_fail(trail->database, "write the audit trail", error);
  g_free(trail->hash);
  trail->hash = g_steal_pointer(&hash);
  trail->number = row->number;
  return TRUE;
}

/* A row about the trail itself. */
static gboolean append_own(Trail *trail, gint64 outbox, const char *action, const char *detail, GError **error)
{
  g_autofree char *user = weft_audit_user();
  WeftAuditRow row = {.at = g_get_real_time() / G_USEC_PER_SEC, .uid = getuid(), .user = user, .action = (char *)action,
                      .object = (char *)"audit.db", .detail = (char *)detail, .repaired = TRUE};
  return trail_append(trail, &row, outbox, error);
}

/* Numbers that the outbox has given. */
#define GIVEN_SQL "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit_outbox'"

/* Where one of the two files was replaced by hand, numbers would meet twice: said in the trail, and mended. */
static gboolean compare_ends(Trail *trail, WeftDatabase *catalogue, gint64 *last, GError **error)
{
  gint64 given = 0, oldest = 0;
  if (!weft_database_number(trail->database, "SELECT max(outbox) FROM audit", last, error) ||
      !weft_database_number(catalogue, GIVEN_SQL, &given, error) ||
      !weft_database_number(catalogue, "SELECT coalesce(min(number), 0) FROM audit_outbox", &oldest, error))
    return FALSE;
  if (*last > given) {
    g_autofree char *sql = g_strdup_printf("DELETE FROM sqlite_sequence WHERE name = 'audit_outbox'; INSERT INTO "
                                           "sqlite_sequence (name, seq) VALUES ('audit_outbox', %" G_GINT64_FORMAT ")", *last);
    return append_own(trail, 0, "catalogue-replaced", "catalogue.db is older than this trail: files of the store that it does "
                      "not name are kept until weft plugin gc", error) &&
           weft_database_exec(catalogue, sql, error);
  }
  /* The outbox keeps the last rows that were appended: what lies before them must be in the trail. */
  if (oldest <= *last + 1 && (oldest != 0 || given == *last))
    return TRUE;
  *last = oldest ? oldest - 1 : given;
  return append_own(trail, *last, "trail-replaced", "audit.db is older than catalogue.db: rows are missing before this one",
                    error);
}

static gboolean append_outbox(Trail *trail, WeftDatabase *catalogue, gboolean repaired, gint64 *last, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftStatement) statement = weft_database_query(
    catalogue, error,
    "SELECT 0, at, uid, user, action, object, digest, detail, 0, '', '', number FROM audit_outbox WHERE number > ? "
    "ORDER BY number", "i", *last);
  if (!statement)
    return FALSE;
  for (;;) {
    WeftAuditRow row;
    if (!weft_database_step(catalogue, statement, &has, error))
      return FALSE;
    if (!has)
      return TRUE;
    *last = read_row(statement, &row);
    row.repaired = repaired;
    if (!trail_append(trail, &row, *last, error))
      return FALSE;
  }
}

/* Whether there is nothing to do, which is the usual case at the start of a command. */
static gboolean is_drained(WeftDatabase *catalogue, WeftDatabase *audit, gboolean *out, GError **error)
{
  gint64 last = 0, given = 0;
  if (!weft_database_number(audit, "SELECT max(outbox) FROM audit", &last, error) ||
      !weft_database_number(catalogue, GIVEN_SQL, &given, error))
    return FALSE;
  *out = last == given;
  return TRUE;
}

gboolean weft_audit_replaced(WeftDatabase *audit, gboolean *out, GError **error)
{
  gint64 n = 0;
  if (!weft_database_number(audit, "SELECT count(*) FROM audit WHERE action = 'catalogue-replaced'", &n, error))
    return FALSE;
  *out = n > 0;
  return TRUE;
}

gboolean weft_audit_drain(WeftDatabase *catalogue, WeftDatabase *audit, gboolean repaired, GError **error)
{
  Trail trail = {.database = audit};
  gboolean drained = FALSE;
  gint64 last = 0;
  if (!is_drained(catalogue, audit, &drained, error))
    return FALSE;
  if (drained)
    return TRUE;
  if (!weft_database_begin(audit, error))
    return FALSE;
  gboolean ok = trail_open(&trail, error) && compare_ends(&trail, catalogue, &last, error) &&
                append_outbox(&trail, catalogue, repaired, &last, error);
  sqlite3_finalize(trail.insert);
  g_free(trail.hash);
  return weft_database_end(audit, ok, error);
}

/* ---- reading ---- */

static WeftDatabase *open_read(const char *folder, GError **error)
{
  return weft_database_open_file(&weft_schema_audit, folder, WEFT_DATABASE_READ, error);
}

gboolean weft_audit_each(const char *folder, guint n, WeftAuditEach each, void *data, GError **error)
{
  gboolean has = FALSE;
  g_autoptr(WeftDatabase) database = open_read(folder, error);
  g_autoptr(WeftStatement) statement =
      database ? weft_database_query(database, error,
                                     ROW_SQL "WHERE number > CASE ? WHEN 0 THEN 0 ELSE (SELECT max(number) FROM audit) - ? "
                                     "END ORDER BY number", "ii", (gint64)n, (gint64)n)
               : NULL;
  if (!statement)
    return FALSE;
  for (;;) {
    WeftAuditRow row;
    if (!weft_database_step(database, statement, &has, error))
      return FALSE;
    if (!has)
      return TRUE;
    read_row(statement, &row);
    if (!each(data, &row))
      return TRUE;
  }
}

static gboolean does_not_fit(const char *folder, gint64 number, const char *why, GError **error)
{
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT,
              "%s: audit.db was changed: row %" G_GINT64_FORMAT " %s; compare it with a backup", folder, number, why);
  return FALSE;
}

/* A chain cut at its end is still a chain: catalogue.db counts what went into it, and keeps the last rows of that. */
static gboolean check_end(const char *folder, gint64 last, guint64 n, GError **error)
{
  gint64 given = 0, oldest = 0;
  g_autoptr(WeftDatabase) catalogue = weft_database_open(folder, WEFT_DATABASE_READ, NULL);
  if (!catalogue || !weft_database_number(catalogue, GIVEN_SQL, &given, NULL) ||
      !weft_database_number(catalogue, "SELECT coalesce(min(number), 0) FROM audit_outbox", &oldest, NULL))
    return TRUE; /* who checks catalogue.db says so */
  if (given <= last || (oldest && oldest <= last + 1))
    return TRUE;
  g_set_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT,
              "%s: audit.db was cut at its end: changes that catalogue.db knows of are missing after row %" G_GUINT64_FORMAT
              "; put back the whole one, or a backup (weft catalogue restore)", folder, n);
  return FALSE;
}

gboolean weft_audit_verify(const char *folder, guint64 *n, char **last, GError **error)
{
  gboolean has = FALSE;
  g_autofree char *previous = g_strdup(NO_HASH);
  g_autoptr(WeftDatabase) database = open_read(folder, error);
  g_autoptr(WeftStatement) statement =
      database ? weft_database_query(database, error, ROW_SQL "ORDER BY number", "") : NULL;
  gint64 end = 0;
  *n = 0;
  if (!statement)
    return FALSE;
  for (;;) {
    WeftAuditRow row;
    if (!weft_database_step(database, statement, &has, error))
      return FALSE;
    if (!has)
      break;
    gint64 outbox = read_row(statement, &row);
    if (row.number != (gint64)*n + 1)
      return does_not_fit(folder, (gint64)*n + 1, "is missing", error);
    /* Who changes a trail may leave fields empty. */
    if (g_strcmp0(row.previous, previous) != 0)
      return does_not_fit(folder, row.number, "does not continue the row before it", error);
    g_autofree char *hash = hash_of(&row, outbox);
    if (g_strcmp0(row.hash, hash) != 0)
      return does_not_fit(folder, row.number, "has another content than its hash says", error);
    g_free(previous);
    previous = g_steal_pointer(&hash);
    end = MAX(end, outbox);
    ++*n;
  }
  if (!check_end(folder, end, *n, error))
    return FALSE;
  if (last)
    *last = g_steal_pointer(&previous);
  return TRUE;
}
