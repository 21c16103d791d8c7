/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A catalogue of 5,000 plugins (1,000 with --quick), each a file of its own
 * that was installed through its probe: asking for one, `weft plugin list`
 * beside `gst-inspect-1.0`, and the start of the digits pipeline beside the
 * same with an empty catalogue, in turn.
 */
#include "bench.h"
#include "catalogue.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WEFT BENCH_BUILD "/core/cli/weft"
#define TEMPLATE BENCH_BUILD "/tests/plugins/test-many.so"
#define TEMPLATE_ID "many-00000"
#define DIGITS BENCH_ROOT "/examples/digits"
#define N_QUERIES 2000
#define N_MAX 200

extern char **environ;

struct setting {
  char *root, *full, *empty;
  int n_plugins, n_runs;
};

/* Runs a command, its output to nowhere; seconds, or -1. */
static double run(char *const argv[])
{
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status = -1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  double begin = bench_now();
  if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0)
    waitpid(pid, &status, 0);
  double seconds = bench_now() - begin;
  posix_spawn_file_actions_destroy(&actions);
  return status == 0 ? seconds : -1;
}

/* The template with other digits in its id, wherever that stands: in the code's data and in the manifest. */
static char *write_variant(const struct setting *s, const char *bytes, gsize n_bytes, int number)
{
  g_autofree char *copy = g_memdup2(bytes, n_bytes);
  char id[16];
  snprintf(id, sizeof id, "many-%05d", number);
  for (char *at = copy; (at = memmem(at, (gsize)(copy + n_bytes - at), TEMPLATE_ID, strlen(TEMPLATE_ID)));)
    memcpy(at, id, strlen(TEMPLATE_ID));
  char *path = g_strdup_printf("%s/files/%s.so", s->root, id);
  if (g_file_set_contents(path, copy, (gssize)n_bytes, NULL))
    return path;
  g_free(path);
  return NULL;
}

/* Installs all variants by one command; seconds, or -1. */
static double install(const struct setting *s)
{
  g_autofree char *bytes = NULL, *files = g_build_filename(s->root, "files", NULL);
  gsize n_bytes = 0;
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  if (g_mkdir(files, 0755) != 0 || !g_file_get_contents(TEMPLATE, &bytes, &n_bytes, NULL))
    return -1;
  const char *head[] = {WEFT, "plugin", "install", "--catalogue", s->full};
  for (guint i = 0; i < G_N_ELEMENTS(head); i++)
    g_ptr_array_add(argv, (gpointer)head[i]);
  for (int i = 1; i <= s->n_plugins; i++) {
    char *path = write_variant(s, bytes, n_bytes, i);
    if (!path)
      return -1;
    g_ptr_array_add(argv, path);
  }
  g_ptr_array_add(argv, NULL);
  double seconds = run((char *const *)argv->pdata);
  for (guint i = G_N_ELEMENTS(head); i + 1 < argv->len; i++)
    g_free(g_ptr_array_index(argv, i));
  return seconds;
}

static void print(const char *name, const char *unit, double *ours, size_t n, double bar)
{
  char goal[32] = "-";
  if (bar > 0)
    snprintf(goal, sizeof goal, "<= %g", bar);
  struct bench_result r = {.bench = "catalogue", .name = name, .unit = unit, .goal = goal};
  r.ours = bench_quantile(ours, n, 0.5);
  r.best = bench_quantile(ours, n, 0);
  r.p99 = bench_quantile(ours, n, 0.99);
  r.pass = bar <= 0 || r.ours <= bar;
  bench_print(&r);
}

static int query(const struct setting *s)
{
  static double opened[N_MAX], found[N_QUERIES];
  g_setenv("WEFT_CATALOGUE", s->full, TRUE);
  for (int i = 0; i < s->n_runs; i++) {
    double begin = bench_now();
    g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, NULL);
    g_autoptr(WeftPluginRow) row = catalogue ? weft_catalogue_find(catalogue, "many-00001", "^1", NULL) : NULL;
    opened[i] = (bench_now() - begin) * 1e3;
    if (!row)
      return -1;
  }
  g_autoptr(WeftCatalogue) catalogue = weft_catalogue_open(NULL, NULL);
  srand(1);
  for (int i = 0; catalogue && i < N_QUERIES; i++) {
    char id[16];
    snprintf(id, sizeof id, "many-%05d", 1 + rand() % s->n_plugins);
    double begin = bench_now();
    g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, id, "^1", NULL);
    found[i] = (bench_now() - begin) * 1e3;
    if (!row)
      return -1;
  }
  print("query by id and range", "ms", found, N_QUERIES, 1);
  print("the same, opening the catalogue too", "ms", opened, (size_t)s->n_runs, 1);
  return catalogue ? 0 : -1;
}

