/* SPDX-License-Identifier: Apache-2.0 */
/* The newer operations, straight from the words of weft/operations.h. */
#include "reference-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static const double *data_of(const struct op_run *o, uint32_t input)
{
  return input < o->op->n_inputs && o->op->inputs[input] != WEFT_NO_VALUE ? o->r->data[o->op->inputs[input]] : NULL;
}

static int64_t parts_of(const struct op_run *o)
{
  return MAX(o->op->ints[0], 1);
}

static void length_norm(const struct op_run *o)
{
  int64_t d = o->d / parts_of(o);
  const float *gamma = o->op->n_inputs > 1 ? reference_weight(o, 1) : NULL;
  for (int64_t i = 0; i < o->n * o->d; i += d) {
    double sum = 0;
    for (int64_t c = 0; c < d; c++)
      sum += o->x[i + c] * o->x[i + c];
    double length = o->op->code == WEFT_OP_RMS_NORM ? sqrt(sum / (double)d + o->op->floats[0]) : MAX(sqrt(sum), o->op->floats[0]);
    for (int64_t c = 0; c < d; c++)
      o->y[i + c] = o->x[i + c] / length * (gamma ? gamma[c] : 1);
  }
}

static void group_norm(const struct op_run *o, int64_t row, int64_t end)
{
  const float *gamma = reference_weight(o, 1), *beta = reference_weight(o, 2);
  int64_t width = o->d / parts_of(o);
  double n = (double)((end - row) * width);
  for (int64_t first = 0; first < o->d; first += width) {
    double mean = 0, variance = 0;
    for (int64_t i = row; i < end; i++)
      for (int64_t c = first; c < first + width; c++)
        mean += o->x[i * o->d + c] / n;
    for (int64_t i = row; i < end; i++)
      for (int64_t c = first; c < first + width; c++)
        variance += (o->x[i * o->d + c] - mean) * (o->x[i * o->d + c] - mean) / n;
    for (int64_t i = row; i < end; i++)
      for (int64_t c = first; c < first + width; c++)
        o->y[i * o->d + c] = (o->x[i * o->d + c] - mean) / sqrt(variance + o->op->floats[0]) * (gamma ? gamma[c] : 1) +
                             (beta ? beta[c] : 0);
  }
}

static void rotary(const struct op_run *o, int64_t row, int64_t end)
{
  const int64_t *i = o->op->ints;
  int64_t d = o->d / i[0], half = i[1] / 2;
  for (int64_t at = 0; row + at < end; at++)
    for (int64_t h = 0; h < i[0]; h++) {
      const double *x = o->x + (row + at) * o->d + h * d;
      double *y = o->y + (row + at) * o->d + h * d;
      memcpy(y, x, (gsize)d * sizeof *y);
      for (int64_t k = 0; k < half; k++) {
        float frequency = 1.f / powf((float)o->op->floats[0], (float)(2 * k) / (float)i[1]);
        double angle = (double)((float)(i[3] + at) * frequency);
        int64_t a = i[2] ? 2 * k : k, b = i[2] ? 2 * k + 1 : k + half;
        y[a] = x[a] * cos(angle) - x[b] * sin(angle);
        y[b] = x[b] * cos(angle) + x[a] * sin(angle);
      }
    }
}

static double element(uint32_t code, double x, double y, const double *f)
{
  switch (code) {
  case WEFT_OP_SUB: return x - y;
  case WEFT_OP_DIV: return x / y;
  case WEFT_OP_MIN: return MIN(x, y);
  case WEFT_OP_MAX: return MAX(x, y);
  case WEFT_OP_EXP: return exp(x);
  case WEFT_OP_ABS: return fabs(x);
  default: return CLAMP(x, f[0], f[1]);
  }
}

static void elements(const struct op_run *o)
{
  int binary = o->op->code <= WEFT_OP_MAX;
  const double *b = binary ? data_of(o, 1) : NULL;
  const float *w = binary ? reference_weight(o, 1) : NULL;
  int64_t d_b = b ? reference_width(o->plan, o->op->inputs[1]) : 0;
  for (int64_t i = 0; i < o->n * o->d; i++)
    o->y[i] = element(o->op->code, o->x[i], w ? w[i % o->d] : b ? b[d_b == 1 ? i / o->d : i] : 0, o->op->floats);
}

static void concat_columns(const struct op_run *o)
{
  int64_t at = 0;
  for (uint32_t k = 0; k < o->op->n_inputs; k++) {
    int64_t d = reference_width(o->plan, o->op->inputs[k]);
    for (int64_t i = 0; i < o->n; i++)
      memcpy(o->y + i * o->d_out + at, data_of(o, k) + i * d, (gsize)d * sizeof *o->y);
    at += d;
  }
}

static void top_k(const struct op_run *o, const double *x, double *y)
{
  guint8 *taken = g_new0(guint8, (gsize)o->d);
  for (int64_t k = 0; k < o->op->ints[0]; k++) {
    int64_t best = -1;
    for (int64_t c = 0; c < o->d; c++)
      if (!taken[c] && (best < 0 || x[c] > x[best] || (isnan(x[best]) && !isnan(x[c]))))
        best = c;
    taken[best] = 1;
    y[k] = (double)best;
  }
  g_free(taken);
}

