/* SPDX-License-Identifier: Apache-2.0 */
/* ./dev with a word that it does not know: which word, and what to say instead. It builds nothing for that. */
#include <glib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs a program; answers its exit code, and what it printed: caller frees. */
static int run(const char *program, const char *first, const char *second, char **out, char **err)
{
  const char *argv[] = {program, first, second, NULL};
  g_autoptr(GError) error = NULL;
  int status = 0;
  g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, err, &status, &error);
  g_assert_no_error(error);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const char *first, const char *second, const char *said)
{
  g_autofree char *dev = g_test_build_filename(G_TEST_DIST, "dev", NULL), *out = NULL, *err = NULL;
  g_assert_cmpint(run(dev, first, second, &out, &err), ==, 2);
  g_assert_cmpstr(out, ==, "");
  g_assert_cmpstr(err, ==, said);
}

/* Every command of weft but run, which dev has too. */
static void test_dev_commands_of_weft(void)
{
  g_autofree char *weft = g_test_build_filename(G_TEST_BUILT, "core", "cli", "weft", NULL), *out = NULL, *err = NULL;
  guint n = 0;
  g_assert_cmpint(run(weft, "--help", NULL, &out, &err), ==, 0);
  g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
  for (char **line = lines; *line; line++) {
    if (!g_str_has_prefix(*line, "  ") || !g_ascii_islower((*line)[2]) || g_str_has_prefix(*line, "  weft ") ||
        g_str_has_prefix(*line, "  run "))
      continue;
    g_autofree char *word = g_strndup(*line + 2, strcspn(*line + 2, " "));
    g_autofree char *said = g_strdup_printf("dev: \"%s\" is a command of weft: ./dev weft %s list\n", word, word);
    expect(word, "list", said);
    n++;
  }
  g_assert_cmpuint(n, >=, 11);
}

static void test_dev_unknown_words(void)
{
  expect("frobnicate", "x",
         "dev: there is no command \"frobnicate\"; ./dev --help lists them, ./dev weft --help those of weft\n");
  expect(".*", NULL, "dev: there is no command \".*\"; ./dev --help lists them, ./dev weft --help those of weft\n");
}

static void test_dev_without_a_word(void)
{
  g_autofree char *dev = g_test_build_filename(G_TEST_DIST, "dev", NULL), *out = NULL, *err = NULL;
  g_assert_cmpint(run(dev, NULL, NULL, &out, &err), ==, 2);
  g_assert_true(g_str_has_prefix(err, "usage: ./dev COMMAND"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/dev/commands_of_weft", test_dev_commands_of_weft);
  g_test_add_func("/dev/unknown_words", test_dev_unknown_words);
  g_test_add_func("/dev/without_a_word", test_dev_without_a_word);
  return g_test_run();
}
