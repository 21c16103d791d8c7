/* SPDX-License-Identifier: Apache-2.0 */
/* Installing right and broken plugins: what is said of each, and what stays behind. */
#include "catalogue.h"
#include "install.h"
#include "manifest.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  char *root, *catalogue;
} Fixture;

static char *plugins_folder, *probe, *manifest_program;

static void set_up(Fixture *f, gconstpointer unused)
{
  f->root = g_dir_make_tmp("weft-install-XXXXXX", NULL);
  f->catalogue = g_build_filename(f->root, "catalogue", NULL);
  g_setenv("WEFT_CATALOGUE", f->catalogue, TRUE);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *quoted = g_shell_quote(f->root);
  g_autofree char *command = g_strdup_printf("rm -rf %s", quoted);
  g_assert_cmpint(system(command), ==, 0);
  g_free(f->root);
  g_free(f->catalogue);
}

static char *plugin_path(const char *id)
{
  return g_strdup_printf("%s/test-%s.so", plugins_folder, id);
}

static WeftInstallResult *install_path(const Fixture *f, const char *path, guint timeout_ms)
{
  g_autoptr(GError) error = NULL;
  const WeftInstallOptions options = {.probe_program = probe, .probe_timeout_ms = timeout_ms};
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->catalogue, FALSE, &error);
  g_assert_no_error(error);
  WeftInstallResult *result = weft_install_file(registrar, path, &options, &error);
  g_assert_no_error(error);
  return result;
}

static WeftInstallResult *install(const Fixture *f, const char *id, guint timeout_ms)
{
  g_autofree char *path = plugin_path(id);
  return install_path(f, path, timeout_ms);
}

static guint n_files(const char *folder)
{
  guint n = 0;
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    n += g_file_test(path, G_FILE_TEST_IS_DIR) ? n_files(path) : 1;
  }
  return n;
}

static guint n_stored(const Fixture *f)
{
  g_autofree char *store = g_build_filename(f->catalogue, "sha256", NULL);
  g_autofree char *incoming = g_build_filename(f->catalogue, "incoming", NULL);
  return n_files(store) + n_files(incoming);
}

static WeftCatalogue *open_catalogue(void)
{
  g_autoptr(GError) error = NULL;
  WeftCatalogue *catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  return catalogue;
}

static void test_install_takes_a_good_plugin(Fixture *f, gconstpointer unused)
{
  static const char *const ids[] = {"pass", "source", "fault", "short-entry", "fast-math"};
  g_autoptr(GError) error = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
    g_autoptr(WeftInstallResult) result = install(f, ids[i], 0);
    g_assert_cmpstr(result->reason, ==, NULL);
    g_assert_cmpint(result->outcome, ==, WEFT_INSTALL_DONE);
    g_autofree char *name = g_strdup_printf("%s@1.0.0", ids[i]);
    g_assert_cmpstr(result->plugins[0], ==, name);
  }
  g_autoptr(WeftCatalogue) catalogue = open_catalogue();
  g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, "pass", "^1", &error);
  g_assert_no_error(error);
  g_autofree char *path = plugin_path("pass"), *stored = NULL, *original = NULL;
  gsize n_stored_bytes, n_original;
  g_assert_true(g_file_get_contents(row->path, &stored, &n_stored_bytes, NULL));
  g_assert_true(g_file_get_contents(path, &original, &n_original, NULL));
  g_assert_cmpmem(stored, n_stored_bytes, original, n_original);
  g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), "row", &error);
  g_assert_no_error(error);
  g_assert_nonnull(weft_manifest_find(manifest, "pass"));
}

#ifdef __SANITIZE_THREAD__
#define N_STARTED "2" /* the sanitizer starts a thread of its own with the first */
#else
#define N_STARTED "1"
#endif

