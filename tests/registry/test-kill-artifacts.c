/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at random moments of what adds and removes models and assets, of backup and of export. After each: rows and
 * store agree, what was acknowledged is there, a backup is whole or is not there, and an export is a sound catalogue or
 * none yet.
 *
 * `test-kill-artifacts --rounds 1000` for the long run; the seed is printed (--seed N of GLib).
 */
#include "artifact.h"
#include "catalogue.h"
#include "killing.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_EACH 5
#define N_ALL (2 * N_EACH) /* models, then assets */

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

static void tear_down(Fixture *f, gconstpointer unused)
{
  kill_remove(f->root, "");
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

static void change(Fixture *f, gulong kill_us, gboolean adds)
{
  gboolean finished;
  int i = g_test_rand_int_range(0, N_ALL);
  char *kind = i < N_EACH ? "model" : "asset";
  char *add[] = {kill_weft, kind, "add", f->sources[i], "--name", f->names[i], "--catalogue", f->catalogue, NULL};
  char *drop[] = {kill_weft, kind, "remove", f->names[i], "--catalogue", f->catalogue, NULL};
  g_autofree char *out = kill_run(adds ? add : drop, kill_us, &finished);
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
  char *argv[] = {kill_weft, "catalogue", "backup", f->backup, "--force", "--catalogue", f->catalogue, NULL};
  g_autofree char *out = kill_run(argv, kill_us, &finished);
  gboolean told = strstr(out, "backed up") != NULL;
  g_assert_true(!told || g_file_test(f->backup, G_FILE_TEST_IS_REGULAR));
  if (!g_file_test(f->backup, G_FILE_TEST_EXISTS))
    return;
  char *restore[] = {kill_weft, "catalogue", "restore", f->backup, "--catalogue", f->restored, NULL};
  g_free(kill_run(restore, 0, &restored));
  g_assert_true(restored);
  kill_assert_sound(f->restored);
  look(f, f->restored, FALSE);
  f->n_backups++;
  kill_remove(f->backup, "");
  kill_remove(f->restored, "");
}

/* Restoring where nothing is: killed, there is no catalogue yet, or it is whole; what was left does not stand in the way. */
static void restore(Fixture *f, gulong kill_us)
{
  gboolean finished;
  char *backup_argv[] = {kill_weft, "catalogue", "backup", f->backup, "--catalogue", f->catalogue, NULL};
  char *argv[] = {kill_weft, "catalogue", "restore", f->backup, "--catalogue", f->restored, NULL};
  g_free(kill_run(backup_argv, 0, &finished));
  g_assert_true(finished);
  g_free(kill_run(argv, kill_us, &finished));
  if (!g_file_test(f->restored, G_FILE_TEST_EXISTS)) {
    g_free(kill_run(argv, 0, &finished));
    g_assert_true(finished);
  }
  kill_assert_sound(f->restored);
  look(f, f->restored, FALSE);
  kill_remove(f->backup, "");
  kill_remove(f->restored, "*");
}

/* A folder becomes a catalogue last. */
static void export(Fixture *f, gulong kill_us)
{
  gboolean finished;
  char *argv[] = {kill_weft, "catalogue", "export", f->export, "--catalogue", f->catalogue, NULL};
  g_autofree char *database = g_build_filename(f->export, "catalogue.db", NULL);
  g_autofree char *out = kill_run(argv, kill_us, &finished);
  gboolean told = strstr(out, "exported") != NULL, there = g_file_test(database, G_FILE_TEST_EXISTS);
  g_assert_true(!told || there);
  if (there) {
    kill_assert_sound(f->export);
    look(f, f->export, FALSE);
    f->n_exports++;
  }
  kill_remove(f->export, "");
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
  guint n_models = 0;
  g_autofree char *models = g_build_filename(f->catalogue, "models", NULL);
  g_autofree char *incoming = g_build_filename(f->catalogue, "incoming", NULL);
  kill_repair(f->catalogue);
  for (int i = 0; i < N_EACH; i++)
    n_models += f->held[i];
  g_assert_cmpuint(n_entries(models), ==, n_models);
  g_assert_cmpuint(n_entries(incoming), ==, 0);
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
  for (int round = 0; round < kill_n_rounds; round++) {
    guint which = (guint)g_test_rand_int_range(0, G_N_ELEMENTS(actions));
    actions[which](f, (gulong)g_test_rand_int_range(500, longest_us[which]));
    look(f, f->catalogue, TRUE);
    repair(f);
    kill_tell(round);
  }
  g_test_message("%d rounds: %u backups and %u exports were whole", kill_n_rounds, f->n_backups, f->n_exports);
}

int main(int argc, char **argv)
{
  kill_init(&argc, &argv);
  g_test_add("/kill/artifacts", Fixture, NULL, set_up, test_kill_artifacts, tear_down);
  return g_test_run();
}
