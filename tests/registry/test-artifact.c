/* SPDX-License-Identifier: Apache-2.0 */
/* Models, assets and pipelines in a catalogue: adding, sharing, finding, limits, links, repair. */
#include "artifact.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *root, *a, *b, *model;
} Fixture;

static void write_file(const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *new_folder(const Fixture *f, const char *name)
{
  char *path = g_build_filename(f->root, name, NULL);
  g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
  return path;
}

static void set_up(Fixture *f, gconstpointer unused)
{
  f->root = g_dir_make_tmp("weft-artifact-XXXXXX", NULL);
  f->a = g_build_filename(f->root, "a", NULL);
  f->b = g_build_filename(f->root, "b", NULL);
  f->model = new_folder(f, "minilm");
  write_file(f->model, "config.json", "{\"d\": 4}");
  write_file(f->model, "model.safetensors", "weights");
  write_file(f->model, "README.md", "a card");
  write_file(f->model, "train.py", "not taken");
  g_setenv("WEFT_CATALOGUE", f->a, TRUE);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *quoted = g_shell_quote(f->root);
  g_autofree char *command = g_strdup_printf("chmod -R u+w %s && rm -rf %s", quoted, quoted);
  const char *const argv[] = {"sh", "-c", command, NULL};
  g_assert_true(g_spawn_sync(NULL, (char **)(gpointer)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  g_free(f->root);
  g_free(f->a);
  g_free(f->b);
  g_free(f->model);
}

static gboolean add(const char *folder, WeftArtifactSource source, GError **error)
{
  gboolean is_new = FALSE;
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, error);
  g_assert_nonnull(registrar);
  return weft_artifact_add(registrar, &source, &is_new, error);
}

static void add_or_die(const char *folder, WeftArtifactKind kind, const char *path, const char *name, const char *version)
{
  g_autoptr(GError) error = NULL;
  add(folder, (WeftArtifactSource){kind, path, name, version}, &error);
  g_assert_no_error(error);
}

static void refused(const char *folder, WeftArtifactSource source, const char *words)
{
  g_autoptr(GError) error = NULL;
  g_assert_false(add(folder, source, &error));
  g_assert_nonnull(error);
  if (!strstr(error->message, words))
    g_error("expected \"%s\", found \"%s\"", words, error->message);
}

static WeftCatalogue *open_or_die(void)
{
  g_autoptr(GError) error = NULL;
  WeftCatalogue *catalogue = weft_catalogue_open(NULL, &error);
  g_assert_no_error(error);
  return catalogue;
}

static WeftArtifactRow *find(WeftArtifactKind kind, const char *name, const char *range)
{
  g_autoptr(WeftCatalogue) catalogue = open_or_die();
  return weft_artifact_find(catalogue, kind, name, range, NULL);
}

static void check_missing(WeftArtifactKind kind, const char *name, const char *range, const char *words)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = open_or_die();
  g_assert_null(weft_artifact_find(catalogue, kind, name, range, &error));
  if (!strstr(error->message, words))
    g_error("expected \"%s\", found \"%s\"", words, error->message);
}

static guint n_stored(const char *folder)
{
  g_autofree char *root = g_build_filename(folder, "sha256", NULL);
  g_autoptr(GDir) dir = g_dir_open(root, 0, NULL);
  const char *name;
  guint n = 0;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *inner = g_build_filename(root, name, NULL);
    g_autoptr(GDir) files = g_dir_open(inner, 0, NULL);
    while (g_dir_read_name(files))
      n++;
  }
  return n;
}

