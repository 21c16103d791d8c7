/* SPDX-License-Identifier: Apache-2.0 */
/* Attention: of an item a head of keys and some rows each task. */
#include "ops.h"

#include <math.h>
#include <string.h>

/* Rows of one task: keys are packed once for each. Behind a window they are few, and so may the rows be. */
#define TASK_ROWS (3 * (size_t)WEFT_ATTENTION_ROWS)
#define TASK_ROWS_WINDOW ((size_t)WEFT_ATTENTION_ROWS)

struct heads {
  size_t n, n_kv, n_group; /* of queries; of keys; of queries that share one */
  size_t d, d_v;
};

static struct heads heads_of(const struct weft_program *program, const struct weft_plan_op *op)
{
  struct heads h = {.n = (size_t)op->ints[0], .n_kv = (size_t)(op->ints[1] ? op->ints[1] : op->ints[0])};
  h.n_group = h.n / h.n_kv;
  h.d = program->values[op->inputs[0]].width / h.n;
  h.d_v = program->values[op->inputs[2]].width / h.n_kv;
  return h;
}

/* Floats of the bias of one head, by distance. */
static size_t bias_floats(size_t n_q, size_t n_k)
{
  return (n_q + n_k + 15) / 16 * 16 + WEFT_ATTENTION_BIAS_PAD;
}

uint64_t weft_cpu_attention_bytes(const struct weft_program *program, const struct weft_plan_op *op, int64_t n_q,
                                  int64_t n_k)
{
  struct heads h = heads_of(program, op);
  if (n_q >= INT64_C(1) << 40 || n_k >= INT64_C(1) << 40)
    return WEFT_CPU_SCRATCH_MAX;
  struct weft_attention a = {.n_q = (size_t)n_q, .n_k = (size_t)n_k, .d = h.d, .d_v = h.d_v};
  int biased = op->n_inputs > 3 && op->inputs[3] != WEFT_NO_VALUE;
  uint64_t bias = !biased ? 0 : h.n_group * bias_floats(a.n_q, a.n_k) * sizeof(float);
  return program->kernels->attention_bytes(&a) + bias;
}

/* The bucket of a distance as T5 computes it, in f32: half of them one by one, then by the logarithm. */
static int64_t bucket_of(int64_t distance, int64_t n_buckets, int64_t max_distance, int one_sided)
{
  int64_t first = 0, n = one_sided ? (distance < 0 ? -distance : 0) : distance < 0 ? -distance : distance;
  if (!one_sided) {
    n_buckets /= 2;
    first = distance > 0 ? n_buckets : 0;
  }
  int64_t exact = n_buckets / 2;
  if (n < exact)
    return first + n;
  float large = logf((float)n / (float)exact) / (float)log((double)max_distance / (double)exact);
  int64_t bucket = exact + (int64_t)(large * (float)(n_buckets - exact));
  return first + (bucket < n_buckets - 1 ? bucket : n_buckets - 1);
}

/* Bias of a group's heads at every distance; it does not change any more beyond max_distance. */
static void fill_bias(const struct weft_cpu_task *t, const struct heads *h, size_t head, const struct weft_attention *a,
                      float *to)
{
  const float *table = weft_cpu_operand_data(t, 3);
  int64_t n_buckets = (int64_t)weft_cpu_operand(t, 3)->n_rows, max = t->op->ints[7];
  int64_t first = 1 - (int64_t)a->n_q;
  int one_sided = (t->op->ints[2] & WEFT_ATTENTION_ONE_SIDED) != 0;
  for (size_t g = 0; g < h->n_group; g++, to += a->ld_bias) {
    const float *column = table + head + g;
    float before = column[bucket_of(-max, n_buckets, max, one_sided) * (int64_t)h->n] * 1.442695041f;
    float behind = column[bucket_of(max, n_buckets, max, one_sided) * (int64_t)h->n] * 1.442695041f;
    for (int64_t i = 0; i < (int64_t)a->ld_bias; i++) {
      int64_t distance = first + i;
      to[i] = distance <= -max ? before : behind;
      if (distance > -max && distance < max)
        to[i] = column[bucket_of(distance, n_buckets, max, one_sided) * (int64_t)h->n] * 1.442695041f;
    }
  }
}

