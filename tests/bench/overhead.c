/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one node costs in process: the slope between chains of 1,000 and 2,000
 * trivial nodes through `submit`, one item, counters on. The rival is the same
 * slope of a GStreamer chain of `identity` elements, measured in turn.
 */
#include "bench.h"
#include "gst-chain.h"
#include "hosttable.h"
#include "runtime.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_LONG 2000u
#define N_SHORT 1000u
#define N_SAMPLES_MAX 400

static weft_status add_one(void *instance, struct weft_call *call)
{
  const float *x = call->inputs[0]->data;
  float *y = call->outputs[0].tensor.data;
  (void)instance;
  for (uint32_t i = 0; i < call->n_items; i++)
    y[i] = x[i] + 1.0f;
  return WEFT_OK;
}

/* The first node makes a number of bytes, and notes when the frame began: waking a helper is not what is measured. */
static weft_status count_bytes(void *instance, struct weft_call *call)
{
  float *y = call->outputs[0].tensor.data;
  *(double *)instance = bench_now();
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    y[i] = (float)(rows.end - rows.begin);
  }
  return WEFT_OK;
}

static const struct weft_node add_table = {.size = sizeof(struct weft_node), .process = add_one};
static const struct weft_node count_table = {.size = sizeof(struct weft_node), .process = count_bytes};

struct chain {
  struct weft_graph *graph;
  double begin;
  struct weft_graph_value *values;
  struct weft_graph_node *nodes;
  uint32_t *ids;
};

static const struct weft_port bytes_port = {.name = "in", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                            .n_split_levels = 1};
static const struct weft_port number_port = {.name = "x", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}};

static int make_chain(struct weft_runtime *runtime, uint32_t n, uint32_t parallel, struct chain *chain)
{
  chain->values = calloc(n + 1, sizeof *chain->values);
  chain->nodes = calloc(n, sizeof *chain->nodes);
  chain->ids = calloc(n, sizeof *chain->ids);
  chain->values[0] = (struct weft_graph_value){&bytes_port, 1, 0};
  for (uint32_t i = 0; i < n; i++) {
    chain->ids[i] = i;
    chain->values[i + 1] = (struct weft_graph_value){&number_port, 1, 0};
    chain->nodes[i] = (struct weft_graph_node){.name = "node",
                                               .table = i ? &add_table : &count_table,
                                               .instance = i ? NULL : &chain->begin,
                                               .inputs = &chain->ids[i], .n_inputs = 1, .first_output = i + 1,
                                               .n_outputs = 1, .parallel = parallel};
  }
  struct weft_graph_spec spec = {.values = chain->values, .nodes = chain->nodes, .n_values = n + 1, .n_inputs = 1,
                                 .n_nodes = n, .n_items_max = 1};
  char message[WEFT_MESSAGE_BYTES];
  weft_status status = weft_graph_new(runtime, &spec, &chain->graph, message);
  if (status)
    fprintf(stderr, "overhead: %s\n", status == WEFT_BAD_CONFIG ? message : "no memory");
  return status == WEFT_OK;
}

struct signal {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  int done;
  double at;
};

static void on_done(struct weft_frame *frame, void *data)
{
  struct signal *s = data;
  (void)frame;
  pthread_mutex_lock(&s->lock);
  s->at = bench_now();
  s->done = 1;
  pthread_cond_signal(&s->cond);
  pthread_mutex_unlock(&s->lock);
}

/* Seconds from the first node to done; -1 where the answer is wrong. */
static double once(struct chain *chain, uint32_t n)
{
  struct signal s = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  struct weft_blob blob = {"abc", 3, 1};
  struct weft_request request = {.inputs = &blob};
  struct weft_frame *frame;
  if (weft_graph_submit(chain->graph, &request, 1, on_done, &s, &frame))
    return -1;
  pthread_mutex_lock(&s.lock);
  while (!s.done)
    pthread_cond_wait(&s.cond, &s.lock);
  pthread_mutex_unlock(&s.lock);
  const struct weft_tensor *last = weft_frame_value(frame, n);
  int right = last && *(const float *)last->data == 3.0f + (float)(n - 1);
  weft_frame_release(frame);
  return right ? s.at - chain->begin : -1;
}

struct samples {
  double ours[N_SAMPLES_MAX], rival[N_SAMPLES_MAX];
  size_t n, n_rival;
};

static int measure(struct chain *longer, struct chain *shorter, struct gst_chain *rivals[2], int n, struct samples *out)
{
  out->n = out->n_rival = 0;
  for (int i = 0; i < n; i++) {
    double a = once(shorter, N_SHORT), b = once(longer, N_LONG);
    if (a < 0 || b < 0)
      return 0;
    out->ours[out->n++] = (b - a) / (N_LONG - N_SHORT) * 1e9;
    if (!rivals[0] || !rivals[1])
      continue;
    a = gst_chain_push(rivals[0]);
    b = gst_chain_push(rivals[1]);
    if (a >= 0 && b >= 0)
      out->rival[out->n_rival++] = (b - a) / (N_LONG - N_SHORT) * 1e9;
  }
  return 1;
}

static int report(const char *name, struct samples *samples, const char *why)
{
  struct bench_result r = {.bench = "overhead", .name = name, .unit = "ns", .goal = "<= 40"};
  r.ours = bench_quantile(samples->ours, samples->n, 0.5);
  r.best = bench_quantile(samples->ours, samples->n, 0);
  r.p99 = bench_quantile(samples->ours, samples->n, 0.99);
  r.has_rival = samples->n_rival > 0;
  r.rival = bench_quantile(samples->rival, samples->n_rival, 0.5);
  r.pass = r.ours <= 40 && r.has_rival;
  r.reason = r.has_rival ? NULL : why;
  bench_print(&r);
  return r.pass;
}

int main(int argc, char **argv)
{
  int n = bench_is_quick(argc, argv) ? 60 : N_SAMPLES_MAX;
  const char *why = NULL;
  struct gst_chain *rivals[2] = {gst_chain_new(N_SHORT, &why), gst_chain_new(N_LONG, &why)};
  static const char *const names[] = {"one node, one call at a time per instance", "one node, parallel"};
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  static struct samples samples;
  int ok = 1;
  if (weft_pool_new(1, &pool) || weft_runtime_new(pool, &runtime))
    return 1;
  for (uint32_t parallel = 0; parallel < 2 && ok; parallel++) {
    struct chain shorter = {0}, longer = {0};
    ok = make_chain(runtime, N_SHORT, parallel, &shorter) && make_chain(runtime, N_LONG, parallel, &longer) &&
         measure(&longer, &shorter, rivals, n / 4 + 1, &samples) && measure(&longer, &shorter, rivals, n, &samples);
    if (ok)
      report(names[parallel], &samples, why);
    else
      fprintf(stderr, "overhead: the chain gave a wrong answer\n");
    weft_graph_free(shorter.graph);
    weft_graph_free(longer.graph);
    free(shorter.values);
    free(shorter.nodes);
    free(shorter.ids);
    free(longer.values);
    free(longer.nodes);
    free(longer.ids);
  }
  weft_runtime_free(runtime);
  weft_pool_free(pool);
  gst_chain_free(rivals[0]);
  gst_chain_free(rivals[1]);
  return ok ? 0 : 1;
}
