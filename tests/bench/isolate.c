/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What isolating a node costs: weft_graph_run (the path of `--isolate`) through
 * a node in a worker, less the same frame without that node; beside a bare
 * futex ping-pong of two processes in the same places, in turn.
 */
#include "bench.h"
#include "clock.h"
#include "hosttable.h"
#include "ping-pong.h"
#include "runtime.h"
#include "worker.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define D 16
#define N_CALLS 100 /* of each in turn */
#define N_SAMPLES_MAX 400

static const struct weft_port bytes_port = {.name = "in", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                            .n_split_levels = 1};
static const struct weft_port x_port = {.name = "x", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, D}};

static weft_status numbers(void *instance, struct weft_call *call)
{
  float *y = call->outputs[0].tensor.data;
  (void)instance;
  for (uint32_t i = 0; i < call->n_items * D; i++)
    y[i] = (float)i;
  return WEFT_OK;
}

static const struct weft_node numbers_table = {.size = sizeof(struct weft_node), .process = numbers};

struct place {
  const char *name, *goal;
  int same_core, spin;
  double bar;     /* us; times the rival with `relative` */
  int relative;
  struct weft_worker *worker;
  struct weft_graph *with, *without;
  struct weft_graph_value values[3];
  struct weft_graph_node nodes[2];
  struct ping_pong *rival;
  double ours[N_SAMPLES_MAX * N_CALLS], base[N_SAMPLES_MAX * N_CALLS], theirs[N_SAMPLES_MAX * N_CALLS]; /* ticks */
};

static int spawn(struct place *place, int cpu)
{
  static const int64_t n_rows = 1, n_groups = 0;
  static const struct weft_limits limits = {1, &n_rows, &n_groups};
  static struct weft_setup setup;
  struct weft_config config = {.node_name = "pass", .inputs = &x_port, .n_inputs = 1};
  struct weft_worker_spec spec = {.program = BENCH_BUILD "/core/worker/weft-worker",
                                  .module = BENCH_BUILD "/tests/plugins/test-pass.so",
                                  .node_id = "pass",
                                  .n_threads = 1,
                                  .config = &config,
                                  .setup = &setup,
                                  .spin_ns = place->spin ? 1000000 : 0};
  if (weft_worker_spawn(&spec, &place->worker) || weft_worker_activate(place->worker, &setup, &limits)) {
    fprintf(stderr, "isolate: %s\n", setup.message);
    return 0;
  }
  struct weft_worker_stats stats;
  weft_worker_stats(place->worker, &stats);
  ping_pong_pin(stats.pid, cpu);
  return 1;
}

static int make(struct place *place, struct weft_runtime *runtime)
{
  static const uint32_t ids[] = {0, 1};
  char message[WEFT_MESSAGE_BYTES];
  place->values[0] = (struct weft_graph_value){&bytes_port, 1, 0};
  place->values[1] = (struct weft_graph_value){&x_port, 1, 0};
  place->values[2] = (struct weft_graph_value){&weft_worker_ports(place->worker)->outputs[0], 1, 0};
  place->nodes[0] = (struct weft_graph_node){.name = "numbers", .table = &numbers_table, .inputs = &ids[0], .n_inputs = 1,
                                             .first_output = 1, .n_outputs = 1};
  place->nodes[1] = (struct weft_graph_node){.name = "pass", .worker = place->worker, .inputs = &ids[1], .n_inputs = 1,
                                             .first_output = 2, .n_outputs = 1};
  struct weft_graph_spec spec = {.values = place->values, .nodes = place->nodes, .n_values = 2, .n_inputs = 1,
                                 .n_nodes = 1, .n_items_max = 1};
  weft_status status = weft_graph_new(runtime, &spec, &place->without, message);
  spec.n_values = 3;
  spec.n_nodes = 2;
  if (!status)
    status = weft_graph_new(runtime, &spec, &place->with, message);
  return status == WEFT_OK;
}

/*
 * Each frame is timed by itself: on a shared machine the median is then that
 * of the frames during which nobody took a core away.
 */
