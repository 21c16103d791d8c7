/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever refuses says so alike: one exit code, words on standard error, with --json weft.diagnostics/1 and nothing else. */
#include "cli-fixture.h"

#include <string.h>

/* NOWHERE: a folder without catalogue; HERE: one with the plugin "plain". */
static const struct {
  const char *words;
  int exit;
  const char *code;
} refusals[] = {
  {"plugin install HERE", 2, "usage"},
  {"plugin list NOWHERE", 4, "no-catalogue"},
  {"plugin show HERE nothing", 1, "not-found"},
  {"plugin show HERE plain@^9", 1, "not-found"},
  {"plugin show HERE plain@x", 2, "usage"},
  {"plugin show NOWHERE plain", 4, "no-catalogue"},
  {"plugin why HERE nothing", 1, "not-found"},
  {"plugin verify HERE --quick nothing", 1, "not-found"},
  {"plugin verify NOWHERE", 4, "no-catalogue"},
  {"plugin disable HERE nothing", 1, "not-found"},
  {"plugin enable HERE plain", 1, "exists"},
  {"plugin release HERE plain", 1, "not-found"},
  {"plugin release NOWHERE plain", 4, "no-catalogue"},
  {"plugin remove HERE nothing", 1, "not-found"},
  {"plugin remove NOWHERE nothing", 4, "no-catalogue"},
  {"plugin gc NOWHERE", 4, "no-catalogue"},
  {"model add HERE WORK/nothing", 1, NULL},
  {"model list NOWHERE", 4, "no-catalogue"},
  {"model show HERE nothing", 1, "not-found"},
  {"model check HERE nothing", 1, "not-found"},
  {"model remove HERE nothing", 1, "not-found"},
  {"model remove NOWHERE nothing", 4, "no-catalogue"},
  {"model gc HERE nothing", 1, "not-found"},
  {"model gc NOWHERE nothing", 4, "no-catalogue"},
  {"model gc NOWHERE", 4, "no-catalogue"},
  {"model pack HERE nothing", 1, "not-found"},
  {"model pack NOWHERE nothing", 4, "no-catalogue"},
  {"model quantize HERE WORK/nothing --to int8 --out WORK/out", 1, "failed"},
  {"model quantize HERE WORK/nothing --to int9 --out WORK/out", 2, "usage"},
  {"model digest HERE WORK", 1, "no-model"},
  {"model digest NOWHERE DIGITS/models/vit", 4, "no-catalogue"},
  {"asset add HERE WORK/nothing", 1, NULL},
  {"asset list NOWHERE", 4, "no-catalogue"},
  {"asset show HERE nothing", 1, "not-found"},
  {"asset check HERE nothing", 1, "not-found"},
  {"asset remove HERE nothing", 1, "not-found"},
  {"pipeline check HERE WORK/nothing.yaml", 4, NULL},
  {"pipeline check NOWHERE WORK/nothing.yaml", 4, "no-catalogue"},
  {"pipeline explain HERE WORK/nothing.yaml", 2, "usage"},
  {"pipeline diff HERE WORK/nothing.yaml WORK/other.yaml", 4, NULL},
  {"pipeline lock HERE WORK/nothing.yaml", 2, "usage"},
  {"pipeline show HERE WORK/nothing.yaml", 2, "usage"},
  {"pipeline dot HERE WORK/nothing.yaml", 2, "usage"},
  {"pipeline schema NOWHERE", 4, "no-catalogue"},
  {"pipeline add HERE WORK/nothing.yaml", 1, "not-found"},
  {"pipeline list NOWHERE", 4, "no-catalogue"},
  {"pipeline remove HERE nothing", 1, "not-found"},
  {"catalogue backup NOWHERE WORK/file", 4, "no-catalogue"},
  {"catalogue restore HERE WORK/nothing", 4, NULL},
  {"catalogue export NOWHERE WORK/folder", 4, "no-catalogue"},
  {"catalogue check NOWHERE", 4, "no-catalogue"},
  {"audit list NOWHERE", 4, "no-catalogue"},
  {"audit verify NOWHERE", 4, "no-catalogue"},
  {"run HERE WORK/nothing.yaml", 4, NULL},
  {"run NOWHERE WORK/nothing.yaml", 4, "no-catalogue"},
  {"live HERE WORK/nothing.yaml", 4, NULL},
  {"live NOWHERE WORK/nothing.yaml", 4, "no-catalogue"},
  {"eval NOWHERE WORK/nothing.yaml WORK/lines.jsonl", 4, "no-catalogue"},
  {"profile NOWHERE WORK/nothing.yaml --batch WORK/lines.jsonl", 4, "no-catalogue"},
  {"inspect plan HERE WORK/nothing.yaml", 4, "unreadable"},
  {"inspect compute HERE --nonsense", 2, "usage"},
  {"doctor nonsense", 2, "usage"},
};

static char *program;

