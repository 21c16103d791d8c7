/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A catalogue whose rows lack texts that the schema demands, as a damaged disk or a foreign program may leave them:
 * whatever reads it says something and ends with an exit code.
 */
#include <glib.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>

static char *weft, *work, *catalogue, *plugin;

static char *const commands[] = {
  "W plugin list", "W plugin list --json", "W plugin show plain", "W plugin why plain", "W plugin verify --quick",
  "W plugin disable plain", "W plugin gc --dry-run", "W model list", "W model show m", "W model check m", "W asset list --json",
  "W asset show a", "W asset check a", "W catalogue check", "W catalogue backup B --force", "W catalogue export E",
  "W pipeline check p.yaml"};

static int run(const char *command)
{
  int status = 0;
  g_autoptr(GError) error = NULL;
  g_autofree char *quoted = g_strdup_printf("%s %s", weft, command + 2), *err = NULL, *out = NULL;
  char *argv[] = {"sh", "-c", quoted, NULL};
  g_spawn_sync(work, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error);
  g_assert_no_error(error);
  g_test_message("%s: %s", command, err);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 4)
    g_error("%s: ended with status %x: %s", command, (guint)status, err);
  return WEXITSTATUS(status);
}

static void shell(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void shell(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  char *argv[] = {"sh", "-c", text, NULL};
  int status = 0;
  g_autoptr(GError) error = NULL;
  g_spawn_sync(work, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error(error);
  g_assert_cmpint(status, ==, 0);
}

static sqlite3 *open_database(void)
{
  sqlite3 *db = NULL;
  g_autofree char *path = g_build_filename(catalogue, "catalogue.db", NULL);
  g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
  return db;
}

static void sql(sqlite3 *db, const char *text)
{
  char *message = NULL;
  if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
    g_error("%s: %s", text, message);
}

/* `table.column` of every text that must be there. */
static GPtrArray *texts(void)
{
  GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
  sqlite3 *db = open_database();
  sqlite3_stmt *statement = NULL;
  g_assert_cmpint(sqlite3_prepare_v2(db, "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c "
                                         "WHERE m.type = 'table' AND c.type = 'TEXT' AND m.name NOT LIKE 'sqlite%'", -1,
                                     &statement, NULL), ==, SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW)
    g_ptr_array_add(all, g_strdup((const char *)sqlite3_column_text(statement, 0)));
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return all;
}

/* FALSE: a key of a table without row numbers cannot be so damaged. */
static gboolean damage(const char *place)
{
  g_auto(GStrv) words = g_strsplit(place, ".", 2);
  g_autofree char *update = g_strdup_printf("UPDATE %s SET %s = NULL", words[0], words[1]);
  sqlite3 *db = open_database();
  sql(db, "PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON; "
          "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table';");
  sqlite3_close(db);
  db = open_database();
  sql(db, "PRAGMA foreign_keys = OFF");
  char *message = NULL;
  gboolean done = sqlite3_exec(db, update, NULL, NULL, &message) == SQLITE_OK && sqlite3_changes(db) > 0;
  g_test_message("%s: %s", place, message ? message : done ? "damaged" : "has no rows");
  sqlite3_free(message);
  sqlite3_close(db);
  return done;
}

static void test_nulls_say_something(void)
{
  g_autoptr(GPtrArray) places = texts();
  guint n = 0;
  g_assert_cmpuint(places->len, >=, 10);
  for (guint i = 0; i < places->len; i++) {
    shell("rm -rf catalogue E B && cp -r sound catalogue");
    if (!damage(places->pdata[i]))
      continue;
    g_test_message("--- %s", (char *)places->pdata[i]);
    n++;
    for (guint k = 0; k < G_N_ELEMENTS(commands); k++)
      run(commands[k]);
  }
  g_test_message("%u of %u columns", n, places->len);
  g_assert_cmpuint(n, >=, 8);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  plugin = g_canonicalize_filename(argv[1], NULL);
  work = g_dir_make_tmp("weft-nulls-XXXXXX", NULL);
  catalogue = g_build_filename(work, "catalogue", NULL);
  g_setenv("WEFT_CATALOGUE", catalogue, TRUE);
  shell("mkdir m && echo '{}' > m/config.json && head -c 1000 /dev/urandom > m/model.safetensors && echo a > a.txt && "
        "printf 'weft: 1\\nname: p\\ninputs: {a: {type: bytes}}\\n"
        "nodes: {n: {use: plain@^1, in: a}}\\noutputs: {o: n}\\n' > p.yaml");
  shell("%s plugin install %s && %s model add m && %s asset add a.txt --name a && cp -r catalogue sound", weft, plugin, weft, weft);
  g_test_add_func("/nulls/say-something", test_nulls_say_something);
  int code = g_test_run();
  shell("rm -rf '%s'", work);
  return code;
}
