/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that dies, hangs or ends its process, installed and run as a user would: the program lives, the request
 * fails with a message that says what happened, the next one is answered. WEFT_TEST_ROUNDS says how often (25).
 */
#include "manifest.h"
#include "session.h"

#include <dirent.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>

#define D 16 /* numbers that the plugin answers */

typedef struct {
  const char *how;
  const char *code, *message; /* of the error that the request ends with */
  guint64 timeout_ns;         /* of the request that misbehaves */
} Fault;

static const Fault faults[] = {
  {"segv", "internal", "plugin fault@1.0.0 in node a: worker died by signal 11 (SIGSEGV) in process", 0},
  {"abort", "internal", "plugin fault@1.0.0 in node a: worker died by signal 6 (SIGABRT) in process", 0},
  {"exit", "internal", "plugin fault@1.0.0 in node a: worker ended with exit code 3 in process; a plugin must not end its "
                       "process", 0},
  {"hang", "deadline", "the request's deadline has passed", 20000000},
};

static char *program, *work, *catalogue;
static const char *plugin_file;

static guint n_rounds(void)
{
  const char *rounds = g_getenv("WEFT_TEST_ROUNDS");
  return rounds ? (guint)g_ascii_strtoull(rounds, NULL, 10) : 25;
}

static guint count_descriptors(void)
{
  DIR *folder = opendir("/proc/self/fd");
  guint n = 0;
  g_assert_nonnull(folder);
  while (readdir(folder))
    n++;
  closedir(folder);
  return n;
}

/* Runs weft with the words; its exit code. */
static int weft(const char *const *words, char **out, char **err)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  int status = 0;
  g_ptr_array_add(argv, program);
  for (; *words; words++)
    g_ptr_array_add(argv, (gpointer)*words);
  g_ptr_array_add(argv, NULL);
  g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, err, &status, &error);
  g_assert_no_error(error);
  g_assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static char *pipeline_file(const char *how)
{
  g_autofree char *name = g_strdup_printf("%s.yaml", how);
  g_autofree char *text = g_strdup_printf("weft: 1\nname: faulty\ninputs: {words: {type: text}}\nnodes:\n"
                                          "  a: {use: fault@^1, in: words, params: {how: %s, when: marked}}\n"
                                          "outputs: {y: a}\n", how);
  char *path = g_build_filename(work, name, NULL);
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, text, -1, &error);
  g_assert_no_error(error);
  return path;
}

static void assert_answer(const json_t *answer, const char *text)
{
  const json_t *y = json_object_get(json_object_get(answer, "outputs"), "y");
  g_assert_cmpstr(json_string_value(json_object_get(answer, "status")), ==, "ok");
  g_assert_cmpuint(json_array_size(y), ==, D);
  for (guint k = 0; k < D; k++)
    g_assert_cmpfloat(json_number_value(json_array_get(y, k)), ==, (double)(strlen(text) + k));
}

static void assert_failure(const json_t *answer, const Fault *fault)
{
  const json_t *error = json_object_get(answer, "error");
  g_assert_cmpstr(json_string_value(json_object_get(answer, "status")), ==, "failed");
  g_assert_cmpstr(json_string_value(json_object_get(error, "code")), ==, fault->code);
  g_assert_cmpstr(json_string_value(json_object_get(error, "message")), ==, fault->message);
}

static json_t *ask(WeftSession *session, const char *text, guint64 timeout_ns)
{
  g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
  WeftValue value = {bytes, NULL};
  WeftQuery query = {.inputs = &value, .timeout_ns = timeout_ns};
  json_t *answer = NULL;
  weft_session_run(session, &query, 1, &answer);
  g_assert_nonnull(answer);
  return answer;
}

/* One request after another in this process, which is the host. */
static void test_faults_session(gconstpointer data)
{
  const Fault *fault = data;
  g_autofree char *path = pipeline_file(fault->how);
  g_autoptr(GError) error = NULL;
  WeftSessionOptions options = {.catalogue = catalogue, .n_threads = 2};
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(path);
  if (!weft_session_load(session, path, diagnostics)) {
    g_autofree char *text = weft_diagnostics_text(diagnostics);
    g_error("%s", text);
  }
  gint64 begin = g_get_monotonic_time();
  guint before = 0;
  for (guint round = 0; round < n_rounds(); round++) {
    json_t *bad = ask(session, "!", fault->timeout_ns), *good = ask(session, "seven", 0);
    assert_failure(bad, fault);
    assert_answer(good, "seven");
    json_decref(bad);
    json_decref(good);
    if (round == 0)
      before = count_descriptors();
  }
  g_assert_cmpuint(count_descriptors(), <=, before + 4); /* the next worker may be on its way */
  g_test_message("%s: %u times in %.1f s", fault->how, n_rounds(), (double)(g_get_monotonic_time() - begin) / 1e6);
}

