/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue without plugin code: rows, search order, versions, digests, modes and damage. */
#include "catalogue.h"
#include "digest.h"
#include "registrar.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  char *root, *a, *b;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
  f->root = g_dir_make_tmp("weft-catalogue-XXXXXX", NULL);
  f->a = g_build_filename(f->root, "a", NULL);
  f->b = g_build_filename(f->root, "b", NULL);
  g_setenv("WEFT_CATALOGUE", f->a, TRUE);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *quoted = g_shell_quote(f->root);
  g_autofree char *command = g_strdup_printf("chmod -R u+w %s && rm -rf %s", quoted, quoted);
  g_assert_cmpint(system(command), ==, 0);
  g_free(f->root);
  g_free(f->a);
  g_free(f->b);
}

/* Registers a file whose bytes are its name: the registry looks at no code. */
static void put(const char *folder, const char *id, const char *version, const char *reads)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *bytes = g_strdup_printf("%s@%s", id, version);
  g_autofree char *sha256 = weft_digest_of(bytes, strlen(bytes));
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  g_assert_no_error(error);
  WeftStaged *staged = weft_registrar_stage(registrar, bytes, strlen(bytes), sha256, &error);
  g_assert_no_error(error);
  WeftRegistrarPlugin plugin = {id, reads ? "reader" : "encoder", "for a test", reads};
  WeftRegistrarFile file = {.path = bytes, .sha256 = sha256, .n_bytes = (gint64)strlen(bytes), .name = id,
                            .version = version, .licence = "Apache-2.0", .contract = 1, .manifest = "{}",
                            .plugins = &plugin, .n_plugins = 1};
  weft_registrar_commit(registrar, staged, &file, &error);
  weft_staged_free(staged);
  g_assert_no_error(error);
}

static WeftCatalogue *open_or_die(const char *bundled)
{
  g_autoptr(GError) error = NULL;
  WeftCatalogue *catalogue = weft_catalogue_open(bundled, &error);
  g_assert_no_error(error);
  return catalogue;
}

static void check_found(WeftCatalogue *catalogue, const char *id, const char *range, const char *version)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, id, range, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(row->version, ==, version);
  g_autofree char *content = NULL;
  g_assert_true(g_file_get_contents(row->path, &content, NULL, NULL));
  g_autofree char *expected = g_strdup_printf("%s@%s", id, version);
  g_assert_cmpstr(content, ==, expected);
}

static void check_missing(WeftCatalogue *catalogue, const char *id, const char *range, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, id, range, &error);
  g_assert_null(row);
  g_assert_nonnull(error);
  if (!strstr(error->message, message))
    g_error("expected \"%s\" in \"%s\"", message, error->message);
}

static void test_catalogue_finds_versions(Fixture *f, gconstpointer unused)
{
  put(f->a, "vit", "1.0.0", NULL);
  put(f->a, "vit", "1.10.0", NULL);
  put(f->a, "vit", "1.9.0", NULL);
  put(f->a, "vit", "2.0.0-rc.1", NULL);
  put(f->a, "only-pre", "1.0.0-rc.1", NULL);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_found(catalogue, "vit", NULL, "1.10.0");
  check_found(catalogue, "vit", "^1", "1.10.0");
  check_found(catalogue, "vit", "~1.9", "1.9.0");
  check_found(catalogue, "vit", "1.0.0", "1.0.0");
  check_found(catalogue, "vit", "2.0.0-rc.1", "2.0.0-rc.1");
  check_missing(catalogue, "vit", "^3", "is installed, but not in a version ^3; there is 1.0.0, 1.10.0, 1.9.0");
  check_missing(catalogue, "vti", NULL, "did you mean \"vit\"?");
  check_missing(catalogue, "something-else", NULL, "no plugin \"something-else\" is installed (searched:");
  check_missing(catalogue, "only-pre", NULL, "only as a prerelease");
  check_missing(catalogue, "vit", "newest", "is not a version range");
}

