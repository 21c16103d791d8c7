/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CLIENTS_MAX 256

struct client {
  pthread_t thread;
  struct weft_graph *graph;
  struct load_arm *arm;
  _Atomic uint64_t *next; /* of the arm's requests */
  double end;
  uint64_t n_done, n_wrong, n_samples, room;
  double *latency;
};

static double cpu_now(void)
{
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + 1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* The row of one item; NULL: it has none. */
static const char *row_of(const struct weft_frame *frame, const struct load_arm *arm, uint32_t item)
{
  const struct weft_tensor *tensor = weft_frame_value(frame, arm->value);
  if (weft_frame_status(frame, item) != WEFT_OK || !tensor)
    return NULL;
  struct weft_rows rows = weft_rows_of(tensor, item);
  return rows.present ? (const char *)tensor->data + (uint64_t)rows.begin * arm->row_bytes : NULL;
}

static void ask(struct client *c, uint32_t first)
{
  const struct load_arm *arm = c->arm;
  struct weft_request requests[64];
  struct weft_frame *frame = NULL;
  for (uint32_t i = 0; i < arm->n_items; i++)
    requests[i] = arm->requests[(first + i) % arm->n_requests];
  double begin = bench_now();
  weft_status status = weft_graph_run(c->graph, requests, arm->n_items, &frame);
  double took = bench_now() - begin;
  for (uint32_t i = 0; i < arm->n_items; i++) {
    const char *row = status == WEFT_OK ? row_of(frame, arm, i) : NULL;
    const char *expected = (const char *)arm->expected + (first + i) % arm->n_requests * arm->row_bytes;
    c->n_wrong += !row || memcmp(row, expected, arm->row_bytes) != 0;
  }
  if (frame)
    weft_frame_release(frame);
  c->n_done += arm->n_items;
  if (c->n_samples < c->room)
    c->latency[c->n_samples++] = took;
}

static void *client_main(void *data)
{
  struct client *c = data;
  while (bench_now() < c->end)
    ask(c, (uint32_t)(atomic_fetch_add(c->next, c->arm->n_items) % c->arm->n_requests));
  return NULL;
}

int load_expect(struct weft_graph *graph, struct load_arm *arm)
{
  arm->latency = malloc(LOAD_SAMPLES_MAX * sizeof *arm->latency);
  arm->expected = calloc(arm->n_requests, arm->row_bytes);
  for (uint32_t i = 0; arm->latency && arm->expected && i < arm->n_requests; i++) {
    struct weft_frame *frame = NULL;
    weft_status status = weft_graph_run(graph, &arm->requests[i], 1, &frame);
    const char *row = status == WEFT_OK ? row_of(frame, arm, 0) : NULL;
    if (row)
      memcpy((char *)arm->expected + i * arm->row_bytes, row, arm->row_bytes);
    else
      fprintf(stderr, "load: request %u: status %d, %s\n", i, (int)status, frame ? weft_frame_message(frame, 0) : "no frame");
    if (frame)
      weft_frame_release(frame);
    if (!row)
      return 0;
  }
  return arm->latency && arm->expected;
}

/* What the clients counted goes to their arms. */
static void collect(struct client *clients, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    struct load_arm *arm = clients[i].arm;
    uint64_t room = LOAD_SAMPLES_MAX - arm->n_samples;
    uint64_t n_samples = clients[i].n_samples < room ? clients[i].n_samples : room;
    memcpy(arm->latency + arm->n_samples, clients[i].latency, n_samples * sizeof(double));
    arm->n_samples += n_samples;
    arm->n_done += clients[i].n_done;
    arm->n_wrong += clients[i].n_wrong;
    free(clients[i].latency);
  }
}

int load_run(struct weft_graph *graph, struct load_arm *arms, uint32_t n, double seconds)
{
  static _Atomic uint64_t next[16];
  struct client clients[CLIENTS_MAX];
  uint32_t n_clients = 0;
  double cpu = cpu_now(), begin = bench_now();
  for (uint32_t a = 0; a < n && a < 16; a++)
    for (uint32_t k = 0; k < arms[a].n_clients && n_clients < CLIENTS_MAX; k++) {
      struct client *c = &clients[n_clients];
      *c = (struct client){.graph = graph, .arm = &arms[a], .next = &next[a], .end = begin + seconds,
                           .room = LOAD_SAMPLES_MAX / 16};
      c->latency = malloc(c->room * sizeof(double));
      if (!c->latency || pthread_create(&c->thread, NULL, client_main, c) != 0) {
        free(c->latency);
        break;
      }
      n_clients++;
    }
  for (uint32_t i = 0; i < n_clients; i++)
    pthread_join(clients[i].thread, NULL);
  double took = bench_now() - begin;
  cpu = cpu_now() - cpu;
  for (uint32_t a = 0; a < n; a++) {
    arms[a].seconds += took;
    arms[a].cpu_seconds += cpu;
  }
  collect(clients, n_clients);
  return n_clients > 0;
}

double load_rate(const struct load_arm *arm)
{
  return arm->seconds > 0 ? (double)arm->n_done / arm->seconds : 0;
}

void load_clear(struct load_arm *arm)
{
  free(arm->expected);
  free(arm->latency);
  arm->expected = NULL;
  arm->latency = NULL;
}
