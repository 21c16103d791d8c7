/* SPDX-License-Identifier: Apache-2.0 */
#include "reference-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

int64_t reference_width(const struct weft_plan *plan, weft_value v)
{
  return plan->values[v].rank == 2 ? plan->values[v].dims[1] : 1;
}

const float *reference_weight(const struct op_run *o, uint32_t input)
{
  weft_value v = o->op->inputs[input];
  if (v == WEFT_NO_VALUE || o->plan->values[v].kind != WEFT_VALUE_WEIGHT)
    return NULL;
  const struct weft_plan_weight *w = &o->plan->weights[o->plan->values[v].weight];
  return (const float *)(const void *)((const char *)w->data + w->offset);
}

void reference_item(const struct op_run *o, weft_value v, uint32_t item, int64_t *begin, int64_t *end)
{
  weft_value splits = o->plan->values[v].splits;
  *begin = splits == WEFT_NO_VALUE ? item : o->r->splits[splits][item];
  *end = splits == WEFT_NO_VALUE ? item + 1 : o->r->splits[splits][item + 1];
}

double reference_activate(double x, int64_t act)
{
  switch (act) {
  case WEFT_ACT_GELU: return .5 * x * erfc(-x / sqrt(2));
  case WEFT_ACT_GELU_TANH: return .5 * x * (1 + tanh(sqrt(2 / G_PI) * (x + .044715 * x * x * x)));
  case WEFT_ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x));
  case WEFT_ACT_RELU: return x > 0 ? x : 0;
  case WEFT_ACT_SILU: return x / (1 + exp(-x));
  case WEFT_ACT_TANH: return tanh(x);
  case WEFT_ACT_SIGMOID: return 1 / (1 + exp(-x));
  default: return x;
  }
}

void reference_softmax(double *p, const double *x, int64_t n, double factor)
{
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++)
    most = MAX(most, x[i] * factor);
  for (int64_t i = 0; i < n; i++)
    sum += p[i] = exp(x[i] * factor - most);
  for (int64_t i = 0; i < n; i++)
    p[i] /= sum;
}

static void linear(const struct op_run *o)
{
  const float *w = reference_weight(o, 1), *bias = reference_weight(o, 2);
  const double *residual = o->op->inputs[3] == WEFT_NO_VALUE ? NULL : o->r->data[o->op->inputs[3]];
  for (int64_t i = 0; i < o->n; i++)
    for (int64_t j = 0; j < o->d_out; j++) {
      double sum = bias ? bias[j] : 0;
      for (int64_t k = 0; k < o->d; k++)
        sum += o->x[i * o->d + k] * w[j * o->d + k];
      o->y[i * o->d_out + j] = reference_activate(sum, o->op->ints[0]) + (residual ? residual[i * o->d_out + j] : 0);
    }
}

static void layer_norm(const struct op_run *o)
{
  const float *gamma = reference_weight(o, 1), *beta = reference_weight(o, 2);
  for (int64_t i = 0; i < o->n; i++) {
    const double *x = o->x + i * o->d;
    double mean = 0, variance = 0;
    for (int64_t j = 0; j < o->d; j++)
      mean += x[j] / (double)o->d;
    for (int64_t j = 0; j < o->d; j++)
      variance += (x[j] - mean) * (x[j] - mean) / (double)o->d;
    for (int64_t j = 0; j < o->d; j++)
      o->y[i * o->d + j] = (x[j] - mean) / sqrt(variance + o->op->floats[0]) * gamma[j] + (beta ? beta[j] : 0);
  }
}

/* As T5's own code: the logarithm in f32, cut to a whole number. */
static int64_t bucket_of(const struct weft_plan_op *op, int64_t n_buckets, int64_t distance)
{
  int64_t base = 0, n = ABS(distance);
  if (op->ints[2] & WEFT_ATTENTION_ONE_SIDED)
    n = MAX(-distance, 0);
  else {
    n_buckets /= 2;
    base = distance > 0 ? n_buckets : 0;
  }
  int64_t exact = n_buckets / 2;
  if (n < exact)
    return base + n;
  float part = logf((float)n / (float)exact) / (float)log((double)op->ints[7] / (double)exact);
  return base + MIN(n_buckets - 1, exact + (int64_t)(part * (float)(n_buckets - exact)));
}

static int sees(const int64_t *i, int64_t row, int64_t key)
{
  if ((i[2] & WEFT_ATTENTION_CAUSAL) && key > row)
    return 0;
  int global = (row >= i[5] && row < i[6]) || (key >= i[5] && key < i[6]);
  return !(i[2] & WEFT_ATTENTION_WINDOW) || global || (key >= row - i[3] && key <= row + i[4]);
}

