/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <glib.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static char last_message[WEFT_MESSAGE_BYTES];
static _Atomic int64_t live, fail_at;
static uint32_t pool_threads;

static weft_status host_fail(struct weft_setup *setup, weft_status status, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_message, sizeof last_message, format, arguments);
  va_end(arguments);
  return status;
}

static void host_log(uint32_t level, const char *format, ...)
{
}

static void *host_alloc(uint64_t n_bytes)
{
  if (fail_at > 0 && --fail_at == 0)
    return NULL;
  void *memory = aligned_alloc(64, (n_bytes + 63) / 64 * 64);
  live += memory != NULL;
  return memory;
}

static void host_free(void *memory)
{
  live -= memory != NULL;
  free(memory);
}

struct job {
  void (*fn)(void *arg, uint32_t chunk);
  void *arg;
  uint32_t chunk;
};

static void *job_run(void *data)
{
  struct job *job = data;
  job->fn(job->arg, job->chunk);
  return NULL;
}

/* A thread for each chunk: slow, and as unordered as it gets. */
static void pool_parallel(uint32_t n_chunks, void (*fn)(void *arg, uint32_t chunk), void *arg)
{
  pthread_t threads[16];
  struct job jobs[16];
  g_assert_cmpuint(n_chunks, <=, 16);
  for (uint32_t i = 1; i < n_chunks; i++) {
    jobs[i] = (struct job){fn, arg, i};
    g_assert_cmpint(pthread_create(&threads[i], NULL, job_run, &jobs[i]), ==, 0);
  }
  fn(arg, 0);
  for (uint32_t i = 1; i < n_chunks; i++)
    pthread_join(threads[i], NULL);
}

static uint32_t pool_n_threads(void)
{
  return pool_threads;
}

static const struct weft_pool pool = {pool_parallel, pool_n_threads};

static const void *host_get_extension(const char *id)
{
  return pool_threads > 1 && g_str_equal(id, WEFT_POOL_ID) ? &pool : NULL;
}

const struct weft_host *test_host(uint32_t n_threads)
{
  static const struct weft_host host = {.contract = 1, .fail = host_fail, .log = host_log, .alloc = host_alloc,
                                        .free = host_free, .get_extension = host_get_extension};
  pool_threads = n_threads;
  return &host;
}

const char *test_host_message(void)
{
  return last_message;
}

int64_t test_host_live(void)
{
  return live;
}

void test_host_fail_at(int64_t k)
{
  fail_at = k;
}

const char *const test_isas[3] = {"scalar", "avx2", "avx512"};

int test_isa_runs(const char *isa)
{
#if defined(__x86_64__)
  if (g_str_equal(isa, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (g_str_equal(isa, "avx512"))
    return __builtin_cpu_supports("avx512f");
#endif
  return g_str_equal(isa, "scalar");
}

static uint64_t random_state;

void test_seed(void)
{
  const char *given = g_getenv("WEFT_TEST_SEED");
  random_state = given ? g_ascii_strtoull(given, NULL, 0) : (uint64_t)g_get_real_time();
  g_test_message("WEFT_TEST_SEED=%" G_GUINT64_FORMAT, random_state);
  g_print("# WEFT_TEST_SEED=%" G_GUINT64_FORMAT "\n", random_state);
}

/* splitmix64 */
static uint64_t random_next(void)
{
  uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint32_t test_random(uint32_t below)
{
  return (uint32_t)((random_next() >> 32) * below >> 32);
}

float test_normal(void)
{
  double u = ((double)(random_next() >> 11) + 1) * 0x1p-53, v = (double)(random_next() >> 11) * 0x1p-53;
  return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

float *test_normals(size_t n, float scale)
{
  float *x = malloc((n ? n : 1) * sizeof *x);
  for (size_t i = 0; i < n; i++)
    x[i] = scale * test_normal();
  return x;
}

#define GUARD 64

float *test_guarded(size_t n)
{
  float *p = malloc((n + 2 * GUARD) * sizeof *p);
  for (size_t i = 0; i < n + 2 * GUARD; i++)
    p[i] = TEST_GUARD_VALUE;
  return p + GUARD;
}

void test_guarded_free(float *p, size_t n)
{
  for (size_t i = 0; i < GUARD; i++) {
    g_assert_true(p[-1 - (ptrdiff_t)i] == TEST_GUARD_VALUE);
    g_assert_true(p[n + i] == TEST_GUARD_VALUE);
  }
  free(p - GUARD);
}
