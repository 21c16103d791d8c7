/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of the shapes of MiniLM, BERT-base and ViT, warm weights: beside the
 * peak of the same second (M = 1: beside reading as many bytes) and beside
 * oneDNN (tests/bench/setup gemm), in turn. WEFT_COMPUTE_ISA forces an
 * instruction set on Weft and on the peak, ONEDNN_MAX_CPU_ISA on oneDNN;
 * --threads: two threads everywhere, the columns cut in halves.
 */
#include "gemm-parts.h"

#include <isa.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ROUNDS_MAX 15
/* A round of each measures that long at least. */
#define ROUND_S 0.001

struct format {
  const char *name;
  uint32_t format;
  double error_max; /* of all elements against the rival's, relative */
};

static const struct format formats[] = {{"f32", WEFT_FORMAT_F32, 1e-9}, {"bf16", WEFT_FORMAT_BF16, 1e-4},
                                         {"int8", WEFT_FORMAT_INT8, 1e-9}, {"int4", WEFT_FORMAT_INT4, 0}};

static const size_t rows[] = {1, 16, 128, 197, 512};
static const size_t weights[][2] = {{384, 384}, {1152, 384}, {1536, 384}, {384, 1536},
                                   {768, 768}, {2304, 768},  {3072, 768}, {768, 3072}};

/* A product of ours, cut into halves where two threads work. */
struct ours {
  const struct weft_product_kernels *kernels;
  struct weft_product parts[2];
  void *packed, *prepared;
  float *c;
  size_t n_bytes; /* of the packed weight */
};

static void *memory(size_t n_bytes)
{
  void *p = aligned_alloc(64, (n_bytes + 64) / 64 * 64);
  if (!p)
    exit(1);
  return p;
}

static void ours_new(struct ours *o, const struct rival_shape *s, const float *a, const float *w)
{
  size_t nr = o->kernels->nr, n_panels = (s->n + nr - 1) / nr, panel_bytes = o->kernels->panel_bytes(s->k);
  size_t half = bench_threads() > 1 ? (n_panels + 1) / 2 * nr : s->n;
  o->n_bytes = n_panels * panel_bytes;
  o->packed = memory(o->n_bytes);
  for (size_t p = 0; p < n_panels; p++)
    o->kernels->pack((char *)o->packed + p * panel_bytes, w + p * nr * s->k, s->n - p * nr < nr ? s->n - p * nr : nr, s->k);
  o->prepared = o->kernels->row_bytes ? memory(s->m * o->kernels->row_bytes(s->k)) : NULL;
  if (o->prepared)
    o->kernels->prepare(o->prepared, a, s->k, s->m, s->k);
  o->c = memory(s->m * s->n * sizeof *o->c);
  o->parts[0] = (struct weft_product){.a = o->prepared ? o->prepared : a, .b = o->packed, .c = o->c, .lda = s->k,
                                      .ldc = s->n, .m = s->m, .n = half, .k = s->k};
  o->parts[1] = o->parts[0];
  o->parts[1].b = (char *)o->packed + half / nr * panel_bytes;
  o->parts[1].c += half;
  o->parts[1].n = s->n - half;
}

static void ours_free(struct ours *o)
{
  free(o->packed);
  free(o->prepared);
  free(o->c);
}

static void ours_part(void *data, int part)
{
  struct ours *o = data;
  if (o->parts[part].n)
    o->kernels->product(&o->parts[part]);
}

static void ours_run(void *data, int times)
{
  for (int i = 0; i < times; i++)
    bench_share(ours_part, data);
}

static void rival_run(void *data, int times)
{
  const struct bench_rival_matmul *r = data;
  r->rival->run(r->matmul, times);
}

/* Seconds of one call, of `times` in a row: on one thread its own time, since neighbours take the machine at any moment. */
static double seconds_of(void (*run)(void *data, int times), void *data, int times, int elsewhere)
{
  double (*now)(void) = elsewhere || bench_threads() > 1 ? bench_now : bench_thread_now;
  double begin = now();
  run(data, times);
  return (now() - begin) / times;
}

/* How often a call is repeated to fill a round. */
static int times_of(void (*run)(void *data, int times), void *data)
{
  run(data, 1);
  double one = fmin(seconds_of(run, data, 1, 1), seconds_of(run, data, 1, 1));
  return 1 + (int)(ROUND_S / fmax(one, 1e-7));
}

struct samples {
  double ours[N_ROUNDS_MAX], probe[N_ROUNDS_MAX], rival[BENCH_N_RIVALS][N_ROUNDS_MAX];
  int n;
};

static void measure(struct samples *s, struct ours *ours, const struct bench_rival_matmul *rivals, int one_row)
{
  int times = times_of(ours_run, ours), rival_times[BENCH_N_RIVALS] = {0};
  void *data[BENCH_N_RIVALS];
  for (int r = 0; r < BENCH_N_RIVALS; r++) {
    memcpy(&data[r], (const void *[]){&rivals[r]}, sizeof data[r]);
    if (rivals[r].matmul)
      rival_times[r] = times_of(rival_run, data[r]);
  }
  for (int i = 0; i < s->n; i++) {
    s->probe[i] = one_row ? bench_read_rate(ours->packed, ours->n_bytes, ROUND_S)
                          : bench_format_peak(ours->kernels, ROUND_S);
    ours_run(ours, 1);
    s->ours[i] = seconds_of(ours_run, ours, times, 0);
    for (int r = 0; r < BENCH_N_RIVALS; r++) {
      if (!rivals[r].matmul)
        continue;
      rival_run(data[r], 1);
      s->rival[r][i] = seconds_of(rival_run, data[r], rival_times[r], rivals[r].rival->elsewhere) - rivals[r].rival->overhead;
    }
  }
}

