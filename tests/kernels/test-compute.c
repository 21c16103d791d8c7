/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole plans on compute-cpu: against double precision at every layer, the
 * same bytes for any batch and any number of threads, and everything that can
 * be wrong with a run.
 */
#include "host.h"
#include "models.h"
#include "provider.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct weft_compute *compute;

/* What one run needs and gives. */
struct session {
  const struct model *model;
  struct weft_program *program;
  struct weft_compute_run run;
  float **values;          /* [n_outputs] */
  int64_t **splits;        /* [n_outputs] */
  uint64_t n_bytes;
  int n_failed;
  uint32_t failed_slot;
  char failed_message[WEFT_MESSAGE_BYTES];
};

static void note_failure(void *data, uint32_t slot, weft_status status, const char *message)
{
  struct session *s = data;
  g_assert_cmpint(status, ==, WEFT_BAD_INPUT);
  s->n_failed++;
  s->failed_slot = slot;
  g_strlcpy(s->failed_message, message, sizeof s->failed_message);
}

static struct weft_program *compile_at(const struct model *model, const char *isa, uint32_t n_threads, uint32_t precision)
{
  struct weft_program *program = NULL;
  g_setenv("WEFT_COMPUTE_ISA", isa, TRUE);
  g_assert_cmpint(weft_cpu_init(test_host(n_threads)), ==, WEFT_OK);
  weft_status status = compute->compile(NULL, model->plan, &(struct weft_compute_options){.precision = precision}, &program);
  if (status != WEFT_OK)
    g_error("%s: %s", model->name, test_host_message());
  return program;
}

static struct weft_program *compile(const struct model *model, const char *isa, uint32_t n_threads)
{
  return compile_at(model, isa, n_threads, WEFT_PRECISION_F32);
}

static uint64_t scratch_for(const struct weft_program *program, const struct model *model, const struct batch *batch)
{
  int64_t rows[2] = {batch->inputs[0].n_rows, batch->inputs[1].n_rows};
  uint64_t n_bytes;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){batch->n_items, rows}, &n_bytes), ==, WEFT_OK);
  return n_bytes;
}

static void session_init(struct session *s, const struct model *model, struct weft_program *program,
                         const struct batch *batch)
{
  const struct weft_plan *plan = model->plan;
  *s = (struct session){.model = model, .program = program};
  s->values = g_new0(float *, plan->n_outputs);
  s->splits = g_new0(int64_t *, plan->n_outputs);
  s->n_bytes = scratch_for(program, model, batch);
  struct weft_compute_output *outputs = g_new0(struct weft_compute_output, plan->n_outputs);
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    int64_t n = (batch->splits[batch->n_items] + 200 * (int64_t)batch->n_items) + 1;
    s->values[i] = g_new(float, (gsize)(n * plan->values[plan->outputs[i]].dims[1]));
    s->splits[i] = g_new0(int64_t, batch->n_items + 1u);
    outputs[i] = (struct weft_compute_output){.data = s->values[i], .splits = s->splits[i], .n_rows_max = n};
  }
  void *scratch = aligned_alloc(64, (s->n_bytes + 127) / 64 * 64);
  memset(scratch, 0xff, s->n_bytes + 64); /* NaN everywhere: what is read before it is written shows */
  s->run = (struct weft_compute_run){.n_items = batch->n_items, .n_inputs = plan->n_inputs,
                                     .n_outputs = plan->n_outputs, .inputs = batch->inputs, .outputs = outputs,
                                     .scratch = scratch, .n_scratch_bytes = s->n_bytes, .fail_item = note_failure,
                                     .fail_data = s};
}

static void session_clear(struct session *s)
{
  for (size_t i = 0; i < 64; i++)
    g_assert_cmpuint(((uint8_t *)s->run.scratch)[s->n_bytes + i], ==, 0xff);
  for (uint32_t i = 0; i < s->model->plan->n_outputs; i++) {
    g_free(s->values[i]);
    g_free(s->splits[i]);
  }
  g_free(s->values);
  g_free(s->splits);
  g_free(s->run.outputs);
  free(s->run.scratch);
}