static int frames(struct weft_graph *graph, uint32_t value, double *us)
{
  struct weft_blob blob = {"", 0, 1};
  struct weft_request request = {.inputs = &blob};
  for (int i = 0; i < N_CALLS; i++) {
    struct weft_frame *frame;
    uint64_t begin = weft_clock_ticks();
    if (weft_graph_run(graph, &request, 1, &frame))
      return 0;
    const struct weft_tensor *y = weft_frame_value(frame, value);
    int right = y && ((const float *)y->data)[D - 1] == D - 1;
    weft_frame_release(frame);
    us[i] = (double)(weft_clock_ticks() - begin);
    if (!right)
      return 0;
  }
  return 1;
}

static int sample(struct place *place, int i)
{
  double *rival = place->theirs + i * N_CALLS;
  int ok = frames(place->with, 2, place->ours + i * N_CALLS) && frames(place->without, 1, place->base + i * N_CALLS);
  for (int k = 0; k < N_CALLS; k++) {
    uint64_t begin = weft_clock_ticks();
    ping_pong_once(place->rival);
    rival[k] = (double)(weft_clock_ticks() - begin);
  }
  return ok;
}

static void report(struct place *place, int n)
{
  struct bench_result r = {.bench = "isolate", .name = place->name, .unit = "us", .goal = place->goal, .has_rival = 1};
  size_t n_samples = (size_t)n * N_CALLS;
  double us = (double)weft_clock_ns(1000000000) * 1e-12, base = bench_quantile(place->base, n_samples, 0.5);
  r.ours = (bench_quantile(place->ours, n_samples, 0.5) - base) * us;
  r.best = (bench_quantile(place->ours, n_samples, 0.01) - base) * us;
  r.p99 = (bench_quantile(place->ours, n_samples, 0.99) - base) * us;
  r.rival = bench_quantile(place->theirs, n_samples, 0.5) * us;
  r.pass = r.ours <= (place->relative ? place->bar * r.rival : place->bar);
  bench_print(&r);
}

/* The first two cores that this process may use; one core: both the same. */
static void two_cores(int cores[2])
{
  cpu_set_t set;
  int n = 0;
  sched_getaffinity(0, sizeof set, &set);
  for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
    if (CPU_ISSET(cpu, &set))
      cores[n++] = cpu;
  if (n < 2)
    cores[1] = cores[0];
}

int main(int argc, char **argv)
{
  static struct place places[] = {
    {.name = "isolated call, both spin", .goal = "<= 0.3", .spin = 1, .bar = 0.3},
    {.name = "isolated call, same core", .goal = "<= 6", .same_core = 1, .bar = 6},
    {.name = "isolated call, waking another core", .goal = "<= 1.2x the ping-pong", .bar = 1.2, .relative = 1},
  };
  const int n_places = sizeof places / sizeof *places, n = bench_is_quick(argc, argv) ? 40 : N_SAMPLES_MAX;
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  int cores[2] = {0, 0}, ok = 1;
  two_cores(cores);
  if (cores[0] == cores[1]) {
    fprintf(stderr, "isolate: needs two cores, this process may use one\n");
    return 1;
  }
  ping_pong_pin(0, cores[0]);
  if (weft_pool_new(1, &pool) || weft_runtime_new(pool, &runtime))
    return 1;
  for (int k = 0; k < n_places && ok; k++) {
    int cpu = cores[places[k].same_core ? 0 : 1];
    places[k].rival = ping_pong_new(cpu, places[k].spin);
    ok = places[k].rival && spawn(&places[k], cpu) && make(&places[k], runtime);
    for (int i = -2; i < n && ok; i++)
      ok = sample(&places[k], i < 0 ? 0 : i);
    if (ok)
      report(&places[k], n);
    ping_pong_free(places[k].rival);
    weft_graph_free(places[k].with);
    weft_graph_free(places[k].without);
    weft_worker_free(places[k].worker);
  }
  weft_runtime_free(runtime);
  weft_pool_free(pool);
  if (!ok)
    fprintf(stderr, "isolate: no answer, or a wrong one\n");
  return ok ? 0 : 1;
}
