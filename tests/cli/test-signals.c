/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals while weft works with plugins in processes of their own: no such process is left behind, no line is cut, and
 * how weft ends is what docs/commands.md says.
 */
#include "processes.h"

#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_LINES 5000

static char *program, *work, *catalogue;

static void put(const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(work, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void put_faulty(const char *how)
{
  g_autofree char *text = g_strdup_printf("weft: 1\nname: p\ninputs: {words: {type: text}}\nnodes:\n  a: {use: fault@^1, in: "
                                          "words, params: {how: %s, ms: 2 ms}}\noutputs: {y: a}\n", how);
  put("p.yaml", text);
}

static void put_lines(void)
{
  g_autoptr(GString) lines = g_string_new(NULL);
  for (guint i = 0; i < N_LINES; i++)
    g_string_append_printf(lines, "{\"$id\": %u, \"words\": \"line %u\"}\n", i, i);
  put("lines.jsonl", lines->str);
}

#define weft(...) ((const char *const[]){program, __VA_ARGS__, "--catalogue", catalogue, NULL})

/* Whole lines of JSON; answers how many. */
static guint count_lines(const char *text)
{
  guint n = 0;
  g_assert_true(!*text || g_str_has_suffix(text, "\n"));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++) {
    json_t *answer = **line ? json_loads(*line, 0, NULL) : NULL;
    g_assert_true(answer || !**line);
    n += answer != NULL;
    json_decref(answer);
  }
  return n;
}

static void assert_ended_by(const Ended *ended, int number)
{
  g_test_message("status %x: %s", (guint)ended->status, ended->err);
  g_assert_true(WIFSIGNALED(ended->status));
  g_assert_cmpint(WTERMSIG(ended->status), ==, number);
}

/* Lines of standard input that stays open: the reader waits in a read. */
static void test_signals_batch_waiting(gconstpointer number)
{
  Process process;
  Ended ended;
  put_faulty("none");
  process_start(&process, work, weft("run", "p.yaml", "--batch", "-"));
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpint(write(process.in, "{\"words\": \"abc\"}\n", 17), ==, 17);
    g_autofree char *line = process_line(&process);
    g_assert_nonnull(line);
  }
  g_assert_cmpint(write(process.in, "{\"words\": \"hal", 14), ==, 14); /* not a line yet, and never */
  g_autoptr(GArray) below = process_descendants(process.pid);
  g_assert_cmpuint(below->len, >=, 2);
  g_usleep(20000);
  kill(process.pid, GPOINTER_TO_INT(number));
  process_end(&process, &ended);
  assert_ended_by(&ended, GPOINTER_TO_INT(number));
  g_assert_cmpstr(ended.out, ==, "");
  g_assert_nonnull(strstr(ended.err, "a signal came: 3 lines are answered, no more are read"));
  g_assert_true(processes_are_gone(below));
  ended_clear(&ended);
}

