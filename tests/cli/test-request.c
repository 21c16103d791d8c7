/* SPDX-License-Identifier: Apache-2.0 */
/* --context, $context and --set as a user meets them; the asset that --explain names; inputs named like options. */
#include "cli-fixture.h"

#include <string.h>

#define RUN "run", "WORK/p.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none"
#define CHECK "pipeline", "check", "WORK/p.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none"

static const char pipeline[] =
    "weft: 1\n"
    "name: p\n"
    "context: {user: required, language: optional}\n"
    "inputs: {words: {type: text}, json: {type: text, optional: true}}\n"
    "assets: {replies: replies.yaml}\n"
    "nodes:\n"
    "  g: {use: gauge, in: words, deadline: '${TIME}'}\n"
    "  s:\n"
    "    use: says\n"
    "    in: words\n"
    "    params: {text: replies.hi}\n"
    "    when: g.length > ${LEAST} ms and context.language in ['de', 'fr']\n"
    "  j: {use: gauge, in: json}\n"
    "outputs: {label: g.label, said: s.text, other: j.label}\n";

static void expect_failure(const CliResult *r, int code, const char *message)
{
  if (r->code != code)
    g_error("exit code %d, expected %d: %s%s", r->code, code, r->out, r->err);
  cli_contains(r->err, message);
}

static void test_request_context(void)
{
  g_auto(CliResult) de = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=4", "--words", "hello", "--context", "user=u",
                                  "--context", "language=de", NULL);
  g_auto(CliResult) en = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=4", "--words", "hello", "--context", "user=u",
                                  "--context", "language=en", NULL);
  g_auto(CliResult) least = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=5", "--words", "hello", "--context",
                                     "user=u", "--context", "language=de", NULL);
  g_assert_cmpint(de.code, ==, 0);
  cli_contains(de.out, "said         {\"de\":\"Hallo\"}\n");
  cli_contains(en.out, "said         null\n");
  cli_contains(least.out, "said         null\n");
}

static void test_request_context_wrong(void)
{
#define SET "--set", "TIME=1 s", "--set", "LEAST=4", "--words", "hello"
  g_auto(CliResult) none = cli_weft(NULL, RUN, SET, NULL);
  expect_failure(&none, 1, "the pipeline needs the context \"user\" (bad-input)");
  g_auto(CliResult) other = cli_weft(NULL, RUN, SET, "--context", "usr=u", NULL);
  expect_failure(&other, 1, "the pipeline's context has no key \"usr\"; did you mean \"user\"? (bad-input)");
  g_auto(CliResult) twice = cli_weft(NULL, RUN, SET, "--context", "user=u", "--context=user=v", NULL);
  expect_failure(&twice, 1, "context \"user\" is given twice");
  g_auto(CliResult) bare = cli_weft(NULL, RUN, SET, "--context", "user", NULL);
  expect_failure(&bare, 2, "--context user: expected KEY=VALUE");
#undef SET
}

static json_t *line_of(const CliResult *r, guint i)
{
  g_auto(GStrv) lines = g_strsplit(r->out, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), >, i);
  json_t *line = json_loads(lines[i], 0, NULL);
  g_assert_nonnull(line);
  return line;
}

static void expect_line(const CliResult *r, guint i, const char *path, const char *expected)
{
  json_t *line = line_of(r, i);
  g_assert_cmpstr(json_string_value(cli_at(line, path)), ==, expected);
  json_decref(line);
}

/* A line without what the pipeline needs fails alone; --context stands for lines that say nothing else. */
static void test_request_batch(void)
{
  g_free(cli_write("lines.jsonl", "{\"words\": \"hello\", \"$context\": {\"user\": \"u\", \"language\": \"fr\"}}\n"
                                  "{\"words\": \"hello\"}\n"
                                  "{\"words\": \"hello\", \"$context\": {\"user\": 3}}\n"
                                  "{\"words\": \"hello\", \"$context\": \"u\"}\n"
                                  "{\"words\": \"hello\", \"$context\": {\"user\": \"u\", \"usr\": \"u\"}}\n", -1));
  g_auto(CliResult) r = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=4", "--batch", "WORK/lines.jsonl", NULL);
  g_assert_cmpint(r.code, ==, 1);
  expect_line(&r, 0, "outputs.said", "{\"de\":\"Hallo\"}");
  expect_line(&r, 1, "error.message", "the pipeline needs the context \"user\"");
  expect_line(&r, 2, "error.message", "line 3: \"$context\": \"user\" is a text, found a number");
  expect_line(&r, 3, "error.message", "line 4: \"$context\": expected an object of texts, found a text");
  expect_line(&r, 4, "error.message", "the pipeline's context has no key \"usr\"; did you mean \"user\"?");
  g_auto(CliResult) all = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=4", "--batch", "WORK/lines.jsonl",
                                   "--context", "user=w", "--context", "language=de", NULL);
  expect_line(&all, 0, "outputs.label", "long");
  expect_line(&all, 1, "outputs.said", "{\"de\":\"Hallo\"}");
}

