/* SPDX-License-Identifier: Apache-2.0 */
/* What the newer operations ask of their inputs, and what they give. */
#include "op-check.h"
#include "plan-check.h"

#include <math.h>
#include <stdio.h>

/* Ids: rows i32 [*] or [*, k], of x's splits or of none where that is allowed. Answers k, or -1: the error is told. */
static int64_t check_ids(const struct weft_nn_check *c, uint32_t input, const char *role)
{
  const struct weft_plan_value *v = weft_nn_check_input(c, input);
  if (v && v->kind == WEFT_VALUE_ROWS && v->rank <= 2 && weft_dtype_equal(v->dtype, weft_i32()))
    return v->rank == 2 ? v->dims[1] : 1;
  weft_nn_check_expected(c, input, role, "rows i32 [*] or [*, k]");
  return -1;
}

static weft_status give_ids(const struct weft_nn_check *c, weft_value splits, int64_t width)
{
  weft_nn_check_give_rows(c, splits, width);
  c->result->dtype = weft_i32();
  return WEFT_OK;
}

weft_status weft_nn_check_splits_conv(const struct weft_nn_check *c)
{
  const int64_t *i = c->op->ints;
  weft_status status = weft_nn_check_splits(c, 0, "splits");
  if (status != WEFT_OK)
    return status;
  if (i[0] < 1 || i[1] < 1 || i[2] < 0 || i[3] < 0 || i[0] > WEFT_PLAN_KERNEL_MAX || i[1] > WEFT_PLAN_KERNEL_MAX ||
      i[2] > WEFT_PLAN_KERNEL_MAX || i[3] > WEFT_PLAN_KERNEL_MAX)
    return weft_nn_check_fail(c, "expected a kernel and stride of 1 to %d, padding and distance of 0 to that, found %lld, "
                              "%lld, %lld, %lld", WEFT_PLAN_KERNEL_MAX, (long long)i[0], (long long)i[1], (long long)i[2],
                              (long long)i[3]);
  *c->result = (struct weft_plan_value){.kind = WEFT_VALUE_SPLITS, .splits = WEFT_NO_VALUE, .rank = 1, .dims = {-1},
                                        .dtype = weft_i64()};
  return WEFT_OK;
}

weft_status weft_nn_check_splits_sum(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_splits(c, 0, "splits");
  if (status == WEFT_OK)
    status = weft_nn_check_splits(c, 1, "other splits");
  if (status != WEFT_OK)
    return status;
  *c->result = (struct weft_plan_value){.kind = WEFT_VALUE_SPLITS, .splits = WEFT_NO_VALUE, .rank = 1, .dims = {-1},
                                        .dtype = weft_i64()};
  return WEFT_OK;
}

/* Equal parts of a row: ints[0], 0 for 1. Answers the width of one, or -1. */
static int64_t check_parts(const struct weft_nn_check *c)
{
  int64_t width = weft_nn_check_input(c, 0)->dims[1], parts = c->op->ints[0] ? c->op->ints[0] : 1;
  if (parts > 0 && width % parts == 0)
    return width / parts;
  weft_nn_check_fail(c, "%lld columns cannot be divided into %lld parts", (long long)width, (long long)parts);
  return -1;
}

static weft_status check_eps(const struct weft_nn_check *c)
{
  if (!(c->op->floats[0] >= 0 && isfinite(c->op->floats[0])))
    return weft_nn_check_fail(c, "expected eps of 0 or more, found %g", c->op->floats[0]);
  return WEFT_OK;
}

