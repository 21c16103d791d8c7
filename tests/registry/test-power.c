/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power fails at a random change of the disk while files are installed,
 * refused, disabled and removed. Afterwards the catalogue opens, rows and
 * store agree, what was acknowledged is there, and the audit trail is whole.
 */
#include "archive.h"
#include "audit.h"
#include "catalogue.h"
#include "digest.h"
#include "disk.h"
#include "machine.h"
#include "registrar.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_IDS 8

static int n_rounds = 60;

typedef struct {
  char *root, *folder;
  gboolean shared;
  gboolean held[N_IDS], disabled[N_IDS];
  int unsure;          /* the id whose change failed; -1: none */
  guint64 n_audit;     /* rows that were acknowledged */
} Fixture;

static void set_up(Fixture *f, gconstpointer shared)
{
  memset(f, 0, sizeof *f);
  f->root = g_dir_make_tmp("weft-power-XXXXXX", NULL);
  f->folder = g_build_filename(f->root, "catalogue", NULL);
  f->shared = GPOINTER_TO_INT(shared);
  g_assert_cmpint(g_mkdir(f->folder, 0755), ==, 0);
  g_setenv("WEFT_CATALOGUE", f->folder, TRUE);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->root);
  g_assert_cmpint(system(command), ==, 0);
  g_free(f->root);
  g_free(f->folder);
}

static char *id_of(int i)
{
  return g_strdup_printf("plugin-%d", i);
}

/* Bytes of a few sectors, so that they can be torn. */
static char *bytes_of(int i)
{
  g_autofree char *id = id_of(i);
  GString *text = g_string_new(NULL);
  for (int k = 0; k < 300; k++)
    g_string_append_printf(text, "%s %d\n", id, k);
  return g_string_free(text, FALSE);
}

static gboolean put(WeftRegistrar *registrar, int i)
{
  g_autofree char *bytes = bytes_of(i), *id = id_of(i), *sha256 = weft_digest_of(bytes, strlen(bytes));
  WeftStaged *staged = weft_registrar_stage(registrar, bytes, strlen(bytes), sha256, NULL);
  WeftRegistrarPlugin plugin = {id, "encoder", NULL, NULL};
  WeftRegistrarFile file = {.path = id, .sha256 = sha256, .n_bytes = (gint64)strlen(bytes), .name = id, .version = "1.0.0",
                            .licence = "MIT", .contract = 1, .manifest = "{}", .plugins = &plugin, .n_plugins = 1};
  gboolean ok = staged && weft_registrar_commit(registrar, staged, &file, NULL);
  weft_staged_free(staged);
  return ok;
}

static gboolean switch_state(WeftRegistrar *registrar, int i, gboolean disable)
{
  g_autofree char *bytes = bytes_of(i), *id = id_of(i), *sha256 = weft_digest_of(bytes, strlen(bytes));
  return disable ? weft_registrar_disable(registrar, id, "1.0.0", sha256, NULL, NULL)
                 : weft_registrar_enable(registrar, id, "1.0.0", sha256, NULL);
}

static gboolean take(WeftRegistrar *registrar, int i)
{
  g_autofree char *id = id_of(i);
  g_auto(GStrv) names = NULL;
  return weft_registrar_remove(registrar, id, NULL, &names, NULL);
}

/* One change of one plugin; FALSE: it failed, which only the power may cause. */
static gboolean change(Fixture *f, WeftRegistrar *registrar)
{
  int i = g_test_rand_int_range(0, N_IDS);
  gboolean ok;
  f->unsure = i;
  if (!f->held[i]) {
    ok = put(registrar, i);
    f->held[i] = ok;
  } else if (g_test_rand_bit()) {
    ok = switch_state(registrar, i, !f->disabled[i]);
    f->disabled[i] ^= ok;
  } else {
    ok = take(registrar, i);
    f->held[i] = !ok;
    f->disabled[i] = ok ? FALSE : f->disabled[i];
  }
  f->n_audit += ok;
  if (ok)
    f->unsure = -1;
  return ok;
}

