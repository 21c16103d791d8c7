/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that came with Weft and says `blocking`: it gets a process of its
 * own without a word in the pipeline file, so that the one helper thread serves
 * other requests while it waits. Told to run in process, it holds them up.
 */
#include "install.h"
#include "session.h"

#include <string.h>
#include <unistd.h>

/* As long as the blocking call waits, and far longer than the other request takes. */
#define WAIT_MS 1500

static char *work, *pipeline;

struct turn {
  gint place;  /* 1: answered first */
  gint64 pid;  /* who counted */
  gint64 took_us;
};

struct shared {
  GMutex lock;
  GCond changed;
  gint n_answered;
  gint64 begin;
};

struct receiver {
  struct shared *shared;
  struct turn turn;
};

static gint64 pid_of(const json_t *answer)
{
  const json_t *outputs = json_object_get(answer, "outputs"), *row;
  const char *name;
  g_assert_cmpstr(json_string_value(json_object_get(answer, "status")), ==, "ok");
  json_object_foreach((json_t *)outputs, name, row)
  {
    if (json_is_array(row))
      return json_integer_value(json_array_get(row, 1));
  }
  g_error("no output has a value");
}

static void on_done(json_t *answer, gpointer data)
{
  struct receiver *r = data;
  gint64 pid = pid_of(answer), now = g_get_monotonic_time();
  json_decref(answer);
  g_mutex_lock(&r->shared->lock);
  r->turn = (struct turn){++r->shared->n_answered, pid, now - r->shared->begin};
  g_cond_broadcast(&r->shared->changed);
  g_mutex_unlock(&r->shared->lock);
}

static void submit(WeftSession *session, guint input, const char *text, struct receiver *r)
{
  g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
  g_autoptr(GError) error = NULL;
  WeftValue values[2] = {{0}, {0}};
  values[input].bytes = bytes;
  WeftQuery query = {.inputs = values};
  WeftReceiver receiver = {on_done, r};
  weft_session_submit(session, &query, &receiver, NULL, &error);
  g_assert_no_error(error);
}

/* One request for the node that waits, then one for the other, with one helper thread. */
static void ask_both(const char *isolate, struct turn *slow, struct turn *other)
{
  WeftSessionOptions options = {.n_threads = 1, .build = {.isolate = isolate}};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(pipeline);
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  if (!weft_session_load(session, pipeline, diagnostics))
    g_error("%s", weft_diagnostics_text(diagnostics));
  struct shared shared = {.begin = g_get_monotonic_time()};
  struct receiver receivers[2] = {{&shared, {0}}, {&shared, {0}}};
  g_autofree char *text = g_strnfill(WAIT_MS, 'x');
  g_mutex_init(&shared.lock);
  g_cond_init(&shared.changed);
  submit(session, 0, text, &receivers[0]);
  submit(session, 1, "word", &receivers[1]);
  weft_session_drain(session);
  *slow = receivers[0].turn;
  *other = receivers[1].turn;
  g_mutex_clear(&shared.lock);
  g_cond_clear(&shared.changed);
}

static void test_blocking_gets_a_worker(void)
{
  struct turn slow, other;
  ask_both(NULL, &slow, &other);
  g_assert_cmpint(slow.pid, !=, getpid());
  g_assert_cmpint(other.pid, ==, getpid());
  g_test_message("the call that waits took %.0f ms, the other request %.0f ms", (double)slow.took_us / 1e3,
                 (double)other.took_us / 1e3);
  g_assert_cmpint(other.place, ==, 1);
  g_assert_cmpint(slow.took_us, >=, WAIT_MS * 1000);
}

static void test_blocking_told_to_stay(void)
{
  struct turn slow, other;
  ask_both("none", &slow, &other);
  g_assert_cmpint(slow.pid, ==, getpid());
  g_assert_cmpint(other.pid, ==, getpid());
  g_assert_cmpint(slow.place, ==, 1);
  g_assert_cmpint(other.took_us, >=, WAIT_MS * 1000);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  if (argc != 3)
    g_error("usage: test-blocking PROBE PLUGIN.so");
  g_autoptr(GError) error = NULL;
  work = g_dir_make_tmp("weft-blocking-XXXXXX", NULL);
  g_autofree char *catalogue = g_build_filename(work, "catalogue", NULL);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(catalogue, FALSE, &error);
  const WeftInstallOptions options = {.probe_program = argv[1], .bundled = TRUE};
  g_autoptr(WeftInstallResult) result = registrar ? weft_install_file(registrar, argv[2], &options, &error) : NULL;
  g_assert_no_error(error);
  g_assert_cmpstr(result->reason, ==, NULL);
  g_clear_pointer(&registrar, weft_registrar_free);
  g_setenv("WEFT_CATALOGUE", catalogue, TRUE);
  pipeline = g_build_filename(work, "p.yaml", NULL);
  g_assert_true(g_file_set_contents(pipeline, "weft: 1\nname: wait\ninputs: {a: {type: text, optional: true}, b: {type: text, "
                                    "optional: true}}\nrequire: any(a, b)\nnodes:\n  slow: {use: waits, in: a}\n"
                                    "  fast: {use: hurries, in: b}\noutputs: {slow: slow, fast: fast}\n", -1, NULL));
  g_test_add_func("/blocking/gets_a_worker", test_blocking_gets_a_worker);
  g_test_add_func("/blocking/told_to_stay", test_blocking_told_to_stay);
  int code = g_test_run();
  const char *remove[] = {"rm", "-r", work, NULL};
  g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free(pipeline);
  g_free(work);
  return code;
}