static void test_artifact_makes_a_model_folder(Fixture *f, gconstpointer unused)
{
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0");
  g_autoptr(WeftArtifactRow) row = find(WEFT_ARTIFACT_MODEL, "minilm", "^1");
  g_assert_nonnull(row);
  g_assert_cmpuint(row->files->len, ==, 3); /* train.py is none of it */
  g_autoptr(WeftCatalogue) catalogue = open_or_die();
  g_autofree char *given = weft_catalogue_model_digest(catalogue, f->model, NULL);
  g_autofree char *kept = weft_catalogue_model_digest(catalogue, row->path, NULL);
  g_assert_cmpstr(row->digest, ==, given);
  g_assert_cmpstr(kept, ==, given);
  g_autofree char *config = g_build_filename(row->path, "config.json", NULL), *text = NULL;
  g_assert_true(g_file_get_contents(config, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "{\"d\": 4}");
  g_auto(GStrv) problems = weft_artifact_check(row);
  g_assert_null(problems[0]);
}

static void test_artifact_stores_a_shared_file_once(Fixture *f, gconstpointer unused)
{
  g_autofree char *other = new_folder(f, "other");
  write_file(other, "config.json", "{\"d\": 5}");
  write_file(other, "model.safetensors", "weights");
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0");
  g_assert_cmpuint(n_stored(f->a), ==, 3);
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, other, "other", "1.0.0");
  g_assert_cmpuint(n_stored(f->a), ==, 4);
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) removed = NULL;
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_true(weft_artifact_remove(registrar, WEFT_ARTIFACT_MODEL, "minilm", NULL, &removed, &error));
  g_assert_cmpstr(removed[0], ==, "minilm@1.0.0");
  g_assert_cmpuint(n_stored(f->a), ==, 2);
  g_autoptr(WeftArtifactRow) row = find(WEFT_ARTIFACT_MODEL, "other", NULL);
  g_auto(GStrv) problems = weft_artifact_check(row);
  g_assert_null(problems[0]);
  g_assert_false(weft_artifact_remove(registrar, WEFT_ARTIFACT_MODEL, "minilm", NULL, &removed, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND);
}