static void check(Fixture *f)
{
  g_autoptr(GError) error = NULL;
  guint64 n = 0;
  weft_registrar_free(weft_registrar_open(f->folder, f->shared, &error));
  g_assert_no_error(error);
  g_autoptr(GPtrArray) problems = weft_archive_check(f->folder, TRUE, &error);
  g_assert_no_error(error);
  if (problems->len)
    g_error("%s", ((WeftProblem *)g_ptr_array_index(problems, 0))->message);
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, &error);
  g_autoptr(WeftPluginLines) lines = catalogue ? weft_catalogue_lines(catalogue, NULL, &error) : NULL;
  g_assert_no_error(error);
  for (int i = 0; i < N_IDS; i++) {
    g_autofree char *id = id_of(i);
    const char *state = NULL;
    for (guint k = 0; k < lines->n; k++)
      if (strcmp(lines->lines[k].id, id) == 0)
        state = lines->lines[k].state;
    g_assert_cmpstr(state, !=, "lost");
    gboolean held = state != NULL, disabled = g_strcmp0(state, "disabled") == 0;
    if (i != f->unsure && (held != f->held[i] || disabled != f->disabled[i]))
      g_error("%s is %s, but %s was acknowledged", id, state ? state : "not there", f->held[i] ? "its place" : "its removal");
    f->held[i] = held;
    f->disabled[i] = disabled;
  }
  f->unsure = -1;
  g_assert_true(weft_audit_verify(f->folder, &n, NULL, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(n, >=, f->n_audit);
  f->n_audit = n;
}

static void test_power_loses_nothing(Fixture *f, gconstpointer unused)
{
  guint n_lost = 0, n_changes = 0;
  f->unsure = -1;
  for (int round = 0; round < n_rounds; round++) {
    Machine *machine = machine_on(f->folder, (guint)g_test_rand_int_range(1, 250));
    WeftRegistrar *registrar = weft_registrar_open(f->folder, f->shared, NULL);
    while (registrar && change(f, registrar))
      n_changes++;
    g_assert_true(machine_is_off(machine));
    weft_registrar_free(registrar);
    machine_restart(machine);
    n_lost++;
    check(f);
  }
  g_test_message("%u losses of power, %u changes acknowledged", n_lost, n_changes);
}

/* A disk that takes no more: the action that fails is named, and nothing else changes. */
typedef struct {
  guint at, n;
  int code;
} Full;

static int fill_up(void *data, const WeftDiskOp *op)
{
  Full *full = data;
  gboolean grows = op->action == WEFT_DISK_CREATE || op->action == WEFT_DISK_WRITE || op->action == WEFT_DISK_MAKE_FOLDER;
  return grows && ++full->n >= full->at ? full->code : 0;
}

static void test_power_full_disk(Fixture *f, gconstpointer unused)
{
  WeftRegistrar *registrar = weft_registrar_open(f->folder, f->shared, NULL);
  g_assert_true(put(registrar, 0));
  guint n_failed = 0;
  for (guint at = 1; at < 60; at++) {
    Full full = {.at = at, .code = at % 2 ? ENOSPC : EDQUOT};
    weft_disk_watch(fill_up, &full);
    gboolean ok = put(registrar, 1);
    weft_disk_watch(NULL, NULL);
    n_failed += !ok;
    f->held[0] = TRUE;
    f->held[1] = ok;
    f->unsure = 1;
    check(f);
    if (f->held[1])
      g_assert_true(take(registrar, 1));
    f->held[1] = FALSE;
  }
  weft_registrar_free(registrar);
  g_assert_cmpuint(n_failed, >, 5);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
    n_rounds = (int)g_ascii_strtoll(argv[2], NULL, 10);
  g_test_add("/power/loses-nothing/log", Fixture, GINT_TO_POINTER(FALSE), set_up, test_power_loses_nothing, tear_down);
  g_test_add("/power/loses-nothing/journal", Fixture, GINT_TO_POINTER(TRUE), set_up, test_power_loses_nothing, tear_down);
  g_test_add("/power/full-disk/log", Fixture, GINT_TO_POINTER(FALSE), set_up, test_power_full_disk, tear_down);
  g_test_add("/power/full-disk/journal", Fixture, GINT_TO_POINTER(TRUE), set_up, test_power_full_disk, tear_down);
  return g_test_run();
}
