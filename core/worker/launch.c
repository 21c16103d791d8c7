/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

/** Most variables of the environment that are handed on. */
#define MAX_VARIABLES 64

extern char **environ;

static int handed_on(const char *variable)
{
  static const char *const prefixes[] = {"WEFT_",         "LD_",           "PATH=",         "TZ=",  "LC_", "LANG=",
                                         "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS="};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (!strncmp(variable, prefixes[i], strlen(prefixes[i])))
      return 1;
  return 0;
}

static void pick_environment(char **out)
{
  size_t n = 0;
  for (char **variable = environ; variable && *variable && n < MAX_VARIABLES; variable++)
    if (handed_on(*variable))
      out[n++] = *variable;
  out[n] = NULL;
}

static int add_files(posix_spawn_file_actions_t *files, int control)
{
  int has_error = fcntl(STDERR_FILENO, F_GETFD) >= 0;
  int error = posix_spawn_file_actions_adddup2(files, control, WEFT_CONTROL_FD);
  if (!error)
    error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error && !has_error)
    error = posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  /* What a plugin prints must not end up in the host's answers. */
  if (!error)
    error = posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO);
  if (!error)
    error = posix_spawn_file_actions_addclosefrom_np(files, WEFT_CONTROL_FD + 1);
  return error;
}

static int add_attributes(posix_spawnattr_t *attributes)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
  /* A session of its own: the terminal's Ctrl-C is the host's to handle. */
  return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

int weft_launch(const char *program, int control, pid_t *pid)
{
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  char name[] = "weft-worker";
  char *arguments[] = {name, NULL}, *environment[MAX_VARIABLES + 1];
  /* Away from the numbers that the actions below replace. */
  int high = fcntl(control, F_DUPFD_CLOEXEC, WEFT_CONTROL_FD + 1);
  if (high < 0)
    return errno;
  pick_environment(environment);
  int error = posix_spawn_file_actions_init(&files);
  if (!error) {
    error = posix_spawnattr_init(&attributes);
    if (!error) {
      error = add_files(&files, high);
      if (!error)
        error = add_attributes(&attributes);
      if (!error)
        error = posix_spawn(pid, program, &files, &attributes, arguments, environment);
      posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
  }
  close(high);
  return error;
}
