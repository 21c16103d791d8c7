/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at random moments of what adds and removes models and assets, of backup and of export. After each: rows and
 * store agree, what was acknowledged is there, a backup is whole or is not there, and an export is a sound catalogue or
 * none yet.
 *
 * `test-kill-artifacts --rounds 1000` for the long run; the seed is printed (--seed N of GLib).
 */
#include "archive.h"
#include "artifact.h"
#include "audit.h"
#include "catalogue.h"
#include "registrar.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_EACH 5
#define N_ALL (2 * N_EACH) /* models, then assets */

static int n_rounds = 40;
static char *weft;

typedef struct {
  char *root, *catalogue, *backup, *export, *restored;
  char *sources[N_ALL], *names[N_ALL];
  gboolean held[N_ALL];    /* what the catalogue is known to hold */
  gboolean unknown[N_ALL]; /* a killed command may have changed it */
  guint n_backups, n_exports; /* that were whole although the command was killed, or ended */
} Fixture;

static void write_random(const char *path, gsize n)
{
  g_autofree guint32 *bytes = g_new(guint32, n / 4);
  for (gsize i = 0; i < n / 4; i++)
    bytes[i] = (guint32)g_test_rand_int();
  g_assert_true(g_file_set_contents(path, (const char *)bytes, (gssize)(n / 4 * 4), NULL));
}

static void set_up(Fixture *f, gconstpointer unused)
{
  memset(f, 0, sizeof *f);
  f->root = g_dir_make_tmp("weft-kill-XXXXXX", NULL);
  f->catalogue = g_build_filename(f->root, "catalogue", NULL);
  f->backup = g_build_filename(f->root, "backup", NULL);
  f->export = g_build_filename(f->root, "export", NULL);
  f->restored = g_build_filename(f->root, "restored", NULL);
  g_setenv("WEFT_CATALOGUE", f->catalogue, TRUE);
  for (int i = 0; i < N_ALL; i++) {
    f->names[i] = g_strdup_printf("%s-%d", i < N_EACH ? "model" : "asset", i);
    f->sources[i] = g_build_filename(f->root, f->names[i], NULL);
    if (i >= N_EACH) {
      write_random(f->sources[i], 400000);
      continue;
    }
    g_autofree char *config = g_build_filename(f->sources[i], "config.json", NULL);
    g_autofree char *weights = g_build_filename(f->sources[i], "model.safetensors", NULL);
    g_assert_cmpint(g_mkdir(f->sources[i], 0700), ==, 0);
    g_assert_true(g_file_set_contents(config, "{}", -1, NULL)); /* all share it */
    write_random(weights, 1000000);
  }
}

