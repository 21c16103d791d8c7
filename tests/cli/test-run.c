/* SPDX-License-Identifier: Apache-2.0 */
/* The command line on the shipped digits pipeline, as a user meets it. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  int code; /* exit code; -1: died by a signal */
  char *out, *err;
} Result;

static char *program, *digits, *work;

static void result_clear(Result *result)
{
  g_free(result->out);
  g_free(result->err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Result, result_clear)

static char *at(const char *folder, const char *name)
{
  return g_build_filename(folder, name, NULL);
}

/* Runs weft with the arguments; "DIGITS/x" is a file of examples/digits, "WORK/x" one of the scratch folder. */
static Result weft(const char *first, ...) G_GNUC_NULL_TERMINATED;

static Result weft(const char *first, ...)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(argv, g_strdup(program));
  va_list args;
  va_start(args, first);
  for (const char *word = first; word; word = va_arg(args, const char *)) {
    g_auto(GStrv) a = g_strsplit(word, "DIGITS", -1);
    g_autofree char *b = g_strjoinv(digits, a);
    g_auto(GStrv) c = g_strsplit(b, "WORK", -1);
    g_ptr_array_add(argv, g_strjoinv(work, c));
  }
  va_end(args);
  g_ptr_array_add(argv, NULL);
  Result result = {-1, NULL, NULL};
  int status = 0;
  g_autoptr(GError) error = NULL;
  g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &result.out, &result.err, &status, &error);
  g_assert_no_error(error);
  if (WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  return result;
}

static void assert_contains(const char *text, const char *part)
{
  if (!strstr(text, part))
    g_error("expected \"%s\" in:\n%s", part, text);
}

static void write_file(const char *name, const void *bytes, gssize n)
{
  g_autofree char *path = at(work, name);
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, bytes, n, &error);
  g_assert_no_error(error);
}

/* The answer without its times, which differ from run to run. */
static char *answer_of(const char *text)
{
  json_error_t problem;
  json_t *answer = json_loads(text, 0, &problem);
  if (!answer)
    g_error("not JSON (%s): %s", problem.text, text);
  g_assert_cmpstr(json_string_value(json_object_get(answer, "schema")), ==, "weft.answer/1");
  json_object_del(answer, "timings");
  json_object_del(answer, "$id");
  char *dumped = json_dumps(answer, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
  char *copy = g_strdup(dumped);
  free(dumped);
  json_decref(answer);
  return copy;
}

static void assert_seven(const char *text)
{
  json_t *answer = json_loads(text, 0, NULL);
  g_assert_nonnull(answer);
  g_assert_cmpstr(json_string_value(json_object_get(answer, "status")), ==, "ok");
  json_t *outputs = json_object_get(answer, "outputs");
  g_assert_cmpstr(json_string_value(json_object_get(outputs, "digit")), ==, "7");
  double sum = 0;
  const char *name;
  json_t *weight;
  json_object_foreach(json_object_get(json_object_get(answer, "weights"), "fuse"), name, weight)
  {
    sum += json_number_value(weight);
  }
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-5);
  json_decref(answer);
}

#define PIPELINE "DIGITS/pipeline.yaml"
#define PICTURE "DIGITS/seven.png"
#define SPEECH "DIGITS/seven.wav"

static void test_run_every_subset(void)
{
  g_auto(Result) p = weft("run", PIPELINE, "--json", "--picture", PICTURE, NULL);
  g_auto(Result) s = weft("run", PIPELINE, "--json", "--speech", SPEECH, NULL);
  g_auto(Result) w = weft("run", PIPELINE, "--json", "--words", "seven", NULL);
  g_auto(Result) ps = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--speech", SPEECH, NULL);
  g_auto(Result) pw = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--in", "words=sieben", NULL);
  g_auto(Result) sw = weft("run", PIPELINE, "--json", "--speech", SPEECH, "--words", "sept", NULL);
  g_auto(Result) all = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--speech", SPEECH, "--words=seven", NULL);
  const Result *results[] = {&p, &s, &w, &ps, &pw, &sw, &all};
  for (guint i = 0; i < G_N_ELEMENTS(results); i++) {
    g_assert_cmpint(results[i]->code, ==, 0);
    assert_seven(results[i]->out);
  }
}

