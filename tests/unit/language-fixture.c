/* SPDX-License-Identifier: Apache-2.0 */
#include "language-fixture.h"

#include "install.h"
#include <glib/gstdio.h>
#include <string.h>

static struct {
  WeftCatalogue *catalogue;
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  const char *worker;
  char *folder;
} fixture;

Built language_build_with(const char *text, const char *worker, WeftVariables *variables)
{
  Built built = {.diagnostics = weft_diagnostics_new("t.yaml")};
  WeftBuildOptions options = {.isolate = worker ? "all" : "none", .worker_program = worker};
  g_autofree char *path = g_build_filename(fixture.folder, "t.yaml", NULL);
  built.pipeline = weft_pipeline_parse(text, strlen(text), path, variables, built.diagnostics);
  if (built.pipeline)
    built.revision =
        weft_revision_build(built.pipeline, fixture.catalogue, fixture.runtime, &options, built.diagnostics);
  g_autoptr(GString) messages = g_string_new(NULL);
  g_autofree char *all = weft_diagnostics_text(built.diagnostics);
  g_string_append(messages, all);
  g_string_replace(messages, fixture.folder, "FOLDER", 0);
  built.text = g_string_free(g_steal_pointer(&messages), FALSE);
  return built;
}

Built language_build(const char *text)
{
  return language_build_with(text, NULL, NULL);
}

void language_clear(Built *built)
{
  weft_revision_free(built->revision);
  weft_pipeline_free(built->pipeline);
  weft_diagnostics_free(built->diagnostics);
  g_free(built->text);
}

void language_expect(const char *text, const char *messages)
{
  Built built = language_build(text);
  if (strcmp(built.text, messages) != 0)
    g_error("of\n%s\nexpected\n%s\nfound\n%s", text, messages, built.text);
  g_assert_cmpint(built.revision == NULL, ==, built.diagnostics->n_errors > 0);
  language_clear(&built);
}

const struct weft_graph_node *language_node(const Built *built, const char *name)
{
  if (!built->revision)
    g_error("refused:\n%s", built->text);
  for (guint i = 0; i < built->pipeline->n_steps; i++) {
    if (strcmp(built->revision->graph_nodes[i].name, name) == 0)
      return &built->revision->graph_nodes[i];
  }
  g_error("there is no node %s", name);
}

void language_file(const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(fixture.folder, name, NULL);
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, text, -1, &error);
  g_assert_no_error(error);
}

const char *language_worker(void)
{
  return fixture.worker;
}

static void remove_folder(const char *path)
{
  g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    remove_folder(inner);
  }
  g_remove(path);
}

void language_begin(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  if (argc < 4)
    g_error("usage: %s PROBE WORKER PLUGIN.so...", argv[0]);
  fixture.worker = argv[2];
  fixture.folder = g_dir_make_tmp("weft-language-XXXXXX", NULL);
  g_setenv("XDG_DATA_HOME", fixture.folder, TRUE);
  g_setenv("XDG_CACHE_HOME", fixture.folder, TRUE);
  g_autofree char *folder = g_build_filename(fixture.folder, "catalogue", NULL);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  g_assert_no_error(error);
  for (int i = 3; i < argc; i++) {
    const WeftInstallOptions options = {.probe_program = argv[1], .bundled = TRUE};
    g_autoptr(WeftInstallResult) result = weft_install_file(registrar, argv[i], &options, &error);
    g_assert_no_error(error);
    if (result->outcome == WEFT_INSTALL_REFUSED)
      g_error("%s", result->reason);
  }
  g_clear_pointer(&registrar, weft_registrar_free);
  g_setenv("WEFT_CATALOGUE", folder, TRUE);
  fixture.catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpint(weft_pool_new(1, &fixture.pool), ==, WEFT_OK);
  g_assert_cmpint(weft_runtime_new(fixture.pool, &fixture.runtime), ==, WEFT_OK);
}

void language_end(void)
{
  weft_runtime_free(fixture.runtime);
  weft_pool_free(fixture.pool);
  weft_catalogue_free(fixture.catalogue);
  remove_folder(fixture.folder);
  g_free(fixture.folder);
}
