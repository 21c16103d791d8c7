/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "command.h"
#include "hosttable.h"
#include "module.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const WeftCommand *const commands[] = {&weft_command_run, &weft_command_pipeline, &weft_command_plugin,
                                              &weft_command_model};

void weft_command_help(const WeftCommand *command)
{
  printf("usage: weft %s %s\n\n%s\n\n%s", command->name, command->arguments, command->summary, command->help);
}

int weft_command_usage_error(const WeftCommand *command, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  fprintf(stderr, "weft %s: %s\nsee: weft %s --help\n", command->name, message, command->name);
  return WEFT_EXIT_USAGE;
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
  if (closest)
    fprintf(stderr, "weft: there is no command \"%s\"; did you mean \"%s\"?\n", word, closest);
  else
    fprintf(stderr, "weft: there is no command \"%s\"; weft --help lists them\n", word);
  return WEFT_EXIT_USAGE;
}

/* What plugins and the host say: warnings and errors. */
static void print_log(void *data, uint32_t level, const char *line)
{
  if (level <= WEFT_LOG_WARNING)
    fprintf(stderr, "weft: %s: %s\n", level == WEFT_LOG_ERROR ? "error" : "warning", line);
}

int main(int argc, char **argv)
{
  setlocale(LC_CTYPE, "");
  weft_host_set_log(print_log, NULL);
  const char *word = argc > 1 ? argv[1] : "--help";
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
    print_help();
    return argc > 1 ? WEFT_EXIT_OK : WEFT_EXIT_USAGE;
  }
  if (strcmp(word, "--version") == 0) {
    printf("weft %s\n", WEFT_VERSION);
    return WEFT_EXIT_OK;
  }
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
    if (strcmp(word, commands[i]->name) != 0)
      continue;
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
      weft_command_help(commands[i]);
      return WEFT_EXIT_OK;
    }
    int code = commands[i]->run(argc - 1, argv + 1);
    weft_module_end();
    return code;
  }
  return unknown_command(word);
}
