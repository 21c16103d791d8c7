/* SPDX-License-Identifier: Apache-2.0 */
/* What this processor offers, which kernels were chosen, and how close to its peak they come in a short test. */
#include "describe.h"
#include "peak.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A product that fits into the second-level cache: what kernels reach where memory is not in the way. */
enum { TEST_M = 96, TEST_N = 96, TEST_K = 512, TEST_MS = 15 };

static double seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* GFLOP/s of one thread's multiply-adds: the best of some rounds, since others use the machine too. */
static double peak(void)
{
  weft_cpu_peak_round multiply_add = NULL;
  const char *name;
  for (size_t i = 0; (name = weft_cpu_isa_name(i)) != NULL; i++) {
    int runs;
    if (weft_cpu_isa_find(name, &runs) && runs)
      multiply_add = weft_cpu_peak_of(name);
  }
  static volatile float keep;
  float sink = 0;
  double best = 0, begin = seconds();
  while (seconds() - begin < TEST_MS * 1e-3) {
    double from = seconds(), flops = 0;
    for (int i = 0; i < 8; i++)
      flops += multiply_add(&sink);
    double rate = flops / (seconds() - from) * 1e-9;
    best = rate > best ? rate : best;
  }
  keep = sink;
  (void)keep;
  return best;
}

/* GOP/s of one thread in products; 0: no memory. */
static double rate_of(const struct weft_product_kernels *p)
{
  size_t row = p->prepare ? p->row_bytes(TEST_K) : TEST_K * sizeof(float), n_panels = (TEST_N + p->nr - 1) / p->nr;
  size_t panel = p->panel_bytes(TEST_K), n_weights = (size_t)TEST_N * TEST_K, n_rows = (size_t)TEST_M * TEST_K;
  float *memory = calloc(n_weights + n_rows + (size_t)TEST_M * TEST_N, sizeof *memory);
  uint8_t *panels = aligned_alloc(64, (n_panels * panel + 63) / 64 * 64), *rows = aligned_alloc(64, (row * TEST_M + 63) / 64 * 64);
  double best = 0;
  if (memory && panels && rows) {
    float *weights = memory, *a = weights + n_weights, *c = a + n_rows;
    for (size_t i = 0; i < n_weights + n_rows; i++)
      memory[i] = (float)(i * 2654435761u % 1000) * 1e-3f - .5f;
    for (size_t i = 0; i < n_panels; i++) {
      size_t first = i * p->nr, left = TEST_N - first;
      p->pack(panels + i * panel, weights + first * TEST_K, left < p->nr ? left : p->nr, TEST_K);
    }
    if (p->prepare)
      p->prepare(rows, a, TEST_K, TEST_M, TEST_K);
    struct weft_product g = {.a = p->prepare ? (const void *)rows : a, .b = panels, .c = c, .lda = TEST_K, .ldc = TEST_N,
                             .m = TEST_M, .n = TEST_N, .k = TEST_K};
    p->product(&g);
    for (double begin = seconds(); seconds() - begin < TEST_MS * 1e-3;) {
      double from = seconds();
      p->product(&g);
      double rate = 2. * TEST_M * TEST_N * TEST_K / (seconds() - from) * 1e-9;
      best = rate > best ? rate : best;
    }
  }
  free(memory);
  free(panels);
  free(rows);
  return best;
}

static void put_sets(struct weft_cpu_out *out)
{
  const char *name, *comma = "";
  weft_cpu_put(out, ", \"sets\": [");
  for (size_t i = 0; (name = weft_cpu_isa_name(i)) != NULL; i++) {
    int runs;
    const struct weft_kernels *kernels = weft_cpu_isa_find(name, &runs);
    weft_cpu_put(out, "%s{\"name\": \"%s\", \"runs\": %s, \"operations\": %s}", comma, name, runs ? "true" : "false",
                 kernels ? "true" : "false");
    comma = ", ";
  }
  weft_cpu_put(out, "]");
}

static void put_products(struct weft_cpu_out *out, const struct weft_cpu_isa *isa, double most)
{
  const struct weft_product_kernels *p;
  const char *comma = "";
  int runs;
  weft_cpu_put(out, ", \"products\": [");
  for (size_t i = 0; (p = weft_cpu_product_at(i, &runs)) != NULL; i++) {
    weft_cpu_put(out, "%s{\"name\": \"%s\", \"format\": \"%s\", \"isa\": \"%s\", \"rows\": %zu, \"columns\": %zu", comma, p->name,
                 weft_cpu_format_name(p->format), p->isa, p->mr, p->nr);
    weft_cpu_put(out, ", \"runs\": %s, \"used\": %s", runs ? "true" : "false", isa->products[p->format] == p ? "true" : "false");
    if (runs && isa->products[p->format] == p) {
      double rate = rate_of(p);
      weft_cpu_put(out, ", \"gops\": %.4g, \"share_of_f32_peak\": %.3g", rate, most > 0 ? rate / most : 0);
    }
    weft_cpu_put(out, "}");
    comma = ", ";
  }
  weft_cpu_put(out, "]");
}

static long cache_size(int name)
{
  long n = sysconf(name);
  return n > 0 ? n : 0;
}

void weft_cpu_survey(struct weft_cpu_out *out, const struct weft_cpu_isa *isa, const char *forced)
{
  double most = peak();
  weft_cpu_put(out, "{\"isa\": ");
  weft_cpu_put_text(out, isa->name ? isa->name : "none");
  weft_cpu_put(out, ", \"forced\": ");
  if (forced && *forced)
    weft_cpu_put_text(out, forced);
  else
    weft_cpu_put(out, "null");
  weft_cpu_put(out, ", \"operations\": ");
  weft_cpu_put_text(out, isa->kernels ? isa->kernels->name : "none");
  weft_cpu_put(out, ", \"f32_peak_gflops\": %.4g, \"cache_bytes\": [%ld, %ld, %ld]", most, cache_size(_SC_LEVEL1_DCACHE_SIZE),
               cache_size(_SC_LEVEL2_CACHE_SIZE), cache_size(_SC_LEVEL3_CACHE_SIZE));
  put_sets(out);
  put_products(out, isa, most);
  weft_cpu_put(out, "}");
}