static void check_outputs(const struct session *s, const struct reference *expected)
{
  const struct weft_plan *plan = s->model->plan;
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    weft_value v = plan->outputs[i];
    g_assert_cmpint(s->run.outputs[i].n_rows, ==, expected->n_rows[v]);
    if (plan->values[v].splits != WEFT_NO_VALUE)
      g_assert_cmpmem(s->splits[i], (s->run.n_items + 1u) * sizeof(int64_t), expected->splits[plan->values[v].splits],
                      (s->run.n_items + 1u) * sizeof(int64_t));
    size_t n = (size_t)(expected->n_rows[v] * plan->values[v].dims[1]);
    double power = 0, worst = 0;
    for (size_t k = 0; k < n; k++) {
      g_assert_true(isfinite(s->values[i][k]));
      power += expected->data[v][k] * expected->data[v][k] / (double)n;
      worst = MAX(worst, fabs(s->values[i][k] - expected->data[v][k]));
    }
    if (!(worst <= 1e-5 * MAX(1, sqrt(power))))
      g_error("%s, output %u (value %u): error %g at RMS %g", s->model->name, i, v, worst, sqrt(power));
  }
}

static void (*const makers[])(struct model *) = {model_vit, model_ast, model_bert, model_fusion};

static void each_model(void (*check)(const struct model *model, const char *isa))
{
  for (size_t k = 0; k < G_N_ELEMENTS(makers); k++) {
    struct model model;
    makers[k](&model);
    for (size_t i = 0; i < G_N_ELEMENTS(test_isas); i++)
      if (test_isa_runs(test_isas[i]))
        check(&model, test_isas[i]);
    model_clear(&model);
  }
}

static void check_layers(const struct model *model, const char *isa)
{
  for (uint32_t n_items = 0; n_items < 6; n_items++) {
    struct batch batch;
    batch_random(&batch, model, n_items);
    struct weft_program *program = compile(model, isa, 2);
    struct session s;
    struct reference expected;
    session_init(&s, model, program, &batch);
    g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_OK);
    g_assert_cmpint(s.n_failed, ==, 0);
    reference_run(&expected, model->plan, n_items, batch.inputs);
    check_outputs(&s, &expected);
    reference_clear(&expected);
    session_clear(&s);
    compute->free(program);
    batch_clear(&batch);
  }
}

static void test_compute_layers_match(void)
{
  each_model(check_layers);
}

/*
 * The last output of several columns (a single one may be next to nothing, and less than what its rounding loses): its
 * noise to signal at every precision, with the loss of formats adding up over two blocks of random layers. Of 1,800
 * seeds the worst has 2e-13, 5e-5, 8e-4 and 5e-2.
 */
static void check_precisions(const struct model *model, const char *isa)
{
  static const double bars[WEFT_N_PRECISIONS] = {1e-12, 2e-4, 3e-3, .1};
  struct batch batch;
  batch_random(&batch, model, 5);
  struct reference expected;
  reference_run(&expected, model->plan, batch.n_items, batch.inputs);
  for (uint32_t precision = 0; precision < WEFT_N_PRECISIONS; precision++) {
    struct weft_program *program = compile_at(model, isa, 2, precision);
    struct session s;
    session_init(&s, model, program, &batch);
    g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_OK);
    uint32_t o = model->plan->n_outputs - 1;
    while (o > 0 && model->plan->values[model->plan->outputs[o]].dims[1] < 2)
      o--;
    weft_value v = model->plan->outputs[o];
    size_t n = (size_t)(expected.n_rows[v] * model->plan->values[v].dims[1]);
    double power = 0, noise = 0;
    for (size_t k = 0; k < n; k++) {
      power += expected.data[v][k] * expected.data[v][k];
      noise += pow(s.values[o][k] - expected.data[v][k], 2);
    }
    if (!(noise <= bars[precision] * power))
      g_error("%s %s, precision %u: noise to signal %g", model->name, isa, precision, noise / power);
    session_clear(&s);
    compute->free(program);
  }
  reference_clear(&expected);
  batch_clear(&batch);
}

static void test_compute_precisions(void)
{
  each_model(check_precisions);
}

