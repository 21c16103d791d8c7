/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that remembers what it compiles and what that is given, and lets another do the work. */
#include "planrun.h"

#include "hosttable.h"

#include <pthread.h>
#include <string.h>

static const struct weft_compute *inner;
static struct weft_compute outer;
static GPtrArray *caught;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *copy_of(const void *from, gsize n, gsize size)
{
  void *to = g_malloc0(n * size + 1);
  if (n)
    memcpy(to, from, n * size);
  return to;
}

static WeftPlanCaught *caught_new(const struct weft_plan *plan)
{
  WeftPlanCaught *c = g_new0(WeftPlanCaught, 1);
  struct weft_plan_value *values = copy_of(plan->values, plan->n_values, sizeof *values);
  struct weft_plan_weight *weights = copy_of(plan->weights, plan->n_weights, sizeof *weights);
  for (guint i = 0; i < plan->n_values; i++)
    values[i].name = g_strdup(values[i].name);
  for (guint i = 0; i < plan->n_weights; i++)
    weights[i].name = g_strdup(weights[i].name);
  c->plan = *plan;
  c->plan.values = values;
  c->plan.weights = weights;
  c->plan.ops = copy_of(plan->ops, plan->n_ops, sizeof *plan->ops);
  c->plan.inputs = copy_of(plan->inputs, plan->n_inputs, sizeof *plan->inputs);
  c->plan.outputs = copy_of(plan->outputs, plan->n_outputs, sizeof *plan->outputs);
  c->runs = g_ptr_array_new_with_free_func((GDestroyNotify)weft_plan_inputs_free);
  return c;
}

static void caught_free(gpointer data)
{
  WeftPlanCaught *c = data;
  for (guint i = 0; i < c->plan.n_values; i++)
    g_free((gpointer)c->plan.values[i].name);
  for (guint i = 0; i < c->plan.n_weights; i++)
    g_free((gpointer)c->plan.weights[i].name);
  g_free((gpointer)c->plan.values);
  g_free((gpointer)c->plan.weights);
  g_free((gpointer)c->plan.ops);
  g_free((gpointer)c->plan.inputs);
  g_free((gpointer)c->plan.outputs);
  g_ptr_array_unref(c->runs);
  g_free(c->node);
  g_free(c);
}

static weft_status compile(struct weft_setup *setup, const struct weft_plan *plan,
                           const struct weft_compute_options *options, struct weft_program **out)
{
  weft_status status = inner->compile(setup, plan, options, out);
  if (status != WEFT_OK)
    return status;
  WeftPlanCaught *c = caught_new(plan);
  c->program = *out;
  c->node = g_strdup(setup->node);
  g_ptr_array_add(caught, c);
  return status;
}

void weft_plan_inputs_free(WeftPlanInputs *inputs)
{
  for (guint i = 0; i < inputs->n_inputs; i++)
    g_free(inputs->data[i]);
  g_free(inputs->data);
  g_free(inputs->n_rows);
  g_free(inputs);
}

static void remember(WeftPlanCaught *c, const struct weft_compute_run *run)
{
  WeftPlanInputs *inputs = g_new0(WeftPlanInputs, 1);
  inputs->n_items = run->n_items;
  inputs->n_inputs = c->plan.n_inputs;
  inputs->data = g_new0(void *, inputs->n_inputs + 1);
  inputs->n_rows = g_new0(gint64, inputs->n_inputs + 1);
  for (guint i = 0; i < c->plan.n_inputs; i++) {
    const struct weft_plan_value *v = &c->plan.values[c->plan.inputs[i]];
    gboolean splits = v->kind == WEFT_VALUE_SPLITS;
    gsize n = splits ? run->n_items + (gsize)1 : (gsize)run->inputs[i].n_rows, size = splits ? 8 : 4;
    for (guint d = 1; !splits && d < v->rank; d++)
      size *= (gsize)v->dims[d];
    inputs->data[i] = copy_of(run->inputs[i].data, n, size);
    inputs->n_rows[i] = run->inputs[i].n_rows;
  }
  c->n_kept_items += run->n_items;
  g_ptr_array_add(c->runs, inputs);
}

static weft_status run(const struct weft_program *program, struct weft_compute_run *one)
{
  pthread_mutex_lock(&lock);
  for (guint i = 0; i < caught->len; i++) {
    WeftPlanCaught *c = caught->pdata[i];
    if (c->program == program && one->n_items && c->n_kept_items + one->n_items <= WEFT_PLAN_KEPT_ITEMS)
      remember(c, one);
  }
  pthread_mutex_unlock(&lock);
  return inner->run(program, one);
}

/* The bytes of its weights may go with the instance that compiled it: a plugin that was tried in vain. */
static void free_program(struct weft_program *program)
{
  pthread_mutex_lock(&lock);
  for (guint i = caught ? caught->len : 0; program && i-- > 0;)
    if (((WeftPlanCaught *)caught->pdata[i])->program == program)
      g_ptr_array_remove_index(caught, i);
  pthread_mutex_unlock(&lock);
  inner->free(program);
}

void weft_plan_catch(const struct weft_compute *compute)
{
  inner = compute;
  outer = *compute;
  outer.compile = compile;
  outer.run = run;
  outer.free = free_program;
  caught = g_ptr_array_new_with_free_func(caught_free);
  weft_host_offer(WEFT_COMPUTE_ID, &outer);
}

void weft_plan_catch_end(void)
{
  weft_host_offer(WEFT_COMPUTE_ID, NULL);
  g_clear_pointer(&caught, g_ptr_array_unref);
}

guint weft_plan_n_caught(void)
{
  return caught->len;
}

WeftPlanCaught *weft_plan_caught(guint i)
{
  return caught->pdata[i];
}
