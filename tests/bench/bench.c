/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

double bench_now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double bench_thread_now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Twelve chains of fused multiply-adds hide the latency; `wide` floats each. */
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static double fma_round_avx2(float *sink)
{
  __m256 a[12], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
#pragma GCC unroll 12
  for (int k = 0; k < 12; k++)
    a[k] = _mm256_set1_ps((float)k);
  for (int i = 0; i < 1000; i++)
#pragma GCC unroll 12
    for (int k = 0; k < 12; k++)
      a[k] = _mm256_fmadd_ps(a[k], x, y);
#pragma GCC unroll 12
  for (int k = 1; k < 12; k++)
    a[0] = _mm256_add_ps(a[0], a[k]);
  *sink += _mm256_cvtss_f32(a[0]);
  return 1000.0 * 12 * 8 * 2;
}

__attribute__((target("avx512f"))) static double fma_round_avx512(float *sink)
{
  __m512 a[12], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
#pragma GCC unroll 12
  for (int k = 0; k < 12; k++)
    a[k] = _mm512_set1_ps((float)k);
  for (int i = 0; i < 1000; i++)
#pragma GCC unroll 12
    for (int k = 0; k < 12; k++)
      a[k] = _mm512_fmadd_ps(a[k], x, y);
#pragma GCC unroll 12
  for (int k = 1; k < 12; k++)
    a[0] = _mm512_add_ps(a[0], a[k]);
  *sink += _mm512_reduce_add_ps(a[0]);
  return 1000.0 * 12 * 16 * 2;
}
#endif

static double fma_round_plain(float *sink)
{
  float a[12];
  for (int k = 0; k < 12; k++)
    a[k] = (float)k;
  for (int i = 0; i < 1000; i++)
    for (int k = 0; k < 12; k++)
      a[k] = a[k] * 0.999f + 0.001f;
  for (int k = 0; k < 12; k++)
    *sink += a[k];
  return 1000.0 * 12 * 2;
}

static double rate_of(double (*fma_round)(float *), double at_least)
{
  static volatile float keep;
  float sink = 0;
  double flops = 0, begin = bench_thread_now(), seconds;
  do {
    for (int i = 0; i < 16; i++)
      flops += fma_round(&sink);
    seconds = bench_thread_now() - begin;
  } while (seconds < at_least);
  keep = sink;
  (void)keep;
  return flops / seconds * 1e-9;
}

double bench_peak_of(const char *isa, double seconds)
{
#if defined(__x86_64__)
  if (!strncmp(isa, "avx512", 6) || !strncmp(isa, "amx", 3))
    return rate_of(fma_round_avx512, seconds);
  if (!strncmp(isa, "avx", 3))
    return rate_of(fma_round_avx2, seconds);
#endif
  return rate_of(fma_round_plain, seconds);
}

double bench_peak(void)
{
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return bench_peak_of("avx512", 0.02);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return bench_peak_of("avx2", 0.02);
#endif
  return bench_peak_of("scalar", 0.02);
}

const char *bench_cpu(void)
{
  static char name[128];
  if (name[0])
    return name;
  FILE *f = fopen("/proc/cpuinfo", "re");
  char line[256];
  while (f && fgets(line, sizeof line, f)) {
    char *value = strchr(line, ':');
    if (strncmp(line, "model name", 10) || !value)
      continue;
    value += 1 + strspn(value + 1, " \t");
    value[strcspn(value, "\n\"\\")] = 0;
    snprintf(name, sizeof name, "%.*s", (int)sizeof name - 1, value);
    break;
  }
  if (f)
    fclose(f);
  if (!name[0])
    snprintf(name, sizeof name, "unknown");
  return name;
}

int bench_is_quick(int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], "--quick"))
      return 1;
  return 0;
}

static int by_size(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_quantile(double *samples, size_t n, double q)
{
  if (!n)
    return 0;
  qsort(samples, n, sizeof *samples, by_size);
  size_t k = (size_t)(q * (double)(n - 1) + 0.5);
  return samples[k < n ? k : n - 1];
}

static void print_text(const char *text)
{
  putchar('"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      putchar('\\');
    if ((unsigned char)*text >= ' ')
      putchar(*text);
  }
  putchar('"');
}

void bench_print(const struct bench_result *r)
{
  printf("{\"bench\": ");
  print_text(r->bench);
  printf(", \"case\": ");
  print_text(r->name);
  printf(", \"unit\": ");
  print_text(r->unit);
  printf(", \"ours\": %.6g", r->ours);
  if (r->has_rival)
    printf(", \"rival\": %.6g, \"ratio\": %.4g", r->rival, r->rival != 0 ? r->ours / r->rival : 0);
  else
    printf(", \"rival\": null, \"ratio\": null");
  printf(", \"goal\": ");
  print_text(r->goal);
  printf(", \"pass\": %s, \"cpu\": ", r->pass ? "true" : "false");
  print_text(bench_cpu());
  printf(", \"peak\": %.4g", bench_peak());
  if (r->best != 0)
    printf(", \"best\": %.6g", r->best);
  if (r->p99 != 0)
    printf(", \"p99\": %.6g", r->p99);
  if (r->reason) {
    printf(", \"reason\": ");
    print_text(r->reason);
  }
  printf("}\n");
  fflush(stdout);
}
