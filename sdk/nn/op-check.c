/* SPDX-License-Identifier: Apache-2.0 */
/* What the older operations ask of their inputs, and what they give; the newer stand in op-check-more.c. */
#include "op-check.h"
#include "plan-check.h"
#include "plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Height, width, channels, kernel and strides of a convolution. */
#define WEFT_PLAN_PICTURE_MAX (INT64_C(1) << 16)

weft_status weft_nn_check_fail(const struct weft_nn_check *c, const char *format, ...)
{
  const char *name = weft_nn_op_name(c->op->code);
  int n = snprintf(c->message, WEFT_MESSAGE_BYTES, "operation %u, %s: ", c->plan->n_ops, name ? name : "?");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->message + n, WEFT_MESSAGE_BYTES - (size_t)n, format, arguments);
  va_end(arguments);
  return WEFT_BAD_CONFIG;
}

weft_status weft_nn_check_expected(const struct weft_nn_check *c, uint32_t input, const char *role, const char *what)
{
  char text[160];
  return weft_nn_check_fail(c, "%s: expected %s, found %s", role, what,
              weft_nn_value_text(c->plan, c->op->inputs[input], text, sizeof text));
}

const struct weft_plan_value *weft_nn_check_input(const struct weft_nn_check *c, uint32_t input)
{
  weft_value id = input < c->op->n_inputs ? c->op->inputs[input] : WEFT_NO_VALUE;
  return id < c->plan->n_values ? &c->plan->values[id] : NULL;
}

/* x: [*, d] f32. */
weft_status weft_nn_check_rows(const struct weft_nn_check *c, uint32_t input, const char *role)
{
  const struct weft_plan_value *v = weft_nn_check_input(c, input);
  if (!v || v->kind != WEFT_VALUE_ROWS || v->rank != 2 || !weft_dtype_equal(v->dtype, weft_f32()))
    return weft_nn_check_expected(c, input, role, "rows f32 [*, d]");
  return WEFT_OK;
}

int64_t weft_nn_check_elements(const struct weft_plan_value *v)
{
  int64_t n = 1;
  for (uint32_t d = 0; d < v->rank; d++)
    n *= v->dims[d];
  return n;
}

/* A weight of n_rows x width elements, whatever its rank; n_rows < 0: any. Absent is fine where optional. */
weft_status weft_nn_check_weight(const struct weft_nn_check *c, uint32_t input, const char *role, int64_t n_rows, int64_t width)
{
  const struct weft_plan_value *v = weft_nn_check_input(c, input);
  char what[96];
  if (n_rows == 1)
    snprintf(what, sizeof what, "a weight [%lld]", (long long)width);
  else if (n_rows < 0)
    snprintf(what, sizeof what, "a weight [n, %lld]", (long long)width);
  else
    snprintf(what, sizeof what, "a weight [%lld, %lld]", (long long)n_rows, (long long)width);
  if (!v || v->kind != WEFT_VALUE_WEIGHT)
    return weft_nn_check_expected(c, input, role, what);
  int64_t n = weft_nn_check_elements(v);
  if (n % width != 0 || (n_rows >= 0 && n / width != n_rows) ||
      (v->rank > 1 && n_rows != 1 && v->dims[v->rank - 1] != width))
    return weft_nn_check_expected(c, input, role, what);
  return WEFT_OK;
}

int weft_nn_check_absent(const struct weft_nn_check *c, uint32_t input)
{
  return input >= c->op->n_inputs || c->op->inputs[input] == WEFT_NO_VALUE;
}

weft_status weft_nn_check_splits(const struct weft_nn_check *c, uint32_t input, const char *role)
{
  const struct weft_plan_value *v = weft_nn_check_input(c, input);
  return v && v->kind == WEFT_VALUE_SPLITS ? WEFT_OK : weft_nn_check_expected(c, input, role, "splits");
}

weft_status weft_nn_check_activation(const struct weft_nn_check *c)
{
  if (c->op->ints[0] < 0 || c->op->ints[0] >= WEFT_N_ACT)
    return weft_nn_check_fail(c, "expected an activation of WEFT_ACT_*, 0..%d, found %lld", WEFT_N_ACT - 1,
                (long long)c->op->ints[0]);
  return WEFT_OK;
}

weft_status weft_nn_check_give_rows(const struct weft_nn_check *c, weft_value splits, int64_t width)
{
  *c->result = (struct weft_plan_value){.kind = WEFT_VALUE_ROWS, .splits = splits, .rank = 2, .dims = {-1, width},
                                        .dtype = weft_f32()};
  return WEFT_OK;
}

