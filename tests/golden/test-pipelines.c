/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Broken pipeline files and the exact words they are refused with: NAME.yaml
 * beside NAME.expected. WEFT_UPDATE_GOLDEN=1 writes the words anew; read the
 * difference before committing it.
 */
#include "session.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *folder, *catalogue_folder, *worker;

/* The file's messages, or what follows when nothing is wrong with it. */
static char *messages_of(const char *name, const char *isolate)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(name);
  WeftSessionOptions options = {.catalogue = catalogue_folder, .n_threads = 1,
                                .build = {.isolate = isolate, .worker_program = worker}};
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  gboolean good = weft_session_load(session, name, diagnostics);
  g_assert_cmpint(good, ==, diagnostics->n_errors == 0);
  g_autofree char *text = weft_diagnostics_text(diagnostics);
  g_autoptr(GRegex) digest = g_regex_new("(?!0123)[0-9a-f]{64}", 0, 0, NULL); /* models are trained anew now and then */
  g_autofree char *stable = g_regex_replace_literal(digest, text, -1, 0, "DIGEST", 0, NULL);
  g_autoptr(GRegex) begin = g_regex_new("(?!0123)[0-9a-f]{12}\\.\\.\\.", 0, 0, NULL);
  g_autoptr(GRegex) order = g_regex_new("searched: [^)]*", 0, 0, NULL);
  g_autofree char *shortened = g_regex_replace_literal(begin, stable, -1, 0, "DIGEST...", 0, NULL);
  g_autofree char *portable = g_regex_replace_literal(order, shortened, -1, 0, "searched: CATALOGUES", 0, NULL);
  return g_strconcat(portable, good ? "nothing is wrong\n" : "", NULL);
}

static void test_pipelines_golden(gconstpointer data)
{
  const char *name = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = messages_of(name, "none");
  g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".yaml"));
  g_autofree char *path = g_strconcat(stem, ".expected", NULL);
  if (g_getenv("WEFT_UPDATE_GOLDEN")) {
    g_assert_true(g_file_set_contents(path, text, -1, &error));
    return;
  }
  g_autofree char *expected = NULL;
  g_assert_true(g_file_get_contents(path, &expected, NULL, &error));
  g_assert_cmpstr(text, ==, expected);
}

/* What `create` alone knows of an edge comes out of a process of its own in the same words. */
static void test_pipelines_isolated(void)
{
  static const char *const stems[] = {"wrong-space", "wrong-labels", "fusion-keys-swapped", "fusion-key-unknown",
                                      "head-behind-another-encoder"};
  for (gsize i = 0; i < G_N_ELEMENTS(stems); i++) {
    g_autofree char *name = g_strconcat(stems[i], ".yaml", NULL), *path = g_strconcat(stems[i], ".expected", NULL);
    g_autofree char *text = messages_of(name, "all"), *expected = NULL;
    g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
    g_assert_cmpstr(text, ==, expected);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  if (argc != 4)
    g_error("usage: test-pipelines FOLDER CATALOGUE WORKER");
  folder = argv[1];
  worker = argv[3];
  catalogue_folder = g_canonicalize_filename(argv[2], NULL);
  g_autofree char *nowhere = g_dir_make_tmp("weft-golden-XXXXXX", NULL);
  g_setenv("XDG_DATA_HOME", nowhere, TRUE); /* no catalogue of whoever runs this */
  g_setenv("XDG_CACHE_HOME", nowhere, TRUE);
  if (g_chdir(folder) != 0)
    g_error("%s: no such folder", folder);
  g_autoptr(GDir) dir = g_dir_open(".", 0, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    if (!g_str_has_suffix(name, ".yaml"))
      continue;
    g_autofree char *path = g_strconcat("/pipelines/", name, NULL);
    g_ptr_array_add(names, g_strdup(name));
    g_test_add_data_func(path, names->pdata[names->len - 1], test_pipelines_golden);
  }
  g_test_add_func("/pipelines/isolated", test_pipelines_isolated);
  return g_test_run();
}
