/* SPDX-License-Identifier: Apache-2.0 */
/* Values, weights, inputs and outputs of a plan under construction. */
#include "plan-check.h"
#include "plan-private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft_nn_plan *weft_nn_plan_new(void)
{
  return calloc(1, sizeof(struct weft_nn_plan));
}

void weft_nn_plan_free(struct weft_nn_plan *plan)
{
  if (!plan)
    return;
  for (uint32_t i = 0; i < plan->n_names; i++)
    free(plan->names[i]);
  free(plan->names);
  free(plan->values);
  free(plan->weights);
  free(plan->ops);
  free(plan->inputs);
  free(plan->outputs);
  free(plan);
}

weft_value weft_nn_plan_fail(struct weft_nn_plan *plan, weft_status status, const char *format, ...)
{
  if (!plan || plan->status != WEFT_OK)
    return WEFT_NO_VALUE;
  plan->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(plan->error, sizeof plan->error, format, arguments);
  va_end(arguments);
  return WEFT_NO_VALUE;
}

weft_status weft_nn_plan_status(const struct weft_nn_plan *plan)
{
  return plan ? plan->status : WEFT_NO_MEMORY;
}

const char *weft_nn_plan_error(const struct weft_nn_plan *plan)
{
  return plan ? plan->error : "no memory for a plan";
}

/* Room for one more element behind *array; 0 when there is no memory. */
static int grow(struct weft_nn_plan *plan, void *array_pointer, uint32_t n, uint32_t *room, size_t element)
{
  if (n < *room)
    return 1;
  void *array;
  memcpy(&array, array_pointer, sizeof array);
  uint32_t more = *room ? *room * 2 : 32;
  void *larger = more > *room ? realloc(array, more * element) : NULL;
  if (!larger) {
    weft_nn_plan_fail(plan, WEFT_NO_MEMORY, "no memory for a plan of %u elements", more);
    return 0;
  }
  memcpy(array_pointer, &larger, sizeof larger);
  *room = more;
  return 1;
}

/* Copies a name so that it lives with the plan; NULL stays NULL. */
static const char *keep_name(struct weft_nn_plan *plan, const char *name)
{
  if (!name || !grow(plan, &plan->names, plan->n_names, &plan->room_names, sizeof *plan->names))
    return NULL;
  char *copy = strdup(name);
  if (!copy) {
    weft_nn_plan_fail(plan, WEFT_NO_MEMORY, "no memory for the name %s", name);
    return NULL;
  }
  plan->names[plan->n_names++] = copy;
  return copy;
}

static weft_value add_value(struct weft_nn_plan *plan, const struct weft_plan_value *value)
{
  if (!grow(plan, &plan->values, plan->plan.n_values, &plan->room_values, sizeof *plan->values))
    return WEFT_NO_VALUE;
  plan->values[plan->plan.n_values] = *value;
  return plan->plan.n_values++;
}

const struct weft_plan *weft_nn_plan_view(struct weft_nn_plan *plan)
{
  plan->plan.values = plan->values;
  plan->plan.weights = plan->weights;
  plan->plan.ops = plan->ops;
  plan->plan.inputs = plan->inputs;
  plan->plan.outputs = plan->outputs;
  return &plan->plan;
}

const struct weft_plan *weft_nn_plan_finish(struct weft_nn_plan *plan)
{
  if (!plan || plan->status != WEFT_OK)
    return NULL;
  if (plan->plan.n_outputs == 0) {
    weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "the plan has no output: call weft_nn_output before weft_nn_plan_finish");
    return NULL;
  }
  return weft_nn_plan_view(plan);
}

int64_t weft_nn_width(const struct weft_nn_plan *plan, weft_value value)
{
  if (!plan || value >= plan->plan.n_values)
    return -1;
  const struct weft_plan_value *v = &plan->values[value];
  return v->dims[v->rank - 1];
}

int64_t weft_nn_rows_per_item(const struct weft_nn_plan *plan, weft_value value)
{
  if (!plan || value >= plan->plan.n_values)
    return -1;
  const struct weft_plan_value *v = &plan->values[value];
  weft_value splits = v->kind == WEFT_VALUE_SPLITS ? value : v->splits;
  if (v->kind == WEFT_VALUE_WEIGHT)
    return -1;
  if (splits == WEFT_NO_VALUE)
    return 1;
  for (uint32_t i = 0; i < plan->plan.n_ops; i++)
    if (plan->ops[i].outputs[0] == splits)
      return plan->ops[i].code == WEFT_OP_SPLITS_UNIFORM ? plan->ops[i].ints[0] : -1;
  return -1;
}

static weft_value add_input(struct weft_nn_plan *plan, const struct weft_plan_value *value)
{
  if (!grow(plan, &plan->inputs, plan->plan.n_inputs, &plan->room_inputs, sizeof *plan->inputs))
    return WEFT_NO_VALUE;
  weft_value id = add_value(plan, value);
  if (id != WEFT_NO_VALUE)
    plan->inputs[plan->plan.n_inputs++] = id;
  return id;
}