static void test_run_require(void)
{
  g_auto(Result) r = weft("run", PIPELINE, NULL);
  g_assert_cmpint(r.code, ==, 1);
  assert_contains(r.err, "the pipeline requires any(picture, speech, words); nothing was given: add --picture, --speech or "
                         "--words (bad-input)\n");
  write_file("nothing.jsonl", "{\"$id\": 1}\n", -1);
  g_auto(Result) batch = weft("run", PIPELINE, "--batch", "WORK/nothing.jsonl", NULL);
  g_assert_cmpint(batch.code, ==, 1);
  assert_contains(batch.out, "nothing was given: add \\\"picture\\\", \\\"speech\\\" or \\\"words\\\"");
}

static void test_run_same_bytes(void)
{
  g_auto(Result) one = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--speech", SPEECH, "--words", "7", NULL);
  g_auto(Result) threads = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--speech", SPEECH, "--words", "7",
                                "--threads", "4", NULL);
  g_auto(Result) single = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--speech", SPEECH, "--words", "7",
                               "--threads", "1", NULL);
  g_auto(Result) isolated = weft("run", PIPELINE, "--json", "--picture", PICTURE, "--speech", SPEECH, "--words", "7",
                                 "--isolate", "all", NULL);
  g_assert_cmpint(isolated.code, ==, 0);
  g_autofree char *a = answer_of(one.out), *b = answer_of(threads.out), *c = answer_of(single.out),
                  *d = answer_of(isolated.out);
  g_assert_cmpstr(a, ==, b);
  g_assert_cmpstr(a, ==, c);
  g_assert_cmpstr(a, ==, d);
}

/* 64 requests with mixed modalities in one batch: each answer equals that of the request alone. */
static void test_run_batch_same_bytes(void)
{
  g_autoptr(GString) lines = g_string_new(NULL);
  for (int i = 0; i < 64; i++) {
    g_string_append_printf(lines, "{\"$id\": %d", i);
    for (int k = 0; k < 3; k++) {
      if (!((i % 7 + 1) >> k & 1))
        continue;
      g_string_append(lines, ", ");
      if (k == 2)
        g_string_append_printf(lines, "\"words\": \"seven %d\"", i);
      else
        g_string_append_printf(lines, k == 0 ? "\"picture\": \"%s/seven.png\"" : "\"speech\": \"%s/seven.wav\"", digits);
    }
    g_string_append(lines, "}\n");
  }
  write_file("many.jsonl", lines->str, -1);
  g_auto(GStrv) each = g_strsplit(lines->str, "\n", -1);
  const char *where[] = {"none", "all"};
  for (guint k = 0; k < 2; k++) {
    g_auto(Result) many = weft("run", PIPELINE, "--batch", "WORK/many.jsonl", "--isolate", where[k], NULL);
    g_assert_cmpint(many.code, ==, 0);
    g_auto(GStrv) answers = g_strsplit(many.out, "\n", -1);
    g_assert_cmpuint(g_strv_length(answers), ==, 65);
    for (int i = 0; i < 64; i += 5) {
      write_file("one.jsonl", each[i], -1);
      g_auto(Result) one = weft("run", PIPELINE, "--batch", "WORK/one.jsonl", NULL);
      g_assert_cmpint(one.code, ==, 0);
      g_autofree char *a = answer_of(answers[i]), *b = answer_of(one.out);
      g_assert_cmpstr(a, ==, b);
    }
  }
}

