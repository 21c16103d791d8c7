/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process start to the answer of picture + speech + word, beside transformers
 * and bare ONNX Runtime on the same models, in turn. The rivals' Python comes
 * from tests/bench/setup coldstart.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_RUNS_MAX 60
#define DIGITS BENCH_ROOT "/examples/digits"

struct runs {
  double ms[N_RUNS_MAX], mib[N_RUNS_MAX];
  size_t n;
};

/* Runs a command once, its output in `out`; 0: it answered the digit 7. */
static int run_once(char *const argv[], struct runs *runs)
{
  int pipes[2];
  if (pipe(pipes) != 0)
    return -1;
  double begin = bench_now();
  pid_t pid = fork();
  if (pid == 0) {
    dup2(pipes[1], STDOUT_FILENO);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    close(pipes[0]);
    execv(argv[0], argv);
    _exit(127);
  }
  close(pipes[1]);
  char out[4096] = "";
  size_t n = 0;
  for (ssize_t got; n < sizeof out - 1 && (got = read(pipes[0], out + n, sizeof out - 1 - n)) > 0;)
    n += (size_t)got;
  close(pipes[0]);
  int status = 0;
  struct rusage usage;
  if (pid < 0 || wait4(pid, &status, 0, &usage) < 0 || status != 0 || !strchr(out, '7'))
    return -1;
  runs->ms[runs->n] = (bench_now() - begin) * 1e3;
  runs->mib[runs->n] = (double)usage.ru_maxrss / 1024;
  runs->n++;
  return 0;
}

struct case_of {
  const char *name, *unit;
  double bar;
};

static void report(const struct case_of *what, double *ours, size_t n, double *rival, size_t n_rival)
{
  char goal[32];
  snprintf(goal, sizeof goal, "<= %g", what->bar);
  struct bench_result r = {.bench = "coldstart", .name = what->name, .unit = what->unit, .goal = goal};
  r.ours = bench_quantile(ours, n, 0.5);
  r.best = bench_quantile(ours, n, 0);
  r.p99 = bench_quantile(ours, n, 0.99);
  r.has_rival = n_rival > 0;
  r.rival = bench_quantile(rival, n_rival, 0.5);
  r.pass = r.ours <= what->bar && r.has_rival;
  r.reason = r.has_rival ? NULL : "not installed: tests/bench/setup coldstart";
  bench_print(&r);
}

int main(int argc, char **argv)
{
  static struct runs ours, transformers, onnxruntime;
  int quick = bench_is_quick(argc, argv);
  int n = quick ? 20 : N_RUNS_MAX, n_transformers = quick ? 2 : 5;
  const char *home = getenv("HOME"), *rivals = getenv("WEFT_BENCH_RIVALS");
  char folder[512], python[640], onnx[640];
  snprintf(folder, sizeof folder, "%s%s", rivals ? rivals : home ? home : "", rivals ? "" : "/.cache/weft-bench");
  snprintf(python, sizeof python, "%s/venv/bin/python", folder);
  snprintf(onnx, sizeof onnx, "%s/digits-onnx", folder);
  char *weft[] = {BENCH_BUILD "/core/cli/weft", "run", DIGITS "/pipeline.yaml", "--picture", DIGITS "/seven.png",
                  "--speech", DIGITS "/seven.wav", "--words", "seven", NULL};
  char *with_transformers[] = {python, BENCH_ROOT "/tests/bench/rivals/coldstart_transformers.py", DIGITS "/models",
                               DIGITS "/seven.png", DIGITS "/seven.wav", "seven", NULL};
  char *with_onnxruntime[] = {python, BENCH_ROOT "/tests/bench/rivals/coldstart_onnxruntime.py", onnx, NULL};
  if (run_once(weft, &ours) != 0) {
    fprintf(stderr, "coldstart: weft run does not answer 7; run ./dev build\n");
    return 1;
  }
  ours.n = 0;
  for (int i = 0; i < n; i++) {
    if (run_once(weft, &ours) != 0)
      return 1;
    if (access(python, X_OK) != 0)
      continue;
    if (i % 2 == 0)
      run_once(with_onnxruntime, &onnxruntime);
    if (i < n_transformers)
      run_once(with_transformers, &transformers);
  }
  static const struct case_of cases[] = {{"first answer, beside ONNX Runtime", "ms", 30},
                                         {"first answer, beside transformers", "ms", 30},
                                         {"resident, beside ONNX Runtime", "MiB", 60},
                                         {"resident, beside transformers", "MiB", 60}};
  report(&cases[0], ours.ms, ours.n, onnxruntime.ms, onnxruntime.n);
  report(&cases[1], ours.ms, ours.n, transformers.ms, transformers.n);
  report(&cases[2], ours.mib, ours.n, onnxruntime.mib, onnxruntime.n);
  report(&cases[3], ours.mib, ours.n, transformers.mib, transformers.n);
  return 0;
}
