/* SPDX-License-Identifier: Apache-2.0 */
#include "killing.h"

#include "archive.h"
#include "audit.h"
#include "registrar.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int kill_n_rounds = 40;
char *kill_weft;

const char *kill_init(int *argc, char ***argv)
{
  g_test_init(argc, argv, NULL);
  if (*argc == 3 && strcmp((*argv)[1], "--rounds") == 0)
    kill_n_rounds = (int)g_ascii_strtoll((*argv)[2], NULL, 10);
  const char *build = g_getenv("G_TEST_BUILDDIR");
  g_assert_nonnull(build);
  kill_weft = g_build_filename(build, "core", "cli", "weft", NULL);
  return build;
}

char *kill_run(char **argv, gulong kill_us, gboolean *finished)
{
  int ends[2], status;
  g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
  pid_t pid = fork();
  g_assert_cmpint(pid, >=, 0);
  if (pid == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(ends[1], STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execv(argv[0], argv);
    _exit(127);
  }
  close(ends[1]);
  if (kill_us) {
    g_usleep(kill_us);
    kill(pid, SIGKILL);
  }
  g_autoptr(GString) text = g_string_new(NULL);
  char buffer[4096];
  for (gssize n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    g_string_append_len(text, buffer, n);
  close(ends[0]);
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  *finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  g_assert_true(*finished || WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 1));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

void kill_remove(const char *path, const char *ending)
{
  g_autofree char *command = g_strdup_printf("rm -rf '%s'%s", path, ending);
  g_assert_cmpint(system(command), ==, 0);
}

void kill_assert_sound(const char *folder)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) problems = weft_archive_check(folder, TRUE, &error);
  g_assert_no_error(error);
  if (problems->len)
    g_error("%s: %s", folder, ((WeftProblem *)g_ptr_array_index(problems, 0))->message);
}

guint64 kill_repair(const char *catalogue)
{
  g_autoptr(GError) error = NULL;
  guint64 n = 0;
  weft_registrar_free(weft_registrar_open(catalogue, FALSE, &error));
  g_assert_no_error(error);
  g_assert_true(weft_audit_verify(catalogue, &n, NULL, &error));
  g_assert_no_error(error);
  kill_assert_sound(catalogue);
  return n;
}

void kill_tell(int round)
{
  if (kill_n_rounds > 100 && round % 100 == 99)
    fprintf(stderr, "# %d rounds\n", round + 1);
}
