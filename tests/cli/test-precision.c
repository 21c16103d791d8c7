/* SPDX-License-Identifier: Apache-2.0 */
/* The precision of a model: as the file says it, as an option does, and where it is told again. */
#include "cli-fixture.h"

#include <string.h>

static const char *const *plugins; /* reads, plain */
static guint n_plugins;

#define LINE "picture:image ! vit@1 model=DIGITS/models/vit%s ! classifier@1 model=DIGITS/models/head-vit"

static json_t *answer_of(const char *precision, const char *isolate)
{
  g_autofree char *line = g_strdup_printf(LINE, precision);
  g_auto(CliResult) result = cli_weft(NULL, "run", line, "--picture", "DIGITS/seven.png", "--json", "--explain", "--isolate",
                                      isolate, NULL);
  g_assert_cmpstr(result.err, ==, "");
  g_assert_cmpint(result.code, ==, 0);
  return cli_json(&result);
}

static const char *text_at(const json_t *answer, const char *path)
{
  return json_string_value(cli_at(answer, path));
}

static void test_precision_is_told(void)
{
  json_t *plain = answer_of("", "none"), *int8 = answer_of(" precision=int8", "none");
  json_t *isolated = answer_of(" precision=int8", "all"), *f32 = answer_of(" precision=f32", "none");
  g_assert_null(strstr(text_at(plain, "fingerprint"), "vit"));
  cli_contains(text_at(int8, "fingerprint"), ", vit int8 (");
  g_assert_cmpstr(text_at(int8, "fingerprint"), ==, text_at(isolated, "fingerprint"));
  g_assert_cmpstr(text_at(int8, "revision"), ==, text_at(isolated, "revision"));
  g_assert_cmpstr(text_at(int8, "revision"), !=, text_at(plain, "revision"));
  g_assert_cmpstr(text_at(f32, "revision"), ==, text_at(plain, "revision"));
  g_assert_cmpstr(text_at(f32, "fingerprint"), ==, text_at(plain, "fingerprint"));
  g_assert_true(json_equal(cli_at(int8, "outputs"), cli_at(isolated, "outputs")));
  const json_t *path = cli_at(int8, "explain.path");
  g_assert_null(json_object_get(json_array_get(path, 0), "precision"));
  g_assert_cmpstr(text_at(json_array_get(path, 1), "precision"), ==, "int8");
  g_assert_cmpstr(text_at(json_array_get(path, 2), "precision"), ==, "f32");
  json_decref(plain);
  json_decref(int8);
  json_decref(isolated);
  json_decref(f32);
}

static void write_pipeline(const char *model)
{
  g_autofree char *text = g_strdup_printf(
      "weft: 1\nname: p\ninputs: {picture: {type: image}}\nmodels: {vit: %s, head: %s/models/head-vit}\n"
      "nodes:\n  see: {use: vit@^1, model: vit, in: picture}\n  head: {use: classifier@^1, model: head, in: see}\n"
      "outputs: {digit: head.label}\n", model, cli_digits());
  g_free(cli_write("p.yaml", text, -1));
}

static void test_precision_is_explained(void)
{
  g_autofree char *model = g_strdup_printf("{precision: int4, use: %s/models/vit}", cli_digits());
  write_pipeline(model);
  g_auto(CliResult) explain = cli_weft(NULL, "pipeline", "explain", "WORK/p.yaml", NULL);
  cli_contains(explain.out, "  precision int4: the file says so\n");
  cli_contains(explain.out, "  precision f32: the default\n");
  g_auto(CliResult) option = cli_weft(NULL, "pipeline", "explain", "WORK/p.yaml", "see", "--precision", "vit=bf16", NULL);
  cli_contains(option.out, "  precision bf16: the option says so\n");
  g_auto(CliResult) automatic = cli_weft(NULL, "pipeline", "explain", "WORK/p.yaml", "see", "--precision", "auto", NULL);
  cli_contains(automatic.out, "  precision f32: auto, and what a model of a folder loses is stored nowhere");
  g_auto(CliResult) show = cli_weft(NULL, "pipeline", "show", "WORK/p.yaml", NULL);
  cli_contains(show.out, ", precision: int4}");
  g_auto(CliResult) dot = cli_weft(NULL, "pipeline", "dot", "WORK/p.yaml", NULL);
  cli_contains(dot.out, ", int4\"");
}