/* Rows of one item in an output: where they begin, and how many floats. */
static const float *item_rows(const struct session *s, uint32_t output, uint32_t item, size_t *n)
{
  const struct weft_plan_value *v = &s->model->plan->values[s->model->plan->outputs[output]];
  int64_t begin = v->splits == WEFT_NO_VALUE ? item : s->splits[output][item];
  int64_t end = v->splits == WEFT_NO_VALUE ? item + 1 : s->splits[output][item + 1];
  *n = (size_t)((end - begin) * v->dims[1]);
  return s->values[output] + begin * v->dims[1];
}

static void same_bytes_at(const struct model *model, const char *isa, uint32_t precision)
{
  const uint32_t n_all = 24;
  struct batch all;
  struct session whole;
  batch_random(&all, model, n_all);
  struct weft_program *programs[] = {compile_at(model, isa, 1, precision), compile_at(model, isa, 2, precision),
                                     compile_at(model, isa, 4, precision)};
  session_init(&whole, model, programs[0], &all);
  g_assert_cmpint(compute->run(programs[0], &whole.run), ==, WEFT_OK);
  for (uint32_t round = 0; round < 12; round++) {
    uint32_t which[24], n_items = round < 2 ? 1 : 1 + test_random(n_all);
    for (uint32_t i = 0; i < n_items; i++)
      which[i] = test_random(n_all);
    struct batch some;
    struct session part;
    batch_pick(&some, model, &all, which, n_items);
    struct weft_program *program = programs[round % G_N_ELEMENTS(programs)];
    session_init(&part, model, program, &some);
    for (uint32_t o = 0; o + 1 < model->plan->n_outputs && round % 2; o++)
      if (test_random(2))
        part.run.outputs[o].data = NULL;
    g_assert_cmpint(compute->run(program, &part.run), ==, WEFT_OK);
    for (uint32_t o = 0; o < model->plan->n_outputs; o++)
      for (uint32_t i = 0; part.run.outputs[o].data && i < n_items; i++) {
        size_t n, m;
        const float *found = item_rows(&part, o, i, &n), *expected = item_rows(&whole, o, which[i], &m);
        if (n != m || memcmp(found, expected, n * sizeof *found) != 0)
          g_error("%s %s, precision %u: output %u of an item differs in a batch of %u", model->name, isa, precision, o,
                  n_items);
      }
    session_clear(&part);
    batch_clear(&some);
  }
  session_clear(&whole);
  batch_clear(&all);
  for (size_t i = 0; i < G_N_ELEMENTS(programs); i++)
    compute->free(programs[i]);
}

static void check_same_bytes(const struct model *model, const char *isa)
{
  for (uint32_t precision = 0; precision < WEFT_N_PRECISIONS; precision++)
    same_bytes_at(model, isa, precision);
}

static void test_compute_same_bytes(void)
{
  each_model(check_same_bytes);
}

/* Runs model_bert on two items, the first of which has `ids`. */
static void run_bert(struct session *s, const int32_t *ids, uint32_t n_ids, weft_status expected)
{
  struct model model;
  struct batch batch;
  model_bert(&model);
  batch_random(&batch, &model, 2);
  int64_t splits[3] = {0, n_ids, n_ids + 2};
  int32_t *data = g_new0(int32_t, n_ids + 2u);
  memcpy(data, ids, n_ids * sizeof *data);
  memcpy(batch.splits, splits, sizeof splits);
  batch.inputs[1] = (struct weft_compute_input){data, splits[2]};
  struct weft_program *program = compile(&model, "scalar", 1);
  session_init(s, &model, program, &batch);
  g_assert_cmpint(compute->run(program, &s->run), ==, expected);
  size_t n;
  const float *good = item_rows(s, model.plan->n_outputs - 1, 1, &n);
  for (size_t i = 0; i < n; i++)
    g_assert_true(isfinite(good[i]));
  session_clear(s);
  compute->free(program);
  batch_clear(&batch);
  g_free(data);
  model_clear(&model);
}