static void test_request_variables(void)
{
  g_auto(CliResult) none = cli_weft(NULL, CHECK, NULL);
  expect_failure(&none, 4, "p.yaml:7:41: the variable \"TIME\" is not given\n  hint: give it with --set TIME=VALUE");
  cli_contains(none.err, "p.yaml:12:22: the variable \"LEAST\" is not given");
  g_auto(CliResult) unused = cli_weft(NULL, CHECK, "--set", "TIME=1 s", "--set", "LEAST=4", "--set", "MORE=1", NULL);
  expect_failure(&unused, 4, "--set MORE: nothing in the file uses the variable \"MORE\"");
  g_auto(CliResult) twice = cli_weft(NULL, CHECK, "--set", "TIME=1 s", "--set", "TIME=2 s", NULL);
  expect_failure(&twice, 2, "--set TIME=2 s: it is given twice");
  g_auto(CliResult) unit = cli_weft(NULL, CHECK, "--set", "TIME=1", "--set", "LEAST=4", NULL);
  expect_failure(&unit, 4, "deadline \"1\" has no unit");
  g_auto(CliResult) good = cli_weft(NULL, CHECK, "--set", "TIME=1 s", "--set", "LEAST=4", NULL);
  g_assert_cmpint(good.code, ==, 0);
}

static void test_request_ambiguous(void)
{
  g_auto(CliResult) check = cli_weft(NULL, CHECK, "--set", "TIME=1 s", "--set", "LEAST=4", NULL);
  cli_contains(check.err, "p.yaml:4:31: warning: the input \"json\" is named like an option of weft run\n"
                          "  hint: --in json=VALUE reaches it, --json does not\n");
  g_auto(CliResult) run = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=4", "--words", "hello", "--in", "json=Fine",
                                   "--context", "user=u", NULL);
  cli_contains(run.out, "other        fraud\n");
}

static void test_request_explain(void)
{
  g_auto(CliResult) r = cli_weft(NULL, RUN, "--set", "TIME=1 s", "--set", "LEAST=4", "--words", "hello", "--context", "user=u",
                                 "--explain", "--json", NULL);
  json_t *answer = cli_json(&r), *node;
  size_t i;
  guint n = 0;
  json_array_foreach(cli_at(answer, "explain.path"), i, node)
  {
    if (strcmp(json_string_value(json_object_get(node, "node")), "s") != 0)
      continue;
    n++;
    g_assert_cmpstr(json_string_value(cli_at(node, "assets.text.asset")), ==, "replies");
    g_assert_cmpstr(json_string_value(cli_at(node, "assets.text.from")), ==, "replies.yaml");
    g_assert_cmpuint(strlen(json_string_value(cli_at(node, "assets.text.digest"))), ==, 64);
  }
  g_assert_cmpuint(n, ==, 1);
  json_decref(answer);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2);
  cli_fixture_init();
  cli_install((const char *const *)argv + 1, 1);
  g_free(cli_write("p.yaml", pipeline, -1));
  g_free(cli_write("replies.yaml", "hi: {de: Hallo}\n", -1));
  g_test_add_func("/request/context", test_request_context);
  g_test_add_func("/request/context-wrong", test_request_context_wrong);
  g_test_add_func("/request/batch", test_request_batch);
  g_test_add_func("/request/variables", test_request_variables);
  g_test_add_func("/request/ambiguous", test_request_ambiguous);
  g_test_add_func("/request/explain", test_request_explain);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
