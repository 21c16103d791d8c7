/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders of known shapes, one item, through weft.compute/1: every precision
 * on one thread and two, rivals in turn within the same run. Times are the
 * best of the run; medians and shares of the peak of the minute stand beside.
 *
 *     tests/bench/run encoder [--quick] [--threads N] [--alone] [--case N] [--cpu-time]
 *
 * --cpu-time: of the processor, all threads together, instead of the clock: for comparing beside neighbours.
 */
#include "bench.h"
#include "encoder-model.h"
#include "hosttable.h"
#include "pool.h"
#include "provider.h"
#include "rival.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_SAMPLES_MAX 2000

static const struct encoder_shape shapes[] = {
    {"minilm-l6", "MiniLM-L6", 384, 6, 12, 1536, 0},
    {"bert-base", "BERT-base", 768, 12, 12, 3072, 0},
    {"vit-b16", "ViT-B/16", 768, 12, 12, 3072, 1},
};
static const struct {
  int shape;
  int64_t n_tokens;
  double f32_goal, int8_goal; /* times ONNX Runtime at the same precision */
} cases[] = {{0, 16, 1.25, 1.8}, {0, 128, 1.25, 1.8}, {0, 512, 1.25, 1.8}, {1, 128, 1.12, 1.4}, {2, 197, 1.12, 1.4}};
#define N_CASES (sizeof cases / sizeof *cases)

static const char *const precision_names[WEFT_N_PRECISIONS] = {"f32", "bf16", "int8", "int4"};

/* Who is measured beside us, by column. */
enum { ORT, ORT_PLAIN, ORT_INT8, OPENVINO, TORCH, N_RIVALS };
static const char *const rival_names[N_RIVALS] = {"onnxruntime", "onnxruntime-plain", "onnxruntime-int8", "openvino",
                                                  "torch"};

struct arm {
  double samples[N_SAMPLES_MAX];
  size_t n;
  char reason[256];
};

struct ours {
  struct weft_program *program;
  struct weft_compute_run run;
  struct weft_compute_input inputs[2];
  struct weft_compute_output output;
  int64_t splits[2];
};

static const struct weft_compute *compute;
static int by_cpu_time;
static struct arm ours_arms[WEFT_N_PRECISIONS], rival_arms[N_RIVALS];
static double gains[2][WEFT_N_PRECISIONS]; /* sums of logarithms, by threads */
static int n_gains[2][WEFT_N_PRECISIONS];

/* 0: told on stderr. */
static int prepare(struct ours *o, const struct encoder_model *model, int64_t n_tokens, void *input, uint32_t precision)
{
  struct weft_setup setup = {0};
  const struct weft_compute_options options = {.precision = precision};
  *o = (struct ours){.splits = {0, n_tokens}};
  if (compute->compile(&setup, model->plan, &options, &o->program) != WEFT_OK) {
    fprintf(stderr, "encoder: %s\n", setup.message);
    return 0;
  }
  int is_vit = model->shape.is_vit;
  const int64_t rows[2] = {0, n_tokens};
  o->inputs[0] = is_vit ? (struct weft_compute_input){input, 224 * 224} : (struct weft_compute_input){o->splits, 0};
  o->inputs[1] = (struct weft_compute_input){input, n_tokens};
  o->output = (struct weft_compute_output){.data = malloc((size_t)(n_tokens * model->shape.d) * sizeof(float)),
                                           .n_rows_max = n_tokens};
  o->run = (struct weft_compute_run){.n_items = 1, .n_inputs = is_vit ? 1 : 2, .n_outputs = 1, .outputs = &o->output};
  compute->scratch(o->program, &(struct weft_compute_limits){1, rows}, &o->run.n_scratch_bytes);
  o->run.scratch = aligned_alloc(64, (o->run.n_scratch_bytes + 63) / 64 * 64);
  return 1;
}

static void unprepare(struct ours *o)
{
  compute->free(o->program);
  free(o->output.data);
  free(o->run.scratch);
}

