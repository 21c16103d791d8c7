/* SPDX-License-Identifier: Apache-2.0 */
/* Databases of the tree, as programs before this one wrote them, and those of programs after it. */
#include "archive.h"
#include "audit.h"
#include "catalogue.h"
#include "digest.h"
#include "registrar.h"
#include "stats.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  char *root, *old, *new;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
  f->root = g_dir_make_tmp("weft-schema-XXXXXX", NULL);
  f->old = g_build_filename(f->root, "old", NULL);
  f->new = g_build_filename(f->root, "new", NULL);
  g_assert_cmpint(g_mkdir(f->old, 0755), ==, 0);
  g_setenv("WEFT_CATALOGUE", f->old, TRUE);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->root);
  g_assert_cmpint(system(command), ==, 0);
  g_free(f->root);
  g_free(f->old);
  g_free(f->new);
}

static void run_sql(const char *folder, const char *file, const char *sql)
{
  sqlite3 *handle;
  char *problem = NULL;
  g_autofree char *path = g_build_filename(folder, file, NULL);
  g_assert_cmpint(sqlite3_open(path, &handle), ==, SQLITE_OK);
  if (sqlite3_exec(handle, sql, NULL, NULL, &problem) != SQLITE_OK)
    g_error("%s: %s", path, problem);
  sqlite3_close(handle);
}

static void load(const Fixture *f, const char *source, const char *file)
{
  g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "tests", "registry", source, NULL), *sql = NULL;
  g_assert_true(g_file_get_contents(path, &sql, NULL, NULL));
  run_sql(f->old, file, sql);
}