static void test_run_batch_bad_lines(void)
{
  g_autofree char *text = g_strdup_printf("{\"$id\": \"a\", \"words\": \"three\"}\nnot json\n\n{\"word\": \"one\"}\n"
                                          "{\"picture\": \"%s/nowhere.png\"}\n[1]\n{\"words\": 3}\n{}\n"
                                          "{\"words\": \"one\", \"words\": \"two\"}\n{\"$id\": \"z\", \"words\": \"four\"}\n",
                                          work);
  write_file("bad.jsonl", text, -1);
  g_auto(Result) r = weft("run", PIPELINE, "--batch", "WORK/bad.jsonl", NULL);
  g_assert_cmpint(r.code, ==, 1);
  g_auto(GStrv) answers = g_strsplit(g_strchomp(r.out), "\n", -1);
  g_assert_cmpuint(g_strv_length(answers), ==, 9);
  const char *expected[] = {"\"3\"", "line 2", "did you mean", "no such file", "expected an object",
                            "expected a text", "any(picture, speech, words)", "line 9", "\"4\""};
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    g_autofree char *plain = g_strdup(answers[i]);
    g_auto(GStrv) unescaped = g_strsplit(plain, "\\\"", -1);
    g_autofree char *line = g_strjoinv("\"", unescaped);
    assert_contains(line, expected[i]);
  }
  assert_contains(answers[0], "\"$id\":\"a\"");
  assert_contains(answers[8], "\"$id\":\"z\"");
  assert_contains(r.err, "7 of 9");
}

