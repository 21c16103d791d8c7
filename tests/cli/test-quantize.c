/* SPDX-License-Identifier: Apache-2.0 */
/* `weft model quantize` on the shipped digits models: size, loss, what is kept, and that pipelines take the result. */
#include "cli-fixture.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static gint64 size_of(const char *folder)
{
  g_autofree char *path = g_build_filename(cli_work(), folder, "model.safetensors", NULL);
  GStatBuf about;
  g_assert_cmpint(g_stat(path, &about), ==, 0);
  return about.st_size;
}

static json_t *digit_of(const char *model)
{
  g_autofree char *line = g_strdup_printf("picture:image ! see=vit@1 model=%s ! classifier@1 model=DIGITS/models/head-vit; "
                                          "out d=classifier.label p=classifier.probability", model);
  g_auto(CliResult) result = cli_weft(NULL, "run", line, "--picture", "DIGITS/seven-ink.png", "--json", NULL);
  g_assert_cmpstr(result.err, ==, "");
  return cli_json(&result);
}

static void test_quantize_int8(void)
{
  g_auto(CliResult) result = cli_weft(NULL, "model", "quantize", "DIGITS/models/vit", "--to", "int8", "--out", "WORK/vit8",
                                      "--json", NULL);
  g_assert_cmpint(result.code, ==, 0);
  json_t *report = cli_json(&result), *layers = json_object_get(report, "layers"), *cosines = json_object_get(report, "cosines");
  g_assert_cmpuint(json_array_size(layers), ==, 37);
  for (size_t i = 0; i < json_array_size(layers); i++) {
    g_assert_cmpstr(json_string_value(cli_at(json_array_get(layers, i), "stored")), ==, "int8");
    g_assert_cmpfloat(json_number_value(cli_at(json_array_get(layers, i), "loss")), <, 1e-3);
    g_assert_cmpfloat(json_number_value(cli_at(json_array_get(layers, i), "loss")), >, 0);
  }
  g_assert_cmpuint(json_array_size(cosines), ==, 9); /* tokens, pooled, layers */
  for (size_t i = 0; i < 9; i++)
    g_assert_cmpfloat(json_number_value(json_array_get(cosines, i)), >, 0.995);
  g_assert_cmpint(json_integer_value(cli_at(report, "bytes_after")), ==, size_of("vit8"));
  g_assert_cmpint(size_of("vit8") * 10, <, json_integer_value(cli_at(report, "bytes_before")) * 3);
  json_decref(report);
}

/* It runs as it is stored where nothing else is said, and its head still knows the space. */
static void test_quantize_runs_as_stored(void)
{
  json_t *plain = digit_of("DIGITS/models/vit"), *int8 = digit_of("WORK/vit8"), *f32 = digit_of("WORK/vit8 precision=f32");
  cli_contains(json_string_value(cli_at(int8, "fingerprint")), ", see int8 (");
  g_assert_null(strstr(json_string_value(cli_at(f32, "fingerprint")), "see"));
  double p = json_number_value(cli_at(plain, "outputs.p"));
  g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(int8, "outputs.p")), p, 0.01);
  g_assert_cmpfloat_with_epsilon(json_number_value(cli_at(f32, "outputs.p")), p, 0.01);
  g_assert_true(json_equal(cli_at(int8, "outputs.d"), cli_at(plain, "outputs.d")));
  json_decref(plain);
  json_decref(int8);
  json_decref(f32);
}

/* Layers that lose too much are named and stored better; the plugin reads the mixture. */
static void test_quantize_keeps_layers(void)
{
  g_auto(CliResult) result = cli_weft(NULL, "model", "quantize", "DIGITS/models/vit", "--to", "int4", "--out", "WORK/vit4",
                                      "--threshold", "0.003", NULL);
  g_assert_cmpint(result.code, ==, 0);
  cli_contains(result.out, "kept at int8: encoder.layer.0.attention.attention.query.weight, which would lose ");
  g_autofree char *path = g_build_filename(cli_work(), "vit4", "config.json", NULL);
  json_t *config = json_load_file(path, 0, NULL);
  size_t n_kept = json_array_size(cli_at(config, "quantization.kept"));
  g_assert_cmpuint(n_kept, >, 0);
  g_assert_cmpuint(n_kept, <, 37);
  json_decref(config);
  g_assert_cmpint(size_of("vit4"), <, size_of("vit8"));
  json_t *plain = digit_of("DIGITS/models/vit"), *int4 = digit_of("WORK/vit4");
  cli_contains(json_string_value(cli_at(int4, "fingerprint")), ", see int4 (");
  g_assert_true(json_equal(cli_at(int4, "outputs.d"), cli_at(plain, "outputs.d")));
  json_decref(plain);
  json_decref(int4);
}

