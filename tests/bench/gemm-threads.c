/* SPDX-License-Identifier: Apache-2.0 */
/* The second thread, and what both give at most. */
#include "gemm-parts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* Looks for the next part that often before it sleeps: some 50 us. */
#define N_SPINS 20000

static inline void relax(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static int n_threads = 1;
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static atomic_uint asked, done;
static atomic_int sleeps;
static void (*shared_part)(void *data, int part);
static void *shared_data;

static void *second(void *data)
{
  for (unsigned seen = 0;;) {
    for (int i = 0; i < N_SPINS && atomic_load(&asked) == seen; i++)
      relax();
    pthread_mutex_lock(&lock);
    atomic_store(&sleeps, 1);
    while (atomic_load(&asked) == seen)
      pthread_cond_wait(&wake, &lock);
    atomic_store(&sleeps, 0);
    pthread_mutex_unlock(&lock);
    seen++;
    if (!shared_part)
      return NULL;
    shared_part(shared_data, 1);
    atomic_store(&done, seen);
  }
}

static void ask(void)
{
  atomic_fetch_add(&asked, 1);
  if (atomic_load(&sleeps)) {
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
  }
}

void bench_threads_start(int n)
{
  if (n > 1 && pthread_create(&thread, NULL, second, NULL) == 0)
    n_threads = 2;
}

void bench_threads_stop(void)
{
  if (n_threads < 2)
    return;
  shared_part = NULL;
  ask();
  pthread_join(thread, NULL);
}

int bench_threads(void)
{
  return n_threads;
}

void bench_share(void (*part)(void *data, int part), void *data)
{
  if (n_threads < 2) {
    part(data, 0);
    return;
  }
  shared_part = part;
  shared_data = data;
  ask();
  part(data, 0);
  while (atomic_load(&done) != atomic_load(&asked))
    relax();
}

struct probe {
  const char *at;
  size_t n_bytes; /* of each thread */
  double seconds, rate[2];
  const char *isa;
};

static void peak_part(void *data, int part)
{
  struct probe *p = data;
  p->rate[part] = strstr(p->isa, "-int") ? bench_int_peak_of(p->isa, p->seconds) : bench_peak_of(p->isa, p->seconds);
}

double bench_format_peak(const struct weft_product_kernels *kernels, double seconds)
{
  struct probe p = {.seconds = seconds, .isa = kernels->name};
  bench_share(peak_part, &p);
  return p.rate[0] + p.rate[1];
}

typedef float line_half __attribute__((vector_size(32), aligned(4), may_alias));

/* Ten lines in flight; the sums keep the reads alive. */
#if defined(__x86_64__)
__attribute__((target("avx2")))
#endif
static float read_all(const char *at, size_t n_bytes)
{
  line_half sums[8] = {{0}};
  size_t n = n_bytes / sizeof(line_half);
  const line_half *from = (const line_half *)(const void *)at;
  for (size_t i = 0; i + 8 <= n; i += 8)
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++)
      sums[j] += from[i + j];
  for (int j = 1; j < 8; j++)
    sums[0] += sums[j];
  return sums[0][0];
}

static void read_part(void *data, int part)
{
  struct probe *p = data;
  static volatile float keep[2];
  double begin = bench_thread_now(), seconds;
  size_t times = 0;
  do {
    keep[part] = read_all(p->at + (size_t)part * p->n_bytes, p->n_bytes);
    times++;
    seconds = bench_thread_now() - begin;
  } while (seconds < p->seconds);
  (void)keep[part];
  p->rate[part] = (double)(times * p->n_bytes) / seconds * 1e-9;
}

double bench_read_rate(const void *data, size_t n_bytes, double seconds)
{
  struct probe p = {.at = data, .n_bytes = n_bytes / (size_t)n_threads / 64 * 64, .seconds = seconds};
  bench_share(read_part, &p);
  return p.rate[0] + p.rate[1];
}