static void remove_all(const char *path)
{
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", path);
  g_assert_cmpint(system(command), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  remove_all(f->root);
  for (int i = 0; i < N_ALL; i++) {
    g_free(f->sources[i]);
    g_free(f->names[i]);
  }
  g_free(f->root);
  g_free(f->catalogue);
  g_free(f->backup);
  g_free(f->export);
  g_free(f->restored);
}

/* Runs a command and kills it after that many us (0: never). Answers what it printed; *finished: by itself, with code 0. */
static char *run(char **argv, gulong kill_us, gboolean *finished)
{
  int ends[2], status;
  g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
  pid_t pid = fork();
  g_assert_cmpint(pid, >=, 0);
  if (pid == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(ends[1], STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execv(argv[0], argv);
    _exit(127);
  }
  close(ends[1]);
  if (kill_us) {
    g_usleep(kill_us);
    kill(pid, SIGKILL);
  }
  g_autoptr(GString) text = g_string_new(NULL);
  char buffer[4096];
  for (gssize n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    g_string_append_len(text, buffer, n);
  close(ends[0]);
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  *finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  g_assert_true(*finished || WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 1));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void change(Fixture *f, gulong kill_us, gboolean adds)
{
  gboolean finished;
  int i = g_test_rand_int_range(0, N_ALL);
  char *kind = i < N_EACH ? "model" : "asset";
  char *add[] = {weft, kind, "add", f->sources[i], "--name", f->names[i], "--catalogue", f->catalogue, NULL};
  char *drop[] = {weft, kind, "remove", f->names[i], "--catalogue", f->catalogue, NULL};
  g_autofree char *out = run(adds ? add : drop, kill_us, &finished);
  if (strstr(out, f->names[i])) {
    f->held[i] = adds;
    f->unknown[i] = FALSE;
  } else if (f->held[i] != adds) {
    f->unknown[i] = TRUE;
  }
}

static void add(Fixture *f, gulong kill_us)
{
  change(f, kill_us, TRUE);
}

static void drop(Fixture *f, gulong kill_us)
{
  change(f, kill_us, FALSE);
}

static void assert_sound(const char *folder)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) problems = weft_archive_check(folder, TRUE, &error);
  g_assert_no_error(error);
  if (problems->len)
    g_error("%s: %s", folder, ((WeftProblem *)g_ptr_array_index(problems, 0))->message);
}

/* Every name is there or not there, as f says where it is known; now it is. */
static void look(Fixture *f, const char *folder, gboolean learn)
{
  g_autoptr(GError) error = NULL;
  g_setenv("WEFT_CATALOGUE", folder, TRUE);
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  for (int i = 0; i < N_ALL; i++) {
    WeftArtifactKind kind = i < N_EACH ? WEFT_ARTIFACT_MODEL : WEFT_ARTIFACT_ASSET;
    g_autoptr(WeftArtifactRow) row = weft_artifact_find(catalogue, kind, f->names[i], NULL, NULL);
    if (!(learn && f->unknown[i]) && (row != NULL) != f->held[i])
      g_error("%s: %s %s, but that was acknowledged otherwise", folder, f->names[i], row ? "is there" : "is not there");
    if (!learn)
      continue;
    f->held[i] = row != NULL;
    f->unknown[i] = FALSE;
  }
  g_setenv("WEFT_CATALOGUE", f->catalogue, TRUE);
}

/* A backup that is there can be restored, and holds everything. */
static void backup(Fixture *f, gulong kill_us)
{
  gboolean finished, restored;
  char *argv[] = {weft, "catalogue", "backup", f->backup, "--force", "--catalogue", f->catalogue, NULL};
  g_autofree char *out = run(argv, kill_us, &finished);
  gboolean told = strstr(out, "backed up") != NULL;
  g_assert_true(!told || g_file_test(f->backup, G_FILE_TEST_IS_REGULAR));
  if (!g_file_test(f->backup, G_FILE_TEST_EXISTS))
    return;
  char *restore[] = {weft, "catalogue", "restore", f->backup, "--catalogue", f->restored, NULL};
  g_free(run(restore, 0, &restored));
  g_assert_true(restored);
  assert_sound(f->restored);
  look(f, f->restored, FALSE);
  f->n_backups++;
  remove_all(f->backup);
  remove_all(f->restored);
}

/* Restoring where nothing is: killed, there is no catalogue yet, or it is whole; what was left does not stand in the way. */
static void restore(Fixture *f, gulong kill_us)
{
  gboolean finished;
  char *backup_argv[] = {weft, "catalogue", "backup", f->backup, "--catalogue", f->catalogue, NULL};
  char *argv[] = {weft, "catalogue", "restore", f->backup, "--catalogue", f->restored, NULL};
  g_free(run(backup_argv, 0, &finished));
  g_assert_true(finished);
  g_free(run(argv, kill_us, &finished));
  if (!g_file_test(f->restored, G_FILE_TEST_EXISTS)) {
    g_free(run(argv, 0, &finished));
    g_assert_true(finished);
  }
  assert_sound(f->restored);
  look(f, f->restored, FALSE);
  remove_all(f->backup);
  g_autofree char *all = g_strconcat(f->root, "/restored*", NULL);
  g_autofree char *command = g_strdup_printf("rm -rf %s", all);
  g_assert_cmpint(system(command), ==, 0);
}

/* A folder becomes a catalogue last. */
static void export(Fixture *f, gulong kill_us)
{
  gboolean finished;
  char *argv[] = {weft, "catalogue", "export", f->export, "--catalogue", f->catalogue, NULL};
  g_autofree char *database = g_build_filename(f->export, "catalogue.db", NULL);
  g_autofree char *out = run(argv, kill_us, &finished);
  gboolean told = strstr(out, "exported") != NULL, there = g_file_test(database, G_FILE_TEST_EXISTS);
  g_assert_true(!told || there);
  if (there) {
    assert_sound(f->export);
    look(f, f->export, FALSE);
    f->n_exports++;
  }
  remove_all(f->export);
}

static guint n_entries(const char *folder)
{
  guint n = 0;
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  while (dir && g_dir_read_name(dir))
    n++;
  return n;
}

/* Opening for writing repairs: nothing half-added is left. */
static void repair(Fixture *f)
{
  g_autoptr(GError) error = NULL;
  guint64 n = 0;
  guint n_models = 0;
  g_autofree char *models = g_build_filename(f->catalogue, "models", NULL);
  g_autofree char *incoming = g_build_filename(f->catalogue, "incoming", NULL);
  weft_registrar_free(weft_registrar_open(f->catalogue, FALSE, &error));
  g_assert_no_error(error);
  for (int i = 0; i < N_EACH; i++)
    n_models += f->held[i];
  g_assert_cmpuint(n_entries(models), ==, n_models);
  g_assert_cmpuint(n_entries(incoming), ==, 0);
  g_assert_true(weft_audit_verify(f->catalogue, &n, NULL, &error));
  g_assert_no_error(error);
  assert_sound(f->catalogue);
}

static void test_kill_artifacts(Fixture *f, gconstpointer unused)
{
  static void (*const actions[])(Fixture *, gulong) = {add, add, add, drop, backup, restore, export, export};
  int longest_us[G_N_ELEMENTS(actions)];
  for (guint k = 0; k < G_N_ELEMENTS(actions); k++) { /* how long each takes here, so that some are killed and some end */
    gint64 begin = g_get_monotonic_time();
    actions[k](f, 0);
    longest_us[k] = (int)(g_get_monotonic_time() - begin) * 5 / 4;
  }
  for (int round = 0; round < n_rounds; round++) {
    guint which = (guint)g_test_rand_int_range(0, G_N_ELEMENTS(actions));
    actions[which](f, (gulong)g_test_rand_int_range(500, longest_us[which]));
    look(f, f->catalogue, TRUE);
    repair(f);
    if (n_rounds > 100 && round % 100 == 99)
      fprintf(stderr, "# %d rounds\n", round + 1);
  }
  g_test_message("%d rounds: %u backups and %u exports were whole", n_rounds, f->n_backups, f->n_exports);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
    n_rounds = (int)g_ascii_strtoll(argv[2], NULL, 10);
  const char *build = g_getenv("G_TEST_BUILDDIR");
  g_assert_nonnull(build);
  weft = g_build_filename(build, "core", "cli", "weft", NULL);
  g_test_add("/kill/artifacts", Fixture, NULL, set_up, test_kill_artifacts, tear_down);
  return g_test_run();
}
