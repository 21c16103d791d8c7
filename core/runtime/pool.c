/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include "busy.h"
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

/* A helper that waits that long for a claimed chunk is replaced meanwhile: who holds the chunk may be stopped. */
#define JOIN_PATIENCE_NS 5000000u

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

/*
 * One thread. A spare (rank k > 0) works while k or more helpers are blocked.
 * Each sleeps on a condition of its own: with one that several wait for, who
 * signals would wait for a thread that was woken and is stopped.
 */
struct helper {
  pthread_t thread;
  struct weft_pool_impl *pool;
  int32_t rank;
  pthread_cond_t wake;
  int sleeps, listed;     /* pool's lock, as below */
  struct helper *sleeper; /* the next in the pool's list */
};

struct weft_pool_impl {
  struct operation operations[N_OPERATIONS];
  _Atomic uint32_t n_open;     /* operations with chunks to claim */
  _Atomic uint32_t n_jobs;     /* in the queue */
  _Atomic uint32_t n_sleeping;
  _Atomic uint32_t n_started;
  _Atomic uint32_t stopping;
  uint32_t n_threads;
  pthread_mutex_t lock;        /* queue, starting, sleeping */
  struct weft_pool_job *first, *last;
  struct helper *sleepers; /* who slept last is woken first; a spare that is not needed sleeps outside the list */
  _Atomic int32_t n_blocked; /* below 0 for a moment where a helper comes back before it was lent */
  int32_t n_spares; /* started */
  struct helper helpers[WEFT_THREADS_MAX], spares[WEFT_THREADS_MAX];
};

static _Atomic(struct weft_pool_impl *) offered;
/* Chunks run inside chunks would wait for helpers that wait for them. */
static _Thread_local int inside;
static _Thread_local uint64_t n_splits;
static _Thread_local int is_helper;

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
    if (atomic_fetch_sub(&op->seats, 1) > 0) {
      weft_busy_enter();
      n_run += work_on(pool, op);
      weft_busy_leave();
    }
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

/* As many helpers are blocked as there are spares up to this one; a helper that is no spare is always needed. */
static int is_needed(const struct helper *helper)
{
  return !helper->rank || atomic_load(&helper->pool->n_blocked) >= helper->rank || atomic_load(&helper->pool->stopping);
}

static int anything(struct weft_pool_impl *pool)
{
  return atomic_load(&pool->n_open) || atomic_load(&pool->n_jobs);
}

/* With the lock, as below. */
static void rouse(struct helper *helper)
{
  helper->sleeps = 0;
  pthread_cond_signal(&helper->wake);
}

static void wake_locked(struct weft_pool_impl *pool, uint32_t n)
{
  for (; n && pool->sleepers; n--) {
    struct helper *helper = pool->sleepers;
    pool->sleepers = helper->sleeper;
    helper->listed = 0;
    atomic_fetch_sub(&pool->n_sleeping, 1);
    rouse(helper);
  }
}

static void list_locked(struct helper *helper)
{
  struct weft_pool_impl *pool = helper->pool;
  helper->listed = 1;
  helper->sleeper = pool->sleepers;
  pool->sleepers = helper;
  atomic_fetch_add(&pool->n_sleeping, 1);
}

/* Until there is something to do, and this helper is needed for it. 0: the pool ends. */
static int sleep_a_while(struct helper *helper)
{
  struct weft_pool_impl *pool = helper->pool;
  pthread_mutex_lock(&pool->lock);
  while (!atomic_load(&pool->stopping)) {
    int needed = is_needed(helper);
    helper->sleeps = 1;
    /* Seen to sleep before it looks: who opens an operation looks the other way round. */
    if (needed)
      list_locked(helper);
    if (needed && anything(pool)) {
      wake_locked(pool, 1); /* itself, the last to be listed */
      break;
    }
    if (!needed && anything(pool))
      wake_locked(pool, 1); /* it was woken as if it were needed: what it was woken for is another's */
    while (helper->sleeps)
      pthread_cond_wait(&helper->wake, &pool->lock);
  }
  int stop = atomic_load(&pool->stopping) && !pool->first;
  pthread_mutex_unlock(&pool->lock);
  return !stop;
}

static void *helper_main(void *data)
{
  struct helper *helper = data;
  struct weft_pool_impl *pool = helper->pool;
  uint64_t idle_since = 0;
  is_helper = 1;
  for (;;) {
    if (is_needed(helper) && do_something(pool)) {
      idle_since = 0;
      continue;
    }
    uint64_t now = weft_clock_now();
    if (!idle_since)
      idle_since = now;
    if (now - idle_since < IDLE_SPIN_NS && is_needed(helper) && !atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
      pause_a_little();
      continue;
    }
    if (!sleep_a_while(helper))
      return NULL;
    idle_since = 0;
  }
}

static int start_one(struct weft_pool_impl *pool, struct helper *helper, int32_t rank)
{
  *helper = (struct helper){.pool = pool, .rank = rank};
  pthread_cond_init(&helper->wake, NULL);
  if (!pthread_create(&helper->thread, NULL, helper_main, helper))
    return 1;
  pthread_cond_destroy(&helper->wake);
  return 0;
}

static void end_one(struct helper *helper)
{
  pthread_join(helper->thread, NULL);
  pthread_cond_destroy(&helper->wake);
}

