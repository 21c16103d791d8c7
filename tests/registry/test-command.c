/* SPDX-License-Identifier: Apache-2.0 */
/* `weft plugin` as a person meets it: what is printed, as text and as JSON, and the exit codes. */
#include <glib.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

typedef struct {
  char *root, *catalogue, *out, *err;
  int code;
} Fixture;

static char *weft, *plugins_slash;

static void set_up(Fixture *f, gconstpointer unused)
{
  f->root = g_dir_make_tmp("weft-command-XXXXXX", NULL);
  f->catalogue = g_build_filename(f->root, "mine", NULL);
  f->out = f->err = NULL;
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->root);
  g_assert_cmpint(system(command), ==, 0);
  g_free(f->root);
  g_free(f->catalogue);
  g_free(f->out);
  g_free(f->err);
}

/* Runs `weft plugin LINE`: @/ stands for the folder of the test plugins, % for --catalogue DIR. */
static void run(Fixture *f, const char *line)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) text = g_string_new(line);
  g_autofree char *option = g_strdup_printf("--catalogue %s", f->catalogue);
  g_string_replace(text, "@/", plugins_slash, 0);
  g_string_replace(text, "%", option, 0);
  g_autofree char *command = g_strdup_printf("%s plugin %s", weft, text->str);
  g_clear_pointer(&f->out, g_free);
  g_clear_pointer(&f->err, g_free);
  int status;
  g_assert_true(g_spawn_command_line_sync(command, &f->out, &f->err, &status, &error));
  g_assert_true(WIFEXITED(status));
  f->code = WEXITSTATUS(status);
}

static void check(Fixture *f, const char *line, int code, const char *out, const char *err)
{
  run(f, line);
  if (f->code != code || !strstr(f->out, out) || !strstr(f->err, err))
    g_error("weft plugin %s: code %d, expected %d; out \"%s\", expected \"%s\"; err \"%s\", expected \"%s\"", line, f->code,
            code, f->out, out, f->err, err);
}

static void test_command_usage(Fixture *f, gconstpointer unused)
{
  check(f, "", 2, "", "what to do is missing: install, list, show, why, verify, disable, enable, release, remove or gc");
  check(f, "--help", 0, "usage: weft plugin", "");
  check(f, "instal x", 2, "", "instal is not an action; did you mean install?");
  check(f, "install", 2, "", "the file is missing");
  check(f, "list --jsn", 2, "", "--jsn is not an option here; did you mean --json?");
  check(f, "list --catalogue", 2, "", "--catalogue: a value is missing");
  check(f, "install x.so --timeout 0", 2, "", "--timeout: expected seconds from 1 to 600, found 0");
  check(f, "install x.so --timeout 601", 2, "", "--timeout: expected seconds from 1 to 600, found 601");
  check(f, "show", 2, "", "show: expected one ID[@VERSION]");
}

/* What could not be made as a whole is not there, or it would stop the commands after it. */
static void test_command_no_room(Fixture *f, gconstpointer unused)
{
  g_autofree char *database = g_build_filename(f->catalogue, "catalogue.db", NULL);
  g_autofree char *line = g_strdup_printf("/bin/sh -c \"trap '' XFSZ; ulimit -f 4; exec %s plugin install --catalogue %s "
                                          "%stest-pass.so\"", weft, f->catalogue, plugins_slash);
  int status;
  g_assert_true(g_spawn_command_line_sync(line, &f->out, &f->err, &status, NULL));
  g_test_message("%s", f->err);
  g_assert_cmpint(WEXITSTATUS(status), ==, 4);
  g_assert_false(g_file_test(database, G_FILE_TEST_EXISTS));
  check(f, "install % @/test-pass.so", 0, "installed pass", "");
}

