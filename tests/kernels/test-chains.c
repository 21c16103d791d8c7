/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of operations on rows: random plans give the same bytes whatever is
 * fused (every value asked for: nothing; the last one only: everything that
 * can be), however many rows and threads there are, at every precision.
 */
#include "chain.h"
#include "host.h"
#include "models.h"
#include "provider.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct weft_compute *compute;

#define N_VALUES 24
#define ROWS_ALL 900

/* A plan on the rows of items and the weights that it names. */
struct random_plan {
  struct weft_nn_plan *builder;
  struct weft_plan plan;   /* every value an output */
  struct weft_plan ending; /* the last one or two only */
  GPtrArray *weights;
  weft_value values[N_VALUES];
  uint32_t n_values;
};

static weft_value weight(struct random_plan *r, int64_t rows, int64_t columns)
{
  float *data = test_normals((size_t)((rows ? rows : 1) * columns), rows ? 1 / sqrtf((float)columns) : 1);
  g_ptr_array_add(r->weights, data);
  struct weft_plan_weight w = {.data = data, .dtype = weft_f32(), .rank = rows ? 2 : 1,
                               .dims = {rows ? rows : columns, rows ? columns : 0}};
  return weft_nn_weight(r->builder, &w);
}

static weft_value any(const struct random_plan *r)
{
  return r->values[test_random(2) ? r->n_values - 1 : test_random(r->n_values)];
}

/* One as wide as x, or WEFT_NO_VALUE. */
static weft_value any_like(const struct random_plan *r, weft_value x)
{
  for (int i = 0; i < 8; i++) {
    weft_value y = any(r);
    if (weft_nn_width(r->builder, y) == weft_nn_width(r->builder, x))
      return y;
  }
  return WEFT_NO_VALUE;
}

static weft_value linear(struct random_plan *r, weft_value x)
{
  static const int64_t widths[] = {1, 8, 24, 24, 24, 40, 67};
  int64_t n = widths[test_random(G_N_ELEMENTS(widths))], k = weft_nn_width(r->builder, x);
  weft_value w = weight(r, n, k), bias = test_random(3) ? weight(r, 0, n) : WEFT_NO_VALUE, residual = WEFT_NO_VALUE;
  for (int i = 0; i < 4 && test_random(2); i++) {
    weft_value y = any(r);
    if (weft_nn_width(r->builder, y) == n)
      residual = y;
  }
  return weft_nn_linear(r->builder, x, w, bias, (int)test_random(2) ? (int)test_random(WEFT_N_ACT) : WEFT_ACT_NONE, residual);
}

static weft_value attention(struct random_plan *r, weft_value x)
{
  struct weft_nn_attention a = {.q = x, .k = any_like(r, x), .v = any_like(r, x), .n_heads = 1};
  a.n_heads = weft_nn_width(r->builder, x) % 4 ? 1 : 4;
  return a.k == WEFT_NO_VALUE || a.v == WEFT_NO_VALUE ? WEFT_NO_VALUE : weft_nn_attention(r->builder, &a);
}

/* One of the width of x, one number a row, or a weight. */
static weft_value second(struct random_plan *r, weft_value x)
{
  if (test_random(4) == 0)
    return weight(r, 0, weft_nn_width(r->builder, x));
  if (test_random(4) == 0)
    for (uint32_t i = 0; i < r->n_values; i++)
      if (weft_nn_width(r->builder, r->values[i]) == 1)
        return r->values[i];
  return any_like(r, x);
}

static weft_value step(struct random_plan *r)
{
  weft_value x = any(r), y;
  switch (test_random(12)) {
  case 0: return weft_nn_softmax(r->builder, x, .7);
  case 1: return weft_nn_scale(r->builder, x, .5, .1);
  case 2: return weft_nn_activation(r->builder, x, (int)test_random(WEFT_N_ACT));
  case 3: return attention(r, x);
  case 4: return weft_nn_layer_norm(r->builder, x, weight(r, 0, weft_nn_width(r->builder, x)), WEFT_NO_VALUE, 1e-5);
  case 5:
  case 6: return (y = second(r, x)) == WEFT_NO_VALUE ? y : weft_nn_add(r->builder, x, y);
  case 7: return (y = second(r, x)) == WEFT_NO_VALUE ? y : weft_nn_mul(r->builder, x, y);
  default: return linear(r, x);
  }
}

static void random_plan_init(struct random_plan *r)
{
  *r = (struct random_plan){.builder = weft_nn_plan_new(), .weights = g_ptr_array_new_with_free_func(free)};
  weft_value splits = weft_nn_input_splits(r->builder, "items");
  r->values[r->n_values++] = weft_nn_input(r->builder, "rows", weft_f32(), splits, 24);
  while (r->n_values < N_VALUES) {
    weft_value v = step(r);
    if (v == WEFT_NO_VALUE)
      continue;
    r->values[r->n_values++] = v;
    weft_nn_output(r->builder, v);
  }
  const struct weft_plan *plan = weft_nn_plan_finish(r->builder);
  if (!plan)
    g_error("%s", weft_nn_plan_error(r->builder));
  r->plan = r->ending = *plan;
  r->ending.n_outputs = 1 + test_random(2);
  r->ending.outputs += plan->n_outputs - r->ending.n_outputs;
}