static const struct {
  const char *id, *code, *reason; /* FILE stands for the path */
} broken[] = {
  {"any-node", "any-node", "FILE: get_node answers a node for any id, also for \"weft-probe-asks-for-nobody\"; it must be "
                           "NULL for ids that are not in the manifest"},
  {"bad-manifest", "bad-manifest", "FILE:1:21: not JSON: invalid token near end of file"},
  {"bad-node", "bad-node", "FILE: node \"bad-node\" has no process function; all six are needed"},
  {"changes-itself", "changed", "FILE: its copy in the catalogue was changed while it was probed; a plugin writes to no file "
                               "of the catalogue"},
  {"crash-in-init", "crashed", "FILE: crashed while loading the file (init): killed by SIGSEGV"},
  {"create-fails", "create-failed", "FILE: plugin \"create-fails\": create fails with the defaults of its manifest: the "
                                    "stars  are \xef\xbf\xbdnot right"},
  {"exit-in-init", "exited", "FILE: ended its process while loading the file (init): exit code 0; a plugin never exits"},
  {"hang-in-init", "hung", "FILE: hung while loading the file (init): no end after 3000 ms; the process was killed"},
  {"init-refuses", "init-failed", "FILE: init refuses to work here: status 3, unsupported"},
  {"lies", "no-node", "FILE: get_node knows no \"lies\", which the manifest offers"},
  {"missing-dependency", "missing-library", "FILE: cannot be loaded: libweft-does-not-exist.so.9: cannot open shared object "
                                            "file: No such file or directory"},
  {"no-entry", "no-entry", "FILE: no symbol weft_entry; a plugin exports `WEFT_EXPORT const struct weft_entry weft_entry`"},
  {"no-manifest", "no-plugin", "FILE: no section .weft.manifest: this is no plugin of Weft; put its manifest in with "
                               "`weft-manifest stamp FILE.so manifest.json`"},
  {"noisy", "noisy", "FILE: wrote more than 65536 bytes to the descriptor of the probe's report; a plugin writes to no "
                     "descriptor that it has not opened"},
  {"other-draft", "other-contract", "FILE: its manifest is written for draft 999 of the plugin contract, this host speaks "
                                    "draft 1; build the plugin against the headers of this version of Weft"},
  {"other-draft-entry", "other-contract", "FILE: built for draft 999 of the plugin contract, this host speaks draft 1; build "
                                          "the plugin against the headers of this version of Weft"},
  {"other-ports", "other-ports", "FILE: plugin \"other-ports\", output \"y\": dim 1 is 16 in the manifest, 8 by `ports`"},
  {"starts-threads", "starts-threads", "FILE: plugin \"starts-threads\": runs threads before activate (" N_STARTED "), so that a "
                                       "process with it cannot be forked; start them in activate, or say \"fork_safe\": false"},
  {"takes-signals", "takes-signals", "FILE: plugin \"takes-signals\": changes what SIGTERM does; signals belong to the "
                                     "program"},
  {"two-symbols", "more-symbols", "FILE: exports \"helper\"; a plugin exports weft_entry alone, or its names meet those of "
                                  "other plugins: compile with -fvisibility=hidden and link with -Wl,--exclude-libs,ALL"},
};

static char *with_file_name(const char *text, const char *path)
{
  g_auto(GStrv) parts = g_strsplit(text, path, 2);
  return parts[1] ? g_strjoinv("FILE", parts) : g_strdup(text);
}

/* What no code of the plugin was needed for, or what is not what it was; the others are kept in quarantine. */
static gboolean is_seen_without_running(const char *code)
{
  static const char *const codes[] = {"no-plugin", "bad-manifest", "other-contract", "more-symbols", "changed"};
  for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
    if (strcmp(codes[i], code) == 0)
      return TRUE;
  return FALSE;
}

static void test_install_says_why_not(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  guint n_quarantined = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
    g_autofree char *path = plugin_path(broken[i].id);
    gboolean hangs = strcmp(broken[i].code, "hung") == 0;
    g_autoptr(WeftInstallResult) result = install(f, broken[i].id, hangs ? 3000 : 0);
    g_assert_cmpint(result->outcome, ==, WEFT_INSTALL_REFUSED);
    g_autofree char *reason = with_file_name(result->reason, path);
    g_assert_cmpstr(reason, ==, broken[i].reason);
    g_assert_cmpstr(result->code, ==, broken[i].code);
    /* that of the entry is only seen by loading it */
    n_quarantined += !is_seen_without_running(result->code) || strcmp(broken[i].id, "other-draft-entry") == 0;
  }
  g_assert_cmpuint(n_stored(f), ==, n_quarantined);
  g_autoptr(WeftCatalogue) catalogue = open_catalogue();
  for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
    g_autofree char *path = plugin_path(broken[i].id);
    g_autoptr(GPtrArray) events = weft_catalogue_events(catalogue, path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(events->len, ==, 1);
    const WeftInstallEvent *event = events->pdata[0];
    g_assert_cmpstr(event->what, ==, "refused");
    g_assert_cmpstr(event->code, ==, broken[i].code);
    g_autofree char *reason = with_file_name(event->reason, path);
    g_assert_cmpstr(reason, ==, broken[i].reason);
  }
}

static void check_refused(const Fixture *f, const char *path, const char *code, const char *part)
{
  g_autoptr(WeftInstallResult) result = install_path(f, path, 0);
  g_assert_cmpint(result->outcome, ==, WEFT_INSTALL_REFUSED);
  g_assert_cmpstr(result->code, ==, code);
  if (!strstr(result->reason, part) || !g_str_has_prefix(result->reason, path))
    g_error("expected \"%s: ... %s\", found \"%s\"", path, part, result->reason);
}

