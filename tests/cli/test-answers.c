/* SPDX-License-Identifier: Apache-2.0 */
/* Filters, sessions, absorbed failures and conditions as an operator writes them, in process and isolated. */
#include "cli-fixture.h"

#include <string.h>

static const char gate[] =
    "weft: 1\n"
    "name: gate\n"
    "context: {language: optional}\n"
    "inputs: {words: {type: text, optional: true}, more: {type: text, optional: true}}\n"
    "require: any(words, more)\n"
    "assets: {replies: replies.yaml}\n"
    "nodes:\n"
    "  gate: {use: filter@^1, in: words, deadline: 200 ms, on_verdict: {refuse: replies.blocked, undecided: replies.unsure}}\n"
    "  length: {use: state-mean@^1, in: gate.text}\n"
    "  long: {use: state-mean@^1, in: more, when: length.mean > 4}\n"
    "outputs: {text: gate.text, mean: length.mean, long: long.mean}\n";

static const char replies[] = "blocked: {en: This cannot be answered., de: Das geht nicht.}\nunsure: {en: Try again.}\n";

static const char sessions[] =
    "weft: 1\n"
    "name: sessions\n"
    "context: {session: optional, tenant: optional}\n"
    "inputs: {words: {type: text}}\n"
    "nodes:\n"
    "  mean: {use: state-mean@^1, in: words, on_error: absent}\n"
    "outputs: {mean: mean.mean}\n";

static const char *const where[] = {"none", "all"};

static json_t *run(const char *isolate, const char *words, const char *language, int code)
{
  g_autofree char *context = g_strconcat("language=", language, NULL);
  g_auto(CliResult) r = cli_weft(NULL, "run", "WORK/gate.yaml", "--catalogue", "WORK/catalogue", "--isolate", isolate,
                                 "--words", words, "--more", "more", "--context", context, "--json", "--explain", NULL);
  if (r.code != code)
    g_error("%s, %s: exit code %d, expected %d: %s%s", isolate, words, r.code, code, r.out, r.err);
  json_t *answer = cli_json(&r);
  /* What was refused is nowhere: the letters behind the mark are of nothing else. */
  if (code == 3 && strstr(r.out, "QXZ"))
    g_error("%s, %s: the refused text is in the answer: %s", isolate, words, r.out);
  return answer;
}

static void expect(const json_t *answer, const char *path, const char *text)
{
  g_assert_cmpstr(json_string_value(cli_at(answer, path)), ==, text);
}

static void test_answers_verdicts(void)
{
  static const struct {
    const char *words, *verdict;
    int code, isolated_only;
  } cases[] = {{"hello QXZ", "allow", 0, 0},     {"!redact QXZ", "redact", 0, 0},   {"!refuse QXZ", "refuse", 3, 0},
               {"!undecided QXZ", "undecided", 3, 0}, {"!range QXZ", "undecided", 3, 0}, {"!never QXZ", "undecided", 3, 0},
               {"!fail QXZ", "undecided", 3, 0}, {"!call QXZ", "undecided", 3, 0},  {"!null QXZ", "undecided", 3, 0},
               {"!shape QXZ", "undecided", 3, 0}, {"!abort QXZ", "undecided", 3, 1}, {"!hang QXZ", "undecided", 3, 1}};
  for (guint w = 0; w < G_N_ELEMENTS(where); w++)
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
      if (cases[i].isolated_only && w == 0)
        continue;
      json_t *answer = run(where[w], cases[i].words, "en", cases[i].code);
      const json_t *verdict = json_array_get(cli_at(answer, "verdicts"), 0);
      expect(verdict, "node", "gate");
      expect(verdict, "verdict", cases[i].verdict);
      expect(answer, "status", cases[i].code ? "refused" : "ok");
      g_assert_cmpuint(json_object_size(cli_at(answer, "outputs")), ==, cases[i].code ? 0 : 3);
      if (cases[i].code) {
        expect(answer, "refusal.verdict", cases[i].verdict);
        g_assert_cmpuint(json_object_size(cli_at(answer, "explain.values")), ==, 0);
        expect(answer, "message", strcmp(cases[i].verdict, "refuse") == 0 ? "This cannot be answered." : "Try again.");
      }
      json_decref(answer);
    }
}

