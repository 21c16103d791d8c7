/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at random moments of install, remove, gc and restore, by the command
 * that a person uses. After each: the catalogue opens, rows and store agree,
 * what was acknowledged is there, and the audit trail is whole.
 *
 * `test-kill --rounds 1000` for the long run; the seed is printed (--seed N of GLib).
 */
#include "archive.h"
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

#define N_VARIANTS 12
#define TEMPLATE_ID "many-00000"
/* The longest a command is let run, us: commands here take about 10 to 60 ms. */
#define LONGEST_US 70000

static int n_rounds = 40;
static char *weft, *template_path;

typedef struct {
  char *root, *catalogue, *backup;
  char *files[N_VARIANTS], *ids[N_VARIANTS];
  gboolean held[N_VARIANTS];      /* what the catalogue is known to hold */
  gboolean unknown[N_VARIANTS];   /* a killed command may have changed it */
  gboolean in_backup[N_VARIANTS];
  guint64 n_audit;                /* rows that were seen in the trail since the last restore */
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
  g_autofree char *bytes = NULL;
  gsize n_bytes;
  memset(f, 0, sizeof *f);
  f->root = g_dir_make_tmp("weft-kill-XXXXXX", NULL);
  f->catalogue = g_build_filename(f->root, "catalogue", NULL);
  f->backup = g_build_filename(f->root, "backup", NULL);
  g_setenv("WEFT_CATALOGUE", f->catalogue, TRUE);
  g_assert_true(g_file_get_contents(template_path, &bytes, &n_bytes, NULL));
  for (int i = 0; i < N_VARIANTS; i++) {
    f->ids[i] = g_strdup_printf("many-%05d", i + 1);
    f->files[i] = g_strdup_printf("%s/%s.so", f->root, f->ids[i]);
    g_autofree char *copy = g_memdup2(bytes, n_bytes);
    for (char *at = copy; (at = memmem(at, (gsize)(copy + n_bytes - at), TEMPLATE_ID, strlen(TEMPLATE_ID)));)
      memcpy(at, f->ids[i], strlen(TEMPLATE_ID));
    g_assert_true(g_file_set_contents(f->files[i], copy, (gssize)n_bytes, NULL));
  }
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->root);
  g_assert_cmpint(system(command), ==, 0);
  for (int i = 0; i < N_VARIANTS; i++) {
    g_free(f->files[i]);
    g_free(f->ids[i]);
  }
  g_free(f->root);
  g_free(f->catalogue);
  g_free(f->backup);
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

static void install(Fixture *f, gulong kill_us)
{
  char *argv[N_VARIANTS + 6] = {weft, "plugin", "install", "--catalogue", f->catalogue};
  guint n = 5;
  gboolean finished;
  int first = g_test_rand_int_range(0, N_VARIANTS), count = g_test_rand_int_range(1, 5);
  for (int k = 0; k < count; k++)
    argv[n++] = f->files[(first + k) % N_VARIANTS];
  g_autofree char *out = run(argv, kill_us, &finished);
  for (int k = 0; k < count; k++) {
    int i = (first + k) % N_VARIANTS;
    gboolean told = strstr(out, f->ids[i]) != NULL;
    g_assert_true(told || !finished);
    /* What was printed is durable; what was not may be there or not. */
    f->unknown[i] = f->unknown[i] || (!told && !f->held[i]);
    if (told) {
      f->held[i] = TRUE;
      f->unknown[i] = FALSE;
    }
  }
}

static void remove_one(Fixture *f, gulong kill_us)
{
  int i = g_test_rand_int_range(0, N_VARIANTS);
  char *argv[] = {weft, "plugin", "remove", "--catalogue", f->catalogue, f->ids[i], NULL};
  gboolean finished;
  g_autofree char *out = run(argv, kill_us, &finished);
  if (strstr(out, f->ids[i])) {
    f->held[i] = FALSE;
    f->unknown[i] = FALSE;
  } else if (!finished && f->held[i]) {
    f->unknown[i] = TRUE;
  }
}

static void collect(Fixture *f, gulong kill_us)
{
  char *argv[] = {weft, "plugin", "gc", "--quarantine", "--catalogue", f->catalogue, NULL};
  gboolean finished;
  g_free(run(argv, kill_us, &finished));
}

