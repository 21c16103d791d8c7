/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at random moments of install, remove, gc and restore, by the command
 * that a person uses. After each: the catalogue opens, rows and store agree,
 * what was acknowledged is there, and the audit trail is whole.
 *
 * `test-kill --rounds 1000` for the long run; the seed is printed (--seed N of GLib).
 */
#include "archive.h"
#include "catalogue.h"
#include "killing.h"

#include <string.h>

#define N_VARIANTS 12
#define TEMPLATE_ID "many-00000"
/* The longest a command is let run, us: commands here take about 10 to 60 ms. */
#define LONGEST_US 70000

static char *template_path;

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
  kill_remove(f->root, "");
  for (int i = 0; i < N_VARIANTS; i++) {
    g_free(f->files[i]);
    g_free(f->ids[i]);
  }
  g_free(f->root);
  g_free(f->catalogue);
  g_free(f->backup);
}

static void install(Fixture *f, gulong kill_us)
{
  char *argv[N_VARIANTS + 6] = {kill_weft, "plugin", "install", "--catalogue", f->catalogue};
  guint n = 5;
  gboolean finished;
  int first = g_test_rand_int_range(0, N_VARIANTS), count = g_test_rand_int_range(1, 5);
  for (int k = 0; k < count; k++)
    argv[n++] = f->files[(first + k) % N_VARIANTS];
  g_autofree char *out = kill_run(argv, kill_us, &finished);
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
  char *argv[] = {kill_weft, "plugin", "remove", "--catalogue", f->catalogue, f->ids[i], NULL};
  gboolean finished;
  g_autofree char *out = kill_run(argv, kill_us, &finished);
  if (strstr(out, f->ids[i])) {
    f->held[i] = FALSE;
    f->unknown[i] = FALSE;
  } else if (!finished && f->held[i]) {
    f->unknown[i] = TRUE;
  }
}

static void collect(Fixture *f, gulong kill_us)
{
  char *argv[] = {kill_weft, "plugin", "gc", "--quarantine", "--catalogue", f->catalogue, NULL};
  gboolean finished;
  g_free(kill_run(argv, kill_us, &finished));
}

static void restore(Fixture *f, gulong kill_us)
{
  char *argv[] = {kill_weft, "catalogue", "restore", f->backup, "--force", "--catalogue", f->catalogue, NULL};
  gboolean finished;
  g_autofree char *out = kill_run(argv, kill_us, &finished);
  gboolean told = strstr(out, "restored") != NULL;
  for (int i = 0; i < N_VARIANTS; i++) {
    if (told)
      f->held[i] = f->in_backup[i];
    f->unknown[i] = told ? FALSE : f->unknown[i] || f->held[i] != f->in_backup[i];
  }
  /* Another trail, or perhaps. */
  f->n_audit = 0;
  kill_remove(f->catalogue, ".old-*");
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
  guint n_held = 0;
  guint64 n_audit = kill_repair(f->catalogue);
  g_autofree char *store = g_build_filename(f->catalogue, "sha256", NULL);
  g_autofree char *incoming = g_build_filename(f->catalogue, "incoming", NULL);
  for (int i = 0; i < N_VARIANTS; i++)
    n_held += f->held[i];
  g_assert_cmpuint(n_files(store), ==, n_held);
  g_assert_cmpuint(n_files(incoming), ==, 0);
  g_assert_cmpuint(n_audit, >=, f->n_audit);
  f->n_audit = n_audit;
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
  for (int round = 0; round < kill_n_rounds; round++) {
    guint which = (guint)g_test_rand_int_range(0, G_N_ELEMENTS(actions));
    actions[which](f, (gulong)g_test_rand_int_range(500, LONGEST_US));
    n_killed[which]++;
    look(f);
    repair(f);
    kill_tell(round);
  }
  g_test_message("%d rounds: install %u, remove %u, gc %u, restore %u", kill_n_rounds, n_killed[0] + n_killed[1] + n_killed[2],
                 n_killed[3] + n_killed[4], n_killed[5], n_killed[6]);
}

int main(int argc, char **argv)
{
  const char *build = kill_init(&argc, &argv);
  template_path = g_build_filename(build, "tests", "plugins", "test-many.so", NULL);
  g_test_add("/kill/loses-nothing", Fixture, NULL, set_up, test_kill_loses_nothing, tear_down);
  return g_test_run();
}