weft_status weft_nn_check_splits_op(const struct weft_nn_check *c)
{
  const int64_t *i = c->op->ints;
  if (c->op->code != WEFT_OP_SPLITS_UNIFORM) {
    weft_status status = weft_nn_check_splits(c, 0, "splits");
    if (status != WEFT_OK)
      return status;
  }
  if (i[0] < 0 || i[0] > WEFT_PLAN_DIM_MAX || i[1] < 0 || i[1] > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected row counts of 0 to 2^31, found %lld and %lld", (long long)i[0], (long long)i[1]);
  *c->result = (struct weft_plan_value){.kind = WEFT_VALUE_SPLITS, .splits = WEFT_NO_VALUE, .rank = 1, .dims = {-1},
                                        .dtype = weft_i64()};
  return WEFT_OK;
}

weft_status weft_nn_check_linear(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  const struct weft_plan_value *x = weft_nn_check_input(c, 0), *w = weft_nn_check_input(c, 1);
  if (status != WEFT_OK)
    return status;
  char what[64];
  snprintf(what, sizeof what, "a weight [n, %lld]", (long long)x->dims[1]);
  if (!w || w->kind != WEFT_VALUE_WEIGHT || w->rank < 2 || weft_nn_check_elements(w) != w->dims[0] * x->dims[1])
    return weft_nn_check_expected(c, 1, "weight", what);
  int64_t n = w->dims[0];
  if (!weft_nn_check_absent(c, 2) && (status = weft_nn_check_weight(c, 2, "bias", 1, n)) != WEFT_OK)
    return status;
  if (!weft_nn_check_absent(c, 3)) {
    const struct weft_plan_value *r = weft_nn_check_input(c, 3);
    if ((status = weft_nn_check_rows(c, 3, "residual")) != WEFT_OK)
      return status;
    if (r->dims[1] != n || r->splits != x->splits)
      return weft_nn_check_expected(c, 3, "residual", "rows as many and as wide as the result");
  }
  status = weft_nn_check_activation(c);
  return status == WEFT_OK ? weft_nn_check_give_rows(c, x->splits, n) : status;
}

weft_status weft_nn_check_layer_norm(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  if ((status = weft_nn_check_weight(c, 1, "gamma", 1, x->dims[1])) != WEFT_OK)
    return status;
  if (!weft_nn_check_absent(c, 2) && (status = weft_nn_check_weight(c, 2, "beta", 1, x->dims[1])) != WEFT_OK)
    return status;
  if (!(c->op->floats[0] >= 0 && isfinite(c->op->floats[0])))
    return weft_nn_check_fail(c, "expected eps of 0 or more, found %g", c->op->floats[0]);
  return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
}

/* Flags, window, global range, buckets. */
static weft_status check_attention_seen(const struct weft_nn_check *c)
{
  const int64_t *i = c->op->ints;
  const int64_t flags = WEFT_ATTENTION_CAUSAL | WEFT_ATTENTION_WINDOW | WEFT_ATTENTION_ONE_SIDED;
  if (i[2] & ~flags)
    return weft_nn_check_fail(c, "expected flags of WEFT_ATTENTION_*, found %lld", (long long)i[2]);
  if (i[3] < 0 || i[3] > WEFT_PLAN_DIM_MAX || i[4] < 0 || i[4] > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected a window of 0 to 2^31 rows before and behind, found %lld and %lld", (long long)i[3],
                (long long)i[4]);
  if (i[5] < 0 || i[6] < i[5] || i[6] > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected a global range of rows from 0 to 2^31, found [%lld, %lld)", (long long)i[5],
                (long long)i[6]);
  if (weft_nn_check_absent(c, 3))
    return WEFT_OK;
  const struct weft_plan_value *bias = weft_nn_check_input(c, 3);
  int64_t least = i[2] & WEFT_ATTENTION_ONE_SIDED ? 2 : 4;
  weft_status status = weft_nn_check_weight(c, 3, "bias", -1, i[0]);
  if (status != WEFT_OK)
    return status;
  if (bias->rank != 2 || bias->dims[0] < least)
    return weft_nn_check_expected(c, 3, "bias", least == 2 ? "a weight of 2 buckets or more" : "a weight of 4 buckets or more");
  int64_t exact = bias->dims[0] / least;
  if (i[7] <= exact || i[7] > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected a largest distance beyond the %lld that have a bucket each, found %lld",
                              (long long)exact, (long long)i[7]);
  return WEFT_OK;
}

weft_status weft_nn_check_attention(const struct weft_nn_check *c)
{
  static const char *const roles[] = {"q", "k", "v"};
  for (uint32_t i = 0; i < 3; i++) {
    weft_status status = weft_nn_check_rows(c, i, roles[i]);
    if (status != WEFT_OK)
      return status;
  }
  const struct weft_plan_value *q = weft_nn_check_input(c, 0), *k = weft_nn_check_input(c, 1), *v = weft_nn_check_input(c, 2);
  int64_t n_heads = c->op->ints[0], n_kv = c->op->ints[1] ? c->op->ints[1] : n_heads;
  if (n_heads < 1 || q->dims[1] % n_heads != 0)
    return weft_nn_check_fail(c, "%lld columns cannot be divided into %lld heads", (long long)q->dims[1], (long long)n_heads);
  if (n_kv < 1 || n_heads % n_kv != 0)
    return weft_nn_check_fail(c, "%lld heads of queries cannot share %lld heads of keys", (long long)n_heads, (long long)n_kv);
  char what[80];
  snprintf(what, sizeof what, "rows of %lld heads of %lld, %lld columns", (long long)n_kv,
           (long long)(q->dims[1] / n_heads), (long long)(q->dims[1] / n_heads * n_kv));
  if (k->dims[1] != q->dims[1] / n_heads * n_kv)
    return weft_nn_check_expected(c, 1, "k", what);
  if (v->splits != k->splits)
    return weft_nn_check_expected(c, 2, "v", "rows as many as those of k");
  if (v->dims[1] % n_kv != 0)
    return weft_nn_check_fail(c, "v: %lld columns cannot be divided into %lld heads", (long long)v->dims[1], (long long)n_kv);
  if (!isfinite(c->op->floats[0]))
    return weft_nn_check_fail(c, "expected a finite scale, found %g", c->op->floats[0]);
  weft_status status = check_attention_seen(c);
  return status == WEFT_OK ? weft_nn_check_give_rows(c, q->splits, v->dims[1] / n_kv * n_heads) : status;
}

weft_status weft_nn_check_embedding(const struct weft_nn_check *c)
{
  const struct weft_plan_value *ids = weft_nn_check_input(c, 0), *table = weft_nn_check_input(c, 1);
  if (!ids || ids->kind != WEFT_VALUE_ROWS || ids->rank != 1 || !weft_dtype_equal(ids->dtype, weft_i32()))
    return weft_nn_check_expected(c, 0, "ids", "rows i32 [*]");
  if (!table || table->kind != WEFT_VALUE_WEIGHT || table->rank != 2)
    return weft_nn_check_expected(c, 1, "table", "a weight [n, d]");
  return weft_nn_check_give_rows(c, ids->splits, table->dims[1]);
}

weft_status weft_nn_check_add_position(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  if ((status = weft_nn_check_weight(c, 1, "table", -1, x->dims[1])) != WEFT_OK)
    return status;
  int64_t n = weft_nn_check_elements(weft_nn_check_input(c, 1)) / x->dims[1];
  if (c->op->ints[0] < 0 || c->op->ints[0] >= n)
    return weft_nn_check_fail(c, "first position %lld is outside of a table of %lld rows", (long long)c->op->ints[0], (long long)n);
  return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
}

weft_status weft_nn_check_patches(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK || (status = weft_nn_check_splits(c, 1, "splits")) != WEFT_OK)
    return status;
  const int64_t *i = c->op->ints;
  for (int k = 0; k < 7; k++)
    if (i[k] < 1 || i[k] > WEFT_PLAN_PICTURE_MAX)
      return weft_nn_check_fail(c, "expected sizes of 1 to 65536, found %lld (attribute %d)", (long long)i[k], k);
  if (i[3] > i[0] || i[4] > i[1])
    return weft_nn_check_fail(c, "the kernel, %lld x %lld, is larger than the picture, %lld x %lld", (long long)i[3],
                (long long)i[4], (long long)i[0], (long long)i[1]);
  for (int k = 7; k < 10; k++)
    if (i[k] < 0 || i[k] > WEFT_PLAN_DIM_MAX)
      return weft_nn_check_fail(c, "expected distances of 0 to 2^31, found %lld (attribute %d)", (long long)i[k], k);
  int64_t last = (i[0] - 1) * i[7] + (i[1] - 1) * i[8] + (i[2] - 1) * i[9], size = i[0] * i[1] * i[2];
  if (last >= size)
    return weft_nn_check_fail(c, "distances %lld, %lld, %lld lead beyond the %lld floats of an item", (long long)i[7],
                (long long)i[8], (long long)i[9], (long long)size);
  int64_t n = ((i[0] - i[3]) / i[5] + 1) * ((i[1] - i[4]) / i[6] + 1);
  for (uint32_t o = 0; o < c->plan->n_ops; o++)
    if (c->plan->ops[o].outputs[0] == c->op->inputs[1] && c->plan->ops[o].code == WEFT_OP_SPLITS_UNIFORM &&
        c->plan->ops[o].ints[0] == n)
      return weft_nn_check_give_rows(c, c->op->inputs[1], i[2] * i[3] * i[4]);
  return weft_nn_check_fail(c, "expected splits of %lld rows an item", (long long)n);
}

