/* SPDX-License-Identifier: Apache-2.0 */
#include "processes.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_US (10 * G_USEC_PER_SEC)
#define LOOK_US 2000

void process_start(Process *process, const char *folder, const char *const *argv)
{
  g_autoptr(GError) error = NULL;
  *process = (Process){.in = -1, .out = -1, .err = -1};
  g_spawn_async_with_pipes(folder, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &process->pid, &process->in,
                           &process->out, &process->err, &error);
  g_assert_no_error(error);
}

char *process_line(Process *process)
{
  g_autoptr(GString) line = g_string_new(NULL);
  char c;
  while (read(process->out, &c, 1) == 1) {
    if (c == '\n')
      return g_string_free(g_steal_pointer(&line), FALSE);
    g_string_append_c(line, c);
  }
  return line->len ? g_string_free(g_steal_pointer(&line), FALSE) : NULL;
}

static char *drain(int *fd)
{
  g_autoptr(GString) text = g_string_new(NULL);
  char block[4096];
  for (gssize n; *fd >= 0 && (n = read(*fd, block, sizeof block)) > 0;)
    g_string_append_len(text, block, n);
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
  return g_string_free(g_steal_pointer(&text), FALSE);
}

void process_end(Process *process, Ended *ended)
{
  gint64 until = g_get_monotonic_time() + PATIENCE_US;
  pid_t pid = 0;
  while ((pid = waitpid(process->pid, &ended->status, WNOHANG)) == 0 && g_get_monotonic_time() < until)
    g_usleep(LOOK_US);
  if (pid != process->pid) {
    kill(process->pid, SIGKILL);
    g_error("the process did not end");
  }
  ended->out = drain(&process->out);
  ended->err = drain(&process->err);
  if (process->in >= 0)
    close(process->in);
  process->in = -1;
}

void ended_clear(Ended *ended)
{
  g_free(ended->out);
  g_free(ended->err);
}

static void add_children(GPid pid, GArray *all)
{
  g_autofree char *folder = g_strdup_printf("/proc/%d/task", (int)pid);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *task;
  while (dir && (task = g_dir_read_name(dir))) {
    g_autofree char *path = g_strdup_printf("%s/%s/children", folder, task), *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
      continue;
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (char **word = words; *word; word++) {
      gint child = (gint)g_ascii_strtoll(*word, NULL, 10);
      if (!child)
        continue;
      g_array_append_val(all, child);
      add_children(child, all);
    }
  }
}

GArray *process_descendants(GPid pid)
{
  GArray *all = g_array_new(FALSE, FALSE, sizeof(gint));
  add_children(pid, all);
  return all;
}

GArray *process_leaves(GPid pid)
{
  g_autoptr(GArray) all = process_descendants(pid);
  GArray *leaves = g_array_new(FALSE, FALSE, sizeof(gint));
  for (guint i = 0; i < all->len; i++) {
    g_autoptr(GArray) below = process_descendants(g_array_index(all, gint, i));
    if (!below->len)
      g_array_append_val(leaves, g_array_index(all, gint, i));
  }
  return leaves;
}

/* A zombie of another parent is as good as gone. */
static gboolean is_gone(gint pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return TRUE;
  const char *state = strrchr(text, ')');
  return state && state[1] == ' ' && (state[2] == 'Z' || state[2] == 'X');
}

gboolean processes_are_gone(const GArray *pids)
{
  gint64 until = g_get_monotonic_time() + PATIENCE_US;
  for (guint i = 0; i < pids->len; i++)
    while (!is_gone(g_array_index(pids, gint, i))) {
      if (g_get_monotonic_time() > until)
        return FALSE;
      g_usleep(LOOK_US);
    }
  return TRUE;
}
