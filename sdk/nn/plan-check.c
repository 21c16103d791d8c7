/* SPDX-License-Identifier: Apache-2.0 */
/* What each operation asks of its inputs, and what it gives. */
#include "plan-check.h"
#include "plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No dim of a plan is larger: products of two dims and a row count stay within 64 bits. */
#define WEFT_PLAN_DIM_MAX (INT64_C(1) << 31)

/* Height, width, channels, kernel and strides of a convolution. */
#define WEFT_PLAN_PICTURE_MAX (INT64_C(1) << 16)

struct check {
  const struct weft_plan *plan;
  const struct weft_plan_op *op;
  struct weft_plan_value *result;
  char *message;
};

static const char *dtype_text(struct weft_dtype dtype, char *text, size_t n_bytes)
{
  static const char *const names[] = {"i", "u", "f", "?", "bf"};
  snprintf(text, n_bytes, "%s%u", dtype.code < sizeof names / sizeof *names ? names[dtype.code] : "?", dtype.bits);
  return text;
}

const char *weft_nn_value_text(const struct weft_plan *plan, weft_value value, char *text, size_t n_bytes)
{
  if (value >= plan->n_values) {
    snprintf(text, n_bytes, "nothing");
    return text;
  }
  const struct weft_plan_value *v = &plan->values[value];
  char dtype[16];
  int n = v->name ? snprintf(text, n_bytes, "%.80s ", v->name) : snprintf(text, n_bytes, "value %u ", value);
  if (v->kind == WEFT_VALUE_SPLITS) {
    snprintf(text + n, n_bytes - (size_t)n, "splits");
    return text;
  }
  n += snprintf(text + n, n_bytes - (size_t)n, "%s [", dtype_text(v->dtype, dtype, sizeof dtype));
  for (uint32_t d = 0; d < v->rank && d < WEFT_PLAN_RANK && (size_t)n < n_bytes; d++)
    n += v->dims[d] < 0 ? snprintf(text + n, n_bytes - (size_t)n, "%s*", d ? ", " : "")
                        : snprintf(text + n, n_bytes - (size_t)n, "%s%lld", d ? ", " : "", (long long)v->dims[d]);
  if ((size_t)n < n_bytes)
    snprintf(text + n, n_bytes - (size_t)n, "]");
  return text;
}

WEFT_PRINTF(2, 3) static weft_status fail(const struct check *c, const char *format, ...)
{
  const char *name = weft_nn_op_name(c->op->code);
  int n = snprintf(c->message, WEFT_MESSAGE_BYTES, "operation %u, %s: ", c->plan->n_ops, name ? name : "?");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->message + n, WEFT_MESSAGE_BYTES - (size_t)n, format, arguments);
  va_end(arguments);
  return WEFT_BAD_CONFIG;
}

static weft_status expected(const struct check *c, uint32_t input, const char *role, const char *what)
{
  char text[160];
  return fail(c, "%s: expected %s, found %s", role, what,
              weft_nn_value_text(c->plan, c->op->inputs[input], text, sizeof text));
}

static const struct weft_plan_value *input_of(const struct check *c, uint32_t input)
{
  weft_value id = input < c->op->n_inputs ? c->op->inputs[input] : WEFT_NO_VALUE;
  return id < c->plan->n_values ? &c->plan->values[id] : NULL;
}

/* x: [*, d] f32. */
static weft_status check_rows(const struct check *c, uint32_t input, const char *role)
{
  const struct weft_plan_value *v = input_of(c, input);
  if (!v || v->kind != WEFT_VALUE_ROWS || v->rank != 2 || !weft_dtype_equal(v->dtype, weft_f32()))
    return expected(c, input, role, "rows f32 [*, d]");
  return WEFT_OK;
}

static int64_t n_elements(const struct weft_plan_value *v)
{
  int64_t n = 1;
  for (uint32_t d = 0; d < v->rank; d++)
    n *= v->dims[d];
  return n;
}

