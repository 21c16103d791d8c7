/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command.h
 * The commands of `weft`: one command, one file.
 */
#ifndef WEFT_CLI_COMMAND_H
#define WEFT_CLI_COMMAND_H

#include <glib.h>
#include <jansson.h>

/* Exit codes, the same for every command and documented in docs/commands.md. */
#define WEFT_EXIT_OK 0       /**< done */
#define WEFT_EXIT_FAILED 1   /**< a request failed, a plugin was refused */
#define WEFT_EXIT_USAGE 2    /**< options or arguments are wrong */
#define WEFT_EXIT_REFUSED 3  /**< a filter refused the answer */
#define WEFT_EXIT_PIPELINE 4 /**< the pipeline file or the catalogue cannot be used */

typedef struct {
  const char *name;
  const char *arguments; /**< as the usage line shows them */
  const char *summary;   /**< one line */
  const char *help;      /**< what --help prints below the usage line */
  int (*run)(int argc, char **argv); /**< argv[0] is the command's name */
} WeftCommand;

extern const WeftCommand weft_command_run;
extern const WeftCommand weft_command_live;
extern const WeftCommand weft_command_eval;
extern const WeftCommand weft_command_profile;
extern const WeftCommand weft_command_doctor;
extern const WeftCommand weft_command_inspect;
extern const WeftCommand weft_command_pipeline;
extern const WeftCommand weft_command_plugin;
extern const WeftCommand weft_command_catalogue;
extern const WeftCommand weft_command_audit;
extern const WeftCommand weft_command_model;
extern const WeftCommand weft_command_asset;

/** The options of `weft run` without their dashes, NULL-terminated: an input of such a name needs --in. */
extern const char *const weft_run_options[];

/** Prints usage and help of a command on standard output; answers WEFT_EXIT_OK. */
int weft_command_help(const WeftCommand *command);
/** Remembers whether these words, those of the program, ask for JSON: refusals are then said as weft.diagnostics/1 too. */
void weft_command_expect_json(char **argv);
/**
 * Says `weft COMMAND: message` on standard error, and with --json prints one object of it on standard output, of which
 * `code` is the short name. Nothing else is printed there by a command that refuses. Answers exit_code. command: NULL: none.
 */
int weft_command_refuse(const WeftCommand *command, int exit_code, const char *code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/** The same of an error, whose code it finds; a catalogue that is not there is WEFT_EXIT_PIPELINE whatever exit_code says. */
int weft_command_refuse_error(const WeftCommand *command, int exit_code, const GError *error);
/** The same with code "usage" and where to find help; answers WEFT_EXIT_USAGE. */
int weft_command_usage_error(const WeftCommand *command, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** A JSON string, or null for NULL; bytes of a path that are not UTF-8 become U+FFFD. Caller frees with json_decref. */
json_t *weft_command_text(const char *text);

/** Prints a command's answer on standard output; value: transferred. */
void weft_command_print_json(json_t *value);
/** Whether both name one file that is there: an answer is not written over what it came from. */
gboolean weft_command_same_file(const char *a, const char *b);

#endif