/* Reads on while the process still writes, so that it never waits for the reader. */
static char *read_all(Process *process)
{
  g_autoptr(GString) text = g_string_new(NULL);
  char block[65536];
  for (gssize n; (n = read(process->out, block, sizeof block)) > 0;)
    g_string_append_len(text, block, n);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* A file of many lines, in the middle of it. */
static void test_signals_batch_busy(gconstpointer number)
{
  Process process;
  Ended ended;
  put_faulty("slow");
  put_lines();
  process_start(&process, work, weft("run", "p.yaml", "--batch", "lines.jsonl"));
  g_autofree char *first = process_line(&process);
  g_assert_nonnull(first);
  g_autoptr(GArray) below = process_descendants(process.pid);
  kill(process.pid, GPOINTER_TO_INT(number));
  g_autofree char *rest = read_all(&process);
  process_end(&process, &ended);
  assert_ended_by(&ended, GPOINTER_TO_INT(number));
  if (GPOINTER_TO_INT(number) != SIGKILL)
    g_assert_cmpuint(count_lines(rest) + 1, <, N_LINES);
  g_assert_true(processes_are_gone(below));
  ended_clear(&ended);
}

/* One request whose plugin never ends: there is nothing to wait for. */
static void test_signals_run_hanging(gconstpointer number)
{
  Process process;
  Ended ended;
  g_autoptr(GArray) below = NULL;
  put_faulty("hang");
  process_start(&process, work, weft("run", "p.yaml", "--words", "abc", "--json"));
  do {
    g_clear_pointer(&below, g_array_unref);
    g_usleep(5000);
    below = process_descendants(process.pid);
  } while (below->len < 2);
  g_usleep(50000);
  kill(process.pid, GPOINTER_TO_INT(number));
  process_end(&process, &ended);
  assert_ended_by(&ended, GPOINTER_TO_INT(number));
  g_assert_cmpstr(ended.out, ==, "");
  g_assert_true(processes_are_gone(below));
  ended_clear(&ended);
}

static void put_live(void)
{
  g_autoptr(GString) rows = g_string_new("time,x\n");
  for (guint i = 0; i < 100; i++)
    g_string_append_printf(rows, "%d.%02d,%u\n", 100 + (int)i / 100, (int)i % 100, i);
  put("rows.csv", rows->str);
  put("live.yaml", "weft: 1\nname: p\nassets: {rows: ./rows.csv}\ninputs:\n"
                   "  a: {type: series, source: {use: replay, params: {file: rows, loop: true}, isolate: true}, window: 50 ms}\n"
                   "nodes: {save: {use: jsonl, in: {a: a}, isolate: true}}\noutputs: {line: save}\n"
                   "sinks: {log: {from: save, to: log.jsonl}}\n");
}

/* It ends by itself, with everything answered, unless it is killed. */
static void test_signals_live(gconstpointer number)
{
  Process process;
  Ended ended;
  g_autofree char *log = NULL, *path = g_build_filename(work, "log.jsonl", NULL);
  put_live();
  unlink(path);
  process_start(&process, work, weft("live", "live.yaml", "--json"));
  for (guint i = 0; i < 5; i++) {
    g_autofree char *line = process_line(&process);
    g_assert_nonnull(line);
  }
  g_autoptr(GArray) below = process_descendants(process.pid);
  g_assert_cmpuint(below->len, >=, 4);
  kill(process.pid, GPOINTER_TO_INT(number));
  process_end(&process, &ended);
  if (GPOINTER_TO_INT(number) == SIGKILL) {
    assert_ended_by(&ended, SIGKILL);
  } else {
    g_assert_true(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0);
    g_assert_cmpuint(count_lines(ended.out), >=, 1);
    g_assert_nonnull(strstr(ended.out, "weft.live/1"));
  }
  g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
  g_assert_cmpuint(count_lines(log), >=, 5);
  g_assert_true(processes_are_gone(below));
  ended_clear(&ended);
}

/* Nobody reads the answers any more: weft ends like any program in a pipe, without a word. */
static void test_signals_pipe(gconstpointer data)
{
  Process process;
  Ended ended;
  put_faulty("none");
  put_lines();
  put_live();
  if (GPOINTER_TO_INT(data))
    process_start(&process, work, weft("live", "live.yaml", "--json"));
  else
    process_start(&process, work, weft("run", "p.yaml", "--batch", "lines.jsonl"));
  g_autofree char *line = process_line(&process);
  g_assert_nonnull(line);
  g_autoptr(GArray) below = process_descendants(process.pid);
  close(process.out);
  process.out = -1;
  process_end(&process, &ended);
  assert_ended_by(&ended, SIGPIPE);
  g_assert_cmpstr(ended.err, ==, "");
  g_assert_true(processes_are_gone(below));
  ended_clear(&ended);
}

int main(int argc, char **argv)
{
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_test_init(&argc, &argv, NULL);
  program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  work = g_dir_make_tmp("weft-signals-XXXXXX", NULL);
  catalogue = g_build_filename(work, "catalogue", NULL);
  g_autofree char *fault = g_canonicalize_filename(argv[1], NULL);
  Process process;
  Ended ended;
  process_start(&process, work, weft("plugin", "install", fault));
  process_end(&process, &ended);
  if (ended.status)
    g_error("%s", ended.err);
  ended_clear(&ended);
  const struct {
    const char *name;
    int number;
  } signals[] = {{"int", SIGINT}, {"term", SIGTERM}, {"kill", SIGKILL}};
  for (guint i = 0; i < G_N_ELEMENTS(signals); i++) {
    const struct {
      const char *name;
      GTestDataFunc test;
    } cases[] = {{"batch-waiting", test_signals_batch_waiting}, {"batch-busy", test_signals_batch_busy},
                 {"run-hanging", test_signals_run_hanging}, {"live", test_signals_live}};
    for (guint k = signals[i].number == SIGKILL; k < G_N_ELEMENTS(cases); k++) {
      g_autofree char *path = g_strdup_printf("/signals/%s/%s", cases[k].name, signals[i].name);
      g_test_add_data_func(path, GINT_TO_POINTER(signals[i].number), cases[k].test);
    }
  }
  g_test_add_data_func("/signals/pipe/batch", GINT_TO_POINTER(0), test_signals_pipe);
  g_test_add_data_func("/signals/pipe/live", GINT_TO_POINTER(1), test_signals_pipe);
  int code = g_test_run();
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
  return code;
}