static void test_install_refuses_what_is_no_plugin(Fixture *f, gconstpointer unused)
{
  g_autofree char *missing = g_build_filename(f->root, "missing.so", NULL);
  g_autofree char *text = g_build_filename(f->root, "text.so", NULL);
  g_autofree char *empty = g_build_filename(f->root, "empty.so", NULL);
  g_autofree char *fifo = g_build_filename(f->root, "fifo.so", NULL);
  g_autofree char *cut = g_build_filename(f->root, "cut.so", NULL);
  g_autofree char *whole = plugin_path("pass"), *bytes = NULL;
  gsize n_bytes;
  g_assert_true(g_file_set_contents(text, "hello, I am text", -1, NULL));
  g_assert_true(g_file_set_contents(empty, "", 0, NULL));
  g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
  g_assert_true(g_file_get_contents(whole, &bytes, &n_bytes, NULL));
  g_assert_true(g_file_set_contents(cut, bytes, (gssize)(n_bytes / 2), NULL));
  check_refused(f, missing, "unreadable", "cannot be opened: No such file or directory");
  check_refused(f, f->root, "unreadable", "found a directory");
  check_refused(f, fifo, "unreadable", "found a device, pipe or socket");
  check_refused(f, empty, "no-plugin", "not an ELF file");
  check_refused(f, text, "no-plugin", "not an ELF file");
  check_refused(f, cut, "no-plugin", "outside the file; it is cut off or damaged");
}

/* A copy of the plugin `pass` with this manifest stamped into it. */
static char *stamped(const Fixture *f, const char *name, const char *contract, const char *summary)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *pass = plugin_path("pass"), *bytes = NULL;
  g_autofree char *json = g_build_filename(f->root, "manifest.json", NULL);
  char *path = g_build_filename(f->root, name, NULL);
  gsize n_bytes;
  g_autofree char *text = g_strdup_printf(
    "{\"weft\": %s, \"name\": \"pass\", \"version\": \"1.0.0\", \"licence\": \"MIT\", \"plugins\": [{\"id\": \"pass\", "
    "\"kind\": \"transform\", \"summary\": \"%s\", \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\", 16]}], "
    "\"outputs\": [{\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\", 16]}]}]}", contract, summary);
  g_assert_true(g_file_get_contents(pass, &bytes, &n_bytes, NULL));
  g_assert_true(g_file_set_contents(path, bytes, (gssize)n_bytes, NULL));
  g_assert_true(g_file_set_contents(json, text, -1, NULL));
  const char *argv[] = {manifest_program, "stamp", path, json, NULL};
  int status;
  g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, NULL, &status, &error));
  g_assert_cmpint(status, ==, 0);
  return path;
}

static void test_install_same_bytes_are_no_change(Fixture *f, gconstpointer unused)
{
  g_autoptr(WeftInstallResult) first = install(f, "pass", 0), second = install(f, "pass", 0);
  g_assert_cmpint(first->outcome, ==, WEFT_INSTALL_DONE);
  g_assert_cmpint(second->outcome, ==, WEFT_INSTALL_UNCHANGED);
  g_assert_cmpuint(n_stored(f), ==, 1);
}

static void test_install_refuses_other_bytes_of_a_version(Fixture *f, gconstpointer unused)
{
  g_autofree char *other = stamped(f, "other.so", "1", "other bytes");
  g_autoptr(WeftInstallResult) first = install(f, "pass", 0);
  g_assert_cmpint(first->outcome, ==, WEFT_INSTALL_DONE);
  check_refused(f, other, "conflict", "pass@1.0.0 is installed already with other content (sha256");
  g_assert_cmpuint(n_stored(f), ==, 1);
  /* the refusal does not hide the plugin that is installed */
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = open_catalogue();
  g_autoptr(GPtrArray) list = weft_catalogue_list(catalogue, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(list->len, ==, 1);
  g_assert_true(((WeftPluginRow *)list->pdata[0])->usable);
}

static void test_install_reads_the_stamped_draft(Fixture *f, gconstpointer unused)
{
  g_autofree char *other = stamped(f, "draft.so", "7", "of another draft");
  check_refused(f, other, "other-contract", "draft 7 of the plugin contract, this host speaks draft 1");
}

static void test_install_refuses_another_machine(Fixture *f, gconstpointer unused)
{
  g_autofree char *path = plugin_path("pass"), *bytes = NULL, *other = g_build_filename(f->root, "sparc.so", NULL);
  gsize n_bytes;
  g_assert_true(g_file_get_contents(path, &bytes, &n_bytes, NULL));
  bytes[18] = 43; /* e_machine: EM_SPARCV9 */
  bytes[19] = 0;
  g_assert_true(g_file_set_contents(other, bytes, (gssize)n_bytes, NULL));
  check_refused(f, other, "other-machine", "built for another processor (ELF machine 43, this is");
}

static void test_install_reports_a_missing_probe(Fixture *f, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  const WeftInstallOptions options = {.probe_program = "/nonexistent/weft-probe"};
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->catalogue, FALSE, &error);
  g_assert_no_error(error);
  g_autofree char *path = plugin_path("pass");
  g_assert_null(weft_install_file(registrar, path, &options, &error));
  g_assert_nonnull(strstr(error->message, "the probe cannot be started"));
  g_assert_cmpuint(n_stored(f), ==, 0);
}