static int list(const struct setting *s)
{
  static double ours[N_MAX], json[N_MAX], gst[N_MAX];
  char *list_argv[] = {WEFT, "plugin", "list", "--catalogue", s->full, NULL};
  char *json_argv[] = {WEFT, "plugin", "list", "--json", "--catalogue", s->full, NULL};
  char *gst_argv[] = {"gst-inspect-1.0", NULL};
  gboolean has_gst = run(gst_argv) >= 0;
  for (int i = 0; i < s->n_runs; i++) {
    ours[i] = run(list_argv) * 1e3;
    json[i] = run(json_argv) * 1e3;
    gst[i] = has_gst ? run(gst_argv) * 1e3 : 0;
    if (ours[i] < 0 || json[i] < 0)
      return -1;
  }
  struct bench_result r = {.bench = "catalogue", .name = "weft plugin list, beside gst-inspect-1.0", .unit = "ms",
                           .goal = "<= 10", .has_rival = has_gst, .rival = bench_quantile(gst, (size_t)s->n_runs, 0.5)};
  r.reason = has_gst ? NULL : "not installed: tests/bench/setup overhead";
  r.ours = bench_quantile(ours, (size_t)s->n_runs, 0.5);
  r.best = bench_quantile(ours, (size_t)s->n_runs, 0);
  r.p99 = bench_quantile(ours, (size_t)s->n_runs, 0.99);
  r.pass = r.ours <= 10;
  bench_print(&r);
  print("weft plugin list --json", "ms", json, (size_t)s->n_runs, 0);
  return 0;
}

/* The rival is Weft with an empty catalogue: installed plugins must cost nothing. */
static int start(const struct setting *s)
{
  static double full[N_MAX], empty[N_MAX];
  char *argv[] = {WEFT, "run", DIGITS "/pipeline.yaml", "--picture", DIGITS "/seven.png", "--speech", DIGITS "/seven.wav",
                  "--words", "seven", NULL};
  for (int i = 0; i < s->n_runs; i++)
    for (int k = 0; k < 2; k++) {
      gboolean is_full = k == i % 2;
      g_setenv("WEFT_CATALOGUE", is_full ? s->full : s->empty, TRUE);
      double ms = run(argv) * 1e3;
      if (ms < 0)
        return -1;
      *(is_full ? &full[i] : &empty[i]) = ms;
    }
  size_t n = (size_t)s->n_runs;
  struct bench_result r = {.bench = "catalogue", .name = "digits, beside an empty catalogue", .unit = "ms", .has_rival = 1};
  r.ours = bench_quantile(full, n, 0.5);
  r.best = bench_quantile(full, n, 0);
  r.p99 = bench_quantile(full, n, 0.99);
  r.rival = bench_quantile(empty, n, 0.5);
  double noise = bench_quantile(empty, n, 0.75) - bench_quantile(empty, n, 0.25);
  char goal[48];
  snprintf(goal, sizeof goal, "within %.2g (quartiles)", noise);
  r.goal = goal;
  r.pass = r.ours - r.rival <= noise;
  bench_print(&r);
  return 0;
}

static int measure(const struct setting *s)
{
  char *none[] = {WEFT, "plugin", "install", "--catalogue", s->empty, "/dev/null", NULL};
  run(none); /* refused: what stays is a catalogue without plugins */
  double seconds = install(s), each = seconds * 1e3 / s->n_plugins;
  char name[64];
  if (seconds < 0) {
    fprintf(stderr, "catalogue: the plugins were not installed; run ./dev build\n");
    return 1;
  }
  snprintf(name, sizeof name, "install one of %d, probed, durable", s->n_plugins);
  print(name, "ms", &each, 1, 0);
  if (query(s) == 0 && list(s) == 0 && start(s) == 0)
    return 0;
  fprintf(stderr, "catalogue: a command failed\n");
  return 1;
}

int main(int argc, char **argv)
{
  int quick = bench_is_quick(argc, argv);
  g_autofree char *root = g_dir_make_tmp("weft-bench-catalogue-XXXXXX", NULL);
  g_autofree char *full = g_build_filename(root, "full", NULL), *empty = g_build_filename(root, "empty", NULL);
  struct setting s = {root, full, empty, quick ? 1000 : 5000, quick ? 30 : 100};
  int code = measure(&s);
  char *clean[] = {"rm", "-rf", root, NULL};
  run(clean);
  return code;
}
