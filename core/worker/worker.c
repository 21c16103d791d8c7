/* SPDX-License-Identifier: Apache-2.0 */
/* Setting a worker up, and the request path. */
#include "worker.h"

#include "watch.h"
#include "busy.h"
#include "worker-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SETUP_TIMEOUT_NS 30000000000ull

static const char *keep_text(struct weft_worker *worker, const char *text)
{
  size_t n = strlen(text) + 1;
  char *copy = weft_arena_alloc(&worker->arena, n);
  return copy ? memcpy(copy, text, n) : NULL;
}

/* How messages begin: "plugin fault@1.0.0 in node x". */
static const char *keep_label(struct weft_worker *worker, const struct weft_worker_spec *spec)
{
  const char *plugin = spec->label ? spec->label : spec->node_id;
  size_t n = strlen(plugin) + strlen(spec->config->node_name) + 32;
  char *label = weft_arena_alloc(&worker->arena, n);
  if (label)
    snprintf(label, n, "plugin %s in node %s", plugin, spec->config->node_name);
  return label;
}

static int put_setup(struct weft_worker *worker, const struct weft_worker_spec *spec)
{
  struct weft_writer *body = &worker->setup_body;
  weft_put_u64(body, worker->segments.n_bytes);
  weft_put_text(body, spec->module);
  weft_put_text(body, spec->node_id);
  weft_put_text(body, spec->compute);
  weft_put_u32(body, spec->n_threads);
  weft_put_u32(body, worker->busy_place);
  weft_put_config(body, spec->config);
  return body->failed;
}

/* Everything but the processes. 0 or an errno. */
static int prepare(struct weft_worker *worker, const struct weft_worker_spec *spec, uint64_t n_bytes)
{
  int error = weft_segments_new(&worker->segments, n_bytes);
  if (error)
    return error;
  weft_ring_host_init(&worker->ring, worker->segments.in, worker->segments.out, n_bytes);
  worker->ring.spin_ns = worker->spin_ns = spec->spin_ns;
  worker->n_inputs = spec->config->n_inputs;
  worker->setup_timeout_ns = spec->setup_timeout_ns ? spec->setup_timeout_ns : SETUP_TIMEOUT_NS;
  worker->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (worker->eventfd < 0)
    return errno;
  worker->busy_place = weft_busy_take();
  worker->program = keep_text(worker, spec->program);
  worker->label = keep_label(worker, spec);
  if (!worker->program || !worker->label || put_setup(worker, spec))
    return ENOMEM;
  return weft_watch_start();
}

static struct weft_worker *new_worker(void)
{
  struct weft_worker *worker = weft_mem_alloc(sizeof *worker);
  if (!worker)
    return NULL;
  memset(worker, 0, sizeof *worker);
  worker->segments.in_fd = worker->segments.out_fd = -1;
  worker->eventfd = worker->control = worker->zygote_fd = worker->worker_fd = -1;
  pthread_mutex_init(&worker->lock, NULL);
  return worker;
}

static weft_status tell(const struct weft_worker *worker, struct weft_setup *setup)
{
  return weft_host_table()->fail(setup, worker->failure_status, "%s", worker->failure);
}

weft_status weft_worker_spawn(const struct weft_worker_spec *spec, struct weft_worker **out)
{
  uint64_t n_bytes = spec->segment_bytes ? spec->segment_bytes : WEFT_SEGMENT_BYTES;
  *out = NULL;
  if (n_bytes < WEFT_SEGMENT_MIN_BYTES || n_bytes % WEFT_SEGMENT_MIN_BYTES)
    return weft_host_table()->fail(spec->setup, WEFT_BAD_CONFIG, "segments of %llu bytes; expected a multiple of %llu",
                                   (unsigned long long)n_bytes, WEFT_SEGMENT_MIN_BYTES);
  struct weft_worker *worker = new_worker();
  int error = worker ? prepare(worker, spec, n_bytes) : ENOMEM;
  if (error) {
    weft_worker_free(worker);
    return weft_host_table()->fail(spec->setup, error == ENOMEM ? WEFT_NO_MEMORY : WEFT_UNAVAILABLE,
                                   "node %s: cannot prepare a worker: %s", spec->config->node_name,
                                   strerrordesc_np(error));
  }
  weft_life_launch(worker);
  while (atomic_load(&worker->state) == WEFT_WORKER_LAUNCHING)
    weft_life_step(worker, spec->setup);
  if (atomic_load(&worker->state) != WEFT_WORKER_DOWN) {
    weft_status status = tell(worker, spec->setup);
    weft_worker_free(worker);
    return status;
  }
  worker->down_since_ns = 0;
  *out = worker;
  return WEFT_OK;
}