/* Ctrl-C or a kill while a plugin hangs in its probe: the probe does not stay behind. */
static void test_command_killed(Fixture *f, gconstpointer unused)
{
  g_autofree char *plugin = g_strconcat(plugins_slash, "test-hang-in-init.so", NULL), *children = NULL;
  char *argv[] = {weft, "plugin", "install", "--catalogue", f->catalogue, plugin, NULL};
  GPid pid;
  g_assert_true(g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL));
  g_autofree char *list = g_strdup_printf("/proc/%d/task/%d/children", pid, pid);
  for (int i = 0; i < 500 && (!children || !*children); i++) {
    g_usleep(10000);
    g_clear_pointer(&children, g_free);
    if (!g_file_get_contents(list, &children, NULL, NULL))
      break;
  }
  if (!children || !*children)
    g_test_skip("this system does not list a process's children");
  g_autofree char *exe = g_strdup_printf("/proc/%ld/exe", children ? strtol(children, NULL, 10) : 0);
  g_autofree char *probe = NULL;
  for (int i = 0; i < 500 && !g_str_has_suffix(probe ? probe : "", "weft-probe") && children; i++) {
    g_usleep(10000);
    g_free(probe);
    probe = g_file_read_link(exe, NULL);
  }
  g_usleep(100000);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  for (int i = 0; i < 500 && probe; i++) {
    g_usleep(10000);
    g_free(probe);
    probe = g_file_read_link(exe, NULL);
  }
  g_assert_null(probe);
}

static void test_command_life_of_a_plugin(Fixture *f, gconstpointer unused)
{
  check(f, "list %", 4, "", "no catalogue there");
  check(f, "remove % pass", 4, "", "no catalogue there");
  g_assert_false(g_file_test(f->catalogue, G_FILE_TEST_EXISTS));
  check(f, "install % --timeout 600 @/test-pass.so @/test-fault.so", 0, "installed pass@1.0.0\ninstalled fault@1.0.0\n", "");
  check(f, "install % @/test-pass.so", 0, "unchanged pass@1.0.0: the same file is installed already\n", "");
  check(f, "list %", 0, "pass   1.0.0    transform  installed  Copies its input: for tests and benchmarks\n", "");
  check(f, "show % fault", 0, "  text: [*] u8, ragged\noutputs\n  y: [*, 16] f32\n", "");
  check(f, "show % pas", 1, "", "no plugin \"pas\" is installed; did you mean \"pass\"?");
  check(f, "show % pass@^2", 1, "", "is installed, but not in a version ^2; there is 1.0.0");
  check(f, "why % pass", 0, "installed pass@1.0.0 from ", "");
  check(f, "remove % pass@2.0.0", 1, "", "no plugin \"pass@2.0.0\" is installed there");
  check(f, "remove % pass", 0, "removed pass@1.0.0\n", "");
  check(f, "why % pass", 0, "removed pass@1.0.0 from ", "");
  check(f, "show % pass", 1, "", "no plugin \"pass\" is installed");
}

static void test_command_refusals(Fixture *f, gconstpointer unused)
{
  check(f, "install % @/test-crash-in-init.so @/test-pass.so", 1, "installed pass@1.0.0\n",
        "test-crash-in-init.so: crashed while loading the file (init): killed by SIGSEGV");
  check(f, "list %", 0, "crash-in-init  1.0.0    transform  quarantine  ", "");
  check(f, "why % test-crash-in-init.so", 0, "refused crash-in-init@1.0.0 (crashed)", "");
  check(f, "show % crash-in-init", 1, "", "plugin \"crash-in-init\" was refused: ");
  check(f, "why % nobody", 1, "", "nothing is known of \"nobody\"");
  check(f, "install % /nonexistent.so", 1, "", "/nonexistent.so: cannot be opened: No such file or directory");
}

static void test_command_filters_the_list(Fixture *f, gconstpointer unused)
{
  run(f, "install % @/test-pass.so @/test-fault.so");
  check(f, "list % f*", 0, "fault  1.0.0", "");
  g_assert_null(strstr(f->out, "pass"));
  check(f, "list % --kind encoder", 0, "ID  VERSION  KIND  STATE      SUMMARY\n", "");
  check(f, "list % p* f*", 2, "", "list takes one pattern: f*");
  check(f, "list % --kind", 2, "", "--kind: a value is missing");
  check(f, "list % --dry-run", 2, "", "--dry-run is not an option here");
}