/* Every bad input: exit code 1, the option or file named, what was found. */
static void test_run_bad_inputs(void)
{
  g_autofree char *png = NULL, *good = at(digits, "seven.png"), *fifo = at(work, "pipe");
  gsize n = 0;
  g_assert_true(g_file_get_contents(good, &png, &n, NULL));
  write_file("cut.png", png, (gssize)(n * 2 / 3));
  png[n / 2] ^= 0x55;
  write_file("corrupt.png", png, (gssize)n);
  write_file("empty.png", "", 0);
  g_autofree char *most = at(work, "most.png"), *more = at(work, "more.png");
  write_file("most.png", "", 0);
  write_file("more.png", "", 0);
  g_assert_cmpint(truncate(most, 64 << 20), ==, 0);
  g_assert_cmpint(truncate(more, (64 << 20) + 1), ==, 0);
  write_file("latin1.txt", "caf\xe9 sept", 9);
  /* A RIFF header of 44,100 Hz with four samples. */
  static const guint8 wav[] = "RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x44\xac\0\0\x88\x58\1\0\2\0\x10\0"
                              "data\x08\0\0\0\0\0\0\0\0\0\0";
  write_file("rate.wav", wav, 52);
  if (mkfifo(fifo, 0600) != 0)
    g_assert_cmpint(errno, ==, EEXIST);
  const struct {
    const char *option, *value, *found;
  } cases[] = {
      {"--picture", "WORK/cut.png", "picture"},       {"--picture", "WORK/corrupt.png", "picture"},
      {"--picture", "WORK/empty.png", "empty"},       {"--picture", "WORK/none.png", "no such file"},
      {"--picture", "WORK", "directory"},             {"--picture", "WORK/pipe", "nobody writes"},
      {"--picture", SPEECH, "WAV"},                   {"--speech", PICTURE, "PNG"},
      {"--speech", "WORK/rate.wav", "44100"},         {"--words", "@WORK/latin1.txt", "offset 3"},
      {"--words", "@WORK/none.txt", "no such file"},  {"--picture", "WORK/most.png", "expected a PNG"},
      {"--picture", "WORK/more.png", "67108865 bytes, the most that one input may have is 67108864"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_auto(Result) r = weft("run", PIPELINE, cases[i].option, cases[i].value, NULL);
    g_test_message("%s %s: %s", cases[i].option, cases[i].value, r.err);
    g_assert_cmpint(r.code, ==, 1);
    assert_contains(r.err, cases[i].found);
    assert_contains(r.err, cases[i].option + 2);
  }
}

static void test_run_bad_options(void)
{
  const struct {
    const char *words[5];
    const char *found;
  } cases[] = {
      {{"run"}, "pipeline file is missing"},
      {{"run", PIPELINE, "--pictur", "x"}, "did you mean --picture"},
      {{"run", PIPELINE, "--jsn"}, "did you mean --json"},
      {{"run", PIPELINE, "--in", "picture"}, "NAME=VALUE"},
      {{"run", PIPELINE, "--timeout", "5"}, "unit"},
      {{"run", PIPELINE, "--threads", "0"}, "from 1 to 256"},
      {{"run", PIPELINE, "--threads", "257"}, "from 1 to 256"},
      {{"run", PIPELINE, "--timeout", "0.0001 us"}, "unit"},
      {{"run", PIPELINE, "--seed", "18446744073709551616"}, "0 to 18446744073709551615"},
      {{"run", PIPELINE, "--isolate", ""}, "--isolate: the value is empty"},
      {{"run", PIPELINE, "--batch", ""}, "--batch: the value is empty"},
      {{"run", PIPELINE, "--batch=a", "--batch=b"}, "--batch is given twice: a and b"},
      {{"run", PIPELINE, "--batch=a", "--clients=1025"}, "--clients 1025: expected a number from 1 to 1024"},
      {{"run", PIPELINE, "--batch=a", "--clients=0"}, "--clients 0: expected a number from 1 to 1024"},
      {{"run", PIPELINE, "--words=a", "--clients=2"}, "--clients is for --batch"},
      {{"run", PIPELINE, "--words=a", "--unordered"}, "--unordered is for --batch"},
      {{"run", ""}, "pipeline file is missing"},
      {{"plugin", "show", "vit@newest"}, "not a version range"},
      {{"run", PIPELINE, "extra"}, "unexpected argument"},
      {{"rnu", PIPELINE}, "did you mean \"run\""},
      {{"pipeline", "chek", PIPELINE}, "is not an action"},
      {{"pipeline", "check", PIPELINE, "--jsn"}, "did you mean --json"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const char *const *w = cases[i].words;
    g_auto(Result) r = weft(w[0], w[1], w[2], w[3], w[4], NULL);
    g_test_message("%s", r.err);
    g_assert_cmpint(r.code, ==, 2);
    assert_contains(r.err, cases[i].found);
  }
}

/* Of a command anywhere among its words. */
static void test_run_help(void)
{
  static const char *const words[][4] = {{"run", "--help"}, {"run", PIPELINE, "--help"}, {"plugin", "list", "--help"},
                                         {"pipeline", "check", "--help"}, {"model", "--help"}};
  for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
    g_auto(Result) r = weft(words[i][0], words[i][1], words[i][2], NULL);
    g_assert_cmpint(r.code, ==, 0);
    g_assert_true(g_str_has_prefix(r.out, "usage: weft "));
  }
}

/* A path is bytes; an answer is UTF-8. */
static void test_run_path_not_utf8(void)
{
  g_auto(Result) plain = weft("run", PIPELINE, "--picture", "/no\xffwhere.png", NULL);
  g_assert_cmpint(plain.code, ==, 1);
  assert_contains(plain.err, "no such file");
  g_auto(Result) json = weft("run", PIPELINE, "--json", "--picture", "/no\xffwhere.png", NULL);
  assert_contains(json.out, "no\xef\xbf\xbdwhere.png: there is no such file");
  g_auto(Result) check = weft("pipeline", "check", "--json", "/no\xffwhere.yaml", NULL);
  assert_contains(check.out, "\"file\": \"/no\xef\xbf\xbdwhere.yaml\"");
}

/* A full disk or a closed descriptor is an exit code and a message, whatever was to be printed. */
static void test_run_output_cannot_be_written(void)
{
  static const char *const commands[] = {"run %s --words one", "run %s --words one --json", "pipeline check %s",
                                         "pipeline check %s --json", "pipeline dot %s", "plugin list", "--help"};
  static const char *const ends[] = {">/dev/full", ">&-"};
  g_autofree char *pipeline = at(digits, "pipeline.yaml");
  for (guint i = 0; i < 2 * G_N_ELEMENTS(commands); i++) {
    g_auto(GStrv) parts = g_strsplit(commands[i / 2], "%s", 2);
    g_autofree char *words = g_strjoinv(pipeline, parts), *err = NULL;
    g_autofree char *line = g_strdup_printf("'%s' %s %s", program, words, ends[i % 2]);
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    int status = 0;
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err, &status, NULL));
    g_test_message("%s: %s", line, err);
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    assert_contains(err, "written");
  }
}

