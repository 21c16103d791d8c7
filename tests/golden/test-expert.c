/* SPDX-License-Identifier: Apache-2.0 */
/* expert-mlp against PyTorch in double precision (make_models.py), by itself and in a pipeline, in process and isolated. */
#include "modelgolden.h"

#include <compute.h>
#include <driver.h>
#include <glib/gstdio.h>
#include <install.h>
#include <session.h>
#include <string.h>

static const char *const names[] = {"expert-mlp-a", "expert-mlp-b", "expert-mlp-c"};
static char *probe, *worker, *plain, *vector;

static WeftGolden *open_golden(const char *name)
{
  g_autofree char *model = g_strdup_printf("tests/golden/%s/model", name);
  WeftGolden *g = weft_golden_open(name, model);
  g_assert_nonnull(g);
  return g;
}

static void test_expert_golden(gconstpointer name)
{
  g_autoptr(WeftGolden) g = open_golden(name);
  const struct weft_safetensors_tensor *x = weft_golden_tensor(g, 0, "x"), *y = weft_golden_tensor(g, 0, "y");
  weft_test_offer_compute(); /* a session takes the offer back */
  for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
    weft_test_threads(n_threads);
    g_autoptr(WeftDriver) d = weft_driver_new("expert-mlp", "expert-mlp");
    weft_driver_model(d, g->model, "0123");
    weft_driver_limits(d, x->dims[0], x->dims[0], 0);
    weft_driver_bind(d, "x", NULL, x->dims[1]);
    weft_driver_bind_attribute(d, "space", "f00d/fused");
    if (weft_driver_start(d) != WEFT_OK)
      g_error("%s", weft_driver_message(d));
    g_assert_cmpstr(weft_attribute_find(&weft_driver_ports(d)->outputs[0], "space"), ==, "0123/y");
    struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {x->dims[0], x->dims[1]}};
    const struct weft_tensor *input = weft_driver_tensor(d, &shape, x->data, (uint32_t)x->dims[0], NULL);
    g_assert_cmpint(weft_driver_run(d, (uint32_t)x->dims[0], &input), ==, WEFT_OK);
    weft_golden_check(g, weft_driver_output(d, "y")->data, y, y->dims[0] * y->dims[1]);
  }
}

/* A catalogue of the test plugins, before which the bundled one is searched as well. */
static char *catalogue_of_tests(const char *work)
{
  char *folder = g_build_filename(work, "catalogue", NULL);
  const WeftInstallOptions options = {.probe_program = probe, .bundled = TRUE};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, TRUE, &error);
  g_assert_no_error(error);
  for (int i = 0; i < 2; i++) {
    g_autoptr(WeftInstallResult) result = weft_install_file(registrar, i ? vector : plain, &options, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(result->reason, ==, NULL);
  }
  return folder;
}

/* The model without its embedding space, which bytes do not have. */
static char *pipeline_of(const char *work, const WeftGolden *g, gboolean ragged, int64_t d)
{
  g_autofree char *model = g_build_filename(work, "model", NULL);
  static const char *const files[] = {"config.json", "model.safetensors"};
  g_mkdir_with_parents(model, 0700);
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *from = g_build_filename(g->model, files[i], NULL), *to = g_build_filename(model, files[i], NULL);
    g_autofree char *bytes = NULL;
    gsize n = 0;
    g_assert_true(g_file_get_contents(from, &bytes, &n, NULL));
    char *space = i == 0 ? strstr(bytes, "\"space\"") : NULL;
    if (space)
      space[1] = '_';
    g_assert_true(g_file_set_contents(to, bytes, (gssize)n, NULL));
  }
  char *path = g_build_filename(work, "pipeline.yaml", NULL);
  g_autofree char *text = g_strdup_printf(
      "weft: 1\nname: expert\ninputs: {row: {type: bytes}}\nmodels: {m: %s}\nnodes:\n"
      "  x: {use: %s, in: row, params: {d: %d}}\n  e: {use: %s@^1, model: m, in: x}\noutputs: {y: e}\n",
      model, ragged ? "vectors" : "vector", (int)d, ragged ? "expert-mlp-tokens" : "expert-mlp");
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
  return path;
}

