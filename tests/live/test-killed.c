/* SPDX-License-Identifier: Apache-2.0 */
/* A recording is replayed in a process of its own, which is killed while `weft live` runs: what its answers say. */
#include "processes.h"

#include <glib.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AT 10
#define N_WINDOWS 60
#define MOST_WINDOWS 500 /* a busy machine, or a sanitizer, takes longer to bring it back; the recording ends at 600 */

static char *program, *work;

static void put(const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(work, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void put_pipeline(const char *policy)
{
  g_autoptr(GString) rows = g_string_new("time,x\n");
  for (guint i = 0; i < 3000; i++)
    g_string_append_printf(rows, "%d.%02d,%u\n", 100 + (int)i / 100, (int)i % 100, i);
  put("rows.csv", rows->str);
  g_autofree char *text = g_strdup_printf(
    "weft: 1\nname: p\nassets: {rows: ./rows.csv}\ninputs:\n"
    "  a: {type: series, source: {use: replay, params: {file: rows}, isolate: false}, window: 50 ms, tolerance: 0 ms}\n"
    "  b: {type: series, source: {use: replay, params: {file: rows}, isolate: true}, optional: true, tolerance: 10 ms}\n"
    "lead: a\nnodes: {save: {use: jsonl, in: {a: a, b: b}, on_missing: {b: %s}}}\noutputs: {line: save}\n", policy);
  put("p.yaml", text);
}

static const char *text_at(const json_t *answer, const char *a, const char *b, const char *c)
{
  const json_t *value = json_object_get(json_object_get(answer, a), b);
  return json_string_value(c ? json_object_get(value, c) : value);
}

static void see(const char *policy, const json_t *answer, gboolean dead)
{
  const char *status = json_string_value(json_object_get(answer, "status"));
  const char *absent = text_at(answer, "absent", "save", "b.samples");
  if (!dead) {
    g_assert_cmpstr(status, ==, "ok");
  } else if (strcmp(policy, "fail") == 0) {
    g_assert_cmpstr(status, ==, "failed");
  } else if (strcmp(policy, "degrade") == 0) {
    g_assert_cmpstr(status, ==, "degraded");
    g_assert_cmpstr(absent, ==, "dead");
  } else {
    g_assert_cmpstr(status, ==, "ok");
    g_assert_cmpstr(absent, ==, strcmp(policy, "mask") == 0 ? NULL : "held");
  }
}

static void test_killed_source(gconstpointer policy)
{
  guint n_dead = 0, n_before = 0, n_after = 0;
  Process process;
  Ended ended;
  put_pipeline(policy);
  const char *argv[] = {program, "live", "p.yaml", "--json", NULL};
  process_start(&process, work, argv);
  for (guint i = 0; i < N_WINDOWS || (!n_after && i < MOST_WINDOWS); i++) {
    g_autofree char *line = process_line(&process);
    json_t *answer = line ? json_loads(line, 0, NULL) : NULL;
    g_assert_nonnull(answer);
    const char *state = text_at(answer, "streams", "b", "state");
    g_test_message("%s: %s", state, line);
    /* A busy machine may be late; what the first death brings is dead and nothing else. */
    gboolean dead = strcmp(state, "dead") == 0, there = strcmp(state, "there") == 0 || strcmp(state, "near") == 0;
    n_dead += dead;
    n_before += there && !n_dead;
    n_after += there && n_dead;
    if (there || dead)
      see(policy, answer, dead);
    g_assert_true(!dead || i > KILL_AT);
    json_decref(answer);
    if (i != KILL_AT)
      continue;
    g_autoptr(GArray) leaves = process_leaves(process.pid);
    g_assert_cmpuint(leaves->len, ==, 1);
    kill(g_array_index(leaves, gint, 0), SIGKILL);
  }
  kill(process.pid, SIGTERM);
  process_end(&process, &ended);
  g_test_message("%u before, %u dead, %u after: %s", n_before, n_dead, n_after, ended.err);
  g_assert_true(WIFEXITED(ended.status));
  g_assert_cmpint(WEXITSTATUS(ended.status), ==, strcmp(policy, "fail") == 0);
  g_assert_cmpuint(n_before, >, 0);
  g_assert_cmpuint(n_dead, >, 0);
  g_assert_cmpuint(n_after, >, 0);
  g_assert_nonnull(strstr(ended.err, "stream \"b\" (replay@1.0.0) broke off and is tried again"));
  ended_clear(&ended);
}

int main(int argc, char **argv)
{
  static const char *const policies[] = {"mask", "degrade", "hold 5 s", "fail"};
  g_test_init(&argc, &argv, NULL);
  program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  work = g_dir_make_tmp("weft-killed-XXXXXX", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(policies); i++) {
    g_autofree char *path = g_strdup_printf("/live-killed/%.*s", (int)strcspn(policies[i], " "), policies[i]);
    g_test_add_data_func(path, policies[i], test_killed_source);
  }
  int code = g_test_run();
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
  return code;
}
