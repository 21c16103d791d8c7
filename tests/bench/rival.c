/* SPDX-License-Identifier: Apache-2.0 */
#include "rival.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct rival {
  FILE *to, *from;
  pid_t pid;
};

static void rivals_folder(char *folder, size_t n)
{
  const char *set = getenv("WEFT_BENCH_RIVALS"), *home = getenv("HOME");
  if (set && *set)
    snprintf(folder, n, "%s", set);
  else
    snprintf(folder, n, "%s/.cache/weft-bench", home ? home : "");
}

static pid_t spawn(char *const *arguments, int in, int out)
{
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
    _exit(127);
  for (int fd = 3; fd < 64; fd++)
    close(fd);
  execv(arguments[0], arguments);
  _exit(127);
}

struct rival *rival_start(const char *script, const char *name, char *reason, size_t n_reason)
{
  char rivals[PATH_MAX], python[PATH_MAX + 32], folder[PATH_MAX + 64], path[PATH_MAX];
  rivals_folder(rivals, sizeof rivals);
  snprintf(python, sizeof python, "%s/venv/bin/python", rivals);
  snprintf(folder, sizeof folder, "%s/%s", rivals, name);
  snprintf(path, sizeof path, "%s/tests/bench/rivals/%s", BENCH_ROOT, script);
  if (access(folder, R_OK) != 0 || access(python, X_OK) != 0) {
    snprintf(reason, n_reason, "no rivals: tests/bench/setup %s", name);
    return NULL;
  }
  int to[2], from[2];
  struct rival *rival = calloc(1, sizeof *rival);
  if (!rival || pipe(to) != 0 || pipe(from) != 0) {
    free(rival);
    snprintf(reason, n_reason, "no pipe to the rivals");
    return NULL;
  }
  rival->pid = spawn((char *[]){python, path, folder, (char *)"serve", NULL}, to[0], from[1]);
  close(to[0]);
  close(from[1]);
  rival->to = fdopen(to[1], "w");
  rival->from = fdopen(from[0], "r");
  signal(SIGPIPE, SIG_IGN);
  return rival;
}

size_t rival_ask(struct rival *rival, const char *request, double *times, size_t n_max, char *reason, size_t n_reason)
{
  static char line[65536];
  if (fprintf(rival->to, "%s\n", request) < 0 || fflush(rival->to) != 0 || !fgets(line, sizeof line, rival->from)) {
    snprintf(reason, n_reason, "the rivals' process ended");
    return 0;
  }
  line[strcspn(line, "\n")] = 0;
  size_t n = 0;
  char *at = line, *end;
  for (double x = strtod(at, &end); end != at && n < n_max; x = strtod(at, &end)) {
    times[n++] = x;
    at = end;
  }
  if (!n)
    snprintf(reason, n_reason, "%s", line);
  return n;
}

void rival_stop(struct rival *rival)
{
  if (!rival)
    return;
  fclose(rival->to);
  fclose(rival->from);
  waitpid(rival->pid, NULL, 0);
  free(rival);
}