/* Answers of one request a row (not ragged), or of one with all rows. Caller frees with json_decref. */
static json_t *answers_of(const char *catalogue, const char *pipeline, const char *isolate, const WeftGolden *g,
                          gboolean ragged)
{
  const struct weft_safetensors_tensor *x = weft_golden_tensor(g, 0, "x");
  WeftSessionOptions options = {.catalogue = catalogue, .n_threads = 2};
  options.build.isolate = isolate;
  options.build.worker_program = worker;
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(pipeline);
  if (!weft_session_load(session, pipeline, diagnostics)) {
    g_autofree char *text = weft_diagnostics_text(diagnostics);
    g_error("%s", text);
  }
  guint n = ragged ? 1 : (guint)x->dims[0];
  gsize n_bytes = (gsize)x->n_bytes / n;
  g_autofree WeftQuery *queries = g_new0(WeftQuery, n);
  g_autofree WeftValue *values = g_new0(WeftValue, n);
  g_autofree json_t **answers = g_new0(json_t *, n);
  for (guint i = 0; i < n; i++) {
    values[i].bytes = g_bytes_new((const char *)x->data + i * n_bytes, n_bytes);
    queries[i].inputs = &values[i];
  }
  weft_session_run(session, queries, n, answers);
  json_t *all = json_array();
  for (guint i = 0; i < n; i++) {
    json_t *y = json_object_get(json_object_get(answers[i], "outputs"), "y");
    g_assert_true(json_is_array(y));
    for (gsize k = 0; ragged && k < json_array_size(y); k++)
      json_array_append(all, json_array_get(y, k));
    if (!ragged)
      json_array_append(all, y);
    json_decref(answers[i]);
    g_bytes_unref(values[i].bytes);
  }
  return all;
}

static void check_answers(const WeftGolden *g, const json_t *all)
{
  const struct weft_safetensors_tensor *y = weft_golden_tensor(g, 0, "y");
  g_autofree float *actual = g_new0(float, y->dims[0] * y->dims[1]);
  g_assert_cmpuint(json_array_size(all), ==, (gsize)y->dims[0]);
  for (int64_t i = 0; i < y->dims[0]; i++)
    for (int64_t k = 0; k < y->dims[1]; k++)
      actual[i * y->dims[1] + k] = (float)json_number_value(json_array_get(json_array_get(all, (gsize)i), (gsize)k));
  weft_golden_check(g, actual, y, y->dims[0] * y->dims[1]);
}

static void test_expert_pipeline(gconstpointer name)
{
  g_autofree char *work = g_dir_make_tmp("weft-expert-XXXXXX", NULL), *catalogue = catalogue_of_tests(work);
  g_autoptr(WeftGolden) g = open_golden(name);
  json_t *first = NULL;
  for (int ragged = 0; ragged < 2; ragged++) {
    g_autofree char *pipeline = pipeline_of(work, g, ragged, weft_golden_tensor(g, 0, "x")->dims[1]);
    static const char *const places[] = {"none", "all"};
    for (int k = 0; k < 2; k++) {
      json_t *answers = answers_of(catalogue, pipeline, places[k], g, ragged);
      check_answers(g, answers);
      g_assert_true(!first || json_equal(first, answers)); /* rows or tokens, in process or not: the same bytes */
      if (first)
        json_decref(answers);
      else
        first = answers;
    }
  }
  json_decref(first);
  g_autofree char *remove = g_strdup_printf("rm -r '%s'", work);
  g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 5);
  probe = argv[1];
  worker = argv[2];
  plain = argv[3];
  vector = argv[4];
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *golden = g_strdup_printf("/%s/golden", names[i]);
    g_autofree char *pipeline = g_strdup_printf("/%s/pipeline", names[i]);
    g_test_add_data_func(golden, names[i], test_expert_golden);
    g_test_add_data_func(pipeline, names[i], test_expert_pipeline);
  }
  return g_test_run();
}