static void restore(Fixture *f, gulong kill_us)
{
  char *argv[] = {weft, "catalogue", "restore", f->backup, "--force", "--catalogue", f->catalogue, NULL};
  gboolean finished;
  g_autofree char *out = run(argv, kill_us, &finished);
  gboolean told = strstr(out, "restored") != NULL;
  for (int i = 0; i < N_VARIANTS; i++) {
    if (told)
      f->held[i] = f->in_backup[i];
    f->unknown[i] = told ? FALSE : f->unknown[i] || f->held[i] != f->in_backup[i];
  }
  /* Another trail, or perhaps. */
  f->n_audit = 0;
  g_autofree char *command = g_strdup_printf("rm -rf '%s'.old-*", f->catalogue);
  g_assert_cmpint(system(command), ==, 0);
}

/* Nothing here repairs; the next command does. */
static void look(Fixture *f)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  for (int i = 0; i < N_VARIANTS; i++) {
    g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, f->ids[i], NULL, NULL);
    if (!f->unknown[i] && (row != NULL) != f->held[i])
      g_error("%s: %s, but that was acknowledged otherwise", f->ids[i], row ? "is there" : "is not there");
    if (row)
      g_assert_true(g_file_test(row->path, G_FILE_TEST_IS_REGULAR));
    f->held[i] = row != NULL;
    f->unknown[i] = FALSE;
  }
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

/* Opening for writing repairs: then rows and files are the same, and the trail is whole. */
static void repair(Fixture *f)
{
  g_autoptr(GError) error = NULL;
  guint64 n = 0;
  guint n_held = 0;
  g_autofree char *store = g_build_filename(f->catalogue, "sha256", NULL);
  g_autofree char *incoming = g_build_filename(f->catalogue, "incoming", NULL);
  weft_registrar_free(weft_registrar_open(f->catalogue, FALSE, &error));
  g_assert_no_error(error);
  for (int i = 0; i < N_VARIANTS; i++)
    n_held += f->held[i];
  g_assert_cmpuint(n_files(store), ==, n_held);
  g_assert_cmpuint(n_files(incoming), ==, 0);
  g_assert_true(weft_audit_verify(f->catalogue, &n, NULL, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(n, >=, f->n_audit);
  f->n_audit = n;
  g_autoptr(GPtrArray) problems = weft_archive_check(f->catalogue, TRUE, &error);
  g_assert_no_error(error);
  if (problems->len)
    g_error("%s", ((WeftProblem *)g_ptr_array_index(problems, 0))->message);
}

static void make_backup(Fixture *f)
{
  g_autoptr(GError) error = NULL;
  for (int i = 0; i < 4; i++)
    install(f, 0);
  g_assert_true(weft_archive_backup(f->catalogue, f->backup, FALSE, NULL, &error));
  g_assert_no_error(error);
  memcpy(f->in_backup, f->held, sizeof f->held);
}

static void test_kill_loses_nothing(Fixture *f, gconstpointer unused)
{
  static void (*const actions[])(Fixture *, gulong) = {install, install, install, remove_one, remove_one, collect, restore};
  guint n_killed[G_N_ELEMENTS(actions)] = {0};
  make_backup(f);
  for (int round = 0; round < n_rounds; round++) {
    guint which = (guint)g_test_rand_int_range(0, G_N_ELEMENTS(actions));
    actions[which](f, (gulong)g_test_rand_int_range(500, LONGEST_US));
    n_killed[which]++;
    look(f);
    repair(f);
    if (n_rounds > 100 && round % 100 == 99)
      fprintf(stderr, "# %d rounds\n", round + 1);
  }
  g_test_message("%d rounds: install %u, remove %u, gc %u, restore %u", n_rounds, n_killed[0] + n_killed[1] + n_killed[2],
                 n_killed[3] + n_killed[4], n_killed[5], n_killed[6]);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
    n_rounds = (int)g_ascii_strtoll(argv[2], NULL, 10);
  const char *build = g_getenv("G_TEST_BUILDDIR");
  g_assert_nonnull(build);
  weft = g_build_filename(build, "core", "cli", "weft", NULL);
  template_path = g_build_filename(build, "tests", "plugins", "test-many.so", NULL);
  g_test_add("/kill/loses-nothing", Fixture, NULL, set_up, test_kill_loses_nothing, tear_down);
  return g_test_run();
}