static char *line_of(const char *words)
{
  static const char *const names[][2] = {
    {"NOWHERE", "--catalogue WORK/nowhere"}, {"HERE", "--catalogue WORK/catalogue"}, {"WORK", NULL}, {"DIGITS", NULL}};
  g_autofree char *line = g_strdup(words);
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_auto(GStrv) parts = g_strsplit(line, names[i][0], -1);
    g_free(line);
    line = g_strjoinv(names[i][1] ? names[i][1] : i == 2 ? cli_work() : cli_digits(), parts);
  }
  return g_strdup_printf("'%s' %s", program, line);
}

static CliResult shell(const char *line)
{
  const char *argv[] = {"sh", "-c", line, NULL};
  CliResult result = {-1, NULL, NULL};
  int status = 0;
  g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &result.out, &result.err, &status,
                             NULL));
  result.code = status >> 8;
  return result;
}

static void test_refusals_json(void)
{
  for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
    g_autofree char *line = line_of(refusals[i].words), *with_json = g_strconcat(line, " --json", NULL);
    g_auto(CliResult) plain = shell(line), json = shell(with_json);
    g_test_message("%s: %d %s", refusals[i].words, json.code, json.err);
    g_assert_cmpint(json.code, ==, refusals[i].exit);
    json_t *root = cli_json(&json);
    const json_t *first = json_array_get(cli_at(root, "diagnostics"), 0);
    g_assert_cmpstr(json_string_value(cli_at(root, "schema")), ==, "weft.diagnostics/1");
    g_assert_false(json_is_true(cli_at(root, "good")));
    if (refusals[i].code)
      g_assert_cmpstr(json_string_value(cli_at(first, "code")), ==, refusals[i].code);
    g_assert_cmpint((int)strlen(json_string_value(cli_at(first, "message"))), >, 10);
    json_decref(root);
    if (strcmp(refusals[i].code ? refusals[i].code : "", "usage") == 0) /* --json may be what is wrong */
      continue;
    g_assert_cmpint(plain.code, ==, refusals[i].exit);
    g_assert_cmpstr(plain.out, ==, "");
    g_assert_cmpint((int)strlen(plain.err), >, 10);
  }
}

static gboolean is_walked(const char *command, const char *action)
{
  g_autofree char *begin = action ? g_strdup_printf("%s %s ", command, action) : g_strdup_printf("%s ", command);
  for (guint i = 0; i < G_N_ELEMENTS(refusals); i++)
    if (g_str_has_prefix(refusals[i].words, begin))
      return TRUE;
  return FALSE;
}

/* A command that is new is walked too: the help names all of them, and the usage lines their actions. */
static void test_refusals_walk_everything(void)
{
  g_auto(CliResult) help = cli_weft(NULL, "--help", NULL);
  g_auto(GStrv) lines = g_strsplit(help.out, "\n", -1);
  guint n = 0;
  for (char **line = lines; *line; line++) {
    if (!g_str_has_prefix(*line, "  ") || g_str_has_prefix(*line, "  weft"))
      continue;
    g_auto(GStrv) words = g_strsplit(*line + 2, " ", 2);
    g_auto(CliResult) own = cli_weft(NULL, words[0], "--help", NULL);
    g_auto(GStrv) usage = g_strsplit(own.out, " ", 5); /* usage: weft plugin install|list|... */
    g_auto(GStrv) actions = g_strsplit(usage[3], "|", -1);
    for (char **action = actions; *action; action++)
      if (!is_walked(words[0], actions[1] ? *action : NULL))
        g_error("no refusal of `weft %s %s` is tested", words[0], *action);
    n++;
  }
  g_assert_cmpuint(n, >=, 11);
}

/* What was printed never arrived: said whatever the exit code is, and success becomes a failure. */
static void test_refusals_full_output(void)
{
  static const struct {
    const char *words;
    int exit;
  } full[] = {{"--version", 1}, {"plugin list HERE", 1}, {"plugin show HERE nothing --json", 1}, {"plugin gc NOWHERE --json", 4},
              {"nonsense --json", 2}};
  for (guint i = 0; i < G_N_ELEMENTS(full); i++) {
    g_autofree char *line = line_of(full[i].words), *to_full = g_strconcat(line, " > /dev/full", NULL);
    g_auto(CliResult) result = shell(to_full);
    g_assert_cmpint(result.code, ==, full[i].exit);
    cli_contains(result.err, "weft: standard output cannot be written: No space left on device\n");
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  cli_fixture_init();
  program = g_test_build_filename(G_TEST_BUILT, "core", "cli", "weft", NULL);
  cli_install((const char *const *)&argv[1], (guint)argc - 1);
  g_free(cli_write("lines.jsonl", "{}\n", -1));
  g_test_add_func("/refusals/json", test_refusals_json);
  g_test_add_func("/refusals/walk-everything", test_refusals_walk_everything);
  g_test_add_func("/refusals/full-output", test_refusals_full_output);
  int code = g_test_run();
  cli_fixture_end();
  g_free(program);
  return code;
}