static void test_command_disables(Fixture *f, gconstpointer unused)
{
  run(f, "install % @/test-pass.so");
  check(f, "disable % pas", 1, "", "no plugin \"pas\" is installed; did you mean \"pass\"?");
  check(f, "enable % pass", 1, "", "pass@1.0.0 is enabled already");
  check(f, "disable % pass --reason broken", 0, "disabled pass@1.0.0\n", "");
  check(f, "list %", 0, "disabled   disabled by ", "");
  check(f, "show % pass", 1, "", "plugin \"pass\" (1.0.0) is disabled by ");
  check(f, "show % pass", 1, "", ": broken; to use it again: weft plugin enable pass");
  check(f, "disable % pass", 1, "", "is disabled by ");
  check(f, "why % pass", 0, "disabled pass@1.0.0 by ", "");
  check(f, "enable % pass@1.0.0", 0, "enabled pass@1.0.0\n", "");
  check(f, "show % pass", 0, "state       installed in ", "");
  check(f, "why % pass", 0, "enabled pass@1.0.0 by ", "");
}

static void test_command_releases(Fixture *f, gconstpointer unused)
{
  run(f, "install % @/test-pass.so @/test-crash-in-init.so @/test-lies.so");
  check(f, "release % pass", 1, "", "no plugin \"pass\" is in quarantine there");
  check(f, "show % crash-in-init", 1, "", "to use it all the same: weft plugin release crash-in-init");
  check(f, "release % crash-in-init --reason 'it is ours'", 0, "released crash-in-init@1.0.0\n", "");
  check(f, "show % crash-in-init", 0, "state       installed in ", "");
  check(f, "why % crash-in-init", 0, "released crash-in-init@1.0.0 from ", "");
  check(f, "verify % crash-in-init", 0, "1 of 1 plugins are as they were installed", "");
  check(f, "remove % lies", 0, "removed lies@1.0.0\n", "");
  check(f, "release % lies", 1, "", "is in quarantine there");
}

static void test_command_collects_garbage(Fixture *f, gconstpointer unused)
{
  run(f, "install % @/test-pass.so @/test-crash-in-init.so");
  g_autofree char *folder = g_build_filename(f->catalogue, "sha256", "00", NULL);
  g_autofree char *orphan = g_strdup_printf("%s/00%062d", folder, 0);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
  g_assert_true(g_file_set_contents(orphan, "orphan", 6, NULL));
  check(f, "gc % --dry-run", 0, "would remove 000000000000 (orphan), 6 bytes\nwould remove 1 files, 6 bytes\n", "");
  g_assert_true(g_file_test(orphan, G_FILE_TEST_EXISTS));
  check(f, "gc %", 0, "removed 1 files, 6 bytes\n", "");
  g_assert_false(g_file_test(orphan, G_FILE_TEST_EXISTS));
  check(f, "gc % --quarantine --dry-run", 0, "(quarantine: crash-in-init@1.0.0)", "");
  check(f, "gc % --quarantine", 0, "removed 1 files, ", "");
  check(f, "gc % --quarantine", 0, "removed 0 files, 0 bytes\n", "");
  check(f, "release % crash-in-init", 1, "", "is in quarantine there");
  check(f, "show % pass", 0, "state       installed in ", "");
}

static char *path_in_show(const char *out)
{
  const char *begin = strstr(out, "file        ");
  g_assert_nonnull(begin);
  begin += strlen("file        ");
  return g_strndup(begin, strcspn(begin, "\n"));
}

static void test_command_verifies(Fixture *f, gconstpointer unused)
{
  run(f, "install % @/test-pass.so @/test-fault.so");
  check(f, "verify %", 0, "2 of 2 plugins are as they were installed\n", "");
  run(f, "show % pass");
  g_autofree char *path = path_in_show(f->out), *bytes = NULL;
  gsize n_bytes;
  g_assert_true(g_file_get_contents(path, &bytes, &n_bytes, NULL));
  bytes[n_bytes - 1] ^= 1;
  g_assert_true(g_file_set_contents(path, bytes, (gssize)n_bytes, NULL));
  check(f, "verify %", 1, "1 of 2 plugins are as they were installed\n", "pass@1.0.0 (changed) ");
  check(f, "verify % pass --quick", 1, "0 of 1", "the file was changed (sha256 ");
  check(f, "verify % fault", 0, "1 of 1", "");
  check(f, "verify % nobody", 1, "", "no plugin \"nobody\" is installed in that version");
}