/* Whether splits are what `code` with i0, i1 makes of those of x (or uniform: the builder folds constants). */
static int splits_derived(const struct weft_nn_check *c, weft_value splits, uint32_t code, int64_t i0, int64_t i1)
{
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  int64_t from = -1;
  const struct weft_plan_op *made = NULL;
  for (uint32_t o = 0; o < c->plan->n_ops; o++) {
    const struct weft_plan_op *op = &c->plan->ops[o];
    if (op->outputs[0] == splits)
      made = op;
    if (op->outputs[0] == x->splits && op->code == WEFT_OP_SPLITS_UNIFORM)
      from = op->ints[0];
  }
  if (x->splits == WEFT_NO_VALUE)
    from = 1;
  if (!made)
    return 0;
  if (made->code == code)
    return made->inputs[0] == x->splits && made->ints[0] == i0 && made->ints[1] == i1;
  if (made->code != WEFT_OP_SPLITS_UNIFORM || from < 0)
    return 0;
  int64_t left = from > i0 ? from - i0 : 0;
  return made->ints[0] == (code == WEFT_OP_SPLITS_ADD ? from + i0 : left < i1 ? left : i1);
}

weft_status weft_nn_check_prepend(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  if ((status = weft_nn_check_weight(c, 1, "tokens", -1, x->dims[1])) != WEFT_OK ||
      (status = weft_nn_check_splits(c, 2, "splits")) != WEFT_OK)
    return status;
  int64_t k = weft_nn_check_elements(weft_nn_check_input(c, 1)) / x->dims[1];
  if (!splits_derived(c, c->op->inputs[2], WEFT_OP_SPLITS_ADD, k, 0))
    return weft_nn_check_fail(c, "expected the splits of x with %lld rows more an item", (long long)k);
  return weft_nn_check_give_rows(c, c->op->inputs[2], x->dims[1]);
}