static void test_run_batch_byte_order_mark(void)
{
  write_file("bom.jsonl", "\xef\xbb\xbf{\"words\": \"three\"}\r\n  \r\n{\"words\": \"four\"}", -1);
  g_auto(Result) r = weft("run", PIPELINE, "--batch", "WORK/bom.jsonl", NULL);
  g_assert_cmpint(r.code, ==, 0);
  g_auto(GStrv) answers = g_strsplit(g_strchomp(r.out), "\n", -1);
  g_assert_cmpuint(g_strv_length(answers), ==, 2);
}

static void test_run_unusable_pipeline(void)
{
  g_auto(Result) none = weft("run", "WORK/none.yaml", NULL);
  g_assert_cmpint(none.code, ==, 4);
  assert_contains(none.err, "none.yaml");
  g_auto(Result) node = weft("run", PIPELINE, "--isolate", "heer", "--words", "one", NULL);
  g_assert_cmpint(node.code, ==, 4);
  assert_contains(node.err, "hear");
}

static void test_run_literal_text(void)
{
  write_file("seven.txt", "seven", 5);
  g_auto(Result) file = weft("run", PIPELINE, "--words", "@WORK/seven.txt", "--json", NULL);
  assert_seven(file.out);
  g_auto(Result) literal = weft("run", PIPELINE, "--words", "@@seven", NULL);
  g_assert_cmpint(literal.code, ==, 0);
}

static void test_run_explain(void)
{
  g_auto(Result) r = weft("run", PIPELINE, "--picture", PICTURE, "--explain", "--json", NULL);
  g_assert_cmpint(r.code, ==, 0);
  json_t *answer = json_loads(r.out, 0, NULL);
  json_t *path = json_object_get(json_object_get(answer, "explain"), "path");
  g_assert_cmpuint(json_array_size(path), ==, 8);
  size_t i;
  json_t *node;
  guint n_ran = 0;
  json_array_foreach(path, i, node)
  {
    n_ran += json_is_true(json_object_get(node, "ran"));
    g_assert_nonnull(json_string_value(json_object_get(node, "version")));
  }
  g_assert_cmpuint(n_ran, ==, 4); /* picture, see, fuse, head */
  json_decref(answer);
  g_auto(Result) plain = weft("run", PIPELINE, "--picture", PICTURE, "--explain", NULL);
  assert_contains(plain.out, "vit@");
  assert_contains(plain.out, "skipped");
}

static void test_run_model_digest(void)
{
  g_auto(Result) model = weft("model", "digest", "DIGITS/models/vit", NULL);
  g_assert_cmpint(model.code, ==, 0);
  g_assert_cmpuint(strlen(g_strchomp(model.out)), ==, 64);
  g_auto(Result) none = weft("model", "digest", "WORK", NULL);
  g_assert_cmpint(none.code, ==, 1);
  assert_contains(none.err, "no config.json");
}