weft_value weft_nn_input_splits(struct weft_nn_plan *plan, const char *name)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  struct weft_plan_value value = {.name = keep_name(plan, name), .kind = WEFT_VALUE_SPLITS, .splits = WEFT_NO_VALUE,
                                  .rank = 1, .dims = {-1}, .dtype = weft_i64()};
  return add_input(plan, &value);
}

weft_value weft_nn_input(struct weft_nn_plan *plan, const char *name, struct weft_dtype dtype, weft_value splits,
                         int64_t d)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  const char *shown = name ? name : "?";
  if (splits != WEFT_NO_VALUE &&
      (splits >= plan->plan.n_values || plan->values[splits].kind != WEFT_VALUE_SPLITS))
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "input %s: its splits (value %u) are not splits", shown, splits);
  if (!weft_dtype_equal(dtype, weft_f32()) && !weft_dtype_equal(dtype, weft_i32()))
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG,
                             "input %s: expected element type f32 or i32, found code %u of %u bits", shown, dtype.code,
                             dtype.bits);
  if (d < 0)
    return weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "input %s: expected a width of 0 or more, found %lld", shown,
                             (long long)d);
  struct weft_plan_value value = {.name = keep_name(plan, name), .kind = WEFT_VALUE_ROWS, .splits = splits,
                                  .rank = d ? 2 : 1, .dims = {-1, d}, .dtype = dtype};
  return add_input(plan, &value);
}

weft_value weft_nn_weight(struct weft_nn_plan *plan, const struct weft_plan_weight *weight)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  char message[WEFT_MESSAGE_BYTES];
  weft_status status = weft_nn_weight_check(weight, message);
  if (status != WEFT_OK)
    return weft_nn_plan_fail(plan, status, "%s", message);
  if (!grow(plan, &plan->weights, plan->plan.n_weights, &plan->room_weights, sizeof *plan->weights))
    return WEFT_NO_VALUE;
  struct weft_plan_weight kept = *weight;
  kept.name = keep_name(plan, weight->name);
  struct weft_plan_value value = {.name = kept.name, .kind = WEFT_VALUE_WEIGHT, .splits = WEFT_NO_VALUE,
                                  .weight = plan->plan.n_weights, .rank = kept.rank, .dtype = kept.dtype};
  memcpy(value.dims, kept.dims, sizeof value.dims);
  plan->weights[plan->plan.n_weights++] = kept;
  return add_value(plan, &value);
}

int weft_nn_output(struct weft_nn_plan *plan, weft_value value)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return -1;
  int written = 0;
  for (uint32_t i = 0; i < plan->plan.n_ops && !written; i++)
    for (uint32_t o = 0; o < plan->ops[i].n_outputs; o++)
      written |= plan->ops[i].outputs[o] == value;
  if (!written || plan->values[value].kind != WEFT_VALUE_ROWS) {
    weft_nn_plan_fail(plan, WEFT_BAD_CONFIG, "output %u: value %u is not the rows that an operation writes",
                      plan->plan.n_outputs, value);
    return -1;
  }
  if (!grow(plan, &plan->outputs, plan->plan.n_outputs, &plan->room_outputs, sizeof *plan->outputs))
    return -1;
  plan->outputs[plan->plan.n_outputs] = value;
  return (int)plan->plan.n_outputs++;
}

struct weft_plan_op weft_nn_op(uint32_t code, uint32_t n_inputs, const weft_value *inputs)
{
  struct weft_plan_op op = {.code = code, .n_inputs = n_inputs, .n_outputs = 1};
  for (uint32_t i = 0; i < WEFT_PLAN_INPUTS; i++)
    op.inputs[i] = i < n_inputs ? inputs[i] : WEFT_NO_VALUE;
  for (uint32_t i = 0; i < WEFT_PLAN_OUTPUTS; i++)
    op.outputs[i] = WEFT_NO_VALUE;
  return op;
}

weft_value weft_nn_plan_append(struct weft_nn_plan *plan, const struct weft_plan_op *op)
{
  if (weft_nn_plan_status(plan) != WEFT_OK)
    return WEFT_NO_VALUE;
  struct weft_plan_value result;
  char message[WEFT_MESSAGE_BYTES];
  weft_status status = weft_nn_op_check(weft_nn_plan_view(plan), op, &result, message);
  if (status != WEFT_OK)
    return weft_nn_plan_fail(plan, status, "%s", message);
  if (!grow(plan, &plan->ops, plan->plan.n_ops, &plan->room_ops, sizeof *plan->ops))
    return WEFT_NO_VALUE;
  struct weft_plan_op kept = *op;
  kept.outputs[0] = add_value(plan, &result);
  if (kept.outputs[0] != WEFT_NO_VALUE)
    plan->ops[plan->plan.n_ops++] = kept;
  return kept.outputs[0];
}
