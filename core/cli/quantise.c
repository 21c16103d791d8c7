/* SPDX-License-Identifier: Apache-2.0 */
#include "quantise.h"

#include "manifest.h"
#include "plan.h"
#include "quantised.h"
#include "safetensors.h"

#include <string.h>
#include <weft/operations.h>

/* Rows of a layer's input that are looked at. */
#define ROWS_MAX 512

/* ---- storing ---- */

gsize weft_quantise_bytes(guint32 precision, gsize n, gsize k, gsize *scales)
{
  gsize bytes = precision == WEFT_PRECISION_F32 ? n * k * 4 : precision == WEFT_PRECISION_BF16 ? n * k * 2
              : precision == WEFT_PRECISION_INT8 ? n * k : n * k / 2;
  *scales = bytes;
  return bytes + (precision == WEFT_PRECISION_INT8 ? n * 4 : precision == WEFT_PRECISION_INT4 ? n * k / WEFT_NN_INT4_GROUP * 2 : 0);
}

static guint16 upper_half(float x)
{
  guint32 bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x)
    return (guint16)(bits >> 16 | 0x40);
  return (guint16)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static void store_int4(const float *x, gsize n_groups, guint8 *to, guint8 *scales)
{
  for (gsize g = 0; g < n_groups; g++) {
    guint16 half = upper_half(weft_nn_quantise_int4(to + g * WEFT_NN_INT4_GROUP / 2, x + g * WEFT_NN_INT4_GROUP));
    memcpy(scales + g * sizeof half, &half, sizeof half);
  }
}

void weft_quantise_store(guint32 precision, const float *x, gsize n, gsize k, guint8 *to)
{
  gsize scales = 0;
  weft_quantise_bytes(precision, n, k, &scales);
  if (precision == WEFT_PRECISION_F32)
    memcpy(to, x, n * k * sizeof *x);
  for (gsize i = 0; precision == WEFT_PRECISION_BF16 && i < n * k; i++) {
    guint16 half = upper_half(x[i]);
    memcpy(to + i * sizeof half, &half, sizeof half);
  }
  for (gsize row = 0; precision == WEFT_PRECISION_INT8 && row < n; row++) {
    float scale = weft_nn_quantise_int8((gint8 *)to + row * k, x + row * k, k);
    memcpy(to + scales + row * sizeof scale, &scale, sizeof scale);
  }
  if (precision == WEFT_PRECISION_INT4)
    store_int4(x, n * k / WEFT_NN_INT4_GROUP, to, to + scales);
}

static struct weft_plan_weight stored_weight(guint32 precision, gint64 n, gint64 k, const guint8 *data)
{
  static const struct weft_dtype dtypes[] = {
    {WEFT_DTYPE_FLOAT, 32, 1}, {WEFT_DTYPE_BFLOAT, 16, 1}, {WEFT_DTYPE_INT, 8, 1}, {WEFT_DTYPE_UINT, 4, 1}};
  gsize scales = 0;
  weft_quantise_bytes(precision, (gsize)n, (gsize)k, &scales);
  return (struct weft_plan_weight){.name = "w", .data = data, .dtype = dtypes[precision], .rank = 2, .dims = {n, k},
                                   .scales = precision > WEFT_PRECISION_BF16 ? scales : 0};
}

/* ---- layers ---- */

static void layer_free(gpointer data)
{
  g_free(((WeftQuantLayer *)data)->name);
  g_free(data);
}

WeftQuantLayer *weft_quantise_layer(const WeftQuantise *quantise, const char *name)
{
  for (guint i = 0; quantise->layers && i < quantise->layers->len; i++)
    if (strcmp(((WeftQuantLayer *)quantise->layers->pdata[i])->name, name) == 0)
      return quantise->layers->pdata[i];
  return NULL;
}

void weft_quantise_clear(WeftQuantise *quantise)
{
  g_clear_pointer(&quantise->layers, g_ptr_array_unref);
}

static gboolean is_layer(const WeftQuantise *quantise, const struct weft_plan *plan, const struct weft_plan_op *op)
{
  if (op->code != WEFT_OP_LINEAR || plan->values[op->inputs[1]].kind != WEFT_VALUE_WEIGHT)
    return FALSE;
  const struct weft_plan_weight *w = &plan->weights[plan->values[op->inputs[1]].weight];
  return w->rank == 2 && w->name && w->resource == quantise->resource && w->dtype.bits >= 16;
}

