/* SPDX-License-Identifier: Apache-2.0 */
#include "plan-bench.h"
#include "hosttable.h"
#include "pool.h"
#include "provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

float *plan_bench_floats(size_t n, float scale)
{
  static uint64_t state = 1;
  float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
  for (size_t i = 0; i < n; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x[i] = scale * ((float)(state >> 40) * (2.f / (1 << 24)) - 1);
  }
  return x;
}

int plan_bench_start(struct plan_bench *b, const struct weft_plan *plan, uint32_t precision, uint32_t n_items,
                     const struct weft_compute_input *inputs, int64_t n_rows_out)
{
  struct weft_setup setup = {0};
  const struct weft_compute_options options = {.precision = precision};
  *b = (struct plan_bench){.compute = weft_cpu_table()};
  if (b->compute->compile(&setup, plan, &options, &b->program) != WEFT_OK) {
    fprintf(stderr, "bench: %s\n", setup.message);
    return 0;
  }
  int64_t rows[PLAN_BENCH_INPUTS];
  memcpy(b->inputs, inputs, plan->n_inputs * sizeof *inputs);
  for (uint32_t i = 0; i < plan->n_inputs; i++)
    rows[i] = inputs[i].n_rows;
  const struct weft_plan_value *out = &plan->values[plan->outputs[0]];
  b->output = (struct weft_compute_output){.data = malloc((size_t)(n_rows_out * out->dims[1]) * sizeof(float)),
                                           .n_rows_max = n_rows_out};
  b->run = (struct weft_compute_run){.n_items = n_items, .n_inputs = plan->n_inputs, .n_outputs = 1};
  b->compute->scratch(b->program, &(struct weft_compute_limits){n_items, rows}, &b->run.n_scratch_bytes);
  b->run.scratch = aligned_alloc(64, (b->run.n_scratch_bytes + 63) / 64 * 64);
  return 1;
}

void plan_bench_stop(struct plan_bench *b)
{
  b->compute->free(b->program);
  free(b->output.data);
  free(b->run.scratch);
}

void plan_bench_measure(struct plan_bench *b, struct plan_times *times, int n)
{
  b->run.inputs = b->inputs;
  b->run.outputs = &b->output;
  for (int i = -1; i < n; i++) {
    double begin = bench_now();
    if (b->compute->run(b->program, &b->run) != WEFT_OK) {
      fprintf(stderr, "bench: a run failed\n");
      exit(1);
    }
    if (i >= 0 && times->n < PLAN_BENCH_SAMPLES)
      times->samples[times->n++] = 1e3 * (bench_now() - begin);
  }
}

void plan_bench_ask(struct rival *rival, const char *request, struct plan_times *times)
{
  if (rival && !times->reason[0])
    times->n += rival_ask(rival, request, times->samples + times->n, PLAN_BENCH_SAMPLES - times->n, times->reason,
                          sizeof times->reason);
}

int plan_bench_threads(void (*fn)(void *data, uint32_t n_threads), void *data)
{
  for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
    struct weft_pool_impl *pool;
    if (weft_pool_new(n_threads, &pool) != WEFT_OK)
      return 0;
    weft_pool_offer(pool);
    weft_cpu_init(weft_host_table());
    fn(data, n_threads);
    weft_pool_free(pool);
  }
  return 1;
}