/* An item that failed (it may be longer than the working memory) gives zeros. */
static void clear_rows(float *out, size_t n_rows, size_t n, size_t ld)
{
  for (size_t r = 0; r < n_rows; r++)
    memset(out + r * ld, 0, n * sizeof *out);
}

static void attention_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  struct heads h = heads_of(t->program, t->op);
  size_t head = task % h.n_kv, chunk = task / h.n_kv % t->n_column_tasks;
  uint32_t item = (uint32_t)(task / h.n_kv / t->n_column_tasks);
  int64_t q, q_end, k, k_end;
  weft_cpu_item(t->run, t->x->splits, item, &q, &q_end);
  weft_cpu_item(t->run, weft_cpu_operand(t, 1)->splits, item, &k, &k_end);
  const int64_t *i = t->op->ints;
  struct weft_attention a = {
      .ld_q = t->width, .ld_k = h.n_kv * h.d, .ld_v = h.n_kv * h.d_v, .ld_o = h.n * h.d_v, .n_q = (size_t)(q_end - q),
      .n_k = (size_t)(k_end - k), .d = h.d, .d_v = h.d_v, .n_heads = h.n_group, .first = chunk * t->step,
      .causal = (i[2] & WEFT_ATTENTION_CAUSAL) != 0, .window = (i[2] & WEFT_ATTENTION_WINDOW) != 0,
      .left = (size_t)i[3], .right = (size_t)i[4], .global_first = (size_t)i[5], .global_end = (size_t)i[6],
      .scale = t->op->floats[0], .work = work, .cancel = t->run->run->cancel};
  if (a.first >= a.n_q)
    return;
  a.end = weft_cpu_smaller(a.first + t->step, a.n_q);
  a.q = t->in + (size_t)q * a.ld_q + head * h.n_group * h.d;
  a.k = weft_cpu_operand_data(t, 1) + (size_t)k * a.ld_k + head * h.d;
  a.v = weft_cpu_operand_data(t, 2) + (size_t)k * a.ld_v + head * h.d_v;
  a.out = t->out + (size_t)q * a.ld_o + head * h.n_group * h.d_v;
  if (t->run->failed[item]) {
    clear_rows(a.out + a.first * a.ld_o, a.end - a.first, h.n_group * h.d_v, a.ld_o);
    return;
  }
  if (weft_cpu_operand_data(t, 3)) {
    float *bias = (float *)(void *)((uint8_t *)work + t->kernels->attention_bytes(&a));
    a.ld_bias = bias_floats(a.n_q, a.n_k);
    fill_bias(t, &h, head * h.n_group, &a, bias);
    a.bias = bias;
  }
  t->kernels->attention(&a);
}

void weft_cpu_attention(struct weft_cpu_task *t)
{
  struct heads h = heads_of(t->program, t->op);
  uint32_t n_items = t->run->run->n_items;
  int window = (t->op->ints[2] & WEFT_ATTENTION_WINDOW) != 0;
  double cost = 0;
  size_t most = 0;
  for (uint32_t i = 0; i < n_items; i++) {
    int64_t begin, end, k, k_end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    weft_cpu_item(t->run, weft_cpu_operand(t, 1)->splits, i, &k, &k_end);
    double n = (double)(end - begin), seen = (double)(k_end - k);
    if (window && seen > (double)(t->op->ints[3] + t->op->ints[4] + 256))
      seen = (double)(t->op->ints[3] + t->op->ints[4] + 256);
    most = (size_t)(end - begin) > most ? (size_t)(end - begin) : most;
    cost += n * seen * (double)(h.d + h.d_v + 8) * (double)h.n / 16;
  }
  t->step = window ? TASK_ROWS_WINDOW : TASK_ROWS;
  t->n_column_tasks = (most + t->step - 1) / t->step;
  if (most > 0)
    weft_cpu_parallel(t->run, (uint32_t)(n_items * h.n_kv * t->n_column_tasks), cost, attention_task, t);
}