static gboolean can_store(guint32 precision, gint64 k)
{
  return precision != WEFT_PRECISION_INT4 || k % WEFT_NN_INT4_GROUP == 0;
}

/* One layer and what it reads. */
typedef struct {
  const WeftQuantise *quantise;
  const WeftPlanInputs *x;  /* rows [n, k] */
  const float *weight;
  WeftQuantLayer *layer;
  WeftPlanValues expected;  /* at f32 */
} Product;

/* x times the weight as it is stored at a precision. Caller clears out. */
static gboolean product(const Product *p, const struct weft_plan_weight *w, guint32 precision, WeftPlanValues *out,
                        GError **error)
{
  struct weft_nn_plan *plan = weft_nn_plan_new();
  weft_value in = weft_nn_input(plan, "x", weft_f32(), WEFT_NO_VALUE, w->dims[1]);
  weft_nn_output(plan, weft_nn_linear(plan, in, weft_nn_weight(plan, w), WEFT_NO_VALUE, WEFT_ACT_NONE, WEFT_NO_VALUE));
  const struct weft_plan *finished = weft_nn_plan_finish(plan);
  gboolean ok = finished != NULL;
  if (!ok)
    g_set_error(error, WEFT_ERROR, weft_nn_plan_status(plan), "%s", weft_nn_plan_error(plan));
  WeftPlanRun run = {.compute = p->quantise->compute, .plan = finished, .precision = precision, .inputs = p->x};
  ok = ok && weft_plan_run(&run, out, error);
  weft_nn_plan_free(plan);
  return ok;
}

static gboolean nmse_at(const Product *p, guint32 precision, double *nmse, GError **error)
{
  gsize scales = 0, n = (gsize)p->layer->n, k = (gsize)p->layer->k;
  g_autofree guint8 *stored = g_malloc0(weft_quantise_bytes(precision, n, k, &scales) + 64);
  weft_quantise_store(precision, p->weight, n, k, stored);
  struct weft_plan_weight w = stored_weight(precision, p->layer->n, p->layer->k, stored);
  WeftPlanValues found = {0};
  if (!product(p, &w, precision, &found, error))
    return FALSE;
  *nmse = weft_plan_nmse(found.data[0], p->expected.data[0], (gsize)(found.n_rows[0] * found.width[0]));
  weft_plan_values_clear(&found);
  return TRUE;
}

/* The first precision, from the wanted one up, whose loss is within bounds. */
static gboolean decide(Product *p, GError **error)
{
  static const double bounds[] = WEFT_QUANTISE_NMSE;
  WeftQuantLayer *layer = p->layer;
  guint32 wanted = p->quantise->precision, precision = wanted;
  struct weft_plan_weight plain = stored_weight(WEFT_PRECISION_F32, layer->n, layer->k, (const guint8 *)p->weight);
  if (!product(p, &plain, WEFT_PRECISION_F32, &p->expected, error))
    return FALSE;
  gboolean ok = TRUE;
  for (;; precision--) {
    double nmse = precision == WEFT_PRECISION_F32 ? 0 : -1;
    if (precision != WEFT_PRECISION_F32 && can_store(precision, layer->k))
      ok = nmse_at(p, precision, &nmse, error);
    if (precision == wanted)
      layer->nmse = MAX(layer->nmse, nmse);
    double bound = precision == wanted ? p->quantise->threshold : bounds[precision];
    if (ok && precision != WEFT_PRECISION_F32 && !(nmse >= 0 && nmse <= bound))
      continue;
    /* Where several products read it, the best that one needs, and the most that one loses. */
    layer->kept_nmse = precision < layer->precision ? nmse : MAX(layer->kept_nmse, nmse);
    layer->precision = MIN(layer->precision, precision);
    break;
  }
  weft_plan_values_clear(&p->expected);
  return ok;
}

