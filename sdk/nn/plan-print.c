/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as text, for people who debug one. */
#include "plan-check.h"
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>

/* Appends to a line that may be full already. */
WEFT_PRINTF(4, 5) static void put(char *line, size_t room, size_t *n, const char *format, ...)
{
  if (*n >= room)
    return;
  va_list arguments;
  va_start(arguments, format);
  int more = vsnprintf(line + *n, room - *n, format, arguments);
  va_end(arguments);
  *n += more > 0 ? (size_t)more : 0;
}

static void print_op(const struct weft_plan *plan, const struct weft_plan_op *op, char *line, size_t room)
{
  size_t n = 0;
  char text[128];
  const char *name = weft_nn_op_name(op->code);
  put(line, room, &n, "%%%u = %s(", op->outputs[0], name ? name : "?");
  for (uint32_t i = 0; i < op->n_inputs && i < WEFT_PLAN_INPUTS; i++) {
    weft_value v = op->inputs[i];
    const char *comma = i ? ", " : "";
    if (v == WEFT_NO_VALUE)
      put(line, room, &n, "%s-", comma);
    else if (v < plan->n_values && plan->values[v].kind == WEFT_VALUE_WEIGHT)
      put(line, room, &n, "%s%s", comma, weft_nn_value_text(plan, v, text, sizeof text));
    else
      put(line, room, &n, "%s%%%u", comma, v);
  }
  put(line, room, &n, ")");
  uint32_t n_ints = WEFT_PLAN_INTS, n_floats = WEFT_PLAN_FLOATS;
  while (n_ints && op->ints[n_ints - 1] == 0)
    n_ints--;
  while (n_floats && op->floats[n_floats - 1] == 0)
    n_floats--;
  for (uint32_t i = 0; i < n_ints; i++)
    put(line, room, &n, " i%u=%lld", i, (long long)op->ints[i]);
  for (uint32_t i = 0; i < n_floats; i++)
    put(line, room, &n, " f%u=%g", i, op->floats[i]);
  put(line, room, &n, " -> %s", weft_nn_value_text(plan, op->outputs[0], text, sizeof text));
  if (op->outputs[0] < plan->n_values && plan->values[op->outputs[0]].splits != WEFT_NO_VALUE)
    put(line, room, &n, " by %%%u", plan->values[op->outputs[0]].splits);
}

void weft_nn_plan_print(const struct weft_plan *plan, void (*write)(void *data, const char *line), void *data)
{
  char line[1024], text[128];
  for (uint32_t i = 0; i < plan->n_inputs; i++) {
    size_t n = 0;
    weft_value v = plan->inputs[i];
    put(line, sizeof line, &n, "%%%u = input %u: %s", v, i, weft_nn_value_text(plan, v, text, sizeof text));
    write(data, line);
  }
  for (uint32_t i = 0; i < plan->n_ops; i++) {
    print_op(plan, &plan->ops[i], line, sizeof line);
    write(data, line);
  }
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    size_t n = 0;
    put(line, sizeof line, &n, "output %u = %%%u", i, plan->outputs[i]);
    write(data, line);
  }
}
