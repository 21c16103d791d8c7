/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the rivals of gemm.c. */
#include "gemm-parts.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[BENCH_N_RIVALS] = {"rival-onednn-sycl.so", "rival-onednn-gomp.so"};
static struct bench_rival loaded[BENCH_N_RIVALS];

static int find(struct bench_rival *r, void *object)
{
  /* a function's address through memcpy: ISO C has no cast for it */
  void *found[] = {dlsym(object, "rival_name"), dlsym(object, "rival_matmul_new"), dlsym(object, "rival_matmul_free"),
                   dlsym(object, "rival_matmul_implementation"), dlsym(object, "rival_matmul_run"),
                   dlsym(object, "rival_matmul_result")};
  for (size_t i = 0; i < sizeof found / sizeof *found; i++)
    if (!found[i])
      return 0;
  memcpy(&r->name, &found[0], sizeof found[0]);
  memcpy(&r->new, &found[1], sizeof found[0]);
  memcpy(&r->free, &found[2], sizeof found[0]);
  memcpy(&r->implementation, &found[3], sizeof found[0]);
  memcpy(&r->run, &found[4], sizeof found[0]);
  memcpy(&r->result, &found[5], sizeof found[0]);
  return 1;
}

/* The least of many calls of a product of sixteen numbers. */
static double overhead_of(const struct bench_rival *r)
{
  float numbers[256] = {0};
  struct rival_matmul *m = r->new(&(struct rival_shape){"f32", 1, 16, 16}, numbers, numbers);
  double least = 1;
  for (int i = 0; m && i < 20; i++) {
    double begin = bench_now();
    r->run(m, 100);
    double seconds = (bench_now() - begin) / 100;
    least = seconds < least ? seconds : least;
  }
  r->free(m);
  return m ? least : 0;
}

void bench_rivals_load(void)
{
  const char *home = getenv("HOME"), *rivals = getenv("WEFT_BENCH_RIVALS");
  char path[1024];
  snprintf(path, sizeof path, "%s%s/gemm/venv/lib/libintelocl.so", rivals ? rivals : home ? home : "",
           rivals ? "" : "/.cache/weft-bench");
  setenv("OCL_ICD_FILENAMES", path, 1);
  setenv("ONEDNN_VERBOSE", "none", 1);
  setenv("OMP_NUM_THREADS", bench_threads() > 1 ? "2" : "1", 1);
  /* TBB takes as many threads as it may have processors when it starts */
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  if (bench_threads() < 2)
    sched_setaffinity(0, sizeof one, &one);
  for (int i = 0; i < BENCH_N_RIVALS; i++) {
    snprintf(path, sizeof path, "%s%s/gemm/%s", rivals ? rivals : home ? home : "", rivals ? "" : "/.cache/weft-bench",
             files[i]);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    loaded[i].elsewhere = i == 0;
    if (object && find(&loaded[i], object))
      loaded[i].overhead = overhead_of(&loaded[i]);
    else
      fprintf(stderr, "gemm: no rival (%s): tests/bench/setup gemm\n", dlerror());
  }
  sched_setaffinity(0, sizeof all, &all);
}

void bench_rival_matmuls(struct bench_rival_matmul *rivals, const struct rival_shape *shape, const float *a,
                         const float *w)
{
  for (int i = 0; i < BENCH_N_RIVALS; i++)
    rivals[i] = (struct bench_rival_matmul){&loaded[i], loaded[i].new ? loaded[i].new(shape, a, w) : NULL};
}

void bench_rival_matmuls_free(struct bench_rival_matmul *rivals)
{
  for (int i = 0; i < BENCH_N_RIVALS; i++)
    if (rivals[i].matmul)
      rivals[i].rival->free(rivals[i].matmul);
}