static void test_compute_bad_id_fails_its_item(void)
{
  static const int32_t bad[] = {101, -1, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    struct session s;
    int32_t ids[] = {3, bad[i], 5, bad[i]};
    run_bert(&s, ids, 4, WEFT_OK);
    g_assert_cmpint(s.n_failed, ==, 1);
    g_assert_cmpuint(s.failed_slot, ==, 0);
    g_assert_nonnull(strstr(s.failed_message, "row 1: id "));
    g_assert_nonnull(strstr(s.failed_message, "has 101 rows"));
  }
  struct session s;
  run_bert(&s, (const int32_t[]){0, 100}, 2, WEFT_OK);
  g_assert_cmpint(s.n_failed, ==, 0);
}

static void test_compute_positions_at_and_beyond_the_limit(void)
{
  int32_t ids[200] = {0};
  struct session s;
  run_bert(&s, ids, 37, WEFT_OK);
  g_assert_cmpint(s.n_failed, ==, 0);
  run_bert(&s, ids, 38, WEFT_OK);
  g_assert_cmpint(s.n_failed, ==, 1);
  g_assert_nonnull(strstr(s.failed_message, "38 rows, and the model has 37 positions"));
  run_bert(&s, ids, 200, WEFT_OK);
  g_assert_cmpint(s.n_failed, ==, 1);
}

static void test_compute_row_missing_fails_its_item(void)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  struct model model = {.name = "select", .builder = p};
  weft_value x = weft_nn_input(p, "x", weft_f32(), weft_nn_input_splits(p, "s"), 2);
  weft_nn_output(p, weft_nn_select_row(p, x, 1));
  model.plan = weft_nn_plan_finish(p);
  struct weft_program *program = compile(&model, "scalar", 1);
  float data[] = {1, 2, 3, 4, 5, 6}, out[6];
  int64_t splits[] = {0, 2, 3, 3}, rows[] = {0, 3};
  _Alignas(64) uint8_t scratch[4096];
  uint64_t n_bytes;
  compute->scratch(program, &(struct weft_compute_limits){3, rows}, &n_bytes);
  g_assert_cmpuint(n_bytes, <=, sizeof scratch);
  struct session s = {0};
  struct weft_compute_input inputs[] = {{splits, 0}, {data, 3}};
  struct weft_compute_output output = {.data = out, .n_rows_max = 3};
  struct weft_compute_run run = {.n_items = 3, .n_inputs = 2, .n_outputs = 1, .inputs = inputs, .outputs = &output,
                                 .scratch = scratch, .n_scratch_bytes = n_bytes, .fail_item = note_failure,
                                 .fail_data = &s};
  g_assert_cmpint(compute->run(program, &run), ==, WEFT_OK);
  g_assert_cmpint(s.n_failed, ==, 2);
  g_assert_cmpuint(s.failed_slot, ==, 2);
  g_assert_cmpfloat(out[0], ==, 3);
  g_assert_cmpfloat(out[1], ==, 4);
  compute->free(program);
  weft_nn_plan_free(p);
}

static void test_compute_picture_of_wrong_size_fails_its_item(void)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  struct model model = {.name = "conv", .builder = p};
  float kernel[4] = {1, 1, 1, 1};
  struct weft_plan_weight w = {.data = kernel, .dtype = weft_f32(), .rank = 4, .dims = {1, 1, 2, 2}};
  weft_value x = weft_nn_input(p, "x", weft_f32(), weft_nn_input_splits(p, "s"), 1);
  struct weft_nn_conv2d conv = {.height = 2, .width = 4, .channels = 1, .kernel_y = 2, .kernel_x = 2, .stride_y = 2,
                                .stride_x = 2};
  weft_nn_output(p, weft_nn_conv2d(p, x, &conv, weft_nn_weight(p, &w), WEFT_NO_VALUE));
  model.plan = weft_nn_plan_finish(p);
  struct weft_program *program = compile(&model, "scalar", 1);
  float data[15] = {1, 1, 2, 2, 1, 1, 2, 2}, out[4];
  int64_t splits[] = {0, 8, 15}, rows[] = {0, 15};
  _Alignas(64) uint8_t scratch[4096];
  uint64_t n_bytes;
  compute->scratch(program, &(struct weft_compute_limits){2, rows}, &n_bytes);
  g_assert_cmpuint(n_bytes, <=, sizeof scratch);
  struct session s = {0};
  struct weft_compute_input inputs[] = {{splits, 0}, {data, 15}};
  struct weft_compute_output output = {.data = out, .n_rows_max = 4};
  struct weft_compute_run run = {.n_items = 2, .n_inputs = 2, .n_outputs = 1, .inputs = inputs, .outputs = &output,
                                 .scratch = scratch, .n_scratch_bytes = n_bytes, .fail_item = note_failure,
                                 .fail_data = &s};
  g_assert_cmpint(compute->run(program, &run), ==, WEFT_OK);
  g_assert_cmpint(s.n_failed, ==, 1);
  g_assert_cmpuint(s.failed_slot, ==, 1);
  g_assert_cmpfloat(out[0], ==, 4);
  g_assert_cmpfloat(out[1], ==, 8);
  compute->free(program);
  weft_nn_plan_free(p);
}