/* A weight of n_rows x width elements, whatever its rank; n_rows < 0: any. Absent is fine where optional. */
static weft_status check_weight(const struct check *c, uint32_t input, const char *role, int64_t n_rows, int64_t width)
{
  const struct weft_plan_value *v = input_of(c, input);
  char what[96];
  if (n_rows == 1)
    snprintf(what, sizeof what, "a weight [%lld]", (long long)width);
  else if (n_rows < 0)
    snprintf(what, sizeof what, "a weight [n, %lld]", (long long)width);
  else
    snprintf(what, sizeof what, "a weight [%lld, %lld]", (long long)n_rows, (long long)width);
  if (!v || v->kind != WEFT_VALUE_WEIGHT)
    return expected(c, input, role, what);
  int64_t n = n_elements(v);
  if (n % width != 0 || (n_rows >= 0 && n / width != n_rows) ||
      (v->rank > 1 && n_rows != 1 && v->dims[v->rank - 1] != width))
    return expected(c, input, role, what);
  return WEFT_OK;
}

static int absent(const struct check *c, uint32_t input)
{
  return input >= c->op->n_inputs || c->op->inputs[input] == WEFT_NO_VALUE;
}

static weft_status check_splits(const struct check *c, uint32_t input, const char *role)
{
  const struct weft_plan_value *v = input_of(c, input);
  return v && v->kind == WEFT_VALUE_SPLITS ? WEFT_OK : expected(c, input, role, "splits");
}

static weft_status check_activation(const struct check *c)
{
  if (c->op->ints[0] < 0 || c->op->ints[0] >= WEFT_N_ACT)
    return fail(c, "expected an activation of WEFT_ACT_*, 0..%d, found %lld", WEFT_N_ACT - 1,
                (long long)c->op->ints[0]);
  return WEFT_OK;
}

static weft_status give_rows(const struct check *c, weft_value splits, int64_t width)
{
  *c->result = (struct weft_plan_value){.kind = WEFT_VALUE_ROWS, .splits = splits, .rank = 2, .dims = {-1, width},
                                        .dtype = weft_f32()};
  return WEFT_OK;
}

static weft_status check_splits_op(const struct check *c)
{
  const int64_t *i = c->op->ints;
  if (c->op->code != WEFT_OP_SPLITS_UNIFORM) {
    weft_status status = check_splits(c, 0, "splits");
    if (status != WEFT_OK)
      return status;
  }
  if (i[0] < 0 || i[0] > WEFT_PLAN_DIM_MAX || i[1] < 0 || i[1] > WEFT_PLAN_DIM_MAX)
    return fail(c, "expected row counts of 0 to 2^31, found %lld and %lld", (long long)i[0], (long long)i[1]);
  *c->result = (struct weft_plan_value){.kind = WEFT_VALUE_SPLITS, .splits = WEFT_NO_VALUE, .rank = 1, .dims = {-1},
                                        .dtype = weft_i64()};
  return WEFT_OK;
}

static weft_status check_linear(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  const struct weft_plan_value *x = input_of(c, 0), *w = input_of(c, 1);
  if (status != WEFT_OK)
    return status;
  char what[64];
  snprintf(what, sizeof what, "a weight [n, %lld]", (long long)x->dims[1]);
  if (!w || w->kind != WEFT_VALUE_WEIGHT || w->rank < 2 || n_elements(w) != w->dims[0] * x->dims[1])
    return expected(c, 1, "weight", what);
  int64_t n = w->dims[0];
  if (!absent(c, 2) && (status = check_weight(c, 2, "bias", 1, n)) != WEFT_OK)
    return status;
  if (!absent(c, 3)) {
    const struct weft_plan_value *r = input_of(c, 3);
    if ((status = check_rows(c, 3, "residual")) != WEFT_OK)
      return status;
    if (r->dims[1] != n || r->splits != x->splits)
      return expected(c, 3, "residual", "rows as many and as wide as the result");
  }
  status = check_activation(c);
  return status == WEFT_OK ? give_rows(c, x->splits, n) : status;
}

