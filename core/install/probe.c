/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the probe may write before it is stopped. */
#define MAX_REPORT_BYTES 65536
/* How long a process that has closed its report may take to end. */
#define END_MS 1000

extern char **environ;

typedef struct {
  pid_t pid;
  int fd;
  GString *report;
  gint64 deadline_us;
  guint timeout_ms;
} Probe;

void weft_probe_verdict_clear(WeftProbeVerdict *verdict)
{
  g_clear_pointer(&verdict->code, g_free);
  g_clear_pointer(&verdict->reason, g_free);
}

static gboolean start(Probe *probe, const char *program, const char *file, GError **error)
{
  int ends[2];
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  char *const argv[] = {(char *)program, (char *)file, NULL};
  sigset_t none;
  if (pipe2(ends, O_CLOEXEC) != 0) {
    g_set_error(error, WEFT_ERROR, WEFT_UNAVAILABLE, "no pipe for the probe: %s", g_strerror(errno));
    return FALSE;
  }
  sigemptyset(&none);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  int code = posix_spawn(&probe->pid, program, &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  probe->fd = ends[0];
  if (code == 0)
    return TRUE;
  close(ends[0]);
  g_set_error(error, WEFT_ERROR, WEFT_UNAVAILABLE, "%s: the probe cannot be started: %s", program, g_strerror(code));
  return FALSE;
}

static gboolean has_verdict(const GString *report)
{
  return g_str_has_suffix(report->str, "\n") && strstr(report->str, "\"done\"");
}

/* Reads until the verdict (a line with "done"), the end, or the deadline (FALSE). */
static gboolean listen(Probe *probe)
{
  while (!has_verdict(probe->report) && probe->report->len < MAX_REPORT_BYTES) {
    char buffer[4096];
    struct pollfd wanted = {probe->fd, POLLIN, 0};
    gint64 left_ms = (probe->deadline_us - g_get_monotonic_time() + 999) / 1000;
    if (left_ms <= 0)
      return FALSE;
    int ready = poll(&wanted, 1, (int)left_ms);
    if (ready == 0)
      return FALSE;
    gssize n = ready < 0 ? -1 : read(probe->fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    g_string_append_len(probe->report, buffer, n);
  }
  return TRUE;
}

/* Ends the process and all it started; answers its wait status, or -1 when it had to be killed. */
static int end(Probe *probe, gboolean kill_now)
{
  int status = 0;
  gint64 until = g_get_monotonic_time() + END_MS * 1000;
  pid_t ended = 0;
  while (!kill_now && ended == 0 && g_get_monotonic_time() < until) {
    ended = waitpid(probe->pid, &status, WNOHANG);
    if (ended == 0)
      g_usleep(1000);
  }
  kill(-probe->pid, SIGKILL);
  if (ended == 0) {
    while (waitpid(probe->pid, &status, 0) < 0 && errno == EINTR)
      ;
    status = -1;
  }
  close(probe->fd);
  return status;
}

static void say(WeftProbeVerdict *out, const char *file, const char *code, const char *format, ...) G_GNUC_PRINTF(4, 5);
static void say(WeftProbeVerdict *out, const char *file, const char *code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  out->code = g_strdup(code);
  out->reason = g_strdup_printf("%s: %s", file, text);
}

/* The last line of the report: what it was doing, or the verdict. */
static json_t *last_line(const GString *report)
{
  g_auto(GStrv) lines = g_strsplit(report->str, "\n", -1);
  for (guint i = g_strv_length(lines); i > 0; i--) {
    json_t *line = *lines[i - 1] ? json_loads(lines[i - 1], JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (line)
      return line;
  }
  return json_object();
}

static void judge(const Probe *probe, const char *file, gboolean in_time, int status, WeftProbeVerdict *out)
{
  json_t *line = last_line(probe->report);
  const char *doing = json_string_value(json_object_get(line, "doing"));
  const char *code = json_string_value(json_object_get(line, "code"));
  const char *reason = json_string_value(json_object_get(line, "reason"));
  if (!doing)
    doing = "starting";
  if (probe->report->len >= MAX_REPORT_BYTES) {
    say(out, file, "noisy", "wrote more than %d bytes to the descriptor of the probe's report; a plugin writes to no "
                            "descriptor that it has not opened", MAX_REPORT_BYTES);
  } else if (!in_time || (!json_object_get(line, "done") && status == -1)) {
    say(out, file, "hung", "hung while %s: no end after %u ms; the process was killed", doing, probe->timeout_ms);
  } else if (json_object_get(line, "done")) {
    out->code = g_strdup(code);
    out->reason = g_strdup(reason);
  } else if (WIFSIGNALED(status)) {
    say(out, file, "crashed", "crashed while %s: killed by SIG%s", doing, sigabbrev_np(WTERMSIG(status)));
  } else {
    say(out, file, "exited", "ended its process while %s: exit code %d; a plugin never exits", doing,
        WEXITSTATUS(status));
  }
  json_decref(line);
}

gboolean weft_probe_run(const char *program, const char *file, guint timeout_ms, WeftProbeVerdict *out, GError **error)
{
  g_autoptr(GString) report = g_string_new(NULL);
  Probe probe = {.report = report, .timeout_ms = timeout_ms,
                 .deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000};
  memset(out, 0, sizeof *out);
  if (!start(&probe, program, file, error))
    return FALSE;
  gboolean in_time = listen(&probe);
  gboolean kill_now = !in_time || report->len >= MAX_REPORT_BYTES;
  judge(&probe, file, in_time, end(&probe, kill_now), out);
  return TRUE;
}