/* row, key, end_key: in all rows; at: of row within its item. */
static void attention_row(const struct op_run *o, int64_t row, int64_t at, int64_t head, int64_t key, int64_t end_key)
{
  const double *k = o->r->data[o->op->inputs[1]], *v = o->r->data[o->op->inputs[2]];
  const float *bias = o->op->n_inputs > 3 ? reference_weight(o, 3) : NULL;
  int64_t n_heads = o->op->ints[0], n_kv = o->op->ints[1] ? o->op->ints[1] : n_heads, n = end_key - key, n_seen = 0;
  int64_t d = o->d / n_heads, e = o->d_out / n_heads, kv = head / (n_heads / n_kv);
  double *p = g_new0(double, (gsize)n + 1), *y = o->y + row * o->d_out + head * e;
  for (int64_t j = 0; j < n; j++) {
    for (int64_t c = 0; c < d; c++)
      p[j] += o->x[row * o->d + head * d + c] * k[(key + j) * n_kv * d + kv * d + c];
    p[j] *= o->op->floats[0];
    if (bias)
      p[j] += bias[bucket_of(o->op, o->plan->values[o->op->inputs[3]].dims[0], j - at) * n_heads + head];
    if (!sees(o->op->ints, at, j))
      p[j] = -INFINITY;
    n_seen += sees(o->op->ints, at, j);
  }
  if (n_seen > 0) {
    reference_softmax(p, p, n, 1);
    for (int64_t c = 0; c < e; c++)
      for (int64_t j = 0; j < n; j++)
        y[c] += p[j] * v[(key + j) * n_kv * e + kv * e + c];
  }
  g_free(p);
}

static void attention(const struct op_run *o, uint32_t item, int64_t begin, int64_t end)
{
  int64_t key, end_key;
  reference_item(o, o->op->inputs[1], item, &key, &end_key);
  for (int64_t row = begin; row < end; row++)
    for (int64_t head = 0; head < o->op->ints[0]; head++)
      attention_row(o, row, row - begin, head, key, end_key);
}

static void patches(const struct op_run *o, int64_t from, int64_t to)
{
  const int64_t *i = o->op->ints;
  const double *x = o->x + from * o->d;
  double *y = o->y + to * o->d_out;
  for (int64_t py = 0; py < (i[0] - i[3]) / i[5] + 1; py++)
    for (int64_t px = 0; px < (i[1] - i[4]) / i[6] + 1; px++)
      for (int64_t c = 0; c < i[2]; c++)
        for (int64_t ky = 0; ky < i[3]; ky++)
          for (int64_t kx = 0; kx < i[4]; kx++)
            *y++ = x[c * i[9] + (py * i[5] + ky) * i[7] + (px * i[6] + kx) * i[8]];
}

/* Pools of one item, and rows moved: from, end in x; to in the result. */
static void by_item(const struct op_run *o, uint32_t item, int64_t from, int64_t end, int64_t to, int64_t to_end)
{
  int64_t d = o->d, n = end - from;
  const float *w = o->op->n_inputs > 1 ? reference_weight(o, 1) : NULL;
  const double *x = o->x + from * d;
  double *y = o->y + to * o->d_out;
  switch (o->op->code) {
  case WEFT_OP_ATTENTION: attention(o, item, from, end); break;
  case WEFT_OP_PATCHES: patches(o, from, to); break;
  case WEFT_OP_ADD_POSITION:
    for (int64_t i = 0; i < n * d; i++)
      y[i] = x[i] + w[o->op->ints[0] * d + i];
    break;
  case WEFT_OP_PREPEND:
    for (int64_t i = 0; i < (to_end - to) * d; i++)
      y[i] = i < (to_end - to - n) * d ? w[i] : x[i - (to_end - to - n) * d];
    break;
  case WEFT_OP_SELECT_ROW:
    memcpy(y, x + (o->op->ints[0] < 0 ? n + o->op->ints[0] : o->op->ints[0]) * d, (gsize)d * sizeof *y);
    break;
  case WEFT_OP_SLICE_ROWS:
    for (int64_t i = 0; i < (to_end - to) * d; i++)
      y[i] = x[o->op->ints[0] * d + i];
    break;
  case WEFT_OP_MEAN_ROWS:
    for (int64_t i = 0; i < n * d; i++)
      y[i % d] += x[i] / (double)n;
    break;
  default: {
    double *p = g_new0(double, (gsize)n + 1);
    for (int64_t i = 0; i < n * d; i++)
      p[i / d] += x[i] * w[i % d];
    reference_softmax(p, p, n, 1 / sqrt((double)d));
    for (int64_t i = 0; i < n * d; i++)
      y[i % d] += x[i] * p[i / d];
    g_free(p);
  }
  }
}

static void elementwise(const struct op_run *o)
{
  const double *b = o->op->n_inputs > 1 ? o->r->data[o->op->inputs[1]] : NULL;
  const float *w = o->op->n_inputs > 1 ? reference_weight(o, 1) : NULL;
  int64_t d_b = b ? reference_width(o->plan, o->op->inputs[1]) : 0;
  for (int64_t i = 0; i < o->n * o->d; i++) {
    double other = w ? w[i % o->d] : b ? b[d_b == 1 ? i / o->d : i] : 0;
    switch (o->op->code) {
    case WEFT_OP_ADD: o->y[i] = o->x[i] + other; break;
    case WEFT_OP_MUL: o->y[i] = o->x[i] * other; break;
    case WEFT_OP_SCALE: o->y[i] = o->x[i] * o->op->floats[0] + o->op->floats[1]; break;
    default: o->y[i] = reference_activate(o->x[i], o->op->ints[0]);
    }
  }
}