static void random_plan_clear(struct random_plan *r)
{
  weft_nn_plan_free(r->builder);
  g_ptr_array_unref(r->weights);
}

static struct weft_program *compile(const struct weft_plan *plan, uint32_t n_threads, uint32_t precision)
{
  struct weft_program *program = NULL;
  g_assert_cmpint(weft_cpu_init(test_host(n_threads)), ==, WEFT_OK);
  if (compute->compile(NULL, plan, &(struct weft_compute_options){.precision = precision}, &program) != WEFT_OK)
    g_error("%s", test_host_message());
  return program;
}

/* Rows [first, end) of the items' data through a program; the last output, to be freed with free. */
static float *run(const struct weft_program *program, const struct weft_plan *plan, const float *rows,
                  const int64_t *splits, uint32_t n_items)
{
  int64_t *own = g_new(int64_t, n_items + 1u), limits[2] = {0, splits[n_items] - splits[0]};
  for (uint32_t i = 0; i <= n_items; i++)
    own[i] = splits[i] - splits[0];
  struct weft_compute_input inputs[] = {{own, 0}, {rows + splits[0] * 24, limits[1]}};
  struct weft_compute_output *outputs = g_new0(struct weft_compute_output, plan->n_outputs);
  for (uint32_t i = 0; i < plan->n_outputs; i++)
    outputs[i] = (struct weft_compute_output){.data = malloc((size_t)(limits[1] * 67 + 1) * sizeof(float)),
                                              .n_rows_max = limits[1]};
  uint64_t n_bytes;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){n_items, limits}, &n_bytes), ==, WEFT_OK);
  void *scratch = aligned_alloc(64, n_bytes + 64);
  memset(scratch, 0xff, n_bytes + 64);
  struct weft_compute_run r = {.n_items = n_items, .n_inputs = 2, .n_outputs = plan->n_outputs, .inputs = inputs,
                               .outputs = outputs, .scratch = scratch, .n_scratch_bytes = n_bytes};
  g_assert_cmpint(compute->run(program, &r), ==, WEFT_OK);
  for (uint32_t i = 0; i < 64; i++)
    g_assert_cmpuint(((uint8_t *)scratch)[n_bytes + i], ==, 0xff);
  float *last = outputs[plan->n_outputs - 1].data;
  for (uint32_t i = 0; i + 1 < plan->n_outputs; i++)
    free(outputs[i].data);
  free(scratch);
  g_free(outputs);
  g_free(own);
  return last;
}

/* What is no number may be another one of those: a sum of two has the first one's bits. */
static int same(const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
      return 0;
  return 1;
}

static void check(struct random_plan *r, uint32_t precision, const float *rows, const int64_t *splits, uint32_t n_items)
{
  struct weft_program *whole = compile(&r->plan, 1, precision);
  size_t width = (size_t)r->plan.values[r->plan.outputs[r->plan.n_outputs - 1]].dims[1];
  float *expected = run(whole, &r->plan, rows, splits, n_items);
  compute->free(whole);
  for (uint32_t n_threads = 1; n_threads <= 4; n_threads *= 2) {
    struct weft_program *program = compile(&r->ending, n_threads, precision);
    for (int round = 0; round < 3; round++) {
      uint32_t first = round ? test_random(n_items) : 0, n = round ? 1 + test_random(n_items - first) : n_items;
      float *found = run(program, &r->ending, rows, splits + first, n);
      size_t n_floats = (size_t)(splits[first + n] - splits[first]) * width;
      if (!same(found, expected + (size_t)splits[first] * width, n_floats))
        g_error("precision %u, %u threads: items [%u, %u) differ once the plan is fused", precision, n_threads, first,
                first + n);
      free(found);
    }
    compute->free(program);
  }
  free(expected);
}

static void check_isa(const char *isa)
{
  g_setenv("WEFT_COMPUTE_ISA", isa, TRUE);
  for (int k = 0; k < 3; k++) {
    struct random_plan r;
    random_plan_init(&r);
    int64_t splits[9] = {0};
    uint32_t n_items = 1 + test_random(8);
    for (uint32_t i = 0; i < n_items; i++)
      splits[i + 1] = test_random(4) ? splits[i] + test_random(ROWS_ALL / n_items) : splits[i];
    splits[n_items] = ROWS_ALL;
    float *rows = test_normals(ROWS_ALL * 24, 1);
    rows[test_random(ROWS_ALL * 24)] = NAN;
    rows[test_random(ROWS_ALL * 24)] = INFINITY;
    for (uint32_t precision = 0; precision < WEFT_N_PRECISIONS; precision++)
      check(&r, precision, rows, splits, n_items);
    free(rows);
    random_plan_clear(&r);
  }
}

