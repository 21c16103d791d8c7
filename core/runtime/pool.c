/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include "clock.h"
#include "cpus.h"
#include "hosttable.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* Operations open at once; one more runs on its caller alone. */
#define N_OPERATIONS 32u
/* A helper out of work looks around that long before it sleeps: longer than the gap between two operations of a model. */
#define IDLE_SPIN_NS 40000u
/* A join that waits for a claimed chunk polls that long; the helper may have lost its core. */
#define JOIN_SPIN_NS 40000u

/*
 * An operation is a place that is used again and again and never freed, so a
 * helper that comes late reads old values at worst: its claim fails, because
 * the claim word holds the use (generation) beside the next chunk. A join
 * therefore waits for claimed chunks only, never for a helper.
 */
struct operation {
  _Atomic uint64_t claim; /* generation << 32 | next chunk */
  _Atomic uint32_t n_chunks;
  _Atomic uint32_t n_done;
  _Atomic(void (*)(void *, uint32_t)) fn;
  _Atomic(void *) arg;
  _Atomic int32_t seats; /* helpers that may still come: advisory */
  _Atomic uint32_t busy;
  _Atomic uint32_t waiting;
  pthread_mutex_t lock;
  pthread_cond_t done;
} __attribute__((aligned(128)));

struct weft_pool_impl {
  struct operation operations[N_OPERATIONS];
  _Atomic uint32_t n_open;     /* operations with chunks to claim */
  _Atomic uint32_t n_jobs;     /* in the queue */
  _Atomic uint32_t n_sleeping;
  _Atomic uint32_t n_started;
  _Atomic uint32_t stopping;
  uint32_t n_threads;
  pthread_mutex_t lock;        /* queue, starting, sleeping */
  pthread_cond_t wake;
  struct weft_pool_job *first, *last;
  pthread_t helpers[WEFT_THREADS_MAX];
};

static _Atomic(struct weft_pool_impl *) offered;
/* Chunks run inside chunks would wait for helpers that wait for them. */
static _Thread_local int inside;
static _Thread_local uint64_t n_splits;