/* With the lock held. A thread that cannot be started is done without, as long as one runs. */
static void start_locked(struct weft_pool_impl *pool)
{
  uint32_t n = atomic_load(&pool->n_started);
  for (; n < pool->n_threads; n++) {
    if (!start_one(pool, &pool->helpers[n], 0))
      return;
    atomic_store(&pool->n_started, n + 1);
  }
}

void weft_pool_lend(struct weft_pool_impl *pool)
{
  pthread_mutex_lock(&pool->lock);
  int32_t n = atomic_fetch_add(&pool->n_blocked, 1) + 1;
  if (pool->n_spares < n && pool->n_spares < (int32_t)WEFT_THREADS_MAX) {
    pool->n_spares += start_one(pool, &pool->spares[pool->n_spares], pool->n_spares + 1);
  } else if (n > 0 && n <= pool->n_spares && pool->spares[n - 1].sleeps && !pool->spares[n - 1].listed) {
    rouse(&pool->spares[n - 1]);
  }
  pthread_mutex_unlock(&pool->lock);
}

void weft_pool_return(struct weft_pool_impl *pool)
{
  atomic_fetch_sub(&pool->n_blocked, 1);
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
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  for (uint32_t i = 0; i < N_OPERATIONS; i++) {
    pthread_mutex_init(&pool->operations[i].lock, NULL);
    pthread_cond_init(&pool->operations[i].done, &attributes);
  }
  pthread_condattr_destroy(&attributes);
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
  wake_locked(pool, UINT32_MAX);
  int32_t n_spares = pool->n_spares;
  uint32_t n = atomic_load(&pool->n_started);
  for (int32_t i = 0; i < n_spares; i++)
    if (pool->spares[i].sleeps)
      rouse(&pool->spares[i]);
  pthread_mutex_unlock(&pool->lock);
  for (uint32_t i = 0; i < n; i++)
    end_one(&pool->helpers[i]);
  for (int32_t i = 0; i < n_spares; i++)
    end_one(&pool->spares[i]);
  for (uint32_t i = 0; i < N_OPERATIONS; i++) {
    pthread_cond_destroy(&pool->operations[i].done);
    pthread_mutex_destroy(&pool->operations[i].lock);
  }
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
  /* Two, since the one that is woken may be stopped; the other finds nothing to do and sleeps on. */
  wake_locked(pool, 2);
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
                                        void *arg, uint32_t n_seats)
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
    atomic_store_explicit(&op->seats, (int32_t)n_seats, memory_order_release);
    atomic_store(&op->claim, (generation + 1) << 32);
    return op;
  }
  return NULL;
}

/* Sleeps until the operation is done, or CLOCK_MONOTONIC `until` (0: without end). With the operation's lock. */
static void sleep_on(struct operation *op, uint32_t n_chunks, uint64_t until)
{
  struct timespec at = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
  int late = 0;
  while (!late && atomic_load(&op->n_done) != n_chunks)
    late = until ? pthread_cond_timedwait(&op->done, &op->lock, &at) : pthread_cond_wait(&op->done, &op->lock);
}

static void join(struct weft_pool_impl *pool, struct operation *op, uint32_t n_chunks)
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
  sleep_on(op, n_chunks, is_helper ? until + JOIN_PATIENCE_NS : 0);
  int done = atomic_load(&op->n_done) == n_chunks;
  pthread_mutex_unlock(&op->lock);
  if (done)
    return;
  weft_pool_lend(pool);
  pthread_mutex_lock(&op->lock);
  sleep_on(op, n_chunks, 0);
  pthread_mutex_unlock(&op->lock);
  weft_pool_return(pool);
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
  wake_locked(pool, n_wanted);
  pthread_mutex_unlock(&pool->lock);
}

/* Helpers that an operation may have: not so many that this process and the workers of the host exceed the cores. */
static uint32_t n_seats(const struct weft_pool_impl *pool)
{
  uint32_t others = weft_busy_others(), most = pool->n_threads - 1;
  return others < most ? most - others : 0;
}

static void share(struct weft_pool_impl *pool, uint32_t n_chunks, void (*fn)(void *, uint32_t), void *arg)
{
  uint32_t others = n_seats(pool);
  if (!others) {
    run_inline(n_chunks, fn, arg);
    return;
  }
  atomic_fetch_add(&pool->n_open, 1);
  struct operation *op = open_operation(pool, n_chunks, fn, arg, others);
  if (!op) {
    atomic_fetch_sub(&pool->n_open, 1);
    run_inline(n_chunks, fn, arg);
    return;
  }
  n_splits++;
  wake_helpers(pool, n_chunks - 1 < others ? n_chunks - 1 : others);
  work_on(pool, op);
  join(pool, op, n_chunks);
  atomic_store(&op->busy, 0);
}

void weft_pool_parallel(struct weft_pool_impl *pool, uint32_t n_chunks, void (*fn)(void *, uint32_t), void *arg)
{
  if (n_chunks < 2 || n_chunks == UINT32_MAX || pool->n_threads < 2 || inside) {
    run_inline(n_chunks, fn, arg);
    return;
  }
  weft_busy_enter();
  share(pool, n_chunks, fn, arg);
  weft_busy_leave();
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