static void test_chains_same_bytes(void)
{
  const char *isa;
  for (size_t i = 0; (isa = weft_cpu_isa_name(i)); i++) {
    int runs;
    weft_cpu_isa_find(isa, &runs);
    if (runs)
      check_isa(isa);
  }
}

/* x -> gate, up -> act(gate) up -> down + x -> norm: two phases of products for three of them, one buffer for none. */
static void test_chains_gate_and_residual_join_products(void)
{
  struct random_plan r = {.builder = weft_nn_plan_new(), .weights = g_ptr_array_new_with_free_func(free)};
  weft_value x = weft_nn_input(r.builder, "rows", weft_f32(), weft_nn_input_splits(r.builder, "items"), 24);
  weft_value gate = weft_nn_linear(r.builder, x, weight(&r, 40, 24), WEFT_NO_VALUE, WEFT_ACT_SILU, WEFT_NO_VALUE);
  weft_value up = weft_nn_linear(r.builder, x, weight(&r, 40, 24), WEFT_NO_VALUE, WEFT_ACT_NONE, WEFT_NO_VALUE);
  weft_value both = weft_nn_mul(r.builder, gate, up);
  weft_value down = weft_nn_linear(r.builder, both, weight(&r, 24, 40), WEFT_NO_VALUE, WEFT_ACT_NONE, WEFT_NO_VALUE);
  weft_value sum = weft_nn_add(r.builder, down, x);
  weft_nn_output(r.builder, weft_nn_layer_norm(r.builder, sum, weight(&r, 0, 24), WEFT_NO_VALUE, 1e-5));
  g_setenv("WEFT_COMPUTE_ISA", "scalar", TRUE);
  struct weft_program *program = compile(weft_nn_plan_finish(r.builder), 1, WEFT_PRECISION_F32);
  g_assert_cmpuint(program->n_groups, ==, 1);
  g_assert_cmpuint(program->n_buffers, ==, 0);
  g_assert_cmpuint(program->n_steps, ==, 4);
  uint32_t n_products = 0;
  for (uint32_t s = 0; s < program->n_steps; s++)
    n_products += program->steps[s].kind == WEFT_CPU_PRODUCT;
  g_assert_cmpuint(n_products, ==, 3);
  g_assert_cmpuint(program->steps[1].multiplier, ==, gate);
  g_assert_cmpuint(program->steps[1].out, ==, both);
  g_assert_cmpuint(program->steps[2].residual, ==, x);
  compute->free(program);
  random_plan_clear(&r);
}

/* 300 runs of random length leave the heap as it was. */
static void test_chains_runs_allocate_nothing(void)
{
  struct random_plan r;
  random_plan_init(&r);
  g_setenv("WEFT_COMPUTE_ISA", "scalar", TRUE);
  struct weft_program *program = compile(&r.ending, 1, WEFT_PRECISION_INT8);
  float *rows = test_normals(40 * 24, 1), *out[2] = {test_normals(40 * 67, 1), test_normals(40 * 67, 1)};
  int64_t limits[2] = {0, 40}, splits[3] = {0};
  uint64_t n_bytes;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){2, limits}, &n_bytes), ==, WEFT_OK);
  void *scratch = aligned_alloc(64, n_bytes + 64);
  struct weft_compute_input inputs[] = {{splits, 0}, {rows, 40}};
  struct weft_compute_output outputs[] = {{.data = out[0], .n_rows_max = 40}, {.data = out[1], .n_rows_max = 40}};
  struct weft_compute_run run = {.n_items = 2, .n_inputs = 2, .n_outputs = r.ending.n_outputs, .inputs = inputs,
                                 .outputs = outputs, .scratch = scratch, .n_scratch_bytes = n_bytes};
  int64_t live = test_host_live();
  size_t used = mallinfo2().uordblks;
  for (int i = 0; i < 300; i++) {
    splits[1] = test_random(21);
    splits[2] = splits[1] + test_random(20);
    g_assert_cmpint(compute->run(program, &run), ==, WEFT_OK);
  }
  g_assert_cmpint(test_host_live(), ==, live);
  g_assert_cmpuint(mallinfo2().uordblks, ==, used);
  free(scratch);
  free(rows);
  free(out[0]);
  free(out[1]);
  compute->free(program);
  random_plan_clear(&r);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  test_seed();
  compute = weft_cpu_table();
  g_test_add_func("/chains/same_bytes", test_chains_same_bytes);
  g_test_add_func("/chains/runs_allocate_nothing", test_chains_runs_allocate_nothing);
  g_test_add_func("/chains/gate_and_residual_join_products", test_chains_gate_and_residual_join_products);
  return g_test_run();
}