static inline void pause_a_little(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Claims chunks of one use of `op` and runs them; the number run. */
static uint32_t work_on(struct weft_pool_impl *pool, struct operation *op)
{
  uint32_t n_run = 0;
  for (;;) {
    uint64_t claim = atomic_load_explicit(&op->claim, memory_order_acquire);
    uint32_t n_chunks = atomic_load_explicit(&op->n_chunks, memory_order_acquire);
    void (*fn)(void *, uint32_t) = atomic_load_explicit(&op->fn, memory_order_acquire);
    void *arg = atomic_load_explicit(&op->arg, memory_order_acquire);
    uint32_t chunk = (uint32_t)claim;
    if (chunk >= n_chunks)
      return n_run;
    if (!atomic_compare_exchange_weak_explicit(&op->claim, &claim, claim + 1, memory_order_acq_rel,
                                               memory_order_relaxed))
      continue;
    if (chunk + 1 == n_chunks)
      atomic_fetch_sub(&pool->n_open, 1);
    inside = 1;
    fn(arg, chunk);
    inside = 0;
    n_run++;
    uint32_t done = atomic_fetch_add(&op->n_done, 1) + 1;
    if (done == n_chunks && atomic_load(&op->waiting)) {
      pthread_mutex_lock(&op->lock);
      pthread_cond_broadcast(&op->done);
      pthread_mutex_unlock(&op->lock);
    }
  }
}

static uint32_t help(struct weft_pool_impl *pool)
{
  if (!atomic_load_explicit(&pool->n_open, memory_order_acquire))
    return 0;
  uint32_t n_run = 0;
  for (uint32_t i = 0; i < N_OPERATIONS; i++) {
    struct operation *op = &pool->operations[i];
    if (!atomic_load_explicit(&op->busy, memory_order_relaxed) ||
        (uint32_t)atomic_load_explicit(&op->claim, memory_order_relaxed) >=
            atomic_load_explicit(&op->n_chunks, memory_order_relaxed))
      continue;
    if (atomic_fetch_sub(&op->seats, 1) > 0)
      n_run += work_on(pool, op);
    atomic_fetch_add(&op->seats, 1);
  }
  return n_run;
}

static struct weft_pool_job *take_locked(struct weft_pool_impl *pool)
{
  struct weft_pool_job *job = pool->first;
  if (!job)
    return NULL;
  pool->first = job->next;
  if (!pool->first)
    pool->last = NULL;
  atomic_fetch_sub(&pool->n_jobs, 1);
  return job;
}

static struct weft_pool_job *take(struct weft_pool_impl *pool)
{
  if (!atomic_load_explicit(&pool->n_jobs, memory_order_relaxed))
    return NULL;
  pthread_mutex_lock(&pool->lock);
  struct weft_pool_job *job = take_locked(pool);
  pthread_mutex_unlock(&pool->lock);
  return job;
}

/* One round: chunks first, because somebody waits for them. */
static int do_something(struct weft_pool_impl *pool)
{
  if (help(pool))
    return 1;
  struct weft_pool_job *job = take(pool);
  if (!job)
    return 0;
  job->run(job);
  return 1;
}

static int anything(struct weft_pool_impl *pool)
{
  return atomic_load(&pool->n_open) || atomic_load(&pool->n_jobs);
}

static void *helper_main(void *data)
{
  struct weft_pool_impl *pool = data;
  uint64_t idle_since = 0;
  for (;;) {
    if (do_something(pool)) {
      idle_since = 0;
      continue;
    }
    uint64_t now = weft_clock_now();
    if (!idle_since)
      idle_since = now;
    if (now - idle_since < IDLE_SPIN_NS && !atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
      pause_a_little();
      continue;
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (!anything(pool) && !atomic_load(&pool->stopping))
      pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    int stop = atomic_load(&pool->stopping) && !pool->first;
    pthread_mutex_unlock(&pool->lock);
    if (stop)
      return NULL;
    idle_since = 0;
  }
}

/* With the lock held. A thread that cannot be started is done without, as long as one runs. */
static void start_locked(struct weft_pool_impl *pool)
{
  uint32_t n = atomic_load(&pool->n_started);
  while (n < pool->n_threads && !pthread_create(&pool->helpers[n], NULL, helper_main, pool))
    atomic_store(&pool->n_started, ++n);
}

weft_status weft_pool_new(uint32_t n_threads, struct weft_pool_impl **out)
{
  struct weft_pool_impl *pool = weft_mem_alloc(sizeof *pool);
  *out = NULL;
  if (!pool)
    return WEFT_NO_MEMORY;
  memset(pool, 0, sizeof *pool);
  if (!n_threads)
    n_threads = weft_cpus_available();
  pool->n_threads = n_threads > WEFT_THREADS_MAX ? WEFT_THREADS_MAX : n_threads;
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  for (uint32_t i = 0; i < N_OPERATIONS; i++) {
    pthread_mutex_init(&pool->operations[i].lock, NULL);
    pthread_cond_init(&pool->operations[i].done, NULL);
  }
  *out = pool;
  return WEFT_OK;
}

void weft_pool_free(struct weft_pool_impl *pool)
{
  if (!pool)
    return;
  struct weft_pool_impl *self = pool;
  if (atomic_compare_exchange_strong(&offered, &self, NULL))
    weft_host_offer(WEFT_POOL_ID, NULL);
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stopping, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  uint32_t n = atomic_load(&pool->n_started);
  for (uint32_t i = 0; i < n; i++)
    pthread_join(pool->helpers[i], NULL);
  for (uint32_t i = 0; i < N_OPERATIONS; i++) {
    pthread_cond_destroy(&pool->operations[i].done);
    pthread_mutex_destroy(&pool->operations[i].lock);
  }
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  weft_mem_free(pool);
}

weft_status weft_pool_push(struct weft_pool_impl *pool, struct weft_pool_job *job)
{
  job->next = NULL;
  pthread_mutex_lock(&pool->lock);
  start_locked(pool);
  if (!atomic_load(&pool->n_started)) {
    pthread_mutex_unlock(&pool->lock);
    return WEFT_UNAVAILABLE;
  }
  if (pool->last)
    pool->last->next = job;
  else
    pool->first = job;
  pool->last = job;
  atomic_fetch_add(&pool->n_jobs, 1);
  if (atomic_load(&pool->n_sleeping))
    pthread_cond_signal(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  return WEFT_OK;
}

uint64_t weft_pool_thread_splits(void)
{
  return n_splits;
}

uint32_t weft_pool_n_threads(const struct weft_pool_impl *pool)
{
  return pool->n_threads;
}

static void run_inline(uint32_t n_chunks, void (*fn)(void *, uint32_t), void *arg)
{
  for (uint32_t i = 0; i < n_chunks; i++)
    fn(arg, i);
}

static struct operation *open_operation(struct weft_pool_impl *pool, uint32_t n_chunks, void (*fn)(void *, uint32_t),
                                        void *arg)
{
  for (uint32_t i = 0; i < N_OPERATIONS; i++) {
    struct operation *op = &pool->operations[i];
    uint32_t expected = 0;
    if (atomic_load_explicit(&op->busy, memory_order_relaxed) ||
        !atomic_compare_exchange_strong(&op->busy, &expected, 1))
      continue;
    /* The new generation comes first and claims nothing (its next chunk is the last): a late helper fails. */
    uint64_t generation = (atomic_load(&op->claim) >> 32) + 1;
    atomic_store(&op->claim, generation << 32 | UINT32_MAX);
    atomic_store_explicit(&op->fn, fn, memory_order_release);
    atomic_store_explicit(&op->arg, arg, memory_order_release);
    atomic_store_explicit(&op->n_done, 0, memory_order_release);
    atomic_store_explicit(&op->waiting, 0, memory_order_release);
    atomic_store_explicit(&op->n_chunks, n_chunks, memory_order_release);
    atomic_store_explicit(&op->seats, (int32_t)pool->n_threads - 1, memory_order_release);
    atomic_store(&op->claim, (generation + 1) << 32);
    return op;
  }
  return NULL;
}

static void join(struct operation *op, uint32_t n_chunks)
{
  if (atomic_load(&op->n_done) == n_chunks)
    return;
  uint64_t until = weft_clock_now() + JOIN_SPIN_NS;
  do {
    for (int i = 0; i < 64; i++) {
      if (atomic_load_explicit(&op->n_done, memory_order_acquire) == n_chunks)
        return;
      pause_a_little();
    }
  } while (weft_clock_now() < until);
  pthread_mutex_lock(&op->lock);
  atomic_store(&op->waiting, 1);
  while (atomic_load(&op->n_done) != n_chunks)
    pthread_cond_wait(&op->done, &op->lock);
  pthread_mutex_unlock(&op->lock);
}

static void wake_helpers(struct weft_pool_impl *pool, uint32_t n_wanted)
{
  if (atomic_load(&pool->n_started) < pool->n_threads) {
    pthread_mutex_lock(&pool->lock);
    start_locked(pool);
    pthread_mutex_unlock(&pool->lock);
  }
  if (!atomic_load(&pool->n_sleeping))
    return;
  pthread_mutex_lock(&pool->lock);
  for (uint32_t i = 0; i < n_wanted && i < atomic_load(&pool->n_sleeping); i++)
    pthread_cond_signal(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

void weft_pool_parallel(struct weft_pool_impl *pool, uint32_t n_chunks, void (*fn)(void *, uint32_t), void *arg)
{
  if (n_chunks < 2 || n_chunks == UINT32_MAX || pool->n_threads < 2 || inside) {
    run_inline(n_chunks, fn, arg);
    return;
  }
  atomic_fetch_add(&pool->n_open, 1);
  struct operation *op = open_operation(pool, n_chunks, fn, arg);
  if (!op) {
    atomic_fetch_sub(&pool->n_open, 1);
    run_inline(n_chunks, fn, arg);
    return;
  }
  n_splits++;
  uint32_t others = pool->n_threads - 1;
  wake_helpers(pool, n_chunks - 1 < others ? n_chunks - 1 : others);
  work_on(pool, op);
  join(op, n_chunks);
  atomic_store(&op->busy, 0);
}

static void parallel(uint32_t n_chunks, void (*fn)(void *arg, uint32_t chunk), void *arg)
{
  struct weft_pool_impl *pool = atomic_load_explicit(&offered, memory_order_acquire);
  if (pool)
    weft_pool_parallel(pool, n_chunks, fn, arg);
  else
    run_inline(n_chunks, fn, arg);
}

static uint32_t n_threads(void)
{
  struct weft_pool_impl *pool = atomic_load_explicit(&offered, memory_order_acquire);
  return pool ? pool->n_threads : 1;
}

void weft_pool_offer(struct weft_pool_impl *pool)
{
  static const struct weft_pool table = {parallel, n_threads};
  atomic_store_explicit(&offered, pool, memory_order_release);
  weft_host_offer(WEFT_POOL_ID, pool ? &table : NULL);
}
