/* SPDX-License-Identifier: Apache-2.0 */
/* The second pipeline of the design, as it stands, on plugins that bear its names: asked, refused, isolated. */
#include "cli-fixture.h"

#include <string.h>

#define RUN "run", "WORK/service.yaml", "--catalogue", "WORK/catalogue", "--context", "user=u1"

static void test_service_check(void)
{
  g_auto(CliResult) r = cli_weft(NULL, "pipeline", "check", "WORK/service.yaml", "--catalogue", "WORK/catalogue", NULL);
  if (r.code != 0)
    g_error("%s", r.err);
  g_assert_cmpstr(r.err, ==, "");
}

/* The reply stands where the classifier is not certain, whatever the way that the words came. */
static void test_service_answers(void)
{
  static const char *const isolation[] = {"none", "all"};
  for (guint i = 0; i < G_N_ELEMENTS(isolation); i++) {
    g_auto(CliResult) typed = cli_weft(NULL, RUN, "--isolate", isolation[i], "--text", "hello", NULL);
    g_auto(CliResult) certain = cli_weft(NULL, RUN, "--isolate", isolation[i], "--text", "hello, good day", NULL);
    g_auto(CliResult) spoken = cli_weft(NULL, RUN, "--isolate", isolation[i], "--voice", "DIGITS/seven.wav", NULL);
    const char *const reply = "intent       order\nprobability  0.5\nreply        {\"\":\"One moment please.\"}\n";
    g_assert_cmpstr(typed.out, ==, reply);
    g_assert_cmpstr(certain.out, ==, "intent       order\nprobability  0.9\nreply        null\n");
    g_assert_cmpstr(spoken.out, ==, reply);
  }
}

static void expect_refusal(const char *language, const char *message)
{
  g_autofree char *given = g_strconcat("language=", language, NULL);
  g_auto(CliResult) r = cli_weft(NULL, RUN, "--text", "a bomb", "--context", given, "--json", NULL);
  json_t *answer = cli_json(&r);
  g_assert_cmpint(r.code, ==, 3);
  g_assert_cmpstr(json_string_value(cli_at(answer, "status")), ==, "refused");
  g_assert_cmpstr(json_string_value(cli_at(answer, "message")), ==, message);
  g_assert_cmpuint(json_object_size(cli_at(answer, "outputs")), ==, 0);
  json_decref(answer);
}

static void test_service_refuses(void)
{
  expect_refusal("zh-CN", "我们不能帮忙。");
  expect_refusal("en", "We cannot help with that.");
  expect_refusal("de", "We cannot help with that.");
}

/* A sub-pipeline asks whether its input is there, which is an output of the outer file. */
static void test_service_presence_inside(void)
{
  g_free(cli_write("inner.yaml", "weft: 1\nname: inner\ninputs: {t: {type: text}, v: {type: text, optional: true}}\n"
                                 "assets: {replies: replies.yaml}\nnodes:\n"
                                 "  yes: {use: template@^1, in: t, when: v, params: {text: replies.human}}\n"
                                 "  no: {use: template@^1, in: t, when: not v, params: {text: replies.human}}\n"
                                 "outputs: {yes: yes.text, no: no.text}\n", -1));
  g_free(cli_write("outer.yaml", "weft: 1\nname: outer\ninputs: {words: {type: text}, voice: {type: audio, optional: true}}\n"
                                 "models: {asr: models/asr}\nnodes:\n  hear: {use: wav2vec2-ctc@^1, model: asr, in: voice}\n"
                                 "  sub: {use: ./inner.yaml, in: {t: words, v: hear.text}}\n"
                                 "outputs: {yes: sub.yes, no: sub.no}\n", -1));
#define OUTER "run", "WORK/outer.yaml", "--catalogue", "WORK/catalogue", "--isolate", "none", "--words", "hello"
  g_auto(CliResult) without = cli_weft(NULL, OUTER, NULL);
  g_auto(CliResult) with = cli_weft(NULL, OUTER, "--voice", "DIGITS/seven.wav", NULL);
  g_assert_cmpstr(without.out, ==, "yes          null\nno           {\"\":\"One moment please.\"}\n");
  g_assert_cmpstr(with.out, ==, "yes          {\"\":\"One moment please.\"}\nno           null\n");
#undef OUTER
}

static void copy_pipeline(void)
{
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests", "golden", "pipelines", "service.yaml", NULL);
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  g_file_get_contents(path, &text, NULL, &error);
  g_assert_no_error(error);
  g_free(cli_write("service.yaml", text, -1));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2);
  cli_fixture_init();
  cli_install((const char *const *)argv + 1, 1);
  copy_pipeline();
  g_free(cli_write("models/asr/config.json", "{}", -1));
  g_free(cli_write("models/minilm/config.json", "{}", -1));
  g_free(cli_write("models/intents/config.json", "{}", -1));
  g_free(cli_write("rules.zh-en.yaml", "bomb: refuse\n", -1));
  g_free(cli_write("replies.yaml", "blocked: {en: We cannot help with that., zh: 我们不能帮忙。}\nhuman: One moment please.\n", -1));
  g_test_add_func("/service/check", test_service_check);
  g_test_add_func("/service/answers", test_service_answers);
  g_test_add_func("/service/refuses", test_service_refuses);
  g_test_add_func("/service/presence-inside", test_service_presence_inside);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