static void test_command_survives_a_changed_database(Fixture *f, gconstpointer unused)
{
  run(f, "install % @/test-pass.so");
  g_autofree char *path = g_build_filename(f->catalogue, "catalogue.db", NULL);
  sqlite3 *handle;
  g_assert_cmpint(sqlite3_open(path, &handle), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(handle, "UPDATE plugin SET id = 'other'", NULL, NULL, NULL), ==, SQLITE_OK);
  check(f, "show % other", 4, "", "the manifest kept there does not name \"other\"");
  g_assert_cmpint(sqlite3_exec(handle, "UPDATE plugin_file SET manifest = '{'", NULL, NULL, NULL), ==, SQLITE_OK);
  check(f, "show % other", 4, "", "not JSON");
  sqlite3_close(handle);
}

static json_t *parsed(Fixture *f, const char *line, int code)
{
  json_error_t problem;
  run(f, line);
  g_assert_cmpint(f->code, ==, code);
  json_t *value = json_loads(f->out, JSON_REJECT_DUPLICATES, &problem);
  if (!value)
    g_error("weft plugin %s: %s in \"%s\"", line, problem.text, f->out);
  return value;
}

static const char *text_of(const json_t *object, const char *key)
{
  return json_string_value(json_object_get(object, key));
}

static void test_command_json(Fixture *f, gconstpointer unused)
{
  json_t *value = parsed(f, "install % --json @/test-pass.so @/test-lies.so", 1);
  g_assert_cmpstr(text_of(json_array_get(value, 0), "outcome"), ==, "installed");
  g_assert_cmpstr(text_of(json_array_get(value, 1), "outcome"), ==, "refused");
  g_assert_cmpstr(text_of(json_array_get(value, 1), "code"), ==, "no-node");
  json_decref(value);
  value = parsed(f, "list % --json", 0);
  g_assert_cmpuint(json_array_size(value), ==, 2);
  g_assert_cmpstr(text_of(json_array_get(value, 0), "state"), ==, "quarantine");
  g_assert_cmpstr(text_of(json_array_get(value, 1), "id"), ==, "pass");
  json_decref(value);
  value = parsed(f, "show % --json pass", 0);
  g_assert_cmpstr(text_of(json_object_get(value, "manifest"), "name"), ==, "pass");
  json_decref(value);
  value = parsed(f, "why % --json lies", 0);
  g_assert_cmpstr(text_of(json_array_get(value, 0), "what"), ==, "refused");
  json_decref(value);
  value = parsed(f, "remove % --json pass", 0);
  g_assert_cmpstr(json_string_value(json_array_get(value, 0)), ==, "pass@1.0.0");
  json_decref(value);
}

static void test_command_keeps_the_bundled_plugins(Fixture *f, gconstpointer unused)
{
  g_setenv("XDG_DATA_HOME", f->root, TRUE);
  check(f, "remove vit", 4, "", "came with Weft and goes with it");
  check(f, "list", 0, "vit ", "");
  check(f, "install @/test-pass.so", 0, "installed pass@1.0.0", "");
  check(f, "list", 0, "pass                1.0.0    transform  installed", "");
  check(f, "remove vit", 1, "", "came with Weft and goes with it");
  check(f, "show vit", 0, "state       bundled in ", "");
}

#define ADD(path, function) g_test_add("/command/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  const char *build = g_getenv("G_TEST_BUILDDIR");
  g_unsetenv("WEFT_CATALOGUE");
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  weft = g_build_filename(build, "core", "cli", "weft", NULL);
  plugins_slash = g_build_filename(build, "tests", "plugins", "/", NULL);
  ADD("no-room", test_command_no_room);
  ADD("killed", test_command_killed);
  ADD("usage", test_command_usage);
  ADD("life-of-a-plugin", test_command_life_of_a_plugin);
  ADD("refusals", test_command_refusals);
  ADD("survives-a-changed-database", test_command_survives_a_changed_database);
  ADD("json", test_command_json);
  ADD("filters-the-list", test_command_filters_the_list);
  ADD("disables", test_command_disables);
  ADD("releases", test_command_releases);
  ADD("collects-garbage", test_command_collects_garbage);
  ADD("verifies", test_command_verifies);
  ADD("keeps-the-bundled-plugins", test_command_keeps_the_bundled_plugins);
  return g_test_run();
}