static weft_status check_layer_norm(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = input_of(c, 0);
  if ((status = check_weight(c, 1, "gamma", 1, x->dims[1])) != WEFT_OK)
    return status;
  if (!absent(c, 2) && (status = check_weight(c, 2, "beta", 1, x->dims[1])) != WEFT_OK)
    return status;
  if (!(c->op->floats[0] >= 0 && isfinite(c->op->floats[0])))
    return fail(c, "expected eps of 0 or more, found %g", c->op->floats[0]);
  return give_rows(c, x->splits, x->dims[1]);
}

/* Flags, window, global range, buckets. */
static weft_status check_attention_seen(const struct check *c)
{
  const int64_t *i = c->op->ints;
  const int64_t flags = WEFT_ATTENTION_CAUSAL | WEFT_ATTENTION_WINDOW | WEFT_ATTENTION_ONE_SIDED;
  if (i[2] & ~flags)
    return fail(c, "expected flags of WEFT_ATTENTION_*, found %lld", (long long)i[2]);
  if (i[3] < 0 || i[3] > WEFT_PLAN_DIM_MAX || i[4] < 0 || i[4] > WEFT_PLAN_DIM_MAX)
    return fail(c, "expected a window of 0 to 2^31 rows before and behind, found %lld and %lld", (long long)i[3],
                (long long)i[4]);
  if (i[5] < 0 || i[6] < i[5] || i[6] > WEFT_PLAN_DIM_MAX)
    return fail(c, "expected a global range of rows from 0 to 2^31, found [%lld, %lld)", (long long)i[5],
                (long long)i[6]);
  if (absent(c, 3))
    return WEFT_OK;
  const struct weft_plan_value *bias = input_of(c, 3);
  int64_t least = i[2] & WEFT_ATTENTION_ONE_SIDED ? 2 : 4;
  weft_status status = check_weight(c, 3, "bias", -1, i[0]);
  if (status != WEFT_OK)
    return status;
  if (bias->rank != 2 || bias->dims[0] < least)
    return expected(c, 3, "bias", least == 2 ? "a weight of 2 buckets or more" : "a weight of 4 buckets or more");
  int64_t exact = bias->dims[0] / least;
  if (i[7] <= exact || i[7] > WEFT_PLAN_DIM_MAX)
    return fail(c, "expected a largest distance beyond the %lld that have a bucket each, found %lld", (long long)exact,
                (long long)i[7]);
  return WEFT_OK;
}

static weft_status check_attention(const struct check *c)
{
  static const char *const roles[] = {"q", "k", "v"};
  for (uint32_t i = 0; i < 3; i++) {
    weft_status status = check_rows(c, i, roles[i]);
    if (status != WEFT_OK)
      return status;
  }
  const struct weft_plan_value *q = input_of(c, 0), *k = input_of(c, 1), *v = input_of(c, 2);
  int64_t n_heads = c->op->ints[0], n_kv = c->op->ints[1] ? c->op->ints[1] : n_heads;
  if (n_heads < 1 || q->dims[1] % n_heads != 0)
    return fail(c, "%lld columns cannot be divided into %lld heads", (long long)q->dims[1], (long long)n_heads);
  if (n_kv < 1 || n_heads % n_kv != 0)
    return fail(c, "%lld heads of queries cannot share %lld heads of keys", (long long)n_heads, (long long)n_kv);
  char what[80];
  snprintf(what, sizeof what, "rows of %lld heads of %lld, %lld columns", (long long)n_kv,
           (long long)(q->dims[1] / n_heads), (long long)(q->dims[1] / n_heads * n_kv));
  if (k->dims[1] != q->dims[1] / n_heads * n_kv)
    return expected(c, 1, "k", what);
  if (v->splits != k->splits)
    return expected(c, 2, "v", "rows as many as those of k");
  if (v->dims[1] % n_kv != 0)
    return fail(c, "v: %lld columns cannot be divided into %lld heads", (long long)v->dims[1], (long long)n_kv);
  if (!isfinite(c->op->floats[0]))
    return fail(c, "expected a finite scale, found %g", c->op->floats[0]);
  weft_status status = check_attention_seen(c);
  return status == WEFT_OK ? give_rows(c, q->splits, v->dims[1] / n_kv * n_heads) : status;
}