static void test_compute_run_refused(void)
{
  struct model model;
  struct batch batch;
  struct session s;
  model_fusion(&model);
  batch_random(&batch, &model, 3);
  batch.splits[1] = 5, batch.splits[2] = 5, batch.splits[3] = 9;
  batch.inputs[1].n_rows = 9;
  struct weft_program *program = compile(&model, "scalar", 1);
  session_init(&s, &model, program, &batch);
  s.run.n_scratch_bytes = s.n_bytes - 1;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_CONTRACT);
  s.run.n_scratch_bytes = 0;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_CONTRACT);
  s.run.n_scratch_bytes = s.n_bytes;
  s.run.n_inputs = 1;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_CONTRACT);
  s.run.n_inputs = 2;
  s.run.outputs[0].n_rows_max = 2;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_CONTRACT);
  s.run.outputs[0].n_rows_max = 3;
  batch.splits[2] = 4;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_BAD_INPUT);
  batch.splits[2] = 5, batch.splits[0] = 1;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_BAD_INPUT);
  batch.splits[0] = 0, batch.inputs[1].n_rows = 8;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_BAD_INPUT);
  batch.inputs[1].n_rows = 9;
  uint32_t cancel = 1;
  s.run.cancel = &cancel;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_CANCELLED);
  cancel = 0;
  g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_OK);
  session_clear(&s);
  compute->free(program);
  batch_clear(&batch);
  model_clear(&model);
}

static void cancel_at_failure(void *data, uint32_t slot, weft_status status, const char *message)
{
  *(uint32_t *)data = 1;
}

/* Cancelled in the middle, at the first operation that looks at ids: no output is touched after it. */
static void test_compute_cancelled_in_between(void)
{
  struct model model;
  struct batch batch;
  struct session s;
  model_bert(&model);
  batch_random(&batch, &model, 8);
  batch.splits[8] = batch.splits[7] + 1;
  batch.inputs[1].n_rows = batch.splits[8];
  int32_t *ids = g_new0(int32_t, batch.splits[8]);
  memcpy(ids, batch.data, (gsize)batch.splits[7] * sizeof *ids);
  ids[batch.splits[7]] = -1;
  batch.inputs[1].data = ids;
  for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
    struct weft_program *program = compile(&model, "scalar", n_threads);
    session_init(&s, &model, program, &batch);
    uint32_t cancel = 0, last = model.plan->n_outputs - 1;
    s.run.cancel = &cancel;
    s.run.fail_item = cancel_at_failure;
    s.run.fail_data = &cancel;
    s.values[last][0] = 4711;
    g_assert_cmpint(compute->run(program, &s.run), ==, WEFT_CANCELLED);
    g_assert_cmpfloat(s.values[last][0], ==, 4711);
    session_clear(&s);
    compute->free(program);
  }
  g_free(ids);
  batch_clear(&batch);
  model_clear(&model);
}