static gboolean measure_layer(WeftQuantise *quantise, const struct weft_plan_weight *w, float *rows, gint64 n_rows,
                              GError **error)
{
  WeftQuantLayer *layer = weft_quantise_layer(quantise, w->name);
  g_autofree float *weight = g_new(float, (gsize)(w->dims[0] * w->dims[1]) + 16);
  void *data[] = {rows};
  gint64 n = MIN(n_rows, ROWS_MAX);
  WeftPlanInputs x = {(guint)n, data, &n, 1};
  if (!layer) {
    layer = g_new0(WeftQuantLayer, 1);
    *layer = (WeftQuantLayer){g_strdup(w->name), w->dims[0], w->dims[1], quantise->precision, -1, 0};
    g_ptr_array_add(quantise->layers, layer);
  }
  weft_to_f32((const char *)w->data + w->offset, w->dtype, (guint64)(w->dims[0] * w->dims[1]), weight);
  Product p = {.quantise = quantise, .x = &x, .weight = weight, .layer = layer};
  return n == 0 || decide(&p, error);
}

/* Rows that an operation reads: written by another, or an input of the plan. */
static gint64 rows_of(const struct weft_plan *plan, const WeftPlanRun *run, weft_value v, const WeftPlanValues *values,
                      float **rows)
{
  for (guint i = 0; i < run->values->len; i++)
    if (g_array_index(run->values, weft_value, i) == v) {
      *rows = values->data[i];
      return values->n_rows[i];
    }
  for (guint i = 0; i < plan->n_inputs; i++)
    if (plan->inputs[i] == v) {
      *rows = run->inputs->data[i];
      return run->inputs->n_rows[i];
    }
  return 0;
}

static gboolean is_input(const struct weft_plan *plan, weft_value v)
{
  for (guint i = 0; i < plan->n_inputs; i++)
    if (plan->inputs[i] == v)
      return TRUE;
  return FALSE;
}

static gboolean measure_plan(WeftQuantise *quantise, const struct weft_plan *plan, const WeftPlanInputs *inputs, GError **error)
{
  g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(weft_value));
  for (guint o = 0; o < plan->n_ops; o++)
    if (is_layer(quantise, plan, &plan->ops[o]) && !is_input(plan, plan->ops[o].inputs[0]))
      g_array_append_val(wanted, plan->ops[o].inputs[0]);
  WeftPlanValues values = {0};
  WeftPlanRun run = {.compute = quantise->compute, .plan = plan, .inputs = inputs, .values = wanted};
  if (wanted->len && !weft_plan_run(&run, &values, error))
    return FALSE;
  gboolean ok = TRUE;
  for (guint o = 0; ok && o < plan->n_ops; o++) {
    const struct weft_plan_op *op = &plan->ops[o];
    float *rows = NULL;
    if (!is_layer(quantise, plan, op))
      continue;
    gint64 n_rows = rows_of(plan, &run, op->inputs[0], &values, &rows);
    ok = measure_layer(quantise, &plan->weights[plan->values[op->inputs[1]].weight], rows, n_rows, error);
  }
  weft_plan_values_clear(&values);
  return ok;
}

static gboolean is_meant(const WeftQuantise *quantise, const struct weft_plan *plan)
{
  for (guint i = 0; i < plan->n_weights; i++)
    if (plan->weights[i].resource == quantise->resource)
      return TRUE;
  return FALSE;
}

/* What requests brought, or made up. */
static void give_inputs(const WeftQuantise *quantise, WeftPlanCaught *caught)
{
  if (caught->runs->len == 0 && quantise->n_items)
    g_ptr_array_add(caught->runs, weft_plan_inputs_new(&caught->plan, quantise->n_items, 1));
}

gboolean weft_quantise_measure(WeftQuantise *quantise, GError **error)
{
  quantise->layers = g_ptr_array_new_with_free_func(layer_free);
  for (guint i = 0; i < weft_plan_n_caught(); i++) {
    WeftPlanCaught *caught = weft_plan_caught(i);
    if (!is_meant(quantise, &caught->plan))
      continue;
    give_inputs(quantise, caught);
    for (guint r = 0; r < caught->runs->len; r++)
      if (!measure_plan(quantise, &caught->plan, caught->runs->pdata[r], error))
        return FALSE;
  }
  if (quantise->layers->len)
    return TRUE;
  g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "no product of the plan has a weight of this model");
  return FALSE;
}

/* ---- as a whole ---- */

