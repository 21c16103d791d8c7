/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "host.h"
#include "provider.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fixture_init(struct fixture *f, const char *name)
{
  *f = (struct fixture){.name = name, .p = weft_nn_plan_new(), .weights = g_ptr_array_new_with_free_func(free),
                        .bar = 1e-5, .scale = 1};
}

static weft_value add_input(struct fixture *f, struct fixture_input input)
{
  g_assert_cmpuint(f->n_inputs, <, FIXTURE_INPUTS);
  f->inputs[f->n_inputs++] = input;
  return input.value;
}

weft_value fixture_splits_of(struct fixture *f, int64_t least, int64_t most, int64_t step)
{
  return add_input(f, (struct fixture_input){.value = weft_nn_input_splits(f->p, "splits"), .splits = WEFT_NO_VALUE,
                                             .rows_least = least, .rows_most = most, .rows_step = step});
}

weft_value fixture_splits(struct fixture *f, int64_t most)
{
  return fixture_splits_of(f, 0, most, 1);
}

weft_value fixture_rows(struct fixture *f, weft_value splits, int64_t d)
{
  return add_input(f, (struct fixture_input){.value = weft_nn_input(f->p, "x", weft_f32(), splits, d), .splits = splits,
                                             .width = d});
}

weft_value fixture_rows_each(struct fixture *f, int64_t n, int64_t d)
{
  weft_value splits = weft_nn_splits_uniform(f->p, n);
  return add_input(f, (struct fixture_input){.value = weft_nn_input(f->p, "x", weft_f32(), splits, d), .splits = splits,
                                             .width = d, .rows_each = n});
}

weft_value fixture_ids(struct fixture *f, weft_value splits, int64_t lowest, int64_t n)
{
  return add_input(f, (struct fixture_input){.value = weft_nn_input(f->p, "ids", weft_i32(), splits, 0), .splits = splits,
                                             .width = 1, .n_ids = n, .lowest = lowest});
}

weft_value fixture_weight(struct fixture *f, float scale, const int64_t dims[4])
{
  struct weft_plan_weight w = {.name = "w", .dtype = weft_f32()};
  size_t n = 1;
  for (; w.rank < 4 && dims[w.rank]; w.rank++) {
    w.dims[w.rank] = dims[w.rank];
    n *= (size_t)dims[w.rank];
  }
  float *data = test_normals(n, scale);
  g_ptr_array_add(f->weights, data);
  w.data = data;
  return weft_nn_weight(f->p, &w);
}

weft_value fixture_out(struct fixture *f, weft_value v)
{
  weft_nn_output(f->p, v);
  return v;
}

/* Items of every input, and their results. */
struct items {
  uint32_t n;
  void *data[FIXTURE_INPUTS];
  int64_t n_rows[FIXTURE_INPUTS];
  struct weft_compute_input inputs[FIXTURE_INPUTS];
};

static const int64_t *splits_of(const struct fixture *f, const struct items *items, uint32_t input)
{
  for (uint32_t i = 0; i < f->n_inputs; i++)
    if (f->inputs[i].value == f->inputs[input].splits)
      return items->data[i];
  return NULL;
}

/* Rows [*first, *end) of an item in an input of rows. */
static void rows_of(const struct fixture *f, const struct items *items, uint32_t input, uint32_t item, int64_t *first,
                    int64_t *end)
{
  const int64_t *splits = splits_of(f, items, input);
  int64_t each = f->inputs[input].rows_each ? f->inputs[input].rows_each : 1;
  *first = splits ? splits[item] : item * each;
  *end = splits ? splits[item + 1] : (item + 1) * each;
}

static void items_finish(const struct fixture *f, struct items *items)
{
  for (uint32_t i = 0; i < f->n_inputs; i++)
    items->inputs[i] = (struct weft_compute_input){items->data[i], items->n_rows[i]};
}

static void items_random(const struct fixture *f, struct items *items, uint32_t n)
{
  *items = (struct items){.n = n};
  for (uint32_t i = 0; i < f->n_inputs; i++) {
    const struct fixture_input *in = &f->inputs[i];
    if (in->rows_step) {
      int64_t *splits = items->data[i] = g_new0(int64_t, n + 1u);
      uint32_t choices = (uint32_t)((in->rows_most - in->rows_least) / in->rows_step + 1);
      for (uint32_t k = 0; k < n; k++)
        splits[k + 1] = splits[k] + in->rows_least + in->rows_step * test_random(choices);
      continue;
    }
    int64_t first, end = 0;
    if (n > 0)
      rows_of(f, items, i, n - 1, &first, &end);
    items->n_rows[i] = end;
    size_t n_elements = (size_t)(end * in->width);
    float *x = g_new(float, n_elements + 1);
    for (size_t k = 0; k < n_elements && !in->n_ids; k++)
      x[k] = f->scale * test_normal();
    for (size_t k = 0; k < n_elements && in->n_ids; k++) {
      int32_t id = (int32_t)in->lowest + (int32_t)test_random((uint32_t)in->n_ids);
      memcpy(x + k, &id, sizeof id);
    }
    items->data[i] = x;
  }
  items_finish(f, items);
}