static double now(void)
{
  struct timespec t;
  clock_gettime(by_cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void measure(struct ours *o, struct arm *arm, int n_rounds)
{
  o->run.inputs = o->inputs;
  o->run.outputs = &o->output;
  for (int i = -1; i < n_rounds; i++) {
    double begin = now();
    if (compute->run(o->program, &o->run) != WEFT_OK) {
      fprintf(stderr, "encoder: a run failed\n");
      exit(1);
    }
    if (i >= 0 && arm->n < N_SAMPLES_MAX)
      arm->samples[arm->n++] = 1e3 * (now() - begin);
  }
}

static double best(struct arm *arm)
{
  return bench_quantile(arm->samples, arm->n, 0);
}

static void note_rivals(char *text, size_t room, double flops, uint32_t n_threads, int precision)
{
  struct arm *ours = &ours_arms[precision];
  double ms = best(ours), gflops = flops / ms * 1e-6;
  int n = snprintf(text, room, "median %.3g, %.0f G%s/s, %.0f %% of the f32 peak of %u thread%s",
                   bench_quantile(ours->samples, ours->n, .5), gflops,
                   precision >= (int)WEFT_PRECISION_INT8 ? "OP" : "F", 100 * gflops / (bench_peak() * n_threads), n_threads,
                   n_threads > 1 ? "s" : "");
  for (int r = 0; r < N_RIVALS && n > 0 && (size_t)n < room; r++) {
    if (rival_arms[r].n)
      n += snprintf(text + n, room - (size_t)n, "; %s %.3g ms", rival_names[r], best(&rival_arms[r]));
    else if (rival_arms[r].reason[0])
      n += snprintf(text + n, room - (size_t)n, "; %s: %s", rival_names[r], rival_arms[r].reason);
  }
}

static void report(size_t c, uint32_t n_threads, int precision)
{
  const struct encoder_shape *shape = &shapes[cases[c].shape];
  struct arm *ort = &rival_arms[ORT], *plain = &rival_arms[ORT_PLAIN], *int8 = &rival_arms[ORT_INT8];
  double rival = 0, goal = precision == WEFT_PRECISION_INT8 ? cases[c].int8_goal : cases[c].f32_goal;
  if (precision >= (int)WEFT_PRECISION_INT8)
    rival = int8->n ? best(int8) : 0;
  else if (ort->n && plain->n)
    rival = fmin(best(ort), best(plain));
  int has_goal = precision == WEFT_PRECISION_F32 || precision == WEFT_PRECISION_INT8;
  struct arm *ours = &ours_arms[precision];
  double ms = best(ours);
  char name[96], words[64], notes[512];
  snprintf(name, sizeof name, "%s, %d tokens, %s, %u thread%s", shape->title, (int)cases[c].n_tokens,
           precision_names[precision], n_threads, n_threads > 1 ? "s" : "");
  if (has_goal)
    snprintf(words, sizeof words, ">= %.2fx ONNX Runtime", goal);
  else
    snprintf(words, sizeof words, "reported");
  note_rivals(notes, sizeof notes, encoder_model_flops(shape, cases[c].n_tokens), n_threads, precision);
  struct bench_result r = {.bench = "encoder", .name = name, .unit = "ms, best", .ours = ms, .rival = rival,
                           .has_rival = rival > 0, .goal = words, .pass = !has_goal || (rival > 0 && ms * goal <= rival),
                           .reason = notes};
  bench_print(&r);
  if (rival > 0) {
    gains[n_threads > 1][precision] += log(rival / ms);
    n_gains[n_threads > 1][precision]++;
  }
}

static void ask_rivals(struct rival *rivals, size_t c, uint32_t n_threads, int n_rounds)
{
  for (int r = 0; rivals && r < N_RIVALS; r++) {
    struct arm *arm = &rival_arms[r];
    char request[128];
    snprintf(request, sizeof request, "%s %d %s %u %d", shapes[cases[c].shape].name, (int)cases[c].n_tokens,
             rival_names[r], n_threads, n_rounds);
    if (!arm->reason[0])
      arm->n += rival_ask(rivals, request, arm->samples + arm->n, N_SAMPLES_MAX - arm->n, arm->reason, sizeof arm->reason);
  }
}

/* One case at one number of threads: everybody in turn, `turns` times. */
static int run_case(struct rival *rivals, const struct encoder_model *model, size_t c, uint32_t n_threads, int quick)
{
  static struct ours ours[WEFT_N_PRECISIONS];
  int64_t n_tokens = cases[c].n_tokens;
  void *input = encoder_model_input(&model->shape, n_tokens);
  double guess_ms = encoder_model_flops(&model->shape, n_tokens) / (bench_peak() * n_threads) * 1e-6;
  int turns = quick ? 3 : 8, n_rounds = (int)fmin(40, fmax(3, 40 / guess_ms));
  memset(ours_arms, 0, sizeof ours_arms);
  memset(rival_arms, 0, sizeof rival_arms);
  for (uint32_t p = 0; p < WEFT_N_PRECISIONS; p++)
    if (!prepare(&ours[p], model, n_tokens, input, p))
      return 0;
  for (int t = 0; t < turns; t++) {
    for (int p = 0; p < WEFT_N_PRECISIONS; p++)
      measure(&ours[p], &ours_arms[p], n_rounds);
    ask_rivals(rivals, c, n_threads, n_rounds);
  }
  for (int p = 0; p < WEFT_N_PRECISIONS; p++) {
    report(c, n_threads, p);
    unprepare(&ours[p]);
  }
  free(input);
  return 1;
}

static void report_means(void)
{
  static const double goals[WEFT_N_PRECISIONS] = {1.4, 0, 1.9, 0};
  for (uint32_t t = 0; t < 2; t++)
    for (int p = 0; p < WEFT_N_PRECISIONS; p++) {
      if (!n_gains[t][p])
        continue;
      char name[64], words[48] = "reported";
      double mean = exp(gains[t][p] / n_gains[t][p]);
      snprintf(name, sizeof name, "geometric mean of gains, %s, %s", precision_names[p], t ? "two threads" : "one thread");
      if (goals[p] > 0)
        snprintf(words, sizeof words, ">= %.1fx ONNX Runtime", goals[p]);
      struct bench_result r = {.bench = "encoder", .name = name, .unit = "x", .ours = mean, .goal = words,
                               .pass = mean >= goals[p], .reason = NULL};
      bench_print(&r);
    }
}

static const char *argument_of(int argc, char **argv, const char *option)
{
  for (int i = 1; i + 1 < argc; i++)
    if (!strcmp(argv[i], option))
      return argv[i + 1];
  return NULL;
}

int main(int argc, char **argv)
{
  const char *only_threads = argument_of(argc, argv, "--threads"), *only_case = argument_of(argc, argv, "--case");
  int alone = 0, quick = bench_is_quick(argc, argv);
  for (int i = 1; i < argc; i++)
    alone |= !strcmp(argv[i], "--alone"), by_cpu_time |= !strcmp(argv[i], "--cpu-time");
  char reason[256] = "";
  struct rival *rivals = alone ? NULL : rival_start("encoder.py", "encoder", reason, sizeof reason);
  if (reason[0])
    fprintf(stderr, "encoder: %s\n", reason);
  for (size_t c = 0; c < N_CASES; c++) {
    if (only_case && strtoul(only_case, NULL, 10) != c)
      continue;
    struct encoder_model model;
    encoder_model_init(&model, &shapes[cases[c].shape]);
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
      struct weft_pool_impl *pool;
      if ((only_threads && strtoul(only_threads, NULL, 10) != n_threads) || !model.plan ||
          weft_pool_new(n_threads, &pool) != WEFT_OK)
        continue;
      weft_pool_offer(pool);
      weft_cpu_init(weft_host_table());
      compute = weft_cpu_table();
      if (!run_case(rivals, &model, c, n_threads, quick))
        return 1;
      weft_pool_free(pool);
    }
    encoder_model_clear(&model);
  }
  report_means();
  rival_stop(rivals);
  return 0;
}