static void test_answers_refusal(void)
{
  json_t *answer = run("none", "!refuse QXZ", "de-AT", 3);
  expect(answer, "message", "Das geht nicht.");
  g_assert_cmpstr(json_string_value(json_array_get(cli_at(answer, "refusal.rules"), 0)), ==, "marked");
  g_assert_cmpstr(json_string_value(json_array_get(cli_at(answer, "refusal.rules"), 1)), ==, "first");
  json_decref(answer);
  g_auto(CliResult) r = cli_weft(NULL, "run", "WORK/gate.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none",
                                 "--words", "!refuse QXZ", "--explain", NULL);
  g_assert_cmpint(r.code, ==, 3);
  cli_contains(r.out, "This cannot be answered.\n");
  cli_contains(r.out, "(the request was refused)");
  g_assert_cmpstr(r.err, ==, "weft run: refused by filter \"gate\": its verdict is refuse (rules: marked, first)\n");
  g_assert_null(strstr(r.out, "QXZ"));
}

static void test_answers_conditions(void)
{
  json_t *answer = run("none", "abc", "en", 0);
  g_assert_true(json_is_null(cli_at(answer, "outputs.long")));
  const json_t *path = cli_at(answer, "explain.path");
  gsize i;
  json_t *node;
  gboolean found = FALSE;
  json_array_foreach(path, i, node)
  {
    if (strcmp(json_string_value(json_object_get(node, "node")), "long") == 0) {
      expect(node, "skipped", "when");
      found = TRUE;
    }
  }
  g_assert_true(found);
  json_decref(answer);
  answer = run("all", "abcdef", "en", 0);
  g_assert_cmpfloat(json_number_value(cli_at(answer, "outputs.long")), ==, 4);
  json_decref(answer);
  /* Nothing to judge: passes. */
  g_auto(CliResult) r = cli_weft(NULL, "run", "WORK/gate.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none",
                                 "--more", "more", "--json", NULL);
  g_assert_cmpint(r.code, ==, 0);
  answer = cli_json(&r);
  g_assert_cmpuint(json_array_size(cli_at(answer, "verdicts")), ==, 0);
  json_decref(answer);
}

/* One line after the other: sessions go on, refused and failed lines are their own. */
static void test_answers_batch(void)
{
  g_free(cli_write("lines.jsonl", "{\"words\": \"a\"}\n{\"words\": \"!refuse QXZ\"}\n{\"words\": \"abc\"}\n", -1));
#define BATCH "run", "WORK/gate.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none", "--batch", "WORK/lines.jsonl"
  g_auto(CliResult) r = cli_weft(NULL, BATCH, NULL);
  g_assert_cmpint(r.code, ==, 3);
  g_auto(GStrv) lines = g_strsplit(r.out, "\n", -1);
  cli_contains(lines[0], "\"status\":\"ok\"");
  cli_contains(lines[1], "\"status\":\"refused\"");
  cli_contains(lines[2], "\"status\":\"ok\"");
  /* What failed counts for more than what was refused. */
  g_free(cli_write("lines.jsonl", "{\"words\": \"!refuse QXZ\"}\n{\"wrds\": \"a\"}\n", -1));
  g_auto(CliResult) failed = cli_weft(NULL, BATCH, NULL);
  g_assert_cmpint(failed.code, ==, 1);
  g_assert_null(strstr(failed.out, "QXZ"));
  g_free(cli_write("lines.jsonl", "{\"words\": \"a\"}\n", -1));
  g_auto(CliResult) answered = cli_weft(NULL, BATCH, "--unordered", NULL);
  g_assert_cmpint(answered.code, ==, 0);
#undef BATCH
}