static void items_pick(const struct fixture *f, struct items *items, const struct items *from, const uint32_t *which,
                       uint32_t n)
{
  *items = (struct items){.n = n};
  for (uint32_t i = 0; i < f->n_inputs; i++) {
    const struct fixture_input *in = &f->inputs[i];
    if (in->rows_step) {
      const int64_t *splits = from->data[i];
      int64_t *to = items->data[i] = g_new0(int64_t, n + 1u);
      for (uint32_t k = 0; k < n; k++)
        to[k + 1] = to[k] + splits[which[k] + 1] - splits[which[k]];
      continue;
    }
    GByteArray *bytes = g_byte_array_new();
    for (uint32_t k = 0; k < n; k++) {
      int64_t first, end;
      rows_of(f, from, i, which[k], &first, &end);
      g_byte_array_append(bytes, (const guint8 *)((const float *)from->data[i] + first * in->width),
                          (guint)((end - first) * in->width) * 4);
      items->n_rows[i] += end - first;
    }
    items->data[i] = g_byte_array_free(bytes, FALSE);
  }
  items_finish(f, items);
}

static void items_clear(const struct fixture *f, struct items *items)
{
  for (uint32_t i = 0; i < f->n_inputs; i++)
    g_free(items->data[i]);
}

/* One run; outputs in memory of their own, exactly as long as the rows. */
struct result {
  float **values;
  int64_t **splits;
  int64_t *n_rows;
  uint32_t n;
};

static void no_failure(void *data, uint32_t slot, weft_status status, const char *message)
{
  g_error("%s: item %u failed: %s", (const char *)data, slot, message);
}

static void run(const struct fixture *f, const struct weft_plan *plan, const struct weft_program *program,
                const struct items *items, const struct reference *sizes, struct result *result)
{
  const struct weft_compute *compute = weft_cpu_table();
  uint32_t n = plan->n_outputs;
  *result = (struct result){g_new0(float *, n), g_new0(int64_t *, n), g_new0(int64_t, n), n};
  struct weft_compute_output *outputs = g_new0(struct weft_compute_output, n);
  for (uint32_t i = 0; i < n; i++) {
    int64_t n_rows = sizes->n_rows[plan->outputs[i]];
    result->values[i] = g_new0(float, (gsize)(n_rows * weft_nn_width(f->p, plan->outputs[i])) + 1);
    result->splits[i] = g_new0(int64_t, items->n + 1u);
    outputs[i] = (struct weft_compute_output){.data = result->values[i], .splits = result->splits[i], .n_rows_max = n_rows};
  }
  uint64_t n_bytes;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){items->n, items->n_rows}, &n_bytes), ==, WEFT_OK);
  uint8_t *scratch = aligned_alloc(64, (n_bytes + 127) / 64 * 64);
  memset(scratch, 0xff, n_bytes + 64);
  struct weft_compute_run r = {.n_items = items->n, .n_inputs = plan->n_inputs, .n_outputs = n, .inputs = items->inputs,
                               .outputs = outputs, .scratch = scratch, .n_scratch_bytes = n_bytes,
                               .fail_item = no_failure, .fail_data = (void *)f->name};
  g_assert_cmpint(compute->run(program, &r), ==, WEFT_OK);
  for (size_t i = 0; i < 64; i++)
    g_assert_cmpuint(scratch[n_bytes + i], ==, 0xff);
  for (uint32_t i = 0; i < n; i++)
    result->n_rows[i] = outputs[i].n_rows;
  free(scratch);
  g_free(outputs);
}

static void result_clear(struct result *r)
{
  for (uint32_t i = 0; i < r->n; i++) {
    g_free(r->values[i]);
    g_free(r->splits[i]);
  }
  g_free(r->values);
  g_free(r->splits);
  g_free(r->n_rows);
}