static void open_once(const Fixture *f)
{
  g_autoptr(GError) error = NULL;
  WeftRegistrar *registrar = weft_registrar_open(f->catalogue, FALSE, &error);
  g_assert_no_error(error);
  weft_registrar_free(registrar);
}

/*
 * Row and store after a kill: a plugin that is found has its file, and no other file is there. A kill between clone
 * and exec of the probe leaves a child that holds the staged file for as long as its exec takes; whoever opens the
 * catalogue after that sweeps the file away.
 */
static gboolean agrees(const Fixture *f)
{
  g_autoptr(GError) error = NULL;
  open_once(f);
  g_autoptr(WeftCatalogue) catalogue = open_catalogue();
  g_autoptr(GPtrArray) list = weft_catalogue_list(catalogue, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < list->len; i++) {
    const WeftPluginRow *row = list->pdata[i];
    g_assert_true(row->usable);
    g_assert_true(g_file_test(row->path, G_FILE_TEST_IS_REGULAR));
  }
  for (gint64 until = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
       n_stored(f) != list->len && g_get_monotonic_time() < until; open_once(f))
    g_usleep(10000);
  g_assert_cmpuint(n_stored(f), ==, list->len);
  return list->len > 0;
}

/* Installs and removes until it is killed. */
G_NORETURN static void install_for_ever(const Fixture *f)
{
  for (;;) {
    g_auto(GStrv) removed = NULL;
    g_autoptr(WeftInstallResult) result = install(f, "pass", 0);
    g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->catalogue, FALSE, NULL);
    if (!registrar || !weft_registrar_remove(registrar, "pass", NULL, &removed, NULL))
      _exit(1);
  }
}

static void test_install_survives_kill(Fixture *f, gconstpointer unused)
{
  guint n_installed = 0, n_rounds = 48;
  for (guint round = 0; round < n_rounds; round++) {
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
      install_for_ever(f);
    g_usleep((gulong)g_test_rand_int_range(1000, 90000));
    kill(pid, SIGKILL);
    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    n_installed += agrees(f);
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = open_catalogue();
  g_autoptr(GPtrArray) events = weft_catalogue_events(catalogue, "pass", &error);
  g_assert_no_error(error);
  g_test_message("%u rounds, %u ended with the plugin installed, %u installations and removals were recorded", n_rounds,
                 n_installed, events->len);
  for (guint i = 0; i < events->len; i++)
    g_assert_cmpstr(((WeftInstallEvent *)events->pdata[i])->what, !=, "lost");
}

#define ADD(path, function) g_test_add("/install/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  const char *build = g_getenv("G_TEST_BUILDDIR");
  g_assert_nonnull(build);
  /* Under a sanitizer a crash must still be a signal. */
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0:allocator_may_return_null=1", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  plugins_folder = g_build_filename(build, "tests", "plugins", NULL);
  probe = g_build_filename(build, "core", "install", "weft-probe", NULL);
  manifest_program = g_build_filename(build, "core", "loader", "weft-manifest", NULL);
  ADD("takes-a-good-plugin", test_install_takes_a_good_plugin);
  ADD("says-why-not", test_install_says_why_not);
  ADD("refuses-what-is-no-plugin", test_install_refuses_what_is_no_plugin);
  ADD("same-bytes-are-no-change", test_install_same_bytes_are_no_change);
  ADD("refuses-other-bytes-of-a-version", test_install_refuses_other_bytes_of_a_version);
  ADD("reads-the-stamped-draft", test_install_reads_the_stamped_draft);
  ADD("refuses-another-machine", test_install_refuses_another_machine);
  ADD("reports-a-missing-probe", test_install_reports_a_missing_probe);
  ADD("survives-kill", test_install_survives_kill);
  return g_test_run();
}