static void test_artifact_says_that_it_is_there(Fixture *f, gconstpointer unused)
{
  gboolean is_new = TRUE;
  g_autoptr(GError) error = NULL;
  WeftArtifactSource source = {WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0"};
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_true(weft_artifact_add(registrar, &source, &is_new, &error));
  g_assert_true(is_new);
  g_assert_true(weft_artifact_add(registrar, &source, &is_new, &error));
  g_assert_false(is_new);
  write_file(f->model, "config.json", "{\"d\": 6}");
  g_assert_false(weft_artifact_add(registrar, &source, &is_new, &error));
  g_assert_error(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_EXISTS);
  g_assert_nonnull(strstr(error->message, "is there already with other content"));
}

static void test_artifact_finds_the_newest_of_the_first(Fixture *f, gconstpointer unused)
{
  g_autofree char *order = g_strdup_printf("%s:%s", f->a, f->b);
  g_autofree char *rules = g_build_filename(f->root, "rules.yaml", NULL);
  const char *const versions[] = {"1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"};
  write_file(f->root, "rules.yaml", "a");
  for (guint i = 0; i < G_N_ELEMENTS(versions); i++)
    add_or_die(f->a, WEFT_ARTIFACT_ASSET, rules, "rules", versions[i]);
  add_or_die(f->b, WEFT_ARTIFACT_ASSET, rules, "rules", "1.11.0");
  add_or_die(f->b, WEFT_ARTIFACT_ASSET, rules, "rules", "3.0.0");
  g_setenv("WEFT_CATALOGUE", order, TRUE);
  static const char *const cases[][2] = {
    {NULL, "1.10.0"}, {"^1", "1.10.0"}, {"~1.9", "1.9.0"}, {"1.0.0", "1.0.0"}, {"2.0.0-rc.1", "2.0.0-rc.1"}, {"^3", "3.0.0"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(WeftArtifactRow) row = find(WEFT_ARTIFACT_ASSET, "rules", cases[i][0]);
    g_assert_nonnull(row);
    g_assert_cmpstr(row->version, ==, cases[i][1]);
  }
  check_missing(WEFT_ARTIFACT_ASSET, "rules", "^4", "but not in a version ^4; there is 1.0.0, 1.9.0, 1.10.0");
  check_missing(WEFT_ARTIFACT_ASSET, "rulse", NULL, "did you mean \"rules\"?");
  check_missing(WEFT_ARTIFACT_ASSET, "rules", "x", "is not a version range");
  check_missing(WEFT_ARTIFACT_MODEL, "rules", NULL, "there is no model \"rules\" in the catalogue");
}

static void test_artifact_refuses_what_it_cannot_take(Fixture *f, gconstpointer unused)
{
  g_autofree char *file = g_build_filename(f->model, "config.json", NULL);
  g_autofree char *empty = new_folder(f, "empty");
  g_autofree char *none = g_build_filename(f->root, "none", NULL);
  g_autofree char *long_name = g_strnfill(WEFT_ARTIFACT_MAX_NAME + 1, 'n');
  g_autofree char *longest = g_strnfill(WEFT_ARTIFACT_MAX_NAME, 'n');
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0"}, "expected MAJOR.MINOR.PATCH");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, f->model, "mini.lm", "1.0.0"}, "no name for a model");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, f->model, long_name, "1.0.0"}, "at most 64");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, file, "minilm", "1.0.0"}, "a model is a folder");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, empty, "minilm", "1.0.0"}, "it has no config.json");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, none, "minilm", "1.0.0"}, "cannot be opened");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_ASSET, f->model, "rules", "1.0.0"}, "expected a file, found a folder");
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, longest, "1.0.0");
}

static void test_artifact_knows_how_large_a_file_may_be(Fixture *f, gconstpointer unused)
{
  g_autofree char *path = g_build_filename(f->root, "pipeline.yaml", NULL);
  write_file(f->root, "pipeline.yaml", "");
  g_assert_cmpint(truncate(path, WEFT_ARTIFACT_PIPELINE_MAX_BYTES), ==, 0);
  add_or_die(f->a, WEFT_ARTIFACT_PIPELINE, path, "p", "1.0.0");
  g_assert_cmpint(truncate(path, WEFT_ARTIFACT_PIPELINE_MAX_BYTES + 1), ==, 0);
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_PIPELINE, path, "q", "1.0.0"}, "WEFT_ARTIFACT_PIPELINE_MAX_BYTES");
  g_assert_cmpint(truncate(path, WEFT_ARTIFACT_ASSET_MAX_BYTES + 1), ==, 0);
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_ASSET, path, "q", "1.0.0"}, "WEFT_ARTIFACT_ASSET_MAX_BYTES");
  g_autofree char *weights = g_build_filename(f->model, "model.safetensors", NULL);
  if (truncate(weights, WEFT_ARTIFACT_MODEL_MAX_BYTES + 1) != 0) {
    g_test_skip("the file system has no files of 64 GiB with holes");
    return;
  }
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, f->model, "q", "1.0.0"}, "WEFT_ARTIFACT_MODEL_MAX_BYTES");
}

static void test_artifact_knows_how_many_files_a_model_has(Fixture *f, gconstpointer unused)
{
  for (guint i = 0; i < WEFT_ARTIFACT_MAX_FILES - 3; i++) {
    g_autofree char *name = g_strdup_printf("part-%u.txt", i);
    write_file(f->model, name, "x");
  }
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0");
  write_file(f->model, "one-more.txt", "x");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, f->model, "minilm", "2.0.0"}, "WEFT_ARTIFACT_MAX_FILES");
}

static void link_to(const char *target, const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_assert_cmpint(symlink(target, path), ==, 0);
}