static weft_status check_embedding(const struct check *c)
{
  const struct weft_plan_value *ids = input_of(c, 0), *table = input_of(c, 1);
  if (!ids || ids->kind != WEFT_VALUE_ROWS || ids->rank != 1 || !weft_dtype_equal(ids->dtype, weft_i32()))
    return expected(c, 0, "ids", "rows i32 [*]");
  if (!table || table->kind != WEFT_VALUE_WEIGHT || table->rank != 2)
    return expected(c, 1, "table", "a weight [n, d]");
  return give_rows(c, ids->splits, table->dims[1]);
}

static weft_status check_add_position(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = input_of(c, 0);
  if ((status = check_weight(c, 1, "table", -1, x->dims[1])) != WEFT_OK)
    return status;
  int64_t n = n_elements(input_of(c, 1)) / x->dims[1];
  if (c->op->ints[0] < 0 || c->op->ints[0] >= n)
    return fail(c, "first position %lld is outside of a table of %lld rows", (long long)c->op->ints[0], (long long)n);
  return give_rows(c, x->splits, x->dims[1]);
}

static weft_status check_patches(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK || (status = check_splits(c, 1, "splits")) != WEFT_OK)
    return status;
  const int64_t *i = c->op->ints;
  for (int k = 0; k < 7; k++)
    if (i[k] < 1 || i[k] > WEFT_PLAN_PICTURE_MAX)
      return fail(c, "expected sizes of 1 to 65536, found %lld (attribute %d)", (long long)i[k], k);
  if (i[3] > i[0] || i[4] > i[1])
    return fail(c, "the kernel, %lld x %lld, is larger than the picture, %lld x %lld", (long long)i[3],
                (long long)i[4], (long long)i[0], (long long)i[1]);
  for (int k = 7; k < 10; k++)
    if (i[k] < 0 || i[k] > WEFT_PLAN_DIM_MAX)
      return fail(c, "expected distances of 0 to 2^31, found %lld (attribute %d)", (long long)i[k], k);
  int64_t last = (i[0] - 1) * i[7] + (i[1] - 1) * i[8] + (i[2] - 1) * i[9], size = i[0] * i[1] * i[2];
  if (last >= size)
    return fail(c, "distances %lld, %lld, %lld lead beyond the %lld floats of an item", (long long)i[7],
                (long long)i[8], (long long)i[9], (long long)size);
  int64_t n = ((i[0] - i[3]) / i[5] + 1) * ((i[1] - i[4]) / i[6] + 1);
  for (uint32_t o = 0; o < c->plan->n_ops; o++)
    if (c->plan->ops[o].outputs[0] == c->op->inputs[1] && c->plan->ops[o].code == WEFT_OP_SPLITS_UNIFORM &&
        c->plan->ops[o].ints[0] == n)
      return give_rows(c, c->op->inputs[1], i[2] * i[3] * i[4]);
  return fail(c, "expected splits of %lld rows an item", (long long)n);
}

