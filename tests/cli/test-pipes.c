/* SPDX-License-Identifier: Apache-2.0 */
/* A pipe that nobody writes to where a file is expected: said, not waited for. Standard input is read where it is named. */
#include "processes.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPELINE                                                                                                      \
  "weft: 1\nname: p\ninputs: {fast: {type: series, window: 1 s, source: {use: replay, params: {file: rows, speed: 0}}}}\n"
#define NODES "nodes: {save: {use: jsonl, in: {a: fast}}}\noutputs: {line: save}\n"

static char *program, *work;

static void put(const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(work, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void check(const char *file, const char *input, int code, const char *found)
{
  const char *argv[] = {program, "live", file, NULL};
  Process process;
  Ended ended;
  process_start(&process, work, argv);
  g_assert_cmpint(write(process.in, input, strlen(input)), ==, strlen(input));
  close(process.in);
  process.in = -1;
  process_end(&process, &ended);
  g_test_message("%s: %s%s", file, ended.out, ended.err);
  g_assert_true(WIFEXITED(ended.status));
  g_assert_cmpint(WEXITSTATUS(ended.status), ==, code);
  g_assert_nonnull(strstr(code ? ended.err : ended.out, found));
  ended_clear(&ended);
}

static void test_pipes_pipeline(void)
{
  check("pipe", "", 4, "pipe: the file cannot be read: expected a file, found a pipe; - reads standard input");
  check(".", "", 4, "expected a file, found a directory");
  check("/dev/null", "", 4, "expected a file, found a device or a socket");
}

static void test_pipes_standard_input(void)
{
  check("-", PIPELINE "assets: {rows: ./rows.csv}\n" NODES, 0, "1970-01-01T00:00:00");
  check("-", "weft: 2\n", 4, "-:1:");
}

static void test_pipes_asset(void)
{
  put("asset.yaml", PIPELINE "assets: {rows: ./pipe.csv}\n" NODES);
  check("asset.yaml", "", 4, "pipe.csv");
}

static void test_pipes_subpipeline(void)
{
  put("sub.yaml", PIPELINE "assets: {rows: ./rows.csv}\nnodes: {s: {use: ./pipe.yaml, in: fast}}\noutputs: {line: s}\n");
  check("sub.yaml", "", 4, "a pipeline is a file, and \"pipe.yaml\" is none");
}

int main(int argc, char **argv)
{
  static const char *const pipes[] = {"pipe", "pipe.csv", "pipe.yaml"};
  g_test_init(&argc, &argv, NULL);
  program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  work = g_dir_make_tmp("weft-pipes-XXXXXX", NULL);
  put("rows.csv", "time,x\n0,1\n0.5,2\n");
  for (guint i = 0; i < G_N_ELEMENTS(pipes); i++) {
    g_autofree char *path = g_build_filename(work, pipes[i], NULL);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
  }
  g_test_add_func("/pipes/pipeline", test_pipes_pipeline);
  g_test_add_func("/pipes/standard-input", test_pipes_standard_input);
  g_test_add_func("/pipes/asset", test_pipes_asset);
  g_test_add_func("/pipes/subpipeline", test_pipes_subpipeline);
  int code = g_test_run();
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
  return code;
}