const struct weft_ports *weft_worker_ports(const struct weft_worker *worker)
{
  return &worker->ports;
}

int weft_worker_computes(const struct weft_worker *worker)
{
  return worker->computes;
}

static int put_limits(struct weft_worker *worker, const struct weft_limits *limits)
{
  struct weft_writer *body = &worker->fork_body;
  weft_writer_clear(body);
  weft_put_u32(body, 0);
  weft_put_u64(body, worker->spin_ns);
  weft_put_u64(body, (uint64_t)limits->n_items);
  weft_put_u32(body, worker->n_inputs);
  for (uint32_t i = 0; i < worker->n_inputs; i++) {
    weft_put_u64(body, (uint64_t)limits->n_rows[i]);
    weft_put_u64(body, (uint64_t)limits->n_groups[i]);
  }
  return body->failed;
}

/* Back to a zygote without a worker; it is detached. */
static void stop(struct weft_worker *worker, struct weft_setup *setup)
{
  weft_life_kill_worker(worker);
  for (;;) {
    uint32_t state = atomic_load(&worker->state);
    if (state == WEFT_WORKER_GONE)
      weft_life_launch(worker);
    else if (state == WEFT_WORKER_DOWN)
      return;
    else if (state == WEFT_WORKER_ALIVE) /* the fork of a respawn that was under way */
      weft_life_kill_worker(worker);
    if (atomic_load(&worker->state) == WEFT_WORKER_GONE)
      return;
    weft_life_step(worker, setup);
  }
}

weft_status weft_worker_activate(struct weft_worker *worker, struct weft_setup *setup, const struct weft_limits *limits)
{
  if (limits->n_items < 1 || limits->n_items > UINT32_MAX)
    return weft_host_table()->fail(setup, WEFT_BAD_CONFIG, "%s: activate for %lld items", worker->label,
                                   (long long)limits->n_items);
  weft_watch_detach(worker); /* a respawn under way reads the limits */
  if (put_limits(worker, limits))
    return weft_host_table()->fail(setup, WEFT_NO_MEMORY, "%s: no memory for its limits", worker->label);
  stop(worker, setup);
  if (atomic_load(&worker->state) != WEFT_WORKER_DOWN)
    return tell(worker, setup);
  worker->ring.n_items_max = (uint32_t)limits->n_items;
  worker->down_since_ns = 0;
  weft_life_fork(worker);
  while (atomic_load(&worker->state) == WEFT_WORKER_STARTING || atomic_load(&worker->state) == WEFT_WORKER_ENDING)
    weft_life_step(worker, setup);
  if (atomic_load(&worker->state) != WEFT_WORKER_ALIVE)
    return tell(worker, setup);
  if (weft_watch_attach(worker))
    return weft_host_table()->fail(setup, WEFT_NO_MEMORY, "%s: no memory to watch it", worker->label);
  worker->active = 1;
  return WEFT_OK;
}

