/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <peak.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

double bench_peak_of(const char *isa, double at_least)
{
  static volatile float keep;
  weft_cpu_peak_round multiply_add = weft_cpu_peak_of(isa);
  float sink = 0;
  double flops = 0, begin = bench_thread_now(), seconds;
  do {
    for (int i = 0; i < 16; i++)
      flops += multiply_add(&sink);
    seconds = bench_thread_now() - begin;
  } while (seconds < at_least);
  keep = sink;
  (void)keep;
  return flops / seconds * 1e-9;
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
