/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft eval as a user runs it. The pipeline is an identity classifier, so that its answers are the rows that
 * scikit-learn judged (tests/cli/metrics).
 */
#include "cli-fixture.h"

#include <math.h>
#include <string.h>

#define EVAL "eval", "WORK/rows.yaml", "WORK/data.jsonl", "--catalogue", "WORK/catalogue"

static json_t *golden;

/* A file of logits for each stored row, and lines that expect its class; third: further text of every third line. */
static guint write_data(const char *third)
{
  const json_t *rows = json_object_get(golden, "rows"), *classes = json_object_get(golden, "classes");
  g_autoptr(GString) lines = g_string_new(NULL);
  gsize n = json_array_size(rows), k = json_array_size(classes);
  for (gsize i = 0; i < n; i++) {
    const json_t *p = json_array_get(json_array_get(rows, i), 1);
    float logits[16];
    for (gsize c = 0; c < k; c++)
      logits[c] = (float)log(fmax(json_number_value(json_array_get(p, c)), 1e-12));
    g_autofree char *name = g_strdup_printf("rows/%zu.f32", i);
    g_autofree char *path = cli_write(name, logits, (gssize)(k * sizeof *logits));
    const char *label =
        json_string_value(json_array_get(classes, (size_t)json_integer_value(json_array_get(json_array_get(rows, i), 0))));
    g_string_append_printf(lines, "{\"row\": \"%s\", \"$expect\": \"%s\"%s}\n", path, label,
                           i % 3 == 0 && third ? third : "");
  }
  g_free(cli_write("data.jsonl", lines->str, -1));
  return (guint)n;
}

static void prepare(void)
{
  g_autoptr(GPtrArray) labels = g_ptr_array_new();
  const json_t *classes = json_object_get(golden, "classes");
  for (gsize c = 0; c < json_array_size(classes); c++)
    g_ptr_array_add(labels, (gpointer)json_string_value(json_array_get(classes, c)));
  cli_write_classifier((const char *const *)labels->pdata, labels->len);
}

static void test_eval_scikit_learn(void)
{
  guint n = write_data(NULL);
  g_auto(CliResult) r = cli_weft(NULL, EVAL, "--json", "--bootstrap", "50", "--metric", "top-2", "--metric", "top-3",
                                 "--metric", "accuracy", "--metric", "macro-f1", "--metric", "log-loss", "--metric",
                                 "brier", "--metric", "ece", "--metric", "aurc", "--metric", "confusion", NULL);
  json_t *report = cli_json(&r);
  const char *name;
  json_t *expected;
  g_assert_cmpint(r.code, ==, 0);
  g_assert_cmpint(json_integer_value(cli_at(report, "lines.answered")), ==, n);
  json_object_foreach(json_object_get(golden, "metrics"), name, expected)
  {
    const json_t *metric = json_object_get(cli_at(report, "outputs.class.metrics"), name);
    g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(metric, "value")), json_number_value(expected), 1e-5);
    g_assert_cmpfloat(json_number_value(cli_at(metric, "low")), <=, json_number_value(cli_at(metric, "value")));
    g_assert_cmpfloat(json_number_value(cli_at(metric, "high")), >=, json_number_value(cli_at(metric, "value")));
  }
  g_assert_true(json_equal(cli_at(report, "outputs.class.confusion"), json_object_get(golden, "confusion")));
  json_decref(report);
}

static void test_eval_requirements(void)
{
  write_data(NULL);
  g_auto(CliResult) met = cli_weft(NULL, EVAL, "--bootstrap", "0", "--require", "accuracy >= 0.45", "--require",
                                   "log-loss:class<1.6", "--require", "failed==0", "--require", "coverage==1", NULL);
  g_assert_cmpint(met.code, ==, 0);
  cli_contains(met.out, "met     accuracy >= 0.45 of class: 0.456667");
  g_auto(CliResult) unmet = cli_weft(NULL, EVAL, "--bootstrap", "0", "--require", "accuracy>=0.46", NULL);
  g_assert_cmpint(unmet.code, ==, 1);
  cli_contains(unmet.err, "not met: accuracy>=0.46");
  cli_contains(unmet.out, "NOT MET accuracy>=0.46");
  g_auto(CliResult) lacking = cli_weft(NULL, EVAL, "--bootstrap", "0", "--require", "mae<1", NULL);
  g_assert_cmpint(lacking.code, ==, 1);
  cli_contains(lacking.err, "not met: mae<1");
}

