/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "command.h"
#include "hosttable.h"
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const WeftCommand *const commands[] = {
  &weft_command_run,
  &weft_command_live,
  &weft_command_eval,
  &weft_command_profile,
  &weft_command_pipeline,
  &weft_command_plugin,
  &weft_command_model,
  &weft_command_asset,
  &weft_command_catalogue,
  &weft_command_audit,
  &weft_command_doctor,
  &weft_command_inspect,
};

static gboolean in_command;

int weft_command_help(const WeftCommand *command)
{
  printf("usage: weft %s %s\n\n%s\n\n%s", command->name, command->arguments, command->summary, command->help);
  return WEFT_EXIT_OK;
}

json_t *weft_command_text(const char *text)
{
  g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;
  return valid ? json_string(valid) : json_null();
}

gboolean weft_command_same_file(const char *a, const char *b)
{
  struct stat of_a, of_b;
  return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && S_ISREG(of_a.st_mode) && of_a.st_dev == of_b.st_dev &&
         of_a.st_ino == of_b.st_ino;
}

static void print_help(void)
{
  printf("usage: weft COMMAND [ARGUMENT...]\n\nRuns multimodal pipelines assembled from plugins.\n\n");
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
  printf("\n  weft COMMAND --help   what a command does, its options and exit codes\n  weft --version\n");
}

static int unknown_command(const char *word)
{
  const char *names[G_N_ELEMENTS(commands)];
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    names[i] = commands[i]->name;
  const char *closest = weft_closest(word, names, G_N_ELEMENTS(commands));
  return weft_command_refuse(NULL, WEFT_EXIT_USAGE, "usage", "there is no command \"%s\"; %s%s%s", word,
                             closest ? "did you mean \"" : "weft --help lists them", closest ? closest : "",
                             closest ? "\"?" : "");
}

/* What plugins and the host say: warnings and errors. */
static void print_log(void *data, uint32_t level, const char *line)
{
  if (level <= WEFT_LOG_WARNING)
    fprintf(stderr, "weft: %s: %s\n", level == WEFT_LOG_ERROR ? "error" : "warning", line);
}

/* A descriptor that the caller closed would be given to the next file opened, a catalogue say, and answers written
   there. It is taken instead, so that using it fails. */
static void take_closed_descriptors(void)
{
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
      _exit(WEFT_EXIT_FAILED);
}

/* A plugin in this process that calls exit() must not look like an answer. */
static void on_exit_by_plugin(void)
{
  if (!in_command)
    return;
  fflush(stdout);
  fprintf(stderr, "weft: a plugin ended this process with exit(), which a plugin must not; --isolate all finds out which "
                  "and survives it\n");
  _exit(WEFT_EXIT_FAILED);
}

/* Whatever a command printed has arrived, or its exit code says that it has not. */
static int finish(int code)
{
  const char *problem = fflush(stdout) != 0 ? g_strerror(errno) : ferror(stdout) ? "a write failed" : NULL;
  if (!problem)
    return code;
  fprintf(stderr, "weft: standard output cannot be written: %s\n", problem);
  return code == WEFT_EXIT_OK ? WEFT_EXIT_FAILED : code;
}

static int run_command(const WeftCommand *command, int argc, char **argv)
{
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
    return weft_command_help(command);
  atexit(on_exit_by_plugin);
  in_command = TRUE;
  int code = command->run(argc, argv);
  weft_module_end();
  in_command = FALSE;
  return code;
}

int main(int argc, char **argv)
{
  take_closed_descriptors();
  setlocale(LC_CTYPE, "");
  weft_host_set_log(print_log, NULL);
  const char *word = argc > 1 ? argv[1] : "--help";
  weft_command_expect_json(argv);
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
    print_help();
    return finish(argc > 1 ? WEFT_EXIT_OK : WEFT_EXIT_USAGE);
  }
  if (strcmp(word, "--version") == 0) {
    printf("weft %s\n", WEFT_VERSION);
    return finish(WEFT_EXIT_OK);
  }
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strcmp(word, commands[i]->name) == 0)
      return finish(run_command(commands[i], argc - 1, argv + 1));
  return finish(unknown_command(word));
}
