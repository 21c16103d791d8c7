/* SPDX-License-Identifier: Apache-2.0 */
#include "planrun.h"

#include "hosttable.h"
#include "manifest.h"

#include <math.h>
#include <string.h>
#include <weft/operations.h>

#define ROWS_MAX 48

/* ---- inputs that are made up ---- */

/* Rows that an item may have: tables of positions end somewhere. */
static gint64 longest(const struct weft_plan *plan)
{
  gint64 most = ROWS_MAX;
  for (guint o = 0; o < plan->n_ops; o++)
    if (plan->ops[o].code == WEFT_OP_ADD_POSITION)
      most = MIN(most, plan->values[plan->ops[o].inputs[1]].dims[0] - plan->ops[o].ints[0]);
  return MAX(most / 2, 1);
}

/* Ids that an input may hold: rows of the smallest table that it indexes. 0: it indexes none. */
static gint64 n_ids(const struct weft_plan *plan, weft_value v)
{
  gint64 n = 0;
  for (guint o = 0; o < plan->n_ops; o++)
    if (plan->ops[o].code == WEFT_OP_EMBEDDING && plan->ops[o].inputs[0] == v) {
      gint64 rows = plan->values[plan->ops[o].inputs[1]].dims[0];
      n = n ? MIN(n, rows) : rows;
    }
  return n;
}

static gsize width_of(const struct weft_plan_value *v)
{
  gsize width = 1;
  for (guint d = 1; d < v->rank; d++)
    width *= (gsize)v->dims[d];
  return width;
}

static float gaussian(GRand *random)
{
  double u = g_rand_double_range(random, 1e-9, 1), v = g_rand_double(random);
  return (float)(sqrt(-2 * log(u)) * cos(2 * G_PI * v));
}

static void *rows_new(const struct weft_plan *plan, weft_value v, gint64 n_rows, GRand *random)
{
  gsize n = (gsize)n_rows * width_of(&plan->values[v]);
  gint64 ids = n_ids(plan, v);
  if (plan->values[v].dtype.code == WEFT_DTYPE_INT) {
    gint32 *data = g_new0(gint32, n + 1);
    for (gsize i = 0; ids && i < n; i++)
      data[i] = g_rand_int_range(random, 0, (gint32)MIN(ids, G_MAXINT32));
    return data;
  }
  float *data = g_new(float, n + 1);
  for (gsize i = 0; i < n; i++)
    data[i] = gaussian(random);
  return data;
}

WeftPlanInputs *weft_plan_inputs_new(const struct weft_plan *plan, guint n_items, guint32 seed)
{
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  g_autofree gint64 *splits = g_new0(gint64, n_items + 1);
  gint32 most = (gint32)longest(plan);
  for (guint i = 0; i < n_items; i++)
    splits[i + 1] = splits[i] + g_rand_int_range(random, 1, most + 1);
  WeftPlanInputs *inputs = g_new0(WeftPlanInputs, 1);
  *inputs = (WeftPlanInputs){n_items, g_new0(void *, plan->n_inputs + 1), g_new0(gint64, plan->n_inputs + 1), plan->n_inputs};
  for (guint i = 0; i < plan->n_inputs; i++) {
    const struct weft_plan_value *v = &plan->values[plan->inputs[i]];
    if (v->kind == WEFT_VALUE_SPLITS) {
      inputs->data[i] = g_memdup2(splits, (n_items + 1) * sizeof *splits);
      continue;
    }
    inputs->n_rows[i] = v->splits == WEFT_NO_VALUE ? n_items : splits[n_items];
    inputs->data[i] = rows_new(plan, plan->inputs[i], inputs->n_rows[i], random);
  }
  return inputs;
}

/* ---- how many rows values have ---- */

/* [n_values] rows of all items behind each splits. */
static gint64 *count_rows(const struct weft_plan *plan, const WeftPlanInputs *inputs)
{
  gint64 *rows = g_new0(gint64, plan->n_values + 1);
  g_autofree gint64 **lengths = g_new0(gint64 *, plan->n_values + 1);
  guint n = inputs->n_items;
  for (guint i = 0; i < plan->n_inputs; i++) {
    weft_value v = plan->inputs[i];
    if (plan->values[v].kind != WEFT_VALUE_SPLITS)
      continue;
    const gint64 *splits = inputs->data[i];
    lengths[v] = g_new0(gint64, n + 1);
    for (guint k = 0; k < n; k++)
      lengths[v][k] = splits[k + 1] - splits[k];
  }
  for (guint o = 0; o < plan->n_ops; o++) {
    const struct weft_plan_op *op = &plan->ops[o];
    if (op->code > WEFT_OP_SPLITS_SLICE)
      continue;
    gint64 *to = lengths[op->outputs[0]] = g_new0(gint64, n + 1);
    const gint64 *from = op->code == WEFT_OP_SPLITS_UNIFORM ? NULL : lengths[op->inputs[0]];
    for (guint k = 0; k < n; k++)
      to[k] = !from ? op->ints[0] : op->code == WEFT_OP_SPLITS_ADD ? from[k] + op->ints[0]
              : MAX(0, MIN(op->ints[0] + op->ints[1], from[k]) - op->ints[0]);
  }
  for (guint v = 0; v < plan->n_values; v++) {
    for (guint k = 0; lengths[v] && k < n; k++)
      rows[v] += lengths[v][k];
    g_free(lengths[v]);
  }
  return rows;
}