static void test_eval_groups(void)
{
  guint n = write_data(", \"meta\": {\"site\": \"a\"}");
  g_auto(CliResult) r = cli_weft(NULL, EVAL, "--json", "--bootstrap", "0", "--by", "meta.site", "--metric", "accuracy", NULL);
  json_t *report = cli_json(&r);
  gint64 a = json_integer_value(cli_at(report, "groups.outputs.class.a.n"));
  double of_a = json_number_value(cli_at(report, "groups.outputs.class.a.metrics.accuracy.value"));
  double none = json_number_value(cli_at(report, "groups.outputs.class.(none).metrics.accuracy.value"));
  double all = json_number_value(cli_at(report, "outputs.class.metrics.accuracy.value"));
  g_assert_cmpint(a, ==, (n + 2) / 3);
  g_assert_cmpfloat_with_epsilon((of_a * (double)a + none * (double)(n - a)) / n, all, 1e-8);
  json_decref(report);
}

/* Failed lines and lines without an expectation are counted, and no metric hides them. */
static void test_eval_nothing_is_dropped(void)
{
  guint n = write_data(NULL);
  g_autofree char *path = g_build_filename(cli_work(), "data.jsonl", NULL), *text = NULL, *more = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  more = g_strconcat(text, "{\"row\": \"/nowhere\", \"$expect\": \"c1\"}\n{\"row\": \"/nowhere\"}\n", NULL);
  g_free(cli_write("data.jsonl", more, -1));
  g_auto(CliResult) r = cli_weft(NULL, EVAL, "--json", "--bootstrap", "0", "--out", "WORK/out.jsonl", NULL);
  json_t *report = cli_json(&r);
  g_assert_cmpint(r.code, ==, 1); /* a request failed, and no requirement speaks of that */
  g_assert_cmpint(json_integer_value(cli_at(report, "lines.total")), ==, n + 2);
  g_assert_cmpint(json_integer_value(cli_at(report, "lines.failed")), ==, 2);
  g_assert_cmpint(json_integer_value(cli_at(report, "lines.unlabelled")), ==, 1);
  g_assert_cmpint(json_integer_value(cli_at(report, "outputs.class.n_failed")), ==, 1);
  g_assert_cmpint(json_integer_value(cli_at(report, "outputs.class.n_expected")), ==, n + 1);
  g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(report, "outputs.class.accuracy-all")),
                                 json_number_value(cli_at(report, "outputs.class.metrics.accuracy.value")) * n / (n + 1),
                                 1e-8);
  cli_contains(json_string_value(cli_at(report, "errors.0.error")), "/nowhere");
  json_decref(report);
  g_auto(CliResult) allowed = cli_weft(NULL, EVAL, "--bootstrap", "0", "--require", "failed<=2", NULL);
  g_assert_cmpint(allowed.code, ==, 0);
  g_autofree char *out = g_build_filename(cli_work(), "out.jsonl", NULL), *answers = NULL;
  g_assert_true(g_file_get_contents(out, &answers, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(answers, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, n + 3);
  cli_contains(lines[0], "\"$expect\":");
  cli_contains(lines[0], "head.probabilities");
}

static void test_eval_maps(void)
{
  float logits[7] = {3};
  g_autofree char *path = cli_write("one.f32", logits, sizeof logits);
  g_autofree char *line = g_strdup_printf("{\"row\": \"%s\", \"$expect\": {\"class\": \"c0\", \"p\": 0.5}}\n", path);
  g_free(cli_write("data.jsonl", line, -1));
  g_auto(CliResult) r = cli_weft(NULL, EVAL, "--json", NULL);
  json_t *report = cli_json(&r);
  double p = exp(3) / (exp(3) + 6);
  g_assert_cmpfloat(json_number_value(cli_at(report, "outputs.class.metrics.accuracy.value")), ==, 1);
  g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(report, "outputs.p.metrics.mae.value")), p - .5, 1e-6);
  json_decref(report);
}