/* Whether splits are what `code` with i0, i1 makes of those of x (or uniform: the builder folds constants). */
static int splits_derived(const struct check *c, weft_value splits, uint32_t code, int64_t i0, int64_t i1)
{
  const struct weft_plan_value *x = input_of(c, 0);
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

static weft_status check_prepend(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = input_of(c, 0);
  if ((status = check_weight(c, 1, "tokens", -1, x->dims[1])) != WEFT_OK ||
      (status = check_splits(c, 2, "splits")) != WEFT_OK)
    return status;
  int64_t k = n_elements(input_of(c, 1)) / x->dims[1];
  if (!splits_derived(c, c->op->inputs[2], WEFT_OP_SPLITS_ADD, k, 0))
    return fail(c, "expected the splits of x with %lld rows more an item", (long long)k);
  return give_rows(c, c->op->inputs[2], x->dims[1]);
}

static weft_status check_slice_rows(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK || (status = check_splits(c, 1, "splits")) != WEFT_OK)
    return status;
  if (!splits_derived(c, c->op->inputs[1], WEFT_OP_SPLITS_SLICE, c->op->ints[0], c->op->ints[1]))
    return fail(c, "expected splits of the rows [%lld, +%lld) of each item of x", (long long)c->op->ints[0],
                (long long)c->op->ints[1]);
  return give_rows(c, c->op->inputs[1], input_of(c, 0)->dims[1]);
}

static weft_status check_pool(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  int64_t width = input_of(c, 0)->dims[1];
  if (c->op->code == WEFT_OP_SELECT_ROW && c->op->ints[0] < 0)
    return fail(c, "expected a row of 0 or more, found %lld", (long long)c->op->ints[0]);
  if (c->op->code == WEFT_OP_ATTENTION_POOL && (status = check_weight(c, 1, "score", 1, width)) != WEFT_OK)
    return status;
  return give_rows(c, WEFT_NO_VALUE, width);
}

static weft_status check_binary(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  const struct weft_plan_value *x = input_of(c, 0), *y = input_of(c, 1);
  if (y && y->kind == WEFT_VALUE_WEIGHT) {
    if ((status = check_weight(c, 1, "y", 1, x->dims[1])) != WEFT_OK)
      return status;
    return give_rows(c, x->splits, x->dims[1]);
  }
  if ((status = check_rows(c, 1, "y")) != WEFT_OK)
    return status;
  if (y->splits != x->splits || (y->dims[1] != x->dims[1] && y->dims[1] != 1)) {
    char text[160], what[200];
    snprintf(what, sizeof what, "rows as many as those of x (%s) and as wide, or of width 1",
             weft_nn_value_text(c->plan, c->op->inputs[0], text, sizeof text));
    return expected(c, 1, "y", what);
  }
  return give_rows(c, x->splits, x->dims[1]);
}

static weft_status check_unary(const struct check *c)
{
  weft_status status = check_rows(c, 0, "x");
  if (status != WEFT_OK)
    return status;
  if (c->op->code == WEFT_OP_ACTIVATION && (status = check_activation(c)) != WEFT_OK)
    return status;
  if (!isfinite(c->op->floats[0]) || !isfinite(c->op->floats[1]))
    return fail(c, "expected finite factors, found %g and %g", c->op->floats[0], c->op->floats[1]);
  const struct weft_plan_value *x = input_of(c, 0);
  return give_rows(c, x->splits, x->dims[1]);
}

static const struct {
  uint32_t code;
  const char *name;
  weft_status (*check)(const struct check *c);
} ops[] = {
    {WEFT_OP_SPLITS_UNIFORM, "splits_uniform", check_splits_op},
    {WEFT_OP_SPLITS_ADD, "splits_add", check_splits_op},
    {WEFT_OP_SPLITS_SLICE, "splits_slice", check_splits_op},
    {WEFT_OP_LINEAR, "linear", check_linear},
    {WEFT_OP_LAYER_NORM, "layer_norm", check_layer_norm},
    {WEFT_OP_ATTENTION, "attention", check_attention},
    {WEFT_OP_EMBEDDING, "embedding", check_embedding},
    {WEFT_OP_ADD_POSITION, "add_position", check_add_position},
    {WEFT_OP_PATCHES, "patches", check_patches},
    {WEFT_OP_PREPEND, "prepend", check_prepend},
    {WEFT_OP_SELECT_ROW, "select_row", check_pool},
    {WEFT_OP_SLICE_ROWS, "slice_rows", check_slice_rows},
    {WEFT_OP_MEAN_ROWS, "mean_rows", check_pool},
    {WEFT_OP_ATTENTION_POOL, "attention_pool", check_pool},
    {WEFT_OP_SOFTMAX, "softmax", check_unary},
    {WEFT_OP_ADD, "add", check_binary},
    {WEFT_OP_MUL, "mul", check_binary},
    {WEFT_OP_SCALE, "scale", check_unary},
    {WEFT_OP_ACTIVATION, "activation", check_unary},
};