weft_status weft_nn_check_length_norm(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  int64_t part = check_parts(c);
  if (part < 0)
    return WEFT_BAD_CONFIG;
  if (c->op->code == WEFT_OP_RMS_NORM && !weft_nn_check_absent(c, 1) &&
      (status = weft_nn_check_weight(c, 1, "gamma", 1, part)) != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  status = check_eps(c);
  return status == WEFT_OK ? weft_nn_check_give_rows(c, x->splits, x->dims[1]) : status;
}

weft_status weft_nn_check_group_norm(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  if (check_parts(c) < 0)
    return WEFT_BAD_CONFIG;
  if (!weft_nn_check_absent(c, 1) && (status = weft_nn_check_weight(c, 1, "gamma", 1, x->dims[1])) != WEFT_OK)
    return status;
  if (!weft_nn_check_absent(c, 2) && (status = weft_nn_check_weight(c, 2, "beta", 1, x->dims[1])) != WEFT_OK)
    return status;
  status = check_eps(c);
  return status == WEFT_OK ? weft_nn_check_give_rows(c, x->splits, x->dims[1]) : status;
}

weft_status weft_nn_check_rotary(const struct weft_nn_check *c)
{
  const int64_t *i = c->op->ints;
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  if (i[0] < 1 || x->dims[1] % i[0] != 0)
    return weft_nn_check_fail(c, "%lld columns cannot be divided into %lld heads", (long long)x->dims[1], (long long)i[0]);
  if (i[1] < 2 || i[1] % 2 || i[1] > x->dims[1] / i[0])
    return weft_nn_check_fail(c, "expected an even number of columns to turn, 2 to %lld, found %lld",
                              (long long)(x->dims[1] / i[0]), (long long)i[1]);
  if (i[2] < 0 || i[2] > 1 || i[3] < 0 || i[3] > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected pairs 0 or 1 and a first place of 0 to 2^31, found %lld and %lld", (long long)i[2],
                              (long long)i[3]);
  if (!(c->op->floats[0] > 0 && isfinite(c->op->floats[0])))
    return weft_nn_check_fail(c, "expected a base above 0, found %g", c->op->floats[0]);
  return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
}

weft_status weft_nn_check_clamp(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  if (c->op->code == WEFT_OP_CLAMP && !(c->op->floats[0] <= c->op->floats[1]))
    return weft_nn_check_fail(c, "expected a range, found [%g, %g]", c->op->floats[0], c->op->floats[1]);
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  return weft_nn_check_give_rows(c, x->splits, x->dims[1]);
}

weft_status weft_nn_check_columns(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  const int64_t *i = c->op->ints;
  if (c->op->code == WEFT_OP_TOP_K) {
    if (i[0] < 1 || i[0] > x->dims[1])
      return weft_nn_check_fail(c, "expected 1 to %lld numbers, found %lld", (long long)x->dims[1], (long long)i[0]);
    return give_ids(c, x->splits, i[0]);
  }
  if (i[0] < 0 || i[1] < 1 || i[0] > x->dims[1] - i[1])
    return weft_nn_check_fail(c, "columns [%lld, +%lld) are outside of %lld", (long long)i[0], (long long)i[1],
                              (long long)x->dims[1]);
  return weft_nn_check_give_rows(c, x->splits, i[1]);
}

weft_status weft_nn_check_concat_columns(const struct weft_nn_check *c)
{
  int64_t width = 0;
  weft_value splits = WEFT_NO_VALUE;
  for (uint32_t i = 0; i < c->op->n_inputs; i++) {
    char role[32];
    snprintf(role, sizeof role, "input %u", i);
    if (i > 0 && weft_nn_check_absent(c, i))
      continue;
    weft_status status = weft_nn_check_rows(c, i, role);
    if (status != WEFT_OK)
      return status;
    const struct weft_plan_value *v = weft_nn_check_input(c, i);
    if (i == 0)
      splits = v->splits;
    if (v->splits != splits)
      return weft_nn_check_expected(c, i, role, "rows as many as those of input 0");
    width += v->dims[1];
  }
  if (width < 1 || width > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected 1 to 2^31 columns, found %lld", (long long)width);
  return weft_nn_check_give_rows(c, splits, width);
}

/* Rows of an item that a value always has, or -1: they vary. */
static int64_t rows_per_item(const struct weft_nn_check *c, weft_value splits)
{
  const struct weft_plan_op *made = splits == WEFT_NO_VALUE ? NULL : weft_nn_check_maker(c, splits);
  return splits == WEFT_NO_VALUE ? 1 : made && made->code == WEFT_OP_SPLITS_UNIFORM ? made->ints[0] : -1;
}

/* Splits, or none for one row an item, are those of `given`. */
static int same_splits(const struct weft_nn_check *c, weft_value splits, weft_value given)
{
  return splits == given || (splits == WEFT_NO_VALUE && rows_per_item(c, given) == 1);
}

weft_status weft_nn_check_concat_rows(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status == WEFT_OK)
    status = weft_nn_check_rows(c, 1, "y");
  if (status == WEFT_OK)
    status = weft_nn_check_splits(c, 2, "splits");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0), *y = weft_nn_check_input(c, 1);
  if (x->dims[1] != y->dims[1])
    return weft_nn_check_expected(c, 1, "y", "rows as wide as those of x");
  const struct weft_plan_op *made = weft_nn_check_maker(c, c->op->inputs[2]);
  int64_t n_x = rows_per_item(c, x->splits), n_y = rows_per_item(c, y->splits);
  int sum = made && made->code == WEFT_OP_SPLITS_SUM && same_splits(c, x->splits, made->inputs[0]) &&
            same_splits(c, y->splits, made->inputs[1]);
  int uniform = made && made->code == WEFT_OP_SPLITS_UNIFORM && n_x >= 0 && n_y >= 0 && made->ints[0] == n_x + n_y;
  if (!sum && !uniform)
    return weft_nn_check_fail(c, "expected the splits of x and y together");
  return weft_nn_check_give_rows(c, c->op->inputs[2], x->dims[1]);
}