/* Refused, abstained, answered and failed lines are four counts; the context of a line goes with it. */
static void test_eval_refused(void)
{
  g_free(cli_write("replies.yaml", "blocked: {en: No., de: Nein.}\n", -1));
  g_free(cli_write("gate.yaml",
                   "weft: 1\nname: gate\ncontext: {language: optional}\nassets: {replies: replies.yaml}\n"
                   "inputs: {words: {type: text, optional: true}, more: {type: text, optional: true}}\n"
                   "require: any(words, more)\nnodes:\n"
                   "  gate: {use: filter@^1, in: words, on_verdict: {refuse: replies.blocked}}\n"
                   "outputs: {text: gate.text, more: more.text}\n", -1));
  g_free(cli_write("data.jsonl",
                   "{\"words\": \"hello\", \"$expect\": {\"text\": \"hello\"}}\n"
                   "{\"words\": \"hello\", \"$expect\": {\"text\": \"hullo\"}}\n"
                   "{\"words\": \"!refuse x\", \"$expect\": {\"text\": \"x\"}, \"$context\": {\"language\": \"de\"}}\n"
                   "{\"words\": \"!refuse x\", \"$expect\": {\"text\": \"x\"}}\n"
                   "{\"more\": \"m\", \"$expect\": {\"text\": \"m\"}}\n"
                   "{\"$expect\": {\"text\": \"m\"}}\n", -1));
  g_auto(CliResult) r = cli_weft(NULL, "eval", "WORK/gate.yaml", "WORK/data.jsonl", "--catalogue", "WORK/catalogue",
                                 "--context", "language=en", "--json", "--by", "$context.language", NULL);
  json_t *report = cli_json(&r);
  static const char *const counts[] = {"lines.total", "lines.answered", "lines.refused", "lines.failed", "lines.abstained",
                                       "outputs.text.n_answered", "outputs.text.n_refused", "outputs.text.n_abstained",
                                       "outputs.text.n_failed"};
  static const gint64 expected[] = {6, 3, 2, 1, 1, 2, 2, 1, 1};
  for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
    g_assert_cmpint(json_integer_value(cli_at(report, counts[i])), ==, expected[i]);
  g_assert_cmpfloat(json_number_value(cli_at(report, "outputs.text.metrics.accuracy.value")), ==, .5);
  g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(report, "outputs.text.accuracy-all")), 1. / 6, 1e-8);
  char *errors = json_dumps(cli_at(report, "errors"), 0);
  cli_contains(errors, "refused: Nein.");
  cli_contains(errors, "refused: No.");
  free(errors);
  json_decref(report);
}

static void expect_usage(const char *data, const char *option, const char *value, const char *message)
{
  g_free(cli_write("data.jsonl", data, -1));
  g_auto(CliResult) r = option ? cli_weft(NULL, EVAL, option, value, NULL) : cli_weft(NULL, EVAL, NULL);
  g_assert_cmpint(r.code, ==, 2);
  cli_contains(r.err, message);
}

static void test_eval_mistakes(void)
{
  const char *good = "{\"row\": \"/x\", \"$expect\": \"c1\"}\n";
  expect_usage(good, "--metric", "acuracy", "did you mean \"accuracy\"");
  expect_usage(good, "--metric", "accuracy:clas", "has no output \"clas\"");
  expect_usage(good, "--require", "accuracy=>1", "expected NAME>=NUMBER");
  expect_usage(good, "--require", "per-class>=1", "there is no metric \"per-class\"");
  expect_usage(good, "--mask", "rwo", "did you mean row");
  expect_usage(good, "--metrik", "accuracy", "did you mean --metric");
  expect_usage("", NULL, NULL, "has no lines");
  expect_usage("{\"row\": \"/x\"}\n", NULL, NULL, "no line says what is expected");
  expect_usage("{\"row\": \"/x\"}\nnot JSON\n", NULL, NULL, "line 2: ");
  expect_usage("{\"row\": \"/x\", \"$expect\": {\"clss\": \"c1\"}}\n", NULL, NULL, "did you mean \"class\"");
  expect_usage("{\"row\": \"/x\", \"$expect\": [1]}\n", NULL, NULL, "can be compared with a list");
  expect_usage("{\"row\": \"/x\", \"$expect\": {\"p\": \"high\"}}\n", NULL, NULL, "answers with a number");
  g_auto(CliResult) r = cli_weft(NULL, "eval", "WORK/rows.yaml", NULL);
  g_assert_cmpint(r.code, ==, 2);
  cli_contains(r.err, "the file of JSON lines is missing");
}