static void test_catalogue_searches_in_order(Fixture *f, gconstpointer unused)
{
  put(f->a, "vit", "1.0.0", NULL);
  put(f->b, "vit", "2.0.0", NULL);
  put(f->b, "ast", "1.0.0", NULL);
  {
    g_autoptr(WeftCatalogue) catalogue = open_or_die(f->b);
    check_found(catalogue, "vit", NULL, "1.0.0");
    check_found(catalogue, "vit", "^2", "2.0.0");
    check_found(catalogue, "ast", NULL, "1.0.0");
  }
  g_autofree char *both = g_strdup_printf("%s:%s", f->b, f->a);
  g_setenv("WEFT_CATALOGUE", both, TRUE);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_found(catalogue, "vit", NULL, "2.0.0");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) list = weft_catalogue_list(catalogue, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(list->len, ==, 3);
  g_assert_cmpstr(((WeftPluginRow *)list->pdata[0])->id, ==, "ast");
  g_assert_cmpstr(((WeftPluginRow *)list->pdata[2])->version, ==, "2.0.0");
}

static void test_catalogue_named_folder_must_be_one(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(weft_catalogue_open(NULL, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_MISSING);
  g_assert_nonnull(strstr(error->message, "no catalogue there"));
}

static void test_catalogue_lists_readers(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  put(f->a, "png", "1.0.0", "image");
  put(f->a, "png", "1.1.0", "image");
  put(f->b, "png", "9.0.0", "image");
  put(f->b, "jpeg", "1.0.0", "image");
  put(f->b, "wav", "1.0.0", "audio");
  g_autoptr(WeftCatalogue) catalogue = open_or_die(f->b);
  g_autoptr(GPtrArray) readers = weft_catalogue_readers(catalogue, "image", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(readers->len, ==, 2);
  g_assert_cmpstr(((WeftPluginRow *)readers->pdata[0])->id, ==, "jpeg");
  g_assert_cmpstr(((WeftPluginRow *)readers->pdata[1])->version, ==, "1.1.0");
}

static void test_catalogue_opens_read_only(Fixture *f, gconstpointer unused)
{
  if (geteuid() == 0) {
    /* root may write anywhere: do it as nobody, in another process */
    put(f->a, "vit", "1.0.0", NULL);
    g_assert_cmpint(chmod(f->root, 0755), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
      if (setuid(65534) != 0)
        _exit(9);
      g_autoptr(GError) error = NULL;
      g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
      g_autoptr(WeftPluginRow) row = catalogue ? weft_catalogue_find(catalogue, "vit", NULL, &error) : NULL;
      if (error)
        fprintf(stderr, "%s\n", error->message);
      gboolean refused = !weft_registrar_open(f->a, FALSE, NULL);
      _exit(row && refused ? 0 : 1);
    }
    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    return;
  }
  put(f->a, "vit", "1.0.0", NULL);
  g_autofree char *db = g_build_filename(f->a, "catalogue.db", NULL);
  g_assert_cmpint(chmod(db, 0444), ==, 0);
  g_assert_cmpint(chmod(f->a, 0555), ==, 0);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_found(catalogue, "vit", NULL, "1.0.0");
}

static sqlite3 *raw(const char *folder)
{
  sqlite3 *handle;
  g_autofree char *path = g_build_filename(folder, "catalogue.db", NULL);
  g_assert_cmpint(sqlite3_open(path, &handle), ==, SQLITE_OK);
  return handle;
}

static void test_catalogue_refuses_a_newer_schema(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  put(f->a, "vit", "1.0.0", NULL);
  sqlite3 *handle = raw(f->a);
  g_assert_cmpint(sqlite3_exec(handle, "PRAGMA user_version = 77", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(handle);
  g_assert_null(weft_catalogue_open(NULL, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NEWER);
  g_assert_nonnull(strstr(error->message, "schema 77; this is weft "));
}

static void test_catalogue_upgrades_an_empty_database(Fixture *f, gconstpointer unused)
{
  /* what an installation killed before its first commit leaves */
  g_assert_cmpint(g_mkdir(f->a, 0755), ==, 0);
  g_autofree char *path = g_build_filename(f->a, "catalogue.db", NULL);
  g_assert_true(g_file_set_contents(path, "", 0, NULL));
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_missing(catalogue, "vit", NULL, "no plugin \"vit\" is installed");
}

static GPtrArray *schema(const char *folder)
{
  GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
  sqlite3_stmt *statement;
  sqlite3 *handle = raw(folder);
  g_assert_cmpint(sqlite3_prepare_v2(handle, "SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name", -1, &statement,
                                     NULL), ==, SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW)
    g_ptr_array_add(out, g_strdup((const char *)sqlite3_column_text(statement, 0)));
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return out;
}

/* Old databases of the tree are opened, and end as a new one begins. */
static void test_catalogue_opens_old_schemas(Fixture *f, gconstpointer unused)
{
  g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "tests", "registry", "schema-1.sql", NULL);
  g_autofree char *sql = NULL;
  g_assert_true(g_file_get_contents(path, &sql, NULL, NULL));
  g_assert_cmpint(g_mkdir(f->a, 0755), ==, 0);
  sqlite3 *handle = raw(f->a);
  g_assert_cmpint(sqlite3_exec(handle, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(handle);
  put(f->a, "vit", "1.0.0", NULL);
  put(f->b, "vit", "1.0.0", NULL);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_found(catalogue, "vit", NULL, "1.0.0");
  g_autoptr(GPtrArray) old = schema(f->a), new = schema(f->b);
  g_assert_cmpuint(old->len, ==, new->len);
  for (guint i = 0; i < old->len; i++)
    g_assert_cmpstr(old->pdata[i], ==, new->pdata[i]);
}

static void test_catalogue_says_that_it_is_damaged(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  g_assert_cmpint(g_mkdir(f->a, 0755), ==, 0);
  g_autofree char *path = g_build_filename(f->a, "catalogue.db", NULL);
  g_autofree char *junk = g_strnfill(8192, 'x');
  g_assert_true(g_file_set_contents(path, junk, 8192, NULL));
  g_assert_null(weft_catalogue_open(NULL, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_CORRUPT);
  g_assert_nonnull(strstr(error->message, "catalogue.db is damaged"));
}

/* Another process inside a transaction; it ends when the descriptor that is answered is closed. */
static pid_t hold(const Fixture *f, int *end)
{
  int ready[2], wait[2];
  char byte;
  g_assert_cmpint(pipe(ready), ==, 0);
  g_assert_cmpint(pipe(wait), ==, 0);
  pid_t pid = fork();
  g_assert_cmpint(pid, >=, 0);
  if (pid == 0) {
    close(wait[1]);
    sqlite3 *handle = raw(f->a);
    if (sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK || write(ready[1], "", 1) != 1)
      _exit(1);
    _exit(read(wait[0], &byte, 1) == 0 ? 0 : 1);
  }
  close(wait[0]);
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  close(ready[0]);
  close(ready[1]);
  *end = wait[1];
  return pid;
}

static void test_catalogue_says_that_it_is_locked(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  int end, status;
  put(f->a, "vit", "1.0.0", NULL);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_no_error(error);
  pid_t pid = hold(f, &end);
  WeftRegistrarFile file = {.path = "x.so"};
  g_assert_false(weft_registrar_refuse(registrar, &file, "crashed", "it crashed", &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_LOCKED);
  g_assert_nonnull(strstr(error->message, "catalogue.db is locked by "));
  g_assert_nonnull(strstr(error->message, "process "));
  g_autofree char *who = g_strdup_printf("locked by process %d (waited 5 s)", (int)pid);
  if (!strstr(error->message, who))
    g_test_message("this system does not tell who: %s", error->message);
  close(end);
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(status, ==, 0);
}

static void test_catalogue_keeps_reasons(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  WeftRegistrarPlugin plugin = {"bad", "encoder", NULL, NULL};
  WeftRegistrarFile file = {.path = "/nowhere/bad.so", .version = "1.0.0", .plugins = &plugin, .n_plugins = 1};
  WeftRegistrar *registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_no_error(error);
  g_assert_true(weft_registrar_refuse(registrar, &file, "crashed", "bad.so: it crashed", &error));
  weft_registrar_free(registrar);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_missing(catalogue, "bad", NULL, "plugin \"bad\" was refused: bad.so: it crashed");
  g_autoptr(GPtrArray) list = weft_catalogue_list(catalogue, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(list->len, ==, 1);
  const WeftPluginRow *row = list->pdata[0];
  g_assert_false(row->usable);
  g_assert_null(row->path);
  g_assert_cmpstr(row->reason, ==, "bad.so: it crashed");
  static const char *const words[] = {"bad", "bad.so", "/nowhere/bad.so"};
  for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
    g_autoptr(GPtrArray) events = weft_catalogue_events(catalogue, words[i], &error);
    g_assert_no_error(error);
    g_assert_cmpuint(events->len, ==, 1);
    g_assert_cmpstr(((WeftInstallEvent *)events->pdata[0])->code, ==, "crashed");
    g_assert_cmpstr(((WeftInstallEvent *)events->pdata[0])->plugins, ==, "bad@1.0.0");
  }
}

static void test_catalogue_removes(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  put(f->a, "vit", "1.0.0", NULL);
  put(f->a, "vit", "2.0.0", NULL);
  WeftRegistrar *registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_no_error(error);
  g_auto(GStrv) removed = NULL;
  g_assert_true(weft_registrar_remove(registrar, "vit", "2.0.0", &removed, &error));
  g_assert_cmpstr(removed[0], ==, "vit@2.0.0");
  g_auto(GStrv) none = NULL;
  g_assert_false(weft_registrar_remove(registrar, "vit", "2.0.0", &none, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND);
  weft_registrar_free(registrar);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_found(catalogue, "vit", NULL, "1.0.0");
}

static void test_catalogue_repairs(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  put(f->a, "vit", "1.0.0", NULL);
  put(f->a, "ast", "1.0.0", NULL);
  g_autofree char *orphan_digest = weft_digest_of("orphan", 6);
  g_autofree char *lost_digest = weft_digest_of("ast@1.0.0", 9);
  g_autofree char *orphan_folder = g_strdup_printf("%s/sha256/%.2s", f->a, orphan_digest);
  g_autofree char *orphan = g_build_filename(orphan_folder, orphan_digest, NULL);
  g_autofree char *lost = g_strdup_printf("%s/sha256/%.2s/%s", f->a, lost_digest, lost_digest);
  g_mkdir_with_parents(orphan_folder, 0755);
  g_assert_true(g_file_set_contents(orphan, "orphan", 6, NULL));
  g_assert_cmpint(g_unlink(lost), ==, 0);
  WeftRegistrar *registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_no_error(error);
  weft_registrar_free(registrar);
  g_assert_false(g_file_test(orphan, G_FILE_TEST_EXISTS));
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  check_found(catalogue, "vit", NULL, "1.0.0");
  check_missing(catalogue, "ast", NULL, "its file was no longer in the store");
}

static gint64 remembered(const char *folder)
{
  sqlite3_stmt *statement;
  sqlite3 *handle = raw(folder);
  g_assert_cmpint(sqlite3_prepare_v2(handle, "SELECT count(*) FROM file_digest", -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
  gint64 n = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return n;
}

static char *model_file(const Fixture *f, const char *name, const char *content, gboolean settled)
{
  g_autofree char *folder = g_build_filename(f->root, "model", NULL);
  g_mkdir_with_parents(folder, 0755);
  char *path = g_build_filename(folder, name, NULL);
  g_assert_true(g_file_set_contents(path, content, -1, NULL));
  if (settled) {
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    g_assert_cmpint(utimensat(AT_FDCWD, path, old, 0), ==, 0);
  }
  return path;
}

static void test_catalogue_remembers_digests(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  put(f->a, "vit", "1.0.0", NULL);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  gint64 begin = g_get_monotonic_time();
  g_autofree char *path = model_file(f, "config.json", "abc", TRUE);
  /* the change time is now: not remembered before two seconds are over (which a busy machine may have taken) */
  g_autofree char *first = weft_catalogue_file_digest(catalogue, path, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(first, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  int n_remembered = remembered(f->a);
  if (g_get_monotonic_time() - begin < 2 * G_USEC_PER_SEC)
    g_assert_cmpint(n_remembered, ==, 0);
  g_usleep(2100000);
  g_autofree char *second = weft_catalogue_file_digest(catalogue, path, &error);
  g_assert_cmpstr(second, ==, first);
  g_assert_cmpint(remembered(f->a), ==, 1);
  /* the remembered value is what is answered */
  sqlite3 *handle = raw(f->a);
  g_assert_cmpint(sqlite3_exec(handle, "UPDATE file_digest SET sha256 = 'seen'", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(handle);
  g_autofree char *third = weft_catalogue_file_digest(catalogue, path, &error);
  g_assert_cmpstr(third, ==, "seen");
  /* another content with the same size and modification time has another change time */
  g_autofree char *again = model_file(f, "config.json", "abd", TRUE);
  g_autofree char *fourth = weft_catalogue_file_digest(catalogue, again, &error);
  g_assert_cmpstr(fourth, !=, "seen");
  g_assert_cmpstr(fourth, !=, first);
}

static void test_catalogue_model_digest(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  put(f->a, "vit", "1.0.0", NULL);
  g_autoptr(WeftCatalogue) catalogue = open_or_die(NULL);
  g_autofree char *folder = g_build_filename(f->root, "model", NULL);
  g_free(model_file(f, "model.safetensors", "weights", FALSE));
  g_free(model_file(f, "config.json", "{}", FALSE));
  g_autofree char *digest = weft_catalogue_model_digest(catalogue, folder, &error);
  g_assert_no_error(error);
  g_autofree char *quoted = g_shell_quote(folder);
  g_autofree char *script = g_strdup_printf("cd %s && sha256sum config.json model.safetensors | sha256sum", quoted);
  const char *argv[] = {"/bin/sh", "-c", script, NULL};
  g_autofree char *expected = NULL;
  g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &expected, NULL, NULL, &error));
  g_assert_cmpint(strncmp(expected, digest, 64), ==, 0);
  g_free(model_file(f, "README.md", "a card", FALSE));
  g_autofree char *with_card = weft_catalogue_model_digest(catalogue, folder, &error);
  g_assert_cmpstr(with_card, ==, digest);
  g_free(model_file(f, "tokenizer.json", "{}", FALSE));
  g_autofree char *with_tokenizer = weft_catalogue_model_digest(catalogue, folder, &error);
  g_assert_cmpstr(with_tokenizer, !=, digest);
  g_assert_null(weft_catalogue_model_digest(catalogue, f->root, &error));
  g_assert_nonnull(strstr(error->message, "expected a model folder"));
}

#define ADD(path, function) g_test_add("/catalogue/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("finds-versions", test_catalogue_finds_versions);
  ADD("searches-in-order", test_catalogue_searches_in_order);
  ADD("named-folder-must-be-one", test_catalogue_named_folder_must_be_one);
  ADD("lists-readers", test_catalogue_lists_readers);
  ADD("opens-read-only", test_catalogue_opens_read_only);
  ADD("refuses-a-newer-schema", test_catalogue_refuses_a_newer_schema);
  ADD("upgrades-an-empty-database", test_catalogue_upgrades_an_empty_database);
  ADD("opens-old-schemas", test_catalogue_opens_old_schemas);
  ADD("says-that-it-is-damaged", test_catalogue_says_that_it_is_damaged);
  ADD("says-that-it-is-locked", test_catalogue_says_that_it_is_locked);
  ADD("keeps-reasons", test_catalogue_keeps_reasons);
  ADD("removes", test_catalogue_removes);
  ADD("repairs", test_catalogue_repairs);
  ADD("remembers-digests", test_catalogue_remembers_digests);
  ADD("model-digest", test_catalogue_model_digest);
  return g_test_run();
}