/* Everything that makes the database's form, in a fixed order. */
static char *form(const char *folder, const char *file)
{
  sqlite3_stmt *statement;
  sqlite3 *handle;
  g_autofree char *path = g_build_filename(folder, file, NULL);
  GString *text = g_string_new(NULL);
  g_assert_cmpint(sqlite3_open(path, &handle), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_prepare_v2(handle, "SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name", -1, &statement,
                                     NULL), ==, SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW)
    g_string_append_printf(text, "%s\n", (const char *)sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return g_string_free(text, FALSE);
}

static void check_form(const Fixture *f, const char *file)
{
  g_autofree char *old = form(f->old, file), *new = form(f->new, file);
  g_assert_cmpstr(old, ==, new);
}

static gboolean open_registrar(const char *folder, GError **error)
{
  WeftRegistrar *registrar = weft_registrar_open(folder, FALSE, error);
  weft_registrar_free(registrar);
  return registrar != NULL;
}

static void test_schema_catalogues(Fixture *f, gconstpointer source)
{
  g_autoptr(GError) error = NULL;
  load(f, source, "catalogue.db");
  run_sql(f->old, "catalogue.db",
          "INSERT INTO plugin_file (sha256, n_bytes, machine, name, version, licence, contract, manifest, source, bundled, "
          "installed_at) VALUES ('ab', 1, 62, 'vit', '1.0.0', 'MIT', 1, '{}', '/somewhere/vit.so', 1, 7);"
          "INSERT INTO install_event (number, at, what, path, sha256, code, reason) VALUES (5, 7, 'refused', '/x/bad.so', 'cd', "
          "'crashed', 'it crashed');");
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) events = weft_catalogue_events(catalogue, "bad.so", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(events->len, ==, 1);
  g_assert_cmpstr(((WeftInstallEvent *)events->pdata[0])->reason, ==, "it crashed");
  g_assert_true(open_registrar(f->new, &error));
  check_form(f, "catalogue.db");
}

/* The first schema had no such table of plugins: the rows move. */
static void test_schema_moves_plugins(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  load(f, "schema-1.sql", "catalogue.db");
  run_sql(f->old, "catalogue.db",
          "INSERT INTO plugin_file VALUES ('ab', 1, 62, 'vit', '1.0.0', 'MIT', 1, '{}', '/somewhere/vit.so', 1, 7);"
          "INSERT INTO plugin VALUES ('vit', '1.0.0', 'ab', 'encoder', 'sees', NULL);"
          "INSERT INTO install_event VALUES (1, 7, 'installed', '/somewhere/vit.so', 'ab', NULL, NULL);"
          "INSERT INTO install_event_plugin VALUES (1, 'vit', '1.0.0', 'encoder');");
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  g_autoptr(WeftPluginLines) lines = weft_catalogue_lines(catalogue, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(lines->n, ==, 1);
  g_assert_cmpstr(lines->lines[0].state, ==, "bundled");
  g_assert_cmpstr(lines->lines[0].summary, ==, "sees");
  g_autoptr(GPtrArray) events = weft_catalogue_events(catalogue, "vit", &error);
  g_assert_cmpuint(events->len, ==, 1);
  g_assert_cmpstr(((WeftInstallEvent *)events->pdata[0])->plugins, ==, "vit@1.0.0");
}

/* Also that the hash of a row is what it always was. */
static void test_schema_audit(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  guint64 n = 0;
  load(f, "audit-1.sql", "audit.db");
  g_assert_true(weft_audit_verify(f->old, &n, NULL, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(n, ==, 2);
  g_assert_true(open_registrar(f->new, &error));
  check_form(f, "audit.db");
}

static void test_schema_stats(Fixture *f, gconstpointer unused)
{
  static const char digest[] = "880a653d7c259442f1dee642d98a5add902e30df210c98a10f7a81dca6de2dba";
  g_autoptr(GError) error = NULL;
  WeftPluginStats seen, more = {.sha256 = digest, .id = "fault", .n_starts = 1, .n_calls = 4, .n_crashes = 1,
                                .last_crash_at = 9, .last_crash = "why"};
  load(f, "stats-1.sql", "stats.db");
  g_assert_true(open_registrar(f->old, &error));
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  weft_catalogue_learned(catalogue, digest, "fault", &seen);
  g_assert_cmpint(seen.n_starts, ==, 1);
  g_assert_true(weft_catalogue_learn(catalogue, &more, 1));
  weft_catalogue_learned(catalogue, digest, "fault", &seen);
  g_assert_cmpint(seen.n_starts, ==, 2);
  g_assert_cmpint(seen.n_calls, ==, 5);
  g_assert_cmpstr(seen.last_crash, ==, "why");
  g_free((char *)seen.last_crash);
  g_setenv("WEFT_CATALOGUE", f->new, TRUE);
  g_assert_true(open_registrar(f->new, &error));
  g_autoptr(WeftCatalogue) fresh = weft_catalogue_open(NULL, &error);
  g_assert_true(weft_catalogue_learn(fresh, &more, 1));
  check_form(f, "stats.db");
}

static void test_schema_newer(Fixture *f, gconstpointer file)
{
  g_autoptr(GError) error = NULL;
  g_assert_true(open_registrar(f->old, &error));
  run_sql(f->old, file, "PRAGMA user_version = 77; INSERT INTO schema_step VALUES (77, '9.1.0')");
  g_assert_false(open_registrar(f->old, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NEWER);
  g_autofree char *wrote = g_strdup_printf("a newer Weft wrote %s (schema 77; this is weft ", (const char *)file);
  if (!strstr(error->message, wrote) || !strstr(error->message, "use weft 9.1.0 or a newer one"))
    g_error("%s", error->message);
}

/* Counts of a newer Weft are left alone, and nothing stops for them. */
static void test_schema_newer_stats(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  WeftPluginStats seen, more = {.sha256 = "ab", .id = "x", .n_starts = 1};
  load(f, "stats-1.sql", "stats.db");
  run_sql(f->old, "stats.db", "PRAGMA user_version = 77");
  g_assert_true(open_registrar(f->old, &error));
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_assert_false(weft_catalogue_learn(catalogue, &more, 1));
  weft_catalogue_learned(catalogue, "ab", "x", &seen);
  g_assert_cmpint(seen.n_starts, ==, 0);
}

/* Fields that no schema of ours allows to be empty. */
static void test_schema_emptied_trail(Fixture *f, gconstpointer unused)
{
  guint64 n = 0;
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_build_filename(f->root, "trail", NULL), *backup = g_build_filename(f->root, "kept", NULL);
  g_autofree char *old = NULL;
  g_assert_true(open_registrar(folder, &error));
  g_assert_true(weft_archive_backup(folder, backup, FALSE, NULL, &error));
  run_sql(folder, "audit.db", "CREATE TABLE other AS SELECT * FROM audit; DROP TABLE audit; ALTER TABLE other RENAME TO audit; "
                              "INSERT INTO audit (number) VALUES (1)");
  g_assert_false(weft_audit_verify(folder, &n, NULL, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT);
  g_clear_error(&error);
  /* A file of the store under a digest that is not its own, though the list agrees with its bytes. */
  run_sql(f->root, "kept", "INSERT INTO chunk (name, bytes) VALUES ('sha256/00/' || printf('%064d', 0), CAST('abc' AS BLOB)); "
                             "INSERT INTO content (name, sha256, n_bytes) VALUES ('sha256/00/' || printf('%064d', 0), "
                             "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 3)");
  g_assert_false(weft_archive_restore(backup, folder, TRUE, &old, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT);
  g_assert_nonnull(strstr(error->message, "another digest"));
}

#define ADD(path, data, function) g_test_add("/schema/" path, Fixture, data, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("catalogue-1", "schema-1.sql", test_schema_catalogues);
  ADD("moves-plugins", NULL, test_schema_moves_plugins);
  ADD("audit-1", NULL, test_schema_audit);
  ADD("stats-1", NULL, test_schema_stats);
  ADD("newer-catalogue", "catalogue.db", test_schema_newer);
  ADD("newer-audit", "audit.db", test_schema_newer);
  ADD("newer-stats", NULL, test_schema_newer_stats);
  ADD("emptied-trail", NULL, test_schema_emptied_trail);
  return g_test_run();
}