const char *weft_nn_op_name(uint32_t code)
{
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (ops[i].code == code)
      return ops[i].name;
  return NULL;
}

weft_status weft_nn_op_check(const struct weft_plan *plan, const struct weft_plan_op *op,
                             struct weft_plan_value *result, char *message)
{
  struct check c = {plan, op, result, message};
  if (op->n_inputs > WEFT_PLAN_INPUTS)
    return fail(&c, "%u inputs, %d are the most", op->n_inputs, WEFT_PLAN_INPUTS);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (ops[i].code == op->code)
      return ops[i].check(&c);
  fail(&c, "operation number %u is not known", op->code);
  return WEFT_UNSUPPORTED;
}

static int weight_dtype_known(struct weft_dtype t)
{
  return t.lanes == 1 && ((t.code == WEFT_DTYPE_FLOAT && (t.bits == 32 || t.bits == 16)) ||
                          (t.code == WEFT_DTYPE_BFLOAT && t.bits == 16));
}

weft_status weft_nn_weight_check(const struct weft_plan_weight *weight, char *message)
{
  const char *name = weight->name ? weight->name : "?";
  char dtype[16];
  if (!weight->data) {
    snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: has no data", name);
    return WEFT_BAD_CONFIG;
  }
  if (!weight_dtype_known(weight->dtype)) {
    snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: expected element type f32, f16 or bf16, found %s", name,
             dtype_text(weight->dtype, dtype, sizeof dtype));
    return WEFT_BAD_CONFIG;
  }
  if (weight->rank < 1 || weight->rank > WEFT_PLAN_RANK) {
    snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: expected 1 to %d dims, found %u", name, WEFT_PLAN_RANK,
             weight->rank);
    return WEFT_BAD_CONFIG;
  }
  int64_t n = 1;
  for (uint32_t d = 0; d < weight->rank; d++) {
    if (weight->dims[d] < 1 || weight->dims[d] > WEFT_PLAN_DIM_MAX / n) {
      snprintf(message, WEFT_MESSAGE_BYTES, "weight %s: expected 1 to 2^31 elements, found %lld in dim %u", name,
               (long long)weight->dims[d], d);
      return WEFT_BAD_CONFIG;
    }
    n *= weight->dims[d];
  }
  return WEFT_OK;
}

/* Values that exist before any operation: inputs and weights. */
static weft_status check_givens(const struct weft_plan *plan, uint8_t *written, char *message)
{
  for (uint32_t i = 0; i < plan->n_weights; i++) {
    weft_status status = weft_nn_weight_check(&plan->weights[i], message);
    if (status != WEFT_OK)
      return status;
  }
  for (uint32_t i = 0; i < plan->n_values; i++) {
    const struct weft_plan_value *v = &plan->values[i];
    int weight_fits = v->kind == WEFT_VALUE_WEIGHT && v->weight < plan->n_weights &&
                      plan->weights[v->weight].rank == v->rank &&
                      memcmp(plan->weights[v->weight].dims, v->dims, v->rank * sizeof v->dims[0]) == 0;
    written[i] = (uint8_t)weight_fits;
    if (v->rank < 1 || v->rank > WEFT_PLAN_RANK || v->kind > WEFT_VALUE_SPLITS ||
        (v->kind == WEFT_VALUE_WEIGHT && !weight_fits) ||
        (v->kind == WEFT_VALUE_ROWS && v->splits != WEFT_NO_VALUE &&
         (v->splits >= plan->n_values || plan->values[v->splits].kind != WEFT_VALUE_SPLITS)) ||
        (v->kind == WEFT_VALUE_ROWS && v->rank == 2 && (v->dims[1] < 1 || v->dims[1] > WEFT_PLAN_DIM_MAX))) {
      snprintf(message, WEFT_MESSAGE_BYTES, "value %u is not well formed (kind %u, rank %u)", i, v->kind, v->rank);
      return WEFT_BAD_CONFIG;
    }
  }
  for (uint32_t i = 0; i < plan->n_inputs; i++) {
    weft_value v = plan->inputs[i];
    if (v >= plan->n_values || written[v]) {
      snprintf(message, WEFT_MESSAGE_BYTES, "input %u: value %u does not exist or is given twice", i, v);
      return WEFT_BAD_CONFIG;
    }
    written[v] = 1;
  }
  return WEFT_OK;
}

