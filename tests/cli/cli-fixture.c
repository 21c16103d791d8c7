/* SPDX-License-Identifier: Apache-2.0 */
#include "cli-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>

static char *program, *digits, *work;

void cli_result_clear(CliResult *result)
{
  g_free(result->out);
  g_free(result->err);
}

void cli_fixture_init(void)
{
  program = g_test_build_filename(G_TEST_BUILT, "core", "cli", "weft", NULL);
  digits = g_test_build_filename(G_TEST_DIST, "examples", "digits", NULL);
  work = g_dir_make_tmp("weft-cli-XXXXXX", NULL);
}

void cli_fixture_end(void)
{
  const char *argv[] = {"rm", "-r", work, NULL};
  g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_clear_pointer(&work, g_free);
  g_clear_pointer(&digits, g_free);
  g_clear_pointer(&program, g_free);
}

const char *cli_work(void)
{
  return work;
}

const char *cli_digits(void)
{
  return digits;
}

CliResult cli_weft(const char *env, const char *first, ...)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) environment = g_get_environ();
  g_ptr_array_add(argv, g_strdup(program));
  if (env) {
    g_auto(GStrv) parts = g_strsplit(env, "=", 2);
    environment = g_environ_setenv(environment, parts[0], parts[1], TRUE);
  }
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
  CliResult result = {-1, NULL, NULL};
  int status = 0;
  g_autoptr(GError) error = NULL;
  g_spawn_sync(NULL, (char **)argv->pdata, environment, G_SPAWN_DEFAULT, NULL, NULL, &result.out, &result.err, &status,
               &error);
  g_assert_no_error(error);
  if (WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  return result;
}

char *cli_write(const char *name, const void *bytes, gssize n)
{
  char *path = g_build_filename(work, name, NULL);
  g_autofree char *folder = g_path_get_dirname(path);
  g_autoptr(GError) error = NULL;
  g_mkdir_with_parents(folder, 0700);
  g_remove(path); /* a file that is replaced is synced to the disk, which takes its time */
  g_file_set_contents(path, bytes, n, &error);
  g_assert_no_error(error);
  return path;
}

void cli_install(const char *const *plugins, guint n)
{
  for (guint i = 0; i < n; i++) {
    g_autofree char *full = g_canonicalize_filename(plugins[i], NULL);
    g_auto(CliResult) r = cli_weft(NULL, "plugin", "install", full, "--catalogue", "WORK/catalogue", NULL);
    if (r.code != 0)
      g_error("%s: %s", full, r.err);
  }
}

void cli_contains(const char *text, const char *part)
{
  if (!strstr(text, part))
    g_error("expected \"%s\" in:\n%s", part, text);
}

json_t *cli_json(const CliResult *result)
{
  json_error_t problem;
  json_t *object = json_loads(result->out, 0, &problem);
  if (!object)
    g_error("not JSON (%s), exit code %d: %s%s", problem.text, result->code, result->out, result->err);
  return object;
}

const json_t *cli_at(const json_t *object, const char *path)
{
  g_auto(GStrv) keys = g_strsplit(path, ".", -1);
  const json_t *at = object;
  for (guint i = 0; keys[i]; i++) {
    at = json_is_array(at) ? json_array_get(at, (size_t)g_ascii_strtoull(keys[i], NULL, 10)) : json_object_get(at, keys[i]);
    if (!at)
      g_error("%s: there is no %s", path, keys[i]);
  }
  return at;
}

void cli_write_classifier(const char *const *labels, guint n)
{
  g_autoptr(GString) config = g_string_new("{\"architectures\": [\"WeftClassifier\"], \"id2label\": {");
  g_autofree char *header = g_strdup_printf("{\"weight\":{\"dtype\":\"F32\",\"shape\":[%u,%u],\"data_offsets\":[0,%u]},"
                                            "\"bias\":{\"dtype\":\"F32\",\"shape\":[%u],\"data_offsets\":[%u,%u]}}",
                                            n, n, 4 * n * n, n, 4 * n * n, 4 * n * n + 4 * n);
  g_autofree float *weights = g_new0(float, n * n + n);
  guint64 n_header = GUINT64_TO_LE(strlen(header));
  g_autoptr(GByteArray) file = g_byte_array_new();
  for (guint i = 0; i < n; i++) {
    g_string_append_printf(config, "%s\"%u\": \"%s\"", i ? ", " : "", i, labels[i]);
    weights[i * n + i] = 1;
  }
  g_string_append(config, "}}");
  g_byte_array_append(file, (const guint8 *)&n_header, sizeof n_header);
  g_byte_array_append(file, (const guint8 *)header, (guint)strlen(header));
  g_byte_array_append(file, (const guint8 *)weights, (guint)((n * n + n) * sizeof *weights));
  g_autofree char *text = g_strdup_printf("weft: 1\nname: rows\ninputs: {row: {type: bytes}}\nmodels: {m: ./identity}\n"
                                          "nodes:\n  x: {use: vector, in: row, params: {d: %u}}\n"
                                          "  head: {use: classifier@^1, model: m, in: x}\n"
                                          "outputs: {class: head.label, p: head.probability}\n", n);
  g_free(cli_write("identity/config.json", config->str, -1));
  g_free(cli_write("identity/model.safetensors", file->data, file->len));
  g_free(cli_write("rows.yaml", text, -1));
}