static void test_answers_sessions(void)
{
  static const double expected[] = {1, 2, 5, 0, 3};
  g_free(cli_write("lines.jsonl", "{\"words\": \"a\", \"$context\": {\"session\": \"s\"}}\n"
                                  "{\"words\": \"bbb\", \"$context\": {\"session\": \"s\"}}\n"
                                  "{\"words\": \"ccccc\", \"$context\": {\"session\": \"s\", \"tenant\": \"t\"}}\n"
                                  "{\"words\": \"!\", \"$context\": {\"session\": \"s\"}}\n"
                                  "{\"words\": \"ddddd\", \"$context\": {\"session\": \"s\"}}\n", -1));
  for (guint w = 0; w < G_N_ELEMENTS(where); w++) {
    g_auto(CliResult) r = cli_weft(NULL, "run", "WORK/sessions.yaml", "--catalogue", "WORK/catalogue", "--isolate", where[w],
                                   "--batch", "WORK/lines.jsonl", NULL);
    if (r.code != 0)
      g_error("exit code %d: %s%s", r.code, r.out, r.err);
    g_auto(GStrv) lines = g_strsplit(r.out, "\n", -1);
    for (guint i = 0; i < 5; i++) {
      json_t *answer = json_loads(lines[i], 0, NULL);
      if (i == 3) {
        expect(answer, "status", "degraded");
        g_assert_true(json_is_null(cli_at(answer, "outputs.mean")));
        const json_t *error = json_array_get(cli_at(answer, "errors"), 0);
        expect(error, "node", "mean");
        expect(error, "code", "bad-input");
        expect(error, "message", "state-mean: the text begins with `!`");
      } else {
        g_assert_cmpfloat(json_number_value(cli_at(answer, "outputs.mean")), ==, expected[i]);
      }
      json_decref(answer);
    }
  }
  g_auto(CliResult) r = cli_weft(NULL, "run", "WORK/sessions.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none",
                                 "--words", "!", NULL);
  g_assert_cmpint(r.code, ==, 0);
  cli_contains(r.err, "degraded: node \"mean\": state-mean: the text begins with `!` (bad-input)");
}

/* What degrades is named, whether the node ran or not; what must be there fails. */
static void test_answers_missing(void)
{
  static const char form[] = "weft: 1\nname: missing\ninputs: {a: {type: text, optional: true}, b: {type: text}}\nnodes:\n"
                             "  x: {use: state-mean@^1, in: a, on_missing: %s}\n"
                             "  y: {use: state-mean@^1, in: b}\noutputs: {x: x.mean, y: y.mean}\n";
  g_autofree char *degrade = g_strdup_printf(form, "degrade"), *fail = g_strdup_printf(form, "fail");
  g_free(cli_write("missing.yaml", degrade, -1));
#define MISSING "run", "WORK/missing.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none", "--b", "bb"
  g_auto(CliResult) r = cli_weft(NULL, MISSING, "--json", NULL);
  g_assert_cmpint(r.code, ==, 0);
  json_t *answer = cli_json(&r);
  expect(answer, "status", "degraded");
  const json_t *absent = json_object_get(cli_at(answer, "absent"), "x");
  g_assert_cmpstr(json_string_value(json_object_get(absent, "a.text")), ==, "absent");
  g_assert_cmpfloat(json_number_value(cli_at(answer, "outputs.y")), ==, 2);
  json_decref(answer);
  g_auto(CliResult) text = cli_weft(NULL, MISSING, NULL);
  cli_contains(text.err, "weft run: degraded: node \"x\" went without \"a.text\" (absent)\n");
  g_free(cli_write("missing.yaml", fail, -1));
  g_auto(CliResult) failed = cli_weft(NULL, MISSING, NULL);
  g_assert_cmpint(failed.code, ==, 1);
  cli_contains(failed.err, "node 'x' needs its input 0, 'a.text', which is absent");
}