/* `weft run --batch`: lines that kill and lines that do not, many in one call. */
static void test_faults_batch(gconstpointer data)
{
  const Fault *fault = data;
  g_autofree char *path = pipeline_file(fault->how), *batch = g_build_filename(work, "batch.jsonl", NULL);
  g_autofree char *out = NULL, *err = NULL;
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < n_rounds(); i++)
    g_string_append(lines, "{\"words\": \"!\"}\n{\"words\": \"four\"}\n{\"words\": \"seven\"}\n");
  g_file_set_contents(batch, lines->str, -1, &error);
  g_assert_no_error(error);
  const char *words[] = {"run", path, "--catalogue", catalogue, "--batch", batch, NULL};
  g_assert_cmpint(weft(words, &out, &err), ==, 1);
  g_auto(GStrv) answers = g_strsplit(g_strchomp(out), "\n", -1);
  g_assert_cmpuint(g_strv_length(answers), ==, 3 * n_rounds());
  for (guint i = 0; answers[i]; i++) {
    json_t *answer = json_loads(answers[i], 0, NULL);
    g_assert_nonnull(answer);
    if (i % 3 == 0)
      assert_failure(answer, fault);
    else
      assert_answer(answer, i % 3 == 1 ? "four" : "seven");
    json_decref(answer);
  }
  g_autofree char *sum = g_strdup_printf("%u of %u requests failed", n_rounds(), 3 * n_rounds());
  g_assert_nonnull(strstr(err, sum));
}

/* `weft run` says it in one line and with its exit code. */
static void test_faults_run(void)
{
  for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
    g_autofree char *path = pipeline_file(faults[i].how), *out = NULL, *err = NULL;
    const char *words[] = {"run", path, "--catalogue", catalogue, "--words", "!", "--timeout", "20 s", NULL};
    if (faults[i].timeout_ns)
      words[7] = "200 ms";
    g_assert_cmpint(weft(words, &out, &err), ==, 1);
    g_test_message("%s", err);
    g_assert_nonnull(strstr(err, faults[i].message));
  }
}

/* A plugin that crashes at every request: one death a request, each told, and the catalogue says how often. */
static void test_faults_in_a_row(void)
{
  enum { N = 30 };
  g_autofree char *path = pipeline_file("segv"), *batch = g_build_filename(work, "row.jsonl", NULL);
  g_autofree char *own = g_build_filename(work, "own", NULL), *out = NULL, *err = NULL, *shown = NULL, *none = NULL;
  g_autoptr(GString) lines = g_string_new(NULL);
  for (guint i = 0; i < N; i++)
    g_string_append(lines, "{\"words\": \"!\"}\n");
  g_assert_true(g_file_set_contents(batch, lines->str, -1, NULL));
  const char *install[] = {"plugin", "install", "--catalogue", own, plugin_file, NULL};
  const char *words[] = {"run", path, "--catalogue", own, "--batch", batch, "--clients", "1", NULL};
  const char *show[] = {"plugin", "show", "fault", "--catalogue", own, NULL};
  g_assert_cmpint(weft(install, &none, NULL), ==, 0);
  g_assert_cmpint(weft(words, &out, &err), ==, 1);
  g_auto(GStrv) answers = g_strsplit(g_strchomp(out), "\n", -1);
  g_assert_cmpuint(g_strv_length(answers), ==, N);
  for (guint i = 0; i < N; i++)
    g_assert_nonnull(strstr(answers[i], faults[0].message));
  g_assert_cmpint(weft(show, &shown, NULL), ==, 0);
  g_assert_nonnull(strstr(shown, "30 calls in a process of its own, 30 crashes"));
}

/* In process an exit() ends everything; it must not look like an answer. */
static void test_faults_exit_in_process(void)
{
  g_autofree char *path = pipeline_file("exit"), *out = NULL, *err = NULL;
  const char *words[] = {"run", path, "--catalogue", catalogue, "--words", "!", "--isolate", "none", NULL};
  g_assert_cmpint(weft(words, &out, &err), ==, 1);
  g_assert_nonnull(strstr(err, "a plugin ended this process with exit()"));
  g_assert_cmpstr(out, ==, "");
}

int main(int argc, char **argv)
{
  /* Read by the workers alone: their deaths are the test, not a sanitizer's report of them. */
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2); /* the plugin */
  plugin_file = argv[1];
  program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  work = g_dir_make_tmp("weft-faults-XXXXXX", NULL);
  catalogue = g_build_filename(work, "catalogue", NULL);
  g_autofree char *out = NULL, *err = NULL, *remove = NULL;
  const char *install[] = {"plugin", "install", "--catalogue", catalogue, argv[1], NULL};
  if (weft(install, &out, &err) != 0)
    g_error("%s", err);
  for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
    g_autofree char *session = g_strdup_printf("/faults/session/%s", faults[i].how);
    g_autofree char *batch = g_strdup_printf("/faults/batch/%s", faults[i].how);
    g_test_add_data_func(session, &faults[i], test_faults_session);
    if (!faults[i].timeout_ns) /* a deadline of the batch is one of the good lines too */
      g_test_add_data_func(batch, &faults[i], test_faults_batch);
  }
  g_test_add_func("/faults/run", test_faults_run);
  g_test_add_func("/faults/in-a-row", test_faults_in_a_row);
  g_test_add_func("/faults/exit-in-process", test_faults_exit_in_process);
  int code = g_test_run();
  remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
  return code;
}
