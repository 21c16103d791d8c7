/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of one operation, shared among the helpers. */
#include "program.h"

#include <stdatomic.h>

/* Waking a helper costs up to 50 us: less work than this stays on the caller. */
#define WORTH_A_HELPER_NS 60000.

struct share {
  struct weft_cpu_run *run;
  void (*fn)(void *arg, uint32_t task, void *work);
  void *arg;
  atomic_uint next;
  uint32_t n_tasks;
};

/* worker: whose working memory this is; which tasks it gets is chance, their results are not. */
static void work_off(void *data, uint32_t worker)
{
  struct share *share = data;
  void *work = share->run->work + share->run->n_work_bytes * worker;
  for (;;) {
    uint32_t task = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
    if (task >= share->n_tasks || weft_cpu_cancelled(share->run))
      return;
    share->fn(share->arg, task, work);
  }
}

uint32_t weft_cpu_workers(const struct weft_cpu_run *run, uint32_t n_tasks, double cost)
{
  uint32_t n_workers = run->program->n_threads < n_tasks ? run->program->n_threads : n_tasks;
  if (cost / WORTH_A_HELPER_NS < n_workers)
    n_workers = (uint32_t)(cost / WORTH_A_HELPER_NS);
  return n_workers > 1 ? n_workers : 1;
}

void weft_cpu_parallel(struct weft_cpu_run *run, uint32_t n_tasks, double cost,
                       void (*fn)(void *arg, uint32_t task, void *work), void *arg)
{
  uint32_t n_workers = weft_cpu_workers(run, n_tasks, cost);
  if (n_workers > 1) {
    struct share share = {.run = run, .fn = fn, .arg = arg, .n_tasks = n_tasks};
    run->program->pool->parallel(n_workers, work_off, &share);
    return;
  }
  for (uint32_t task = 0; task < n_tasks && !weft_cpu_cancelled(run); task++)
    fn(arg, task, run->work);
}