static void test_artifact_follows_links_of_the_hub_only(Fixture *f, gconstpointer unused)
{
  g_autofree char *hub = new_folder(f, "models--acme--minilm/snapshots/abc");
  g_autofree char *blobs = new_folder(f, "models--acme--minilm/blobs");
  write_file(blobs, "b1", "{\"d\": 4}");
  write_file(blobs, "b2", "weights");
  link_to("../../blobs/b1", hub, "config.json");
  link_to("../../blobs/b2", hub, "model.safetensors");
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, hub, "hub", "1.0.0");
  g_autoptr(WeftArtifactRow) row = find(WEFT_ARTIFACT_MODEL, "hub", NULL);
  g_auto(GStrv) problems = weft_artifact_check(row);
  g_assert_null(problems[0]);
  link_to("config.json", f->model, "generation_config.json");
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, "inside", "1.0.0");
  link_to("/etc/hostname", f->model, "secret.txt");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0"},
          "secret.txt: is a link that leads outside of the model's folder");
  link_to("../../../minilm/config.json", hub, "vocab.txt");
  refused(f->a, (WeftArtifactSource){WEFT_ARTIFACT_MODEL, hub, "hub", "2.0.0"}, "leads outside");
}

static void test_artifact_check_finds_changed_bytes(Fixture *f, gconstpointer unused)
{
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0");
  g_autoptr(WeftArtifactRow) row = find(WEFT_ARTIFACT_MODEL, "minilm", NULL);
  const WeftArtifactFile *file = row->files->pdata[1];
  g_assert_cmpint(g_chmod(file->path, 0644), ==, 0);
  FILE *stream = fopen(file->path, "r+");
  fputc('X', stream);
  fclose(stream);
  g_auto(GStrv) problems = weft_artifact_check(row);
  g_assert_nonnull(problems[0]);
  g_assert_nonnull(strstr(problems[0], "its bytes have changed"));
  g_assert_cmpint(unlink(file->path), ==, 0);
  g_auto(GStrv) others = weft_artifact_check(row);
  g_assert_nonnull(strstr(others[0], "cannot be opened"));
}

/* What a crash or a stray hand leaves is put right when the catalogue is next written. */
static void test_artifact_is_repaired(Fixture *f, gconstpointer unused)
{
  g_autofree char *rules = g_build_filename(f->root, "rules.yaml", NULL);
  write_file(f->root, "rules.yaml", "a");
  add_or_die(f->a, WEFT_ARTIFACT_MODEL, f->model, "minilm", "1.0.0");
  add_or_die(f->a, WEFT_ARTIFACT_ASSET, rules, "rules", "1.0.0");
  g_autoptr(WeftArtifactRow) model = find(WEFT_ARTIFACT_MODEL, "minilm", NULL);
  g_autoptr(WeftArtifactRow) asset = find(WEFT_ARTIFACT_ASSET, "rules", NULL);
  g_autofree char *link = g_build_filename(model->path, "config.json", NULL);
  g_autofree char *stray = g_build_filename(f->a, "models", "0123", NULL);
  g_assert_cmpint(unlink(link), ==, 0);
  g_assert_cmpint(g_mkdir(stray, 0755), ==, 0);
  g_assert_cmpint(unlink(asset->path), ==, 0);
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(f->a, FALSE, &error);
  g_assert_no_error(error);
  g_auto(GStrv) problems = weft_artifact_check(model);
  g_assert_null(problems[0]);
  g_assert_cmpint(access(link, F_OK), ==, 0);
  g_assert_cmpint(access(stray, F_OK), !=, 0);
  check_missing(WEFT_ARTIFACT_ASSET, "rules", NULL, "there is no asset \"rules\"");
}

#define ADD(name) g_test_add("/artifact/" #name, Fixture, NULL, set_up, test_artifact_##name, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD(makes_a_model_folder);
  ADD(stores_a_shared_file_once);
  ADD(says_that_it_is_there);
  ADD(finds_the_newest_of_the_first);
  ADD(refuses_what_it_cannot_take);
  ADD(knows_how_large_a_file_may_be);
  ADD(knows_how_many_files_a_model_has);
  ADD(follows_links_of_the_hub_only);
  ADD(check_finds_changed_bytes);
  ADD(is_repaired);
  return g_test_run();
}