static void check(const struct format *f, const struct rival_shape *s, const struct ours *o,
                  const struct bench_rival_matmul *r)
{
  float *c = memory(s->m * s->n * sizeof *c);
  double error = 0, power = 1e-30;
  r->rival->result(r->matmul, c);
  for (size_t i = 0; i < s->m * s->n; i++) {
    error += ((double)c[i] - o->c[i]) * ((double)c[i] - o->c[i]);
    power += (double)c[i] * c[i];
  }
  if (!(error / power <= f->error_max))
    fprintf(stderr, "gemm: %s and %s differ: NMSE %g\n", o->kernels->name, r->rival->name(), error / power);
  free(c);
}

static void print(const struct rival_shape *s, const struct ours *o, struct samples *m, const struct bench_rival_matmul *rivals)
{
  char name[96], reason[160];
  int one_row = s->m == 1, best = -1;
  double work = 1e-9 * (one_row ? (double)o->n_bytes : 2. * (double)s->m * (double)s->n * (double)s->k);
  double median = work / bench_quantile(m->ours, (size_t)m->n, .5), fastest = work / m->ours[0], rival = 0;
  for (int r = 0; r < BENCH_N_RIVALS; r++) {
    double rate = rivals[r].matmul ? work / bench_quantile(m->rival[r], (size_t)m->n, .5) : 0;
    if (rate > rival) {
      rival = rate;
      best = r;
    }
  }
  const char *threads = bench_threads() > 1 ? ", two threads" : "";
  snprintf(name, sizeof name, "%s %zux%zux%zu%s", o->kernels->name, s->m, s->n, s->k, threads);
  struct bench_result r = {.bench = "gemm", .name = name, .unit = one_row ? "GB/s" : "GFLOP/s", .ours = median,
                           .best = fastest, .rival = rival, .has_rival = best >= 0, .goal = ">= 0.95x",
                           .pass = best >= 0 && median >= .95 * rival, .reason = best < 0 ? "no rival has it" : reason};
  if (best >= 0)
    snprintf(reason, sizeof reason, "%s, %s, best %.4g", rivals[best].rival->name(),
             rivals[best].rival->implementation(rivals[best].matmul), work / m->rival[best][0]);
  bench_print(&r);
  snprintf(name, sizeof name, "%s %zux%zux%zu%s: of %s", o->kernels->name, s->m, s->n, s->k, threads, one_row ? "reading" : "peak");
  bench_quantile(m->probe, (size_t)m->n, .5);
  r.ours = fastest;
  r.best = 0;
  r.rival = m->probe[m->n - 1];
  r.has_rival = 1;
  r.goal = ">= 0.92x";
  r.pass = r.ours >= .92 * r.rival;
  r.reason = NULL;
  bench_print(&r);
}

static float *numbers(size_t n, float scale)
{
  float *p = memory(n * sizeof *p);
  static uint32_t state = 1;
  for (size_t i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    p[i] = ((float)(state >> 8) / (1 << 23) - 1) * scale;
  }
  return p;
}

static void run_shape(const struct format *f, const struct weft_product_kernels *kernels, const struct rival_shape *s,
                      int n_rounds)
{
  float *a = numbers(s->m * s->k, 1), *w = numbers(s->n * s->k, .05f);
  struct ours ours = {.kernels = kernels};
  struct bench_rival_matmul rivals[BENCH_N_RIVALS];
  struct samples samples = {.n = n_rounds};
  ours_new(&ours, s, a, w);
  bench_rival_matmuls(rivals, s, a, w);
  measure(&samples, &ours, rivals, s->m == 1);
  for (int r = 0; r < BENCH_N_RIVALS; r++)
    if (rivals[r].matmul)
      check(f, s, &ours, &rivals[r]);
  print(s, &ours, &samples, rivals);
  bench_rival_matmuls_free(rivals);
  ours_free(&ours);
  free(a);
  free(w);
}

/* --only TEXT: formats whose kernels' name begins so. */
static const char *option(int argc, char **argv, const char *name)
{
  for (int i = 1; i + 1 < argc; i++)
    if (!strcmp(argv[i], name))
      return argv[i + 1];
  return "";
}

int main(int argc, char **argv)
{
  int quick = bench_is_quick(argc, argv), n_threads = 1;
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], "--threads"))
      n_threads = 2;
  const char *only = option(argc, argv, "--only"), *forced = getenv(WEFT_CPU_ISA_VARIABLE);
  char message[256];
  struct weft_cpu_isa isa;
  if (!weft_cpu_isa_choose(forced, &isa, message, sizeof message)) {
    fprintf(stderr, "gemm: %s\n", message);
    return 1;
  }
  bench_threads_start(n_threads);
  bench_rivals_load();
  for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
    const struct weft_product_kernels *kernels = isa.products[formats[f].format];
    if (!kernels || (*only && strcmp(only, formats[f].name)))
      continue;
    for (size_t w = 0; w < sizeof weights / sizeof *weights; w++)
      for (size_t m = 0; m < sizeof rows / sizeof *rows; m++) {
        /* quick: the layers of MiniLM and BERT-base that differ most */
        if (quick && (w == 1 || w == 4 || w == 5 || rows[m] == 197))
          continue;
        struct rival_shape s = {formats[f].name, rows[m], weights[w][0], weights[w][1]};
        run_shape(&formats[f], kernels, &s, quick ? 7 : N_ROUNDS_MAX);
      }
  }
  bench_threads_stop();
  return 0;
}