static void test_run_check_and_dot(void)
{
  g_auto(Result) check = weft("pipeline", "check", PIPELINE, NULL);
  g_assert_cmpint(check.code, ==, 0);
  assert_contains(check.out, "good");
  g_auto(Result) json = weft("pipeline", "check", PIPELINE, "--json", NULL);
  assert_contains(json.out, "\"good\": true");
  g_auto(Result) dot = weft("pipeline", "dot", PIPELINE, NULL);
  g_assert_cmpint(dot.code, ==, 0);
  assert_contains(dot.out, "digraph");
  static const char *const stray[][2] = {{"dot", "--json"}, {"explain", "--json"}, {"lock", "--json"}, {"show", "--locked"}};
  for (guint i = 0; i < G_N_ELEMENTS(stray); i++) { /* never ignored: what reads JSON would get something else */
    g_auto(Result) refused = weft("pipeline", stray[i][0], PIPELINE, stray[i][1], NULL);
    g_assert_cmpint(refused.code, ==, 2);
    g_autofree char *words = g_strdup_printf("%s takes no %s", stray[i][0], stray[i][1]);
    assert_contains(refused.err, words);
  }
}

/* A head behind an encoder by its bare name reads the output that it can hold, and every command says which. */
static void test_run_output_that_fits(void)
{
  g_autofree char *models = g_build_filename(digits, "models", NULL), *seven = g_build_filename(digits, "seven.png", NULL);
  g_autofree char *bare = g_strdup_printf("picture:image ! vit@1 model='%s/vit' ! classifier@1 model='%s/head-vit'", models,
                                          models);
  g_autofree char *named = g_strdup_printf("picture:image ! vit@1 model='%s/vit' port=pooled ! classifier@1 "
                                           "model='%s/head-vit'", models, models);
  g_auto(Result) run = weft("run", bare, "--picture", seven, NULL);
  g_assert_cmpint(run.code, ==, 0);
  assert_contains(run.out, "7");
  g_auto(Result) diff = weft("pipeline", "diff", bare, named, NULL);
  g_assert_cmpint(diff.code, ==, 0);
  g_auto(Result) dot = weft("pipeline", "dot", bare, NULL);
  assert_contains(dot.out, "\"s:vit\" -> \"s:classifier\" [label=\"pooled\"]");
  g_auto(Result) explain = weft("pipeline", "explain", bare, "classifier", NULL);
  assert_contains(explain.out, "features <- vit.pooled");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  program = at(g_getenv("G_TEST_BUILDDIR"), "core/cli/weft");
  digits = at(g_getenv("G_TEST_SRCDIR"), "examples/digits");
  work = g_dir_make_tmp("weft-XXXXXX", NULL);
  g_test_add_func("/run/every-subset", test_run_every_subset);
  g_test_add_func("/run/require", test_run_require);
  g_test_add_func("/run/same-bytes", test_run_same_bytes);
  g_test_add_func("/run/batch-same-bytes", test_run_batch_same_bytes);
  g_test_add_func("/run/batch-bad-lines", test_run_batch_bad_lines);
  g_test_add_func("/run/bad-inputs", test_run_bad_inputs);
  g_test_add_func("/run/bad-options", test_run_bad_options);
  g_test_add_func("/run/output-that-fits", test_run_output_that_fits);
  g_test_add_func("/run/help", test_run_help);
  g_test_add_func("/run/path-not-utf8", test_run_path_not_utf8);
  g_test_add_func("/run/output-cannot-be-written", test_run_output_cannot_be_written);
  g_test_add_func("/run/batch-byte-order-mark", test_run_batch_byte_order_mark);
  g_test_add_func("/run/unusable-pipeline", test_run_unusable_pipeline);
  g_test_add_func("/run/literal-text", test_run_literal_text);
  g_test_add_func("/run/explain", test_run_explain);
  g_test_add_func("/run/model-digest", test_run_model_digest);
  g_test_add_func("/run/check-and-dot", test_run_check_and_dot);
  int code = g_test_run();
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
  return code;
}