static void test_compute_scratch_limits(void)
{
  struct model model;
  model_bert(&model);
  struct weft_program *program = compile(&model, "scalar", 1);
  uint64_t n_bytes;
  int64_t rows[2] = {0, 100};
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){4, rows}, &n_bytes), ==, WEFT_OK);
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){-1, rows}, &n_bytes), ==, WEFT_BAD_CONFIG);
  rows[1] = -1;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){4, rows}, &n_bytes), ==, WEFT_BAD_CONFIG);
  rows[1] = INT64_C(1) << 46;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){4, rows}, &n_bytes), ==, WEFT_BAD_CONFIG);
  rows[1] = INT64_MAX;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){4, rows}, &n_bytes), ==, WEFT_BAD_CONFIG);
  compute->free(program);
  model_clear(&model);
}

/* 2^31 rows an item, each 4 bytes: 2^15 items are the most (and 2^15 - 1 with what else a run needs). */
static void test_compute_rows_beyond_memory(void)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  struct model model = {.name = "rows", .builder = p};
  weft_value x = weft_nn_input(p, "x", weft_f32(), weft_nn_splits_uniform(p, INT64_C(1) << 31), 1);
  weft_nn_output(p, weft_nn_mean_rows(p, weft_nn_scale(p, x, 2, 0)));
  model.plan = weft_nn_plan_finish(p);
  struct weft_program *program = compile(&model, "scalar", 1);
  int64_t rows = 0;
  uint64_t n_bytes;
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){(1 << 15) - 1, &rows}, &n_bytes), ==, WEFT_OK);
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){1 << 15, &rows}, &n_bytes), ==,
                  WEFT_BAD_CONFIG);
  g_assert_cmpint(compute->scratch(program, &(struct weft_compute_limits){1 << 18, &rows}, &n_bytes), ==,
                  WEFT_BAD_CONFIG);
  const uint64_t room = 4 << 20;
  void *scratch = aligned_alloc(64, room);
  float data[1] = {0};
  struct weft_compute_input input = {data, INT64_MAX};
  struct weft_compute_output output = {0};
  struct weft_compute_run run = {.n_items = 1 << 18, .n_inputs = 1, .n_outputs = 1, .inputs = &input,
                                 .outputs = &output, .scratch = scratch, .n_scratch_bytes = room};
  g_assert_cmpint(compute->run(program, &run), ==, WEFT_CONTRACT);
  free(scratch);
  compute->free(program);
  weft_nn_plan_free(p);
}

static void test_compute_half_weights(void)
{
  static const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x0400, 0x8000};
  static const float half_values[] = {1, -2, 0x1p-24f, 65504, 0x1p-14f, -0.f};
  static const uint16_t brain[] = {0x3f80, 0xc000, 0x0080, 0x7f7f, 0x4049, 0x8000};
  static const float brain_values[] = {1, -2, 0x1p-126f, 0x1.fep127f, 3.140625f, -0.f};
  for (int is_half = 0; is_half < 2; is_half++) {
    struct weft_nn_plan *p = weft_nn_plan_new();
    struct model model = {.name = "half", .builder = p};
    /* an odd address: files promise no alignment */
    uint8_t bytes[1 + sizeof half];
    memcpy(bytes + 1, is_half ? half : brain, sizeof half);
    struct weft_plan_weight w = {.data = bytes, .offset = 1, .rank = 2, .dims = {6, 1},
                                 .dtype = weft_dtype_of(is_half ? WEFT_DTYPE_FLOAT : WEFT_DTYPE_BFLOAT, 16)};
    weft_value ids = weft_nn_input(p, "ids", weft_i32(), WEFT_NO_VALUE, 0), table = weft_nn_weight(p, &w);
    weft_value x = weft_nn_embedding(p, ids, table);
    weft_nn_output(p, x);
    weft_nn_output(p, weft_nn_linear(p, x, table, WEFT_NO_VALUE, WEFT_ACT_NONE, WEFT_NO_VALUE));
    model.plan = weft_nn_plan_finish(p);
    struct weft_program *program = compile(&model, "scalar", 1);
    _Alignas(64) uint8_t scratch[4096];
    const int32_t data[] = {0, 1, 2, 3, 4, 5};
    float out[6], product[36];
    struct weft_compute_input input = {data, 6};
    struct weft_compute_output outputs[] = {{.data = out, .n_rows_max = 6}, {.data = product, .n_rows_max = 6}};
    struct weft_compute_run run = {.n_items = 6, .n_inputs = 1, .n_outputs = 2, .inputs = &input, .outputs = outputs,
                                   .scratch = scratch, .n_scratch_bytes = sizeof scratch};
    g_assert_cmpint(compute->run(program, &run), ==, WEFT_OK);
    const float *expected = is_half ? half_values : brain_values;
    for (int i = 0; i < 6; i++) {
      g_assert_cmpfloat(out[i], ==, expected[i]);
      g_assert_cmpfloat(product[i], ==, expected[i]);
      g_assert_cmpfloat(product[6 + i], ==, -2 * expected[i]);
    }
    compute->free(program);
    weft_nn_plan_free(p);
  }
}

