/* SPDX-License-Identifier: Apache-2.0 */
/* Attention, a head of an item each task. */
#include "ops.h"

#include <string.h>

/* One head of one item; an item that failed (it may be longer than the working memory) gives zeros. */
static void attention_task(void *arg, uint32_t task, void *work)
{
  const struct weft_cpu_task *t = arg;
  size_t n_heads = (size_t)t->op->ints[0], d = t->width / n_heads, head = task % n_heads;
  uint32_t item = (uint32_t)(task / n_heads);
  int64_t begin, end;
  weft_cpu_item(t->run, t->x->splits, item, &begin, &end);
  size_t at = (size_t)begin * t->width + head * d;
  if (t->run->failed[item]) {
    for (int64_t r = begin; r < end; r++, at += t->width)
      memset(t->out + at, 0, d * sizeof(float));
    return;
  }
  struct weft_attention a = {.q = t->in + at, .k = weft_cpu_operand_data(t, 1) + at, .v = weft_cpu_operand_data(t, 2) + at,
                             .out = t->out + at, .ld = t->width, .ldo = t->width, .n = (size_t)(end - begin), .d = d,
                             .scale = (float)t->op->floats[0], .work = work, .cancel = t->run->run->cancel};
  if (a.n > 0)
    t->kernels->attention(&a);
}

void weft_cpu_attention(struct weft_cpu_task *t)
{
  uint32_t n_items = t->run->run->n_items, n_heads = (uint32_t)t->op->ints[0];
  double cost = 0;
  for (uint32_t i = 0; i < n_items; i++) {
    int64_t begin, end;
    weft_cpu_item(t->run, t->x->splits, i, &begin, &end);
    double n = (double)(end - begin);
    cost += n * n * ((double)t->width / 8 + n_heads);
  }
  weft_cpu_parallel(t->run, n_items * n_heads, cost, attention_task, t);
}