static void test_quantize_with_requests(void)
{
  g_autofree char *lines = g_strdup_printf("{\"input\": \"%s/seven.png\"}\n{\"input\": \"%s/seven-ink.png\"}\n", cli_digits(),
                                           cli_digits());
  g_free(cli_write("in.jsonl", lines, -1));
  g_free(cli_write("bad.jsonl", "{\"input\": \"nowhere.png\"}\n", -1));
  g_auto(CliResult) good = cli_weft(NULL, "model", "quantize", "DIGITS/models/vit", "--to", "bf16", "--report", "--inputs",
                                    "WORK/in.jsonl", NULL);
  g_assert_cmpint(good.code, ==, 0);
  cli_contains(good.out, "37 layers at bf16, 0 kept higher; outputs: cosine 0.9999");
  g_auto(CliResult) bad = cli_weft(NULL, "model", "quantize", "DIGITS/models/vit", "--to", "bf16", "--report", "--inputs",
                                   "WORK/bad.jsonl", NULL);
  g_assert_cmpint(bad.code, ==, 1);
  cli_contains(bad.err, "bad.jsonl:1: ");
}

/* A fusion's and a head's inputs are other nodes' outputs. */
static void test_quantize_through_a_pipeline(void)
{
  static const char *const models[] = {"fusion", "head"};
  for (guint i = 0; i < G_N_ELEMENTS(models); i++) {
    g_autofree char *folder = g_strdup_printf("DIGITS/models/%s", models[i]), *out = g_strdup_printf("WORK/%s8", models[i]);
    g_auto(CliResult) result = cli_weft(NULL, "model", "quantize", folder, "--to", "int8", "--out", out, "--pipeline",
                                        "DIGITS/pipeline.yaml", NULL);
    g_assert_cmpstr(result.err, ==, "");
    g_assert_cmpint(result.code, ==, 0);
  }
}

static void refuse(const char *expected, const char *folder, const char *to, const char *out)
{
  g_auto(CliResult) result = cli_weft(NULL, "model", "quantize", folder, "--to", to, "--out", out, NULL);
  g_assert_cmpint(result.code, !=, 0);
  cli_contains(result.err, expected);
}

static void test_quantize_errors(void)
{
  refuse("is quantised already", "WORK/vit8", "int4", "WORK/x");
  refuse("vit8: is there already", "DIGITS/models/vit", "int4", "WORK/vit8");
  refuse("is no model folder", "WORK/nothing", "int4", "WORK/x");
  refuse("--to is int8, int4 or bf16, found int3", "DIGITS/models/vit", "int3", "WORK/x");
  refuse("--to is int8, int4 or bf16, found f32", "DIGITS/models/vit", "f32", "WORK/x");
  refuse("cannot be made: No such file", "DIGITS/models/vit", "int8", "WORK/no/where");
  refuse("cannot be made: ", "DIGITS/models/vit", "int8", "/proc/x");
  refuse("--use PLUGIN names one, --pipeline FILE", "DIGITS/models/head", "int8", "WORK/x");
  g_autofree char *left = g_build_filename(cli_work(), "x", NULL), *part = g_build_filename(cli_work(), "x.part", NULL);
  g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
  g_assert_false(g_file_test(part, G_FILE_TEST_EXISTS));
  g_assert_cmpint(g_mkdir(part, 0700), ==, 0);
  refuse("an earlier run that ended halfway left it", "DIGITS/models/vit", "int8", "WORK/x");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  cli_fixture_init();
  g_test_add_func("/quantize/int8", test_quantize_int8);
  g_test_add_func("/quantize/runs_as_stored", test_quantize_runs_as_stored);
  g_test_add_func("/quantize/keeps_layers", test_quantize_keeps_layers);
  g_test_add_func("/quantize/with_requests", test_quantize_with_requests);
  g_test_add_func("/quantize/through_a_pipeline", test_quantize_through_a_pipeline);
  g_test_add_func("/quantize/errors", test_quantize_errors);
  int code = g_test_run();
  cli_fixture_end();
  return code;
}