/* Every allocation of compile fails once: a status each time, nothing left behind. */
static void test_compute_no_memory(void)
{
  struct model model;
  model_bert(&model);
  g_setenv("WEFT_COMPUTE_ISA", "scalar", TRUE);
  weft_cpu_init(test_host(1));
  int64_t before = test_host_live(), k = 1;
  for (;; k++) {
    struct weft_program *program = NULL;
    test_host_fail_at(k);
    weft_status status = compute->compile(NULL, model.plan, NULL, &program);
    test_host_fail_at(0);
    compute->free(program);
    g_assert_cmpint(test_host_live(), ==, before);
    if (status == WEFT_OK)
      break;
    g_assert_cmpint(status, ==, WEFT_NO_MEMORY);
  }
  g_assert_cmpint(k, >, 5);
  compute->free(NULL);
  model_clear(&model);
}

static void test_compute_offers(void)
{
  g_assert_cmpuint(compute->size, ==, sizeof *compute);
  g_assert_true(compute->supports(WEFT_OP_LINEAR, WEFT_PRECISION_F32));
  g_assert_false(compute->supports(WEFT_OP_LINEAR, 7));
  g_assert_false(compute->supports(WEFT_OP_GROUP_NORM + 1, WEFT_PRECISION_F32));
  g_setenv("WEFT_COMPUTE_ISA", "sse9", TRUE);
  g_assert_cmpint(weft_cpu_init(test_host(1)), ==, WEFT_OK);
  struct model model;
  struct weft_program *program;
  model_fusion(&model);
  g_assert_cmpint(compute->compile(NULL, model.plan, NULL, &program), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(test_host_message(), "WEFT_COMPUTE_ISA=sse9"));
  g_setenv("WEFT_COMPUTE_ISA", "scalar", TRUE);
  weft_cpu_init(test_host(1));
  g_assert_cmpstr(compute->fingerprint, ==, "compute-cpu 0.1.0 scalar");
  g_assert_cmpint(compute->compile(NULL, model.plan, &(struct weft_compute_options){.precision = WEFT_N_PRECISIONS}, &program), ==,
                  WEFT_UNSUPPORTED);
  model_clear(&model);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  test_seed();
  compute = weft_cpu_table();
  g_test_add_func("/compute/layers_match", test_compute_layers_match);
  g_test_add_func("/compute/precisions", test_compute_precisions);
  g_test_add_func("/compute/same_bytes", test_compute_same_bytes);
  g_test_add_func("/compute/bad_id_fails_its_item", test_compute_bad_id_fails_its_item);
  g_test_add_func("/compute/positions_at_and_beyond_the_limit", test_compute_positions_at_and_beyond_the_limit);
  g_test_add_func("/compute/row_missing_fails_its_item", test_compute_row_missing_fails_its_item);
  g_test_add_func("/compute/picture_of_wrong_size_fails_its_item", test_compute_picture_of_wrong_size_fails_its_item);
  g_test_add_func("/compute/run_refused", test_compute_run_refused);
  g_test_add_func("/compute/cancelled_in_between", test_compute_cancelled_in_between);
  g_test_add_func("/compute/scratch_limits", test_compute_scratch_limits);
  g_test_add_func("/compute/rows_beyond_memory", test_compute_rows_beyond_memory);
  g_test_add_func("/compute/half_weights", test_compute_half_weights);
  g_test_add_func("/compute/no_memory", test_compute_no_memory);
  g_test_add_func("/compute/offers", test_compute_offers);
  return g_test_run();
}