weft_status weft_nn_check_slice_rows(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK || (status = weft_nn_check_splits(c, 1, "splits")) != WEFT_OK)
    return status;
  if (!splits_derived(c, c->op->inputs[1], WEFT_OP_SPLITS_SLICE, c->op->ints[0], c->op->ints[1]))
    return weft_nn_check_fail(c, "expected splits of the rows [%lld, +%lld) of each item of x", (long long)c->op->ints[0],
                (long long)c->op->ints[1]);
  return weft_nn_check_give_rows(c, c->op->inputs[1], weft_nn_check_input(c, 0)->dims[1]);
}

weft_status weft_nn_check_pool(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  int64_t width = weft_nn_check_input(c, 0)->dims[1];
  if (c->op->code == WEFT_OP_ATTENTION_POOL && (status = weft_nn_check_weight(c, 1, "score", 1, width)) != WEFT_OK)
    return status;
  return weft_nn_check_give_rows(c, WEFT_NO_VALUE, width);
}

weft_status weft_nn_check_binary(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0), *y = weft_nn_check_input(c, 1);
  if (y && y->kind == WEFT_VALUE_WEIGHT) {
    if ((status = weft_nn_check_weight(c, 1, "y", 1, x->dims[1])) != WEFT_OK)
      return status;
    return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
  }
  if ((status = weft_nn_check_rows(c, 1, "y")) != WEFT_OK)
    return status;
  if (y->splits != x->splits || (y->dims[1] != x->dims[1] && y->dims[1] != 1)) {
    char text[160], what[200];
    snprintf(what, sizeof what, "rows as many as those of x (%s) and as wide, or of width 1",
             weft_nn_value_text(c->plan, c->op->inputs[0], text, sizeof text));
    return weft_nn_check_expected(c, 1, "y", what);
  }
  return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
}

weft_status weft_nn_check_unary(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  if (c->op->code == WEFT_OP_ACTIVATION && (status = weft_nn_check_activation(c)) != WEFT_OK)
    return status;
  if (!isfinite(c->op->floats[0]) || !isfinite(c->op->floats[1]))
    return weft_nn_check_fail(c, "expected finite factors, found %g and %g", c->op->floats[0], c->op->floats[1]);
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
}

const struct weft_plan_op *weft_nn_check_maker(const struct weft_nn_check *c, weft_value value)
{
  for (uint32_t o = 0; o < c->plan->n_ops; o++)
    if (c->plan->ops[o].outputs[0] == value)
      return &c->plan->ops[o];
  return NULL;
}