/* ---- running ---- */

static gboolean fail(GError **error, weft_status status, const char *message)
{
  g_set_error(error, WEFT_ERROR, status, "%s", message && *message ? message : "the provider cannot run the plan");
  return FALSE;
}

static void make_room(const struct weft_plan *plan, const WeftPlanInputs *inputs, WeftPlanValues *out)
{
  g_autofree gint64 *rows = count_rows(plan, inputs);
  *out = (WeftPlanValues){g_new0(float *, plan->n_outputs + 1), g_new0(gint64, plan->n_outputs + 1),
                          g_new0(gint64, plan->n_outputs + 1), plan->n_outputs};
  for (guint i = 0; i < plan->n_outputs; i++) {
    const struct weft_plan_value *v = &plan->values[plan->outputs[i]];
    out->n_rows[i] = v->splits == WEFT_NO_VALUE ? (gint64)inputs->n_items : rows[v->splits];
    out->width[i] = (gint64)width_of(v);
    out->data[i] = g_new0(float, (gsize)(out->n_rows[i] * out->width[i]) + 1);
  }
}

void weft_plan_values_clear(WeftPlanValues *values)
{
  for (guint i = 0; i < values->n; i++)
    g_free(values->data[i]);
  g_free(values->data);
  g_free(values->n_rows);
  g_free(values->width);
  *values = (WeftPlanValues){0};
}

static void on_item(void *data, uint32_t slot, weft_status status, const char *message)
{
  char *kept = data;
  if (!*kept)
    g_strlcpy(kept, message, WEFT_MESSAGE_BYTES);
}

static weft_status run_program(const WeftPlanRun *how, const struct weft_program *program, WeftPlanValues *out, char *message)
{
  const WeftPlanInputs *inputs = how->inputs;
  double *ms = how->ms;
  g_autofree gint64 *rows = g_new0(gint64, inputs->n_inputs + 1);
  g_autofree struct weft_compute_input *in = g_new0(struct weft_compute_input, inputs->n_inputs + 1);
  g_autofree struct weft_compute_output *results = g_new0(struct weft_compute_output, out->n + 1);
  for (guint i = 0; i < inputs->n_inputs; i++) {
    in[i] = (struct weft_compute_input){inputs->data[i], inputs->n_rows[i]};
    rows[i] = inputs->n_rows[i];
  }
  for (guint i = 0; i < out->n; i++)
    results[i] = (struct weft_compute_output){out->data[i], NULL, out->n_rows[i], 0};
  struct weft_compute_limits limits = {inputs->n_items, rows};
  guint64 n_scratch = 0;
  weft_status status = how->compute->scratch(program, &limits, &n_scratch);
  void *scratch = status == WEFT_OK ? weft_mem_alloc(n_scratch) : NULL;
  if (status == WEFT_OK && !scratch)
    status = WEFT_NO_MEMORY;
  for (guint k = 0; status == WEFT_OK && k < (ms ? 4u : 1u); k++) {
    struct weft_compute_run run = {.n_items = inputs->n_items, .n_inputs = inputs->n_inputs, .n_outputs = out->n, .inputs = in,
                                   .outputs = results, .scratch = scratch, .n_scratch_bytes = n_scratch,
                                   .fail_item = on_item, .fail_data = message};
    gint64 begin = g_get_monotonic_time();
    status = how->compute->run(program, &run);
    double took = (double)(g_get_monotonic_time() - begin) / 1e3;
    if (ms && k > 0)
      *ms = k == 1 ? took : MIN(*ms, took);
  }
  weft_mem_free(scratch);
  return status == WEFT_OK && *message ? WEFT_BAD_INPUT : status;
}

gboolean weft_plan_run(const WeftPlanRun *run, WeftPlanValues *out, GError **error)
{
  struct weft_setup setup = {0};
  struct weft_plan looked = *run->plan;
  struct weft_program *program = NULL;
  char message[WEFT_MESSAGE_BYTES] = "";
  if (run->values) {
    looked.outputs = (const weft_value *)(const void *)run->values->data;
    looked.n_outputs = run->values->len;
  }
  *out = (WeftPlanValues){0};
  struct weft_compute_options options = {.precision = run->precision};
  weft_status status = run->compute->compile(&setup, &looked, &options, &program);
  if (status != WEFT_OK)
    return fail(error, status, setup.message);
  make_room(&looked, run->inputs, out);
  status = run_program(run, program, out, message);
  run->compute->free(program);
  if (status == WEFT_OK)
    return TRUE;
  weft_plan_values_clear(out);
  return fail(error, status, message);
}

/* ---- comparing ---- */

double weft_plan_nmse(const float *x, const float *expected, gsize n)
{
  double error = 0, size = 0;
  for (gsize i = 0; i < n; i++) {
    double d = (double)x[i] - (double)expected[i];
    error += d * d;
    size += (double)expected[i] * (double)expected[i];
  }
  return size > 0 ? error / size : error > 0 ? INFINITY : 0;
}

double weft_plan_cosine(const float *x, const float *y, gsize n)
{
  double xy = 0, xx = 0, yy = 0;
  for (gsize i = 0; i < n; i++) {
    xy += (double)x[i] * (double)y[i];
    xx += (double)x[i] * (double)x[i];
    yy += (double)y[i] * (double)y[i];
  }
  return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : xx == yy ? 1 : 0;
}