weft_status weft_nn_check_gather_rows(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *rows = weft_nn_check_input(c, 1);
  int64_t k = check_ids(c, 1, "rows");
  if (k < 0)
    return WEFT_BAD_CONFIG;
  if (k != 1)
    return weft_nn_check_expected(c, 1, "rows", "rows i32 [*]");
  return weft_nn_check_give_rows(c, rows->splits, weft_nn_check_input(c, 0)->dims[1]);
}

weft_status weft_nn_check_repeat_row(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status == WEFT_OK)
    status = weft_nn_check_splits(c, 1, "splits");
  if (status != WEFT_OK)
    return status;
  if (weft_nn_check_input(c, 0)->splits != WEFT_NO_VALUE)
    return weft_nn_check_expected(c, 0, "x", "one row an item");
  return weft_nn_check_give_rows(c, c->op->inputs[1], weft_nn_check_input(c, 0)->dims[1]);
}

weft_status weft_nn_check_take_columns(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  int64_t k = check_ids(c, 1, "columns");
  if (k < 0)
    return WEFT_BAD_CONFIG;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0);
  if (weft_nn_check_input(c, 1)->splits != x->splits)
    return weft_nn_check_expected(c, 1, "columns", "rows as many as those of x");
  return weft_nn_check_give_rows(c, x->splits, k);
}

weft_status weft_nn_check_weighted_sum(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status == WEFT_OK)
    status = weft_nn_check_rows(c, 1, "p");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0), *p = weft_nn_check_input(c, 1);
  if (p->splits != x->splits || x->dims[1] % p->dims[1] != 0)
    return weft_nn_check_expected(c, 1, "p", "rows as many as those of x, whose width they divide");
  return weft_nn_check_give_rows(c, x->splits, x->dims[1] / p->dims[1]);
}

weft_status weft_nn_check_grouped_linear(const struct weft_nn_check *c)
{
  weft_status status = weft_nn_check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  int64_t k = check_ids(c, 1, "ids");
  if (k < 0)
    return WEFT_BAD_CONFIG;
  const struct weft_plan_value *x = weft_nn_check_input(c, 0), *ids = weft_nn_check_input(c, 1);
  const struct weft_plan_value *w = weft_nn_check_input(c, 2);
  if (ids->splits != x->splits && ids->splits != WEFT_NO_VALUE)
    return weft_nn_check_expected(c, 1, "ids", "as many as the rows of x, or one row an item");
  if (c->op->ints[1] < 0 || c->op->ints[1] > 1 || (c->op->ints[1] && x->dims[1] % k != 0))
    return weft_nn_check_fail(c, "%lld columns cannot be divided into %lld choices (attribute 1: %lld)",
                              (long long)x->dims[1], (long long)k, (long long)c->op->ints[1]);
  int64_t width = c->op->ints[1] ? x->dims[1] / k : x->dims[1];
  char what[64];
  snprintf(what, sizeof what, "a weight [e, n, %lld]", (long long)width);
  if (!w || w->kind != WEFT_VALUE_WEIGHT || w->rank < 3 || weft_nn_check_elements(w) != w->dims[0] * w->dims[1] * width)
    return weft_nn_check_expected(c, 2, "weight", what);
  int64_t n = w->dims[1];
  if (n * k > WEFT_PLAN_DIM_MAX)
    return weft_nn_check_fail(c, "expected at most 2^31 columns, found %lld", (long long)(n * k));
  if (!weft_nn_check_absent(c, 3) && (status = weft_nn_check_weight(c, 3, "bias", w->dims[0], n)) != WEFT_OK)
    return status;
  if (!weft_nn_check_absent(c, 4)) {
    const struct weft_plan_value *m = weft_nn_check_input(c, 4);
    if ((status = weft_nn_check_rows(c, 4, "multiplier")) != WEFT_OK)
      return status;
    if (m->splits != x->splits || m->dims[1] != n * k)
      return weft_nn_check_expected(c, 4, "multiplier", "rows as many and as wide as the result");
  }
  status = weft_nn_check_activation(c);
  return status == WEFT_OK ? weft_nn_check_give_rows(c, x->splits, n * k) : status;
}
