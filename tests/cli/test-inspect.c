/* SPDX-License-Identifier: Apache-2.0 */
/* weft inspect: what became of the plans of a pipeline's models, and what computes them. */
#include "cli-fixture.h"

#include <string.h>

#define LINE "picture:image ! vit@1 model=DIGITS/models/vit ! classifier@1 model=DIGITS/models/head-vit"

static const char *text_at(const json_t *object, const char *key)
{
  return json_string_value(json_object_get(object, key));
}

/* The steps of all chains of a plan that do `does`. */
static guint count_steps(const json_t *plan, const char *does, const char *key)
{
  guint n = 0;
  size_t u, p, s;
  const json_t *unit, *phase, *step;
  json_array_foreach(json_object_get(plan, "units"), u, unit)
    json_array_foreach(json_object_get(json_object_get(unit, "chain"), "phases"), p, phase)
      json_array_foreach(json_object_get(phase, "steps"), s, step)
        n += g_str_equal(text_at(step, "does"), does) && (!key || json_object_get(step, key));
  return n;
}

static void test_inspect_plan_of_a_node(void)
{
  g_auto(CliResult) result = cli_weft("WEFT_COMPUTE_ISA=scalar", "inspect", "plan", LINE, "vit", "--precision", "int8", "--json",
                                      "--threads", "1", NULL);
  g_assert_cmpstr(result.err, ==, "");
  g_assert_cmpint(result.code, ==, 0);
  json_t *report = cli_json(&result);
  g_assert_cmpstr(text_at(report, "schema"), ==, "weft.plan/1");
  const json_t *nodes = json_object_get(report, "nodes");
  g_assert_cmpuint(json_array_size(nodes), ==, 1);
  g_assert_cmpstr(text_at(json_array_get(nodes, 0), "node"), ==, "vit");
  const json_t *plan = json_array_get(json_object_get(json_array_get(nodes, 0), "plans"), 0);
  g_assert_cmpstr(text_at(plan, "precision"), ==, "int8");
  g_assert_cmpstr(text_at(plan, "isa"), ==, "scalar");
  g_assert_cmpint(json_integer_value(json_object_get(plan, "threads")), ==, 1);
  g_assert_cmpint(json_integer_value(json_object_get(plan, "packed_bytes")), >, 0);
  g_assert_cmpint(json_integer_value(json_object_get(plan, "scratch_bytes_128_rows")), >, 0);
  guint n_products = count_steps(plan, "product", NULL), n_layers = count_steps(plan, "product", "activation") - 1;
  /* patches, pooler (it has the other activation), six products a layer; q, k and v share their rows */
  g_assert_cmpuint(n_layers, >, 0);
  g_assert_cmpuint(n_products, ==, 2 + 6 * n_layers);
  g_assert_cmpuint(count_steps(plan, "product", "residual"), ==, 2 * n_layers);
  g_assert_cmpuint(count_steps(plan, "prepare", NULL), ==, 2 + 4 * n_layers);
  json_decref(report);
}

static void test_inspect_plans_of_a_pipeline(void)
{
  g_auto(CliResult) result = cli_weft(NULL, "inspect", "plan", "DIGITS/pipeline.yaml", NULL);
  g_assert_cmpstr(result.err, ==, "");
  g_assert_cmpint(result.code, ==, 0);
  cli_contains(result.out, "see: f32 on ");
  cli_contains(result.out, "\nhear: f32 on ");
  cli_contains(result.out, "packed weights ");
  cli_contains(result.out, "  by columns   %");
  cli_contains(result.out, "encoder.layer.0.intermediate.dense.weight [");
  cli_contains(result.out, ", bias, gelu\n");
  cli_contains(result.out, "  operation      %");
}

static void test_inspect_compute(void)
{
  g_auto(CliResult) text = cli_weft("WEFT_THREADS=3", "inspect", "compute", NULL);
  g_assert_cmpint(text.code, ==, 0);
  cli_contains(text.out, "  threads          3: WEFT_THREADS=3\n");
  cli_contains(text.out, "  f32  products    ");
  g_auto(CliResult) result = cli_weft("WEFT_COMPUTE_ISA=scalar", "inspect", "compute", "--json", "--threads", "2", NULL);
  g_assert_cmpint(result.code, ==, 0);
  json_t *report = cli_json(&result);
  g_assert_cmpstr(text_at(report, "schema"), ==, "weft.compute/1");
  g_assert_cmpstr(text_at(report, "isa"), ==, "scalar");
  g_assert_cmpstr(text_at(report, "forced"), ==, "scalar");
  g_assert_cmpint(json_integer_value(cli_at(report, "threads.n")), ==, 2);
  g_assert_cmpstr(json_string_value(cli_at(report, "threads.why")), ==, "--threads");
  g_assert_cmpuint(json_array_size(json_object_get(report, "cache_bytes")), ==, 3);
  g_assert_cmpfloat(json_number_value(json_object_get(report, "f32_peak_gflops")), >, 0);
  size_t i;
  guint n_used = 0;
  const json_t *product;
  json_array_foreach(json_object_get(report, "products"), i, product) {
    if (!json_is_true(json_object_get(product, "used")))
      continue;
    n_used++;
    g_assert_cmpstr(text_at(product, "isa"), ==, "scalar");
    g_assert_cmpfloat(json_number_value(json_object_get(product, "gops")), >, 0);
  }
  g_assert_cmpuint(n_used, >=, 3);
  json_decref(report);
}

static void refuses(int code, const char *said, const char *action, const char *first, const char *second)
{
  g_auto(CliResult) result = action ? cli_weft(NULL, "inspect", action, first, second, NULL) : cli_weft(NULL, "inspect", NULL);
  g_assert_cmpint(result.code, ==, code);
  g_assert_cmpstr(result.out, ==, "");
  cli_contains(result.err, said);
}

static void test_inspect_refuses(void)
{
  refuses(2, "what to look at is missing: plan or compute", NULL, NULL, NULL);
  refuses(2, "\"plam\" cannot be looked at; did you mean plan?", "plam", NULL, NULL);
  refuses(2, "plan: PIPELINE is missing", "plan", NULL, NULL);
  refuses(2, "compute: \"x\" is one argument too many", "compute", "x", NULL);
  refuses(2, "no node \"fusee\"; did you mean \"fuse\"?", "plan", "DIGITS/pipeline.yaml", "fusee");
  refuses(4, "nothing.yaml", "plan", "WORK/nothing.yaml", NULL);
  g_auto(CliResult) forced = cli_weft("WEFT_COMPUTE_ISA=sse9", "inspect", "plan", LINE, NULL);
  g_assert_cmpint(forced.code, ==, 4);
  cli_contains(forced.err, "WEFT_COMPUTE_ISA=sse9");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  cli_fixture_init();
  g_test_add_func("/inspect/plan_of_a_node", test_inspect_plan_of_a_node);
  g_test_add_func("/inspect/plans_of_a_pipeline", test_inspect_plans_of_a_pipeline);
  g_test_add_func("/inspect/compute", test_inspect_compute);
  g_test_add_func("/inspect/refuses", test_inspect_refuses);
  int result = g_test_run();
  cli_fixture_end();
  return result;
}