static void embedding(const struct op_run *o)
{
  const float *table = reference_weight(o, 1);
  for (int64_t i = 0; i < o->n * o->d_out; i++)
    o->y[i] = table[(int64_t)o->x[i / o->d_out] * o->d_out + i % o->d_out];
}

static int64_t *derived_splits(const struct op_run *o)
{
  const int64_t *in = o->op->n_inputs ? o->r->splits[o->op->inputs[0]] : NULL, *i = o->op->ints;
  int64_t *out = g_new0(int64_t, o->n_items + 1u);
  for (uint32_t k = 0; k < o->n_items; k++) {
    int64_t n = in ? in[k + 1] - in[k] : 0;
    if (o->op->code == WEFT_OP_SPLITS_SLICE) {
      n = CLAMP(n - i[0], 0, i[1]);
    } else if (o->op->code == WEFT_OP_SPLITS_CONV) {
      int64_t span = MAX(i[3], 1) * (i[0] - 1) + 1;
      n = n + i[2] < span ? 0 : (n + i[2] - span) / i[1] + 1;
    } else if (o->op->code == WEFT_OP_SPLITS_SUM) {
      const int64_t *other = o->r->splits[o->op->inputs[1]];
      n += other[k + 1] - other[k];
    } else {
      n += i[0];
    }
    out[k + 1] = out[k] + n;
  }
  return out;
}

static void run_op(struct op_run *o)
{
  if (reference_more(o))
    return;
  if (o->op->code == WEFT_OP_LINEAR)
    linear(o);
  else if (o->op->code == WEFT_OP_LAYER_NORM)
    layer_norm(o);
  else if (o->op->code == WEFT_OP_EMBEDDING)
    embedding(o);
  else if (o->op->code == WEFT_OP_SOFTMAX)
    for (int64_t i = 0; i < o->n; i++)
      reference_softmax(o->y + i * o->d, o->x + i * o->d, o->d, o->op->floats[0]);
  else if (o->op->code >= WEFT_OP_ADD)
    elementwise(o);
  else
    for (uint32_t k = 0; k < o->n_items; k++) {
      int64_t from, end, to, to_end;
      reference_item(o, o->op->inputs[0], k, &from, &end);
      reference_item(o, o->op->outputs[0], k, &to, &to_end);
      by_item(o, k, from, end, to, to_end);
    }
}

static void take_input(struct reference *r, const struct weft_plan *plan, uint32_t n_items, uint32_t i,
                       const struct weft_compute_input *input)
{
  weft_value v = plan->inputs[i];
  const struct weft_plan_value *value = &plan->values[v];
  if (value->kind == WEFT_VALUE_SPLITS) {
    r->splits[v] = g_memdup2(input->data, (n_items + 1u) * sizeof(int64_t));
    return;
  }
  r->n_rows[v] = input->n_rows;
  int64_t n = input->n_rows * reference_width(plan, v);
  r->data[v] = g_new0(double, (gsize)n + 1);
  for (int64_t k = 0; k < n; k++)
    r->data[v][k] = value->dtype.code == WEFT_DTYPE_FLOAT ? (double)((const float *)input->data)[k]
                                                          : (double)((const int32_t *)input->data)[k];
}

void reference_run(struct reference *reference, const struct weft_plan *plan, uint32_t n_items,
                   const struct weft_compute_input *inputs)
{
  gsize n = plan->n_values + 1u;
  *reference = (struct reference){g_new0(double *, n), g_new0(int64_t *, n), g_new0(int64_t, n), plan->n_values};
  for (uint32_t i = 0; i < plan->n_inputs; i++)
    take_input(reference, plan, n_items, i, &inputs[i]);
  for (uint32_t k = 0; k < plan->n_ops; k++) {
    const struct weft_plan_op *op = &plan->ops[k];
    struct op_run o = {.r = reference, .plan = plan, .op = op, .n_items = n_items};
    weft_value y = op->outputs[0];
    if (op->code < WEFT_OP_SPLITS_END) {
      reference->splits[y] = derived_splits(&o);
      continue;
    }
    weft_value splits = plan->values[y].splits;
    reference->n_rows[y] = splits == WEFT_NO_VALUE ? n_items : reference->splits[splits][n_items];
    o.d_out = reference_width(plan, y);
    reference->data[y] = g_new0(double, (gsize)(reference->n_rows[y] * o.d_out) + 1);
    o.x = reference->data[op->inputs[0]];
    o.n = reference->n_rows[op->inputs[0]];
    o.d = reference_width(plan, op->inputs[0]);
    o.y = reference->data[y];
    run_op(&o);
  }
}

void reference_clear(struct reference *reference)
{
  for (uint32_t v = 0; v < reference->n_values; v++) {
    g_free(reference->data[v]);
    g_free(reference->splits[v]);
  }
  g_free(reference->data);
  g_free(reference->splits);
  g_free(reference->n_rows);
}