static void compare(const struct fixture *f, const struct weft_plan *plan, const struct items *items,
                    const struct result *found, const struct reference *expected, const char *isa)
{
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    weft_value v = plan->outputs[i], splits = plan->values[v].splits;
    g_assert_cmpint(found->n_rows[i], ==, expected->n_rows[v]);
    if (splits != WEFT_NO_VALUE)
      g_assert_cmpmem(found->splits[i], (items->n + 1u) * sizeof(int64_t), expected->splits[splits],
                      (items->n + 1u) * sizeof(int64_t));
    size_t n = (size_t)(expected->n_rows[v] * weft_nn_width(f->p, v));
    double power = 0, worst = 0;
    for (size_t k = 0; k < n; k++) {
      double x = expected->data[v][k];
      double y = plan->values[v].dtype.code == WEFT_DTYPE_FLOAT ? (double)found->values[i][k]
                                                                : (double)((const int32_t *)(const void *)found->values[i])[k];
      g_assert_true(isfinite(y));
      power += x * x / (double)n;
      worst = MAX(worst, fabs(y - x));
    }
    if (!(worst <= f->bar * MAX(1, sqrt(power))))
      g_error("%s %s, output %u (value %u): error %g at RMS %g", f->name, isa, i, v, worst, sqrt(power));
  }
}

static void compare_item(const struct fixture *f, const struct weft_plan *plan, const struct result *all, uint32_t item,
                         const struct result *part, uint32_t at)
{
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    int ragged = plan->values[plan->outputs[i]].splits != WEFT_NO_VALUE;
    int64_t w = weft_nn_width(f->p, plan->outputs[i]);
    int64_t a = ragged ? all->splits[i][item] : item, a_end = ragged ? all->splits[i][item + 1] : item + 1;
    int64_t b = ragged ? part->splits[i][at] : at, b_end = ragged ? part->splits[i][at + 1] : at + 1;
    size_t n = (size_t)((a_end - a) * w) * sizeof(float);
    if (a_end - a != b_end - b || memcmp(all->values[i] + a * w, part->values[i] + b * w, n) != 0)
      g_error("%s: output %u of an item differs in another batch", f->name, i);
  }
}

static struct weft_program *compile(const struct fixture *f, const struct weft_plan *plan, const char *isa, uint32_t n_threads)
{
  struct weft_program *program = NULL;
  g_setenv("WEFT_COMPUTE_ISA", isa, TRUE);
  g_assert_cmpint(weft_cpu_init(test_host(n_threads)), ==, WEFT_OK);
  if (weft_cpu_table()->compile(NULL, plan, &(struct weft_compute_options){.precision = f->precision}, &program) != WEFT_OK)
    g_error("%s: %s", f->name, test_host_message());
  return program;
}

static void check_set(const struct fixture *f, const struct weft_plan *plan, const char *isa)
{
  struct weft_program *programs[] = {compile(f, plan, isa, 1), compile(f, plan, isa, 3)};
  for (uint32_t n = 0; n < 8; n = n * 2 + 1) {
    struct items items;
    struct reference expected;
    struct result all;
    items_random(f, &items, n);
    reference_run(&expected, plan, n, items.inputs);
    run(f, plan, programs[0], &items, &expected, &all);
    compare(f, plan, &items, &all, &expected, isa);
    for (uint32_t round = 0; round < 3 && n > 0; round++) {
      uint32_t which[8], m = round ? 1 + test_random(7) : 1;
      for (uint32_t i = 0; i < m; i++)
        which[i] = test_random(n);
      struct items some;
      struct reference sizes;
      struct result part;
      items_pick(f, &some, &items, which, m);
      reference_run(&sizes, plan, m, some.inputs);
      run(f, plan, programs[round % 2], &some, &sizes, &part);
      for (uint32_t i = 0; i < m; i++)
        compare_item(f, plan, &all, which[i], &part, i);
      reference_clear(&sizes);
      result_clear(&part);
      items_clear(f, &some);
    }
    reference_clear(&expected);
    result_clear(&all);
    items_clear(f, &items);
  }
  weft_cpu_table()->free(programs[0]);
  weft_cpu_table()->free(programs[1]);
}

void fixture_check(struct fixture *f)
{
  const struct weft_plan *plan = weft_nn_plan_finish(f->p);
  if (!plan)
    g_error("%s: %s", f->name, weft_nn_plan_error(f->p));
  for (size_t i = 0; i < G_N_ELEMENTS(test_isas); i++)
    if (test_isa_runs(test_isas[i]))
      check_set(f, plan, test_isas[i]);
  weft_nn_plan_free(f->p);
  g_ptr_array_unref(f->weights);
}