/* The plan's weights as another file has them. FALSE: one is missing. */
static gboolean replace_weights(const WeftQuantise *quantise, struct weft_plan *plan, struct weft_plan_weight *weights,
                                GBytes *file, GError **error)
{
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_resource resource = {g_bytes_get_data(file, NULL), g_bytes_get_size(file), 0};
  struct weft_safetensors *opened = NULL;
  weft_status status = weft_safetensors_open(&resource, "model.safetensors", &opened, message);
  for (guint i = 0; status == WEFT_OK && i < plan->n_weights; i++) {
    if (weights[i].resource != quantise->resource || !weights[i].name)
      continue;
    const struct weft_safetensors_tensor *tensor = weft_safetensors_find(opened, weights[i].name);
    g_autofree char *scale = g_strconcat(weights[i].name, ".scale", NULL);
    const struct weft_safetensors_tensor *scales = weft_safetensors_find(opened, scale);
    const WeftQuantLayer *layer = weft_quantise_layer(quantise, weights[i].name);
    if (!tensor) {
      status = WEFT_INTERNAL;
      g_snprintf(message, sizeof message, "the tensor %s was not written", weights[i].name);
      break;
    }
    weights[i].data = resource.data;
    weights[i].resource = 0;
    weights[i].offset = tensor->offset;
    weights[i].scales = scales ? scales->offset : 0;
    weights[i].dtype = scales && tensor->dtype.code == WEFT_DTYPE_UINT ? (struct weft_dtype){WEFT_DTYPE_UINT, 4, 1} : tensor->dtype;
    weights[i].at_least = layer ? layer->precision + 1 : 0;
  }
  weft_safetensors_close(opened);
  plan->weights = weights;
  for (guint i = 0; i < plan->n_values; i++)
    if (plan->values[i].kind == WEFT_VALUE_WEIGHT)
      ((struct weft_plan_value *)plan->values)[i].dtype = weights[plan->values[i].weight].dtype;
  if (status != WEFT_OK)
    g_set_error(error, WEFT_ERROR, status, "%s", message);
  return status == WEFT_OK;
}

static gboolean compare(const WeftQuantise *quantise, const WeftPlanCaught *caught, GBytes *file, GArray *cosines, double *ms,
                        GError **error)
{
  struct weft_plan plan = caught->plan;
  g_autofree struct weft_plan_weight *weights = g_memdup2(plan.weights, plan.n_weights * sizeof *weights);
  g_autofree struct weft_plan_value *values = g_memdup2(plan.values, plan.n_values * sizeof *values);
  plan.values = values;
  if (file && !replace_weights(quantise, &plan, weights, file, error))
    return FALSE;
  g_autofree double *lowest = g_new(double, plan.n_outputs + 1);
  for (guint i = 0; i < plan.n_outputs; i++)
    lowest[i] = 2;
  for (guint r = 0; r < caught->runs->len; r++) {
    WeftPlanValues expected = {0}, found = {0};
    double took[2] = {0, 0};
    WeftPlanRun plain = {.compute = quantise->compute, .plan = &caught->plan, .inputs = caught->runs->pdata[r],
                         .ms = ms ? &took[0] : NULL};
    WeftPlanRun other = {.compute = quantise->compute, .plan = &plan, .precision = quantise->precision, .inputs = plain.inputs,
                         .ms = ms ? &took[1] : NULL};
    gboolean ok = weft_plan_run(&plain, &expected, error) && weft_plan_run(&other, &found, error);
    for (guint i = 0; ok && i < plan.n_outputs; i++)
      lowest[i] = MIN(lowest[i], weft_plan_cosine(found.data[i], expected.data[i], (gsize)(found.n_rows[i] * found.width[i])));
    for (guint i = 0; ms && i < 2; i++)
      ms[i] += took[i];
    weft_plan_values_clear(&expected);
    weft_plan_values_clear(&found);
    if (!ok)
      return FALSE;
  }
  for (guint i = 0; i < plan.n_outputs && lowest[i] <= 1.5; i++)
    g_array_append_val(cosines, lowest[i]);
  return TRUE;
}

GArray *weft_quantise_cosines(const WeftQuantise *quantise, GBytes *file, double *ms, GError **error)
{
  g_autoptr(GArray) cosines = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < weft_plan_n_caught(); i++) {
    WeftPlanCaught *caught = weft_plan_caught(i);
    if (!is_meant(quantise, &caught->plan))
      continue;
    give_inputs(quantise, caught);
    if (!compare(quantise, caught, file, cosines, ms, error))
      return NULL;
  }
  return g_steal_pointer(&cosines);
}
