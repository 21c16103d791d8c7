/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lines.h
 * Requests as JSON lines: one object of inputs a line, with $id, $context and $expect.
 *
 *     g_autoptr(WeftLines) lines = weft_lines_open("data.jsonl", &error);
 *     WeftLine line = {0};
 *     while (weft_lines_next(lines, &line)) {
 *       weft_line_take(&line, revision, NULL);
 *       WeftQuery query = {.inputs = line.values};
 *       ...
 *       weft_line_clear(&line);
 *     }
 *     weft_lines_check(lines, &error)
 */
#ifndef WEFT_CLI_LINES_H
#define WEFT_CLI_LINES_H

#include "session.h"

/** Longest line, bytes. */
#define WEFT_BATCH_LINE_MAX (16u << 20)
/** Deepest nesting of a line is the JSON library's (2048). */

typedef struct WeftLines WeftLines;

/** One line; zeroed before the first use. */
typedef struct {
  guint64 number;    /**< from 1 on */
  json_t *object;    /**< the line; NULL: error says why */
  GError *error;     /**< of the line as a whole, not of one value */
  WeftValue *values; /**< [inputs of the pipeline] since weft_line_take */
  guint n_values;
  GArray *context;   /**< of struct weft_context_entry: what it held before weft_line_take, then $context of the line */
} WeftLine;

/** path: a file, or - for standard input. Errors: WEFT_ERROR, WEFT_BAD_INPUT. */
WeftLines *weft_lines_open(const char *path, GError **error);
void weft_lines_free(WeftLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftLines, weft_lines_free)

/** TRUE: a line was read, perhaps a bad one (its error). Blank lines and a byte order mark are skipped. Caller clears. */
gboolean weft_lines_next(WeftLines *lines, WeftLine *line);
/** FALSE: the file could not be read to its end. */
gboolean weft_lines_check(const WeftLines *lines, GError **error);
/** The descriptor that is read; it stays the lines'. */
int weft_lines_fd(const WeftLines *lines);
/** Bytes of the file, 0 where nobody knows; and those read so far. */
guint64 weft_lines_n_bytes(const WeftLines *lines);
guint64 weft_lines_n_bytes_read(const WeftLines *lines);

/**
 * Reads the values of the pipeline's inputs; keys that are neither an input
 * nor known are the line's error. other: keys that a command knows beside
 * them, NULL-terminated; NULL: none. `$context` replaces entries that
 * line->context holds already. May read files.
 */
void weft_line_take(WeftLine *line, WeftRevision *revision, const char *const *other);
/** The inputs and the context of a query: borrowed from the line until clear. */
void weft_line_query(const WeftLine *line, WeftQuery *query);
/** The line's own error moves into its first value, so that the session answers it like any other. */
void weft_line_settle(WeftLine *line);
/** Of $id: borrowed until clear; NULL: none. */
json_t *weft_line_id(const WeftLine *line);
/** Leaves it zeroed. */
void weft_line_clear(WeftLine *line);

#endif