/* A key that resembles an input fails its line; another one is a field, and told. */
static void test_eval_fields(void)
{
  g_free(cli_write("data.jsonl", "{\"roww\": \"/x\", \"$expect\": \"c1\"}\n", -1));
  g_auto(CliResult) slip = cli_weft(NULL, EVAL, NULL);
  g_assert_cmpint(slip.code, ==, 1);
  cli_contains(slip.out, "did you mean \"row\"");
  write_data(", \"speaker\": \"theo\"");
  g_auto(CliResult) field = cli_weft(NULL, EVAL, "--bootstrap", "0", NULL);
  g_assert_cmpint(field.code, ==, 0);
  cli_contains(field.out, "fields beside the inputs: speaker");
}

/* What the house asks of fusions: without one modality, and with that of another request. */
static void test_eval_modalities(void)
{
  g_autoptr(GString) lines = g_string_new(NULL);
  static const char *const words[] = {"zero", "one", "two", "three", "four", "five", "six", "eight", "nine"};
  for (int i = 0; i < 9; i++)
    g_string_append_printf(lines, "{\"picture\": \"%s/seven.png\", \"words\": \"%s\", \"$expect\": 7}\n", cli_digits(),
                           words[i]);
  g_free(cli_write("digits.jsonl", lines->str, -1));
  g_auto(CliResult) masked = cli_weft(NULL, "eval", "DIGITS/pipeline.yaml", "WORK/digits.jsonl", "--json", "--mask", "words", NULL);
  g_auto(CliResult) blind = cli_weft(NULL, "eval", "DIGITS/pipeline.yaml", "WORK/digits.jsonl", "--json", "--mask",
                                     "picture", NULL);
  g_auto(CliResult) mixed = cli_weft(NULL, "eval", "DIGITS/pipeline.yaml", "WORK/digits.jsonl", "--shuffle", "words",
                                     "--seed", "3", "--out", "WORK/shuffled.jsonl", NULL);
  json_t *with = cli_json(&masked), *without = cli_json(&blind);
  g_assert_cmpfloat(json_number_value(cli_at(with, "outputs.digit.metrics.accuracy.value")), ==, 1);
  g_assert_cmpfloat(json_number_value(cli_at(without, "outputs.digit.metrics.accuracy.value")), ==, 0);
  g_assert_cmpint(mixed.code, ==, 0);
  cli_contains(mixed.out, "with the words of other requests");
  json_decref(with);
  json_decref(without);
}

/* An answer is not written over what it came from; a field that no line has groups nothing. */
static void test_eval_keeps_what_it_reads(void)
{
  write_data(NULL);
  g_autofree char *path = g_build_filename(cli_work(), "data.jsonl", NULL), *before = NULL, *after = NULL;
  g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
  g_auto(CliResult) data = cli_weft(NULL, EVAL, "--bootstrap", "0", "--out", "WORK/data.jsonl", NULL);
  g_assert_cmpint(data.code, ==, 2);
  cli_contains(data.err, "would be written over what is read; name another file");
  g_auto(CliResult) pipeline = cli_weft(NULL, EVAL, "--bootstrap", "0", "--out", "WORK/rows.yaml", NULL);
  g_assert_cmpint(pipeline.code, ==, 2);
  g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
  g_assert_cmpstr(before, ==, after);
  g_auto(CliResult) by = cli_weft(NULL, EVAL, "--bootstrap", "0", "--by", "nope", NULL);
  g_assert_cmpint(by.code, ==, 2);
  cli_contains(by.err, "--by nope: no line of");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 4);
  cli_fixture_init();
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests", "cli", "metrics", "seven-classes.json", NULL);
  golden = json_load_file(path, 0, NULL);
  g_assert_nonnull(golden);
  cli_install((const char *const *)argv + 1, 3);
  prepare();
  g_test_add_func("/eval/scikit-learn", test_eval_scikit_learn);
  g_test_add_func("/eval/requirements", test_eval_requirements);
  g_test_add_func("/eval/groups", test_eval_groups);
  g_test_add_func("/eval/nothing-is-dropped", test_eval_nothing_is_dropped);
  g_test_add_func("/eval/refused", test_eval_refused);
  g_test_add_func("/eval/maps", test_eval_maps);
  g_test_add_func("/eval/mistakes", test_eval_mistakes);
  g_test_add_func("/eval/fields", test_eval_fields);
  g_test_add_func("/eval/keeps-what-it-reads", test_eval_keeps_what_it_reads);
  g_test_add_func("/eval/modalities", test_eval_modalities);
  int code = g_test_run();
  json_decref(golden);
  cli_fixture_end();
  return code;
}
