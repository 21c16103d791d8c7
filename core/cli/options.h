/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.h
 * Options of a command from a table.
 *
 *     const WeftOption table[] = {
 *       {"seed", WEFT_OPTION_COUNT, &options->seed, 0, G_MAXUINT64},
 *       {"metric", WEFT_OPTION_LIST, options->metrics, 0, 0},
 *       {"json", WEFT_OPTION_FLAG, &options->json, 0, 0}};
 *     WeftArguments arguments = {&command, table, G_N_ELEMENTS(table), words, 2, 0};
 *     int code = weft_options_parse(&arguments, argc, argv);
 */
#ifndef WEFT_CLI_OPTIONS_H
#define WEFT_CLI_OPTIONS_H

#include "command.h"

typedef enum {
  WEFT_OPTION_FLAG,  /**< gboolean */
  WEFT_OPTION_TEXT,  /**< const char *, not empty; at most once */
  WEFT_OPTION_COUNT, /**< guint64 within least..most */
  WEFT_OPTION_TIME,  /**< guint64 ns, written with a unit */
  WEFT_OPTION_LIST   /**< GPtrArray of borrowed texts; may be repeated */
} WeftOptionKind;

typedef struct {
  const char *name; /**< without -- */
  WeftOptionKind kind;
  void *target;
  guint64 least, most; /**< of a count */
} WeftOption;

typedef struct {
  const WeftCommand *command;
  const WeftOption *options;
  guint n_options;
  const char **words; /**< [n_words_max] what is no option, borrowed from argv */
  guint n_words_max;
  guint n_words;      /**< set on return */
} WeftArguments;

/** WEFT_EXIT_OK, or WEFT_EXIT_USAGE after a message. */
int weft_options_parse(WeftArguments *arguments, int argc, char **argv);
/** "500 ms", "2 s", "10 us" in nanoseconds; FALSE: no time, or beyond 1e18 ns. */
gboolean weft_option_time(const char *text, guint64 *ns);

#endif