static weft_status check_op_in_plan(struct weft_plan *before, const struct weft_plan_op *op, uint8_t *written,
                                    char *message)
{
  for (uint32_t i = 0; i < op->n_inputs && i < WEFT_PLAN_INPUTS; i++)
    if (op->inputs[i] != WEFT_NO_VALUE && (op->inputs[i] >= before->n_values || !written[op->inputs[i]])) {
      snprintf(message, WEFT_MESSAGE_BYTES, "operation %u reads value %u, which is not written before", before->n_ops,
               op->inputs[i]);
      return WEFT_BAD_CONFIG;
    }
  struct weft_plan_value result;
  weft_status status = weft_nn_op_check(before, op, &result, message);
  if (status != WEFT_OK)
    return status;
  weft_value out = op->outputs[0];
  if (op->n_outputs != 1 || out >= before->n_values || written[out]) {
    snprintf(message, WEFT_MESSAGE_BYTES, "operation %u: expected one result that nothing wrote before, found value %u",
             before->n_ops, out);
    return WEFT_BAD_CONFIG;
  }
  const struct weft_plan_value *v = &before->values[out];
  if (v->kind != result.kind || v->rank != result.rank || v->splits != result.splits ||
      !weft_dtype_equal(v->dtype, result.dtype) || v->dims[0] != result.dims[0] ||
      (v->rank == 2 && v->dims[1] != result.dims[1])) {
    snprintf(message, WEFT_MESSAGE_BYTES, "operation %u: value %u is not declared as what the operation gives",
             before->n_ops, out);
    return WEFT_BAD_CONFIG;
  }
  written[out] = 1;
  return WEFT_OK;
}

weft_status weft_nn_plan_check(const struct weft_plan *plan, char *message)
{
  uint8_t *written = calloc(plan->n_values + 1u, 1);
  if (!written) {
    snprintf(message, WEFT_MESSAGE_BYTES, "no memory to check a plan of %u values", plan->n_values);
    return WEFT_NO_MEMORY;
  }
  weft_status status = check_givens(plan, written, message);
  struct weft_plan before = *plan;
  for (before.n_ops = 0; before.n_ops < plan->n_ops && status == WEFT_OK; before.n_ops++)
    status = check_op_in_plan(&before, &plan->ops[before.n_ops], written, message);
  for (uint32_t i = 0; i < plan->n_outputs && status == WEFT_OK; i++) {
    weft_value v = plan->outputs[i];
    int is_input = 0;
    for (uint32_t k = 0; k < plan->n_inputs; k++)
      is_input |= plan->inputs[k] == v;
    if (v >= plan->n_values || plan->values[v].kind != WEFT_VALUE_ROWS || !written[v] || is_input) {
      snprintf(message, WEFT_MESSAGE_BYTES, "output %u: value %u is not the rows that an operation writes", i, v);
      status = WEFT_BAD_CONFIG;
    }
  }
  free(written);
  return status;
}