void weft_worker_free(struct weft_worker *worker)
{
  if (!worker)
    return;
  weft_watch_detach(worker);
  weft_life_end(worker);
  weft_busy_release(worker->busy_place);
  for (struct weft_worker_resource *r = worker->resources; r; r = r->next)
    if (r->fd >= 0)
      close(r->fd);
  if (worker->eventfd >= 0)
    close(worker->eventfd);
  weft_segments_clear(&worker->segments);
  weft_control_clear(&worker->buffer);
  weft_writer_clear(&worker->setup_body);
  weft_writer_clear(&worker->fork_body);
  weft_arena_clear(&worker->ports_arena);
  weft_arena_clear(&worker->arena);
  pthread_mutex_destroy(&worker->lock);
  weft_mem_free(worker);
}

static void want(struct weft_worker *worker, uint32_t what)
{
  atomic_fetch_or(&worker->wants, what);
  weft_watch_kick();
}

weft_status weft_worker_start(struct weft_worker *worker, const struct weft_call *call)
{
  char message[WEFT_MESSAGE_BYTES];
  if (!worker->active)
    return WEFT_CONTRACT;
  weft_status status = weft_ring_post(&worker->ring, call, message);
  if (status != WEFT_OK) {
    struct weft_call_host *host = call->host_data;
    host->fail(host, call, WEFT_ALL_ITEMS, status, message);
    return status;
  }
  atomic_fetch_add_explicit(&worker->n_calls, 1, memory_order_relaxed);
  /* After publishing: whoever buries later than this sees the call, and the state was set before the burial. */
  uint32_t state = atomic_load(&worker->state);
  if (state == WEFT_WORKER_DOWN || state == WEFT_WORKER_GONE)
    want(worker, WEFT_WANT_REVIVE);
  return WEFT_OK;
}

int weft_worker_poll(struct weft_worker *worker)
{
  return weft_ring_ready(&worker->ring);
}

int weft_worker_wait(struct weft_worker *worker, uint64_t deadline_ns)
{
  return weft_ring_wait(&worker->ring, deadline_ns);
}

weft_status weft_worker_finish(struct weft_worker *worker, struct weft_call *call, int *died)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_call_host *host = call->host_data;
  weft_status status;
  *died = 0;
  if (weft_ring_answered(&worker->ring)) {
    status = weft_ring_take(&worker->ring, call, message);
  } else if (weft_ring_ready(&worker->ring)) {
    pthread_mutex_lock(&worker->lock);
    status = worker->obituary_status;
    memcpy(message, worker->obituary, sizeof message);
    pthread_mutex_unlock(&worker->lock);
    *died = 1;
  } else {
    status = WEFT_CONTRACT;
    snprintf(message, sizeof message, "%s: finish before the call was ready", worker->label);
  }
  if (status != WEFT_OK && message[0])
    host->fail(host, call, WEFT_ALL_ITEMS, status, message);
  return status;
}

void weft_worker_kill(struct weft_worker *worker)
{
  atomic_store(&worker->kill_number, atomic_load(&worker->ring.in->call));
  want(worker, WEFT_WANT_KILL);
}

void weft_worker_cancel(struct weft_worker *worker)
{
  __atomic_store_n(&worker->ring.in->cancel, 1, __ATOMIC_RELAXED);
}

int weft_worker_fd(const struct weft_worker *worker)
{
  return worker->eventfd;
}

void weft_worker_set_notify(struct weft_worker *worker, int on)
{
  atomic_store(&worker->ring.in->notify, on != 0);
}

void weft_worker_stats(const struct weft_worker *worker, struct weft_worker_stats *out)
{
  out->n_calls = atomic_load(&worker->n_calls);
  out->n_deaths = atomic_load(&worker->n_deaths);
  out->n_respawns = atomic_load(&worker->n_respawns);
  out->last_respawn_ns = atomic_load(&worker->last_respawn_ns);
  out->pid = atomic_load(&worker->pid);
}

void weft_worker_last_death(const struct weft_worker *worker, char *out)
{
  pthread_mutex_t *lock = (pthread_mutex_t *)&worker->lock;
  pthread_mutex_lock(lock);
  memcpy(out, worker->obituary, WEFT_MESSAGE_BYTES);
  pthread_mutex_unlock(lock);
}