static void weighted_sum(const struct op_run *o, int64_t row)
{
  const double *p = data_of(o, 1);
  int64_t k = reference_width(o->plan, o->op->inputs[1]);
  for (int64_t c = 0; c < k; c++)
    for (int64_t j = 0; j < o->d_out; j++)
      o->y[row * o->d_out + j] += p[row * k + c] * o->x[row * o->d + c * o->d_out + j];
}

static void grouped_row(const struct op_run *o, int64_t row, int64_t ids_row)
{
  const double *ids = data_of(o, 1), *multiplier = data_of(o, 4);
  const float *w = reference_weight(o, 2), *bias = o->op->n_inputs > 3 ? reference_weight(o, 3) : NULL;
  int64_t n_ids = reference_width(o->plan, o->op->inputs[1]), n = o->d_out / n_ids, by_choice = o->op->ints[1];
  int64_t k = by_choice ? o->d / n_ids : o->d;
  for (int64_t c = 0; c < n_ids; c++) {
    int64_t id = (int64_t)ids[ids_row * n_ids + c];
    const double *x = o->x + row * o->d + (by_choice ? c * k : 0);
    for (int64_t j = 0; j < n && id >= 0; j++) {
      double sum = bias ? bias[id * n + j] : 0;
      for (int64_t i = 0; i < k; i++)
        sum += x[i] * w[(id * n + j) * k + i];
      int64_t at = row * o->d_out + c * n + j;
      o->y[at] = reference_activate(sum, o->op->ints[0]) * (multiplier ? multiplier[at] : 1);
    }
  }
}

static void by_row(const struct op_run *o, int64_t row)
{
  const double *x = o->x + row * o->d, *columns = data_of(o, 1);
  double *y = o->y + row * o->d_out;
  switch (o->op->code) {
  case WEFT_OP_SLICE_COLUMNS: memcpy(y, x + o->op->ints[0], (gsize)o->d_out * sizeof *y); break;
  case WEFT_OP_TOP_K: top_k(o, x, y); break;
  case WEFT_OP_WEIGHTED_SUM: weighted_sum(o, row); break;
  default:
    for (int64_t c = 0; c < o->d_out; c++)
      y[c] = x[(int64_t)columns[row * o->d_out + c]];
  }
}

static void by_item(const struct op_run *o, uint32_t item)
{
  int64_t row, end, to, to_end, ids, ids_end;
  reference_item(o, o->op->inputs[0], item, &row, &end);
  reference_item(o, o->op->outputs[0], item, &to, &to_end);
  const double *other = data_of(o, 1);
  double *y = o->y + to * o->d_out;
  switch (o->op->code) {
  case WEFT_OP_ROTARY: rotary(o, row, end); break;
  case WEFT_OP_GROUP_NORM: group_norm(o, row, end); break;
  case WEFT_OP_MAX_ROWS:
    for (int64_t i = row * o->d; i < end * o->d; i++)
      y[i % o->d] = i < (row + 1) * o->d ? o->x[i] : MAX(y[i % o->d], o->x[i]);
    break;
  case WEFT_OP_CONCAT_ROWS:
    reference_item(o, o->op->inputs[1], item, &ids, &ids_end);
    memcpy(y, o->x + row * o->d, (gsize)((end - row) * o->d) * sizeof *y);
    memcpy(y + (end - row) * o->d, other + ids * o->d, (gsize)((ids_end - ids) * o->d) * sizeof *y);
    break;
  case WEFT_OP_GATHER_ROWS:
    for (; to < to_end; to++)
      memcpy(o->y + to * o->d, o->x + (row + (int64_t)other[to]) * o->d, (gsize)o->d * sizeof *y);
    break;
  case WEFT_OP_REPEAT_ROW:
    for (; to < to_end; to++)
      memcpy(o->y + to * o->d, o->x + item * o->d, (gsize)o->d * sizeof *y);
    break;
  default: /* GROUPED_LINEAR */
    reference_item(o, o->op->inputs[1], item, &ids, &ids_end);
    int of_item = o->plan->values[o->op->inputs[1]].splits != o->plan->values[o->op->inputs[0]].splits;
    for (; row < end; row++)
      grouped_row(o, row, of_item ? item : row);
  }
}

int reference_more(const struct op_run *o)
{
  switch (o->op->code) {
  case WEFT_OP_RMS_NORM:
  case WEFT_OP_L2_NORM: length_norm(o); return 1;
  case WEFT_OP_SUB:
  case WEFT_OP_DIV:
  case WEFT_OP_MIN:
  case WEFT_OP_MAX:
  case WEFT_OP_EXP:
  case WEFT_OP_ABS:
  case WEFT_OP_CLAMP: elements(o); return 1;
  case WEFT_OP_CONCAT_COLUMNS: concat_columns(o); return 1;
  case WEFT_OP_SLICE_COLUMNS:
  case WEFT_OP_TOP_K:
  case WEFT_OP_TAKE_COLUMNS:
  case WEFT_OP_WEIGHTED_SUM:
    for (int64_t row = 0; row < o->n; row++)
      by_row(o, row);
    return 1;
  case WEFT_OP_ROTARY:
  case WEFT_OP_CONCAT_ROWS:
  case WEFT_OP_GATHER_ROWS:
  case WEFT_OP_REPEAT_ROW:
  case WEFT_OP_MAX_ROWS:
  case WEFT_OP_GROUPED_LINEAR:
  case WEFT_OP_GROUP_NORM:
    for (uint32_t k = 0; k < o->n_items; k++)
      by_item(o, k);
    return 1;
  default: return 0;
  }
}
