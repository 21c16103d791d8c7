/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does not show in the best time of a quiet machine: calls of a MiniLM
 * beside one busy neighbour, with one thread and two in turn; and the memory of
 * a process over 10,000 runs of random length.
 */
#include "encoder-model.h"
#include "plan-bench.h"
#include "hosttable.h"
#include "pool.h"
#include "provider.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct encoder_shape minilm = {"minilm-l6", "MiniLM-L6", 384, 6, 12, 1536, 0};
static const struct encoder_shape small = {"small", "2 layers of 128", 128, 2, 4, 512, 0};

/* A program for one item of n tokens, on a pool of so many threads; 0: told. */
static int start(struct plan_bench *b, const struct encoder_model *model, uint32_t n_threads, struct weft_pool_impl **pool,
                 const int64_t *splits, const void *ids)
{
  if (!model->plan || weft_pool_new(n_threads, pool) != WEFT_OK)
    return 0;
  weft_pool_offer(*pool);
  weft_cpu_init(weft_host_table());
  const struct weft_compute_input inputs[] = {{splits, 0}, {ids, splits[1]}};
  return plan_bench_start(b, model->plan, WEFT_PRECISION_F32, 1, inputs, splits[1]);
}

static pid_t begin_neighbour(void)
{
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  for (volatile double x = 1;; x = x * 1.0000001)
    ;
}

static void report_neighbour(struct plan_times *times, int n_tokens, int has_goal)
{
  double p99[2], median[2];
  for (int t = 0; t < 2; t++) {
    median[t] = bench_quantile(times[t].samples, times[t].n, .5);
    p99[t] = bench_quantile(times[t].samples, times[t].n, .99);
  }
  char name[96], notes[128];
  snprintf(name, sizeof name, "MiniLM-L6 f32, %d tokens, two threads beside one busy neighbour (rival: one thread)", n_tokens);
  snprintf(notes, sizeof notes, "medians %.3g and %.3g ms of %zu calls each", median[1], median[0], times[0].n);
  struct bench_result r = {.bench = "steady", .name = name, .unit = "ms, p99", .ours = p99[1], .rival = p99[0], .has_rival = 1,
                           .goal = has_goal ? "<= 1.2x one thread" : "reported (calls below 8 ms)",
                           .pass = !has_goal || p99[1] <= 1.2 * p99[0], .reason = notes};
  bench_print(&r);
}

static void beside_neighbour(int n_tokens, int n_turns)
{
  static struct plan_times times[2];
  struct encoder_model model;
  struct plan_bench programs[2];
  struct weft_pool_impl *pools[2];
  int64_t splits[2] = {0, n_tokens};
  encoder_model_init(&model, &minilm);
  void *ids = encoder_model_input(&minilm, n_tokens);
  times[0].n = times[1].n = 0;
  if (!start(&programs[0], &model, 1, &pools[0], splits, ids) || !start(&programs[1], &model, 2, &pools[1], splits, ids))
    exit(1);
  pid_t neighbour = begin_neighbour();
  for (int i = 0; i < n_turns; i++)
    for (int t = 0; t < 2; t++)
      plan_bench_measure(&programs[t], &times[t], 10);
  kill(neighbour, SIGKILL);
  waitpid(neighbour, NULL, 0);
  report_neighbour(times, n_tokens, bench_quantile(times[0].samples, times[0].n, 0) >= 8);
  for (int t = 0; t < 2; t++) {
    plan_bench_stop(&programs[t]);
    weft_pool_free(pools[t]);
  }
  free(ids);
  encoder_model_clear(&model);
}

static double resident_kb(void)
{
  long pages = 0;
  FILE *f = fopen("/proc/self/statm", "re");
  if (f && fscanf(f, "%*d %ld", &pages) != 1)
    pages = 0;
  if (f)
    fclose(f);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void growth(int n_runs)
{
  enum { LONGEST = 512, WARM = 200 }; /* until every length has touched its pages */
  struct encoder_model model;
  struct plan_bench b;
  struct weft_pool_impl *pool;
  int64_t splits[2] = {0, LONGEST};
  encoder_model_init(&model, &small);
  void *ids = encoder_model_input(&small, LONGEST);
  if (!start(&b, &model, 2, &pool, splits, ids))
    exit(1);
  static struct plan_times times;
  double before = 0;
  uint64_t state = 1, live = weft_mem_live();
  for (int i = -WARM; i < n_runs; i++) {
    if (i == 0)
      before = resident_kb();
    state = state * 6364136223846793005u + 1442695040888963407u;
    splits[1] = (int64_t)(state >> 33) % (LONGEST + 1);
    b.inputs[1].n_rows = splits[1];
    times.n = 0;
    plan_bench_measure(&b, &times, 1);
  }
  char name[96];
  snprintf(name, sizeof name, "%d runs of 0 to %d tokens, growth of resident memory", 2 * n_runs, LONGEST);
  struct bench_result r = {.bench = "steady", .name = name, .unit = "kB", .ours = resident_kb() - before, .goal = "<= 64",
                           .reason = weft_mem_live() == live ? "no allocation more" : "allocations are left"};
  r.pass = r.ours <= 64 && weft_mem_live() == live;
  bench_print(&r);
  plan_bench_stop(&b);
  weft_pool_free(pool);
  free(ids);
  encoder_model_clear(&model);
}

int main(int argc, char **argv)
{
  int quick = bench_is_quick(argc, argv);
  growth(quick ? 200 : 5000);
  beside_neighbour(16, quick ? 5 : 60);
  beside_neighbour(128, quick ? 5 : 60);
  return 0;
}