static json_t *layout_of(const json_t *results, const char *precision)
{
  for (size_t i = 0; i < json_array_size(results); i++)
    if (strcmp(text_at(json_array_get(results, i), "precision"), precision) == 0)
      return (json_t *)cli_at(json_array_get(results, i), "layout");
  g_error("no result for %s", precision);
}

static void test_precision_is_locked(void)
{
  g_autofree char *model = g_strdup_printf("{use: %s/models/vit, precision: auto}", cli_digits());
  write_pipeline(model);
  g_auto(CliResult) lock = cli_weft(NULL, "pipeline", "lock", "WORK/p.yaml", NULL);
  g_assert_cmpint(lock.code, ==, 0);
  g_auto(CliResult) same = cli_weft(NULL, "pipeline", "check", "WORK/p.yaml", "--locked", NULL);
  g_assert_cmpint(same.code, ==, 0);
  g_auto(CliResult) other = cli_weft(NULL, "pipeline", "check", "WORK/p.yaml", "--locked", "--precision", "int8", NULL);
  g_assert_cmpint(other.code, ==, 4);
  cli_contains(other.err, "node see: precision: auto -> int8\n");
}

/* auto goes by what was stored for this fingerprint, and by nothing else. */
static void test_precision_auto_goes_by_the_check(void)
{
  g_auto(CliResult) add = cli_weft(NULL, "model", "add", "DIGITS/models/vit", "--catalogue", "WORK/auto", NULL);
  g_assert_cmpint(add.code, ==, 0);
  write_pipeline("{use: vit@^1, precision: auto}");
  g_auto(CliResult) before = cli_weft(NULL, "pipeline", "explain", "WORK/p.yaml", "see", "--catalogue", "WORK/auto", NULL);
  cli_contains(before.out, "  precision f32: auto, and \"weft model check NAME --store N\" has not been run");
  g_auto(CliResult) check = cli_weft(NULL, "model", "check", "vit", "--store", "4", "--json", "--catalogue", "WORK/auto", NULL);
  g_assert_cmpstr(check.err, ==, "");
  json_t *found = cli_json(&check);
  const json_t *results = cli_at(found, "results");
  g_assert_cmpuint(json_array_size(results), >=, 2);
  g_assert_cmpfloat(json_number_value(cli_at(json_array_get(results, 0), "cosine")), >, 0.9999999);
  g_auto(CliResult) after = cli_weft(NULL, "pipeline", "explain", "WORK/p.yaml", "see", "--catalogue", "WORK/auto", NULL);
  cli_contains(after.out, ": auto: ");
  g_autofree char *folder = g_build_filename(cli_work(), "auto", "derived", NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *name = NULL;
  while ((name = g_dir_read_name(dir)) && !g_str_has_suffix(name, ".check"))
    continue;
  g_assert_nonnull(name);
  static const double cosines[] = {0.996, 0.99, 0.996}, times[] = {0.5, 0.5, 2};
  for (guint i = 0; i < G_N_ELEMENTS(cosines); i++) {
    json_t *file = json_pack("{s:s, s:{s:[{s:s, s:s, s:f, s:f}, {s:s, s:O, s:f, s:f}]}}", "schema", "weft.check/1", "machines",
                             json_string_value(cli_at(found, "fingerprint")), "precision", "f32", "layout",
                             json_string_value(cli_at(json_array_get(results, 0), "layout")), "cosine", 1.0, "ms", 1.0, "precision",
                             "int8", "layout", layout_of(results, "int8"), "cosine", cosines[i], "ms", times[i]);
    g_autofree char *relative = g_build_filename("auto", "derived", name, NULL);
    char *text = json_dumps(file, 0);
    g_free(cli_write(relative, text, -1));
    free(text);
    json_decref(file);
    g_auto(CliResult) told = cli_weft(NULL, "pipeline", "explain", "WORK/p.yaml", "see", "--catalogue", "WORK/auto", NULL);
    cli_contains(told.out, i == 0 ? "  precision int8: auto: the fastest" : "  precision f32: auto: nothing whose");
  }
  g_auto(CliResult) other = cli_weft("WEFT_COMPUTE_ISA=scalar", "pipeline", "explain", "WORK/p.yaml", "see", "--catalogue",
                                     "WORK/auto", NULL);
  cli_contains(other.out, "has not been run on this machine");
  g_auto(CliResult) gc = cli_weft(NULL, "model", "gc", "--catalogue", "WORK/auto", NULL);
  g_auto(CliResult) show = cli_weft(NULL, "model", "show", "vit", "--catalogue", "WORK/auto", NULL);
  g_assert_null(strstr(show.out, "damaged"));
  json_decref(found);
}

static void test_precision_option_faults(void)
{
  g_autofree char *model = g_strdup_printf("%s/models/vit", cli_digits());
  write_pipeline(model);
  g_auto(CliResult) word = cli_weft(NULL, "run", "WORK/p.yaml", "--precision", "in8", NULL);
  g_assert_cmpint(word.code, ==, 4);
  cli_contains(word.err, "--precision: there is no precision \"in8\"\n  hint: did you mean \"int8\"?");
  g_auto(CliResult) name = cli_weft(NULL, "run", "WORK/p.yaml", "--precision", "vti=int8", NULL);
  g_assert_cmpint(name.code, ==, 4);
  cli_contains(name.err, "--precision names \"vti\", which is no model here\n  hint: did you mean \"vit\"?");
  g_auto(CliResult) empty = cli_weft(NULL, "run", "WORK/p.yaml", "--precision", "", NULL);
  g_assert_cmpint(empty.code, ==, 2);
  g_auto(CliResult) none = cli_weft(NULL, "run", "WORK/p.yaml", "--precision", "vit=", NULL);
  g_assert_cmpint(none.code, ==, 4);
}

/* `reads` opens its model and never asks for a provider. */
static void test_precision_needs_a_provider(void)
{
  cli_install(plugins, n_plugins);
  g_free(cli_write("own/a", "0123456789abcdef", -1));
  g_free(cli_write("own/empty", "", 0));
  g_free(cli_write("own/config.json", "{}", -1));
  g_free(cli_write("own.yaml", "weft: 1\nname: own\ninputs: {t: {type: bytes}}\nmodels: {m: {use: ./own, precision: int8}}\n"
                   "nodes:\n  r: {use: reads, model: m, in: t}\noutputs: {y: r}\n", -1));
  g_auto(CliResult) here = cli_weft(NULL, "pipeline", "check", "WORK/own.yaml", "--catalogue", "WORK/catalogue", "--isolate",
                                    "none", NULL);
  g_assert_cmpint(here.code, ==, 4);
  cli_contains(here.err, "own.yaml:4:37: node \"r\": model \"m\" has a precision, and reads@1.0.0, which reads it, computes by "
                         "itself");
  g_auto(CliResult) worker = cli_weft(NULL, "pipeline", "check", "WORK/own.yaml", "--catalogue", "WORK/catalogue", NULL);
  g_assert_cmpstr(worker.err, ==, here.err);
  g_auto(CliResult) over = cli_weft(NULL, "pipeline", "check", "WORK/own.yaml", "--catalogue", "WORK/catalogue", "--precision",
                                    "f32", NULL);
  g_assert_cmpint(over.code, ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  plugins = (const char *const *)argv + 1;
  n_plugins = (guint)argc - 1;
  cli_fixture_init();
  g_test_add_func("/precision/is_told", test_precision_is_told);
  g_test_add_func("/precision/is_explained", test_precision_is_explained);
  g_test_add_func("/precision/is_locked", test_precision_is_locked);
  g_test_add_func("/precision/auto_goes_by_the_check", test_precision_auto_goes_by_the_check);
  g_test_add_func("/precision/option_faults", test_precision_option_faults);
  g_test_add_func("/precision/needs_a_provider", test_precision_needs_a_provider);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