/* The last value of the same session stands in for one that is missing; what fails or degrades is its own line. */
static void test_answers_hold(void)
{
  static const char form[] = "weft: 1\nname: held\ncontext: {session: optional, tenant: optional}\n"
                             "inputs: {a: {type: text, optional: true}, b: {type: text}}\nnodes:\n"
                             "  x: {use: state-mean@^1, in: a, on_missing: hold 30 s}\n"
                             "  y: {use: state-mean@^1, in: a, on_missing: %s}\n"
                             "  z: {use: state-mean@^1, in: b}\noutputs: {x: x.mean, y: y.mean, z: z.mean}\n";
  static const double x[] = {1, 2, 7. / 3, 0};
  g_free(cli_write("held.jsonl", "{\"a\": \"a\", \"b\": \"b\", \"$context\": {\"session\": \"s\"}}\n"
                                 "{\"a\": \"bbb\", \"b\": \"b\", \"$context\": {\"session\": \"s\"}}\n"
                                 "{\"b\": \"b\", \"$context\": {\"session\": \"s\"}}\n"
                                 "{\"b\": \"b\", \"$context\": {\"session\": \"s\", \"tenant\": \"t\"}}\n", -1));
  for (guint w = 0; w < 2 * G_N_ELEMENTS(where); w++) {
    gboolean fails = w & 1;
    g_autofree char *text = g_strdup_printf(form, fails ? "fail" : "degrade");
    g_free(cli_write("held.yaml", text, -1));
    g_auto(CliResult) r = cli_weft(NULL, "run", "WORK/held.yaml", "--catalogue", "WORK/catalogue", "--isolate", where[w / 2],
                                   "--batch", "WORK/held.jsonl", NULL);
    g_auto(GStrv) lines = g_strsplit(r.out, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 5);
    for (guint i = 0; i < 4; i++) {
      json_t *answer = json_loads(lines[i], 0, NULL);
      const char *status = i < 2 ? "ok" : fails ? "failed" : "degraded";
      expect(answer, "status", status);
      if (i >= 2 && fails) {
        cli_contains(json_string_value(cli_at(answer, "error.message")), "node 'y' needs its input 0");
      } else {
        g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(answer, "outputs.x")), x[i], 1e-5);
        g_assert_cmpfloat(json_number_value(cli_at(answer, "outputs.z")), ==, 1);
      }
      if (i >= 2 && !fails) {
        const json_t *held = json_object_get(cli_at(answer, "absent"), "x");
        g_assert_cmpstr(json_string_value(json_object_get(held, "a.text")), ==, i == 2 ? "held" : NULL);
        g_assert_cmpstr(json_string_value(json_object_get(cli_at(answer, "absent.y"), "a.text")), ==, "absent");
        g_assert_true(json_is_null(cli_at(answer, "outputs.y")));
      }
      json_decref(answer);
    }
  }
}

/* A state is not for the operator to wire. */
static void test_answers_state_is_the_hosts(void)
{
  g_free(cli_write("wired.yaml", "weft: 1\nname: wired\ninputs: {words: {type: text}}\nnodes:\n"
                                 "  a: {use: state-mean@^1, in: words}\n"
                                 "  b: {use: state-mean@^1, in: {text: words, sums: a.sums}}\n"
                                 "outputs: {mean: b.mean}\n", -1));
  g_auto(CliResult) r = cli_weft(NULL, "pipeline", "check", "WORK/wired.yaml", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpint(r.code, ==, 4);
  cli_contains(r.err, "state-mean@1.0.0 has no input \"sums\"");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 3);
  cli_fixture_init();
  cli_install((const char *const *)argv + 1, 2);
  g_free(cli_write("gate.yaml", gate, -1));
  g_free(cli_write("replies.yaml", replies, -1));
  g_free(cli_write("sessions.yaml", sessions, -1));
  g_test_add_func("/answers/verdicts", test_answers_verdicts);
  g_test_add_func("/answers/refusal", test_answers_refusal);
  g_test_add_func("/answers/conditions", test_answers_conditions);
  g_test_add_func("/answers/batch", test_answers_batch);
  g_test_add_func("/answers/sessions", test_answers_sessions);
  g_test_add_func("/answers/missing", test_answers_missing);
  g_test_add_func("/answers/hold", test_answers_hold);
  g_test_add_func("/answers/state-is-the-hosts", test_answers_state_is_the_hosts);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
