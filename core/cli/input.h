/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file input.h
 * Values of requests as people and JSON lines give them.
 */
#ifndef WEFT_CLI_INPUT_H
#define WEFT_CLI_INPUT_H

#include <glib.h>
#include <jansson.h>

/** How long a named pipe may stay without a writer, ms. */
#define WEFT_INPUT_PIPE_WAIT_MS 1000

/**
 * Reads a file, a pipe or, as "-", standard input. Errors (WEFT_ERROR,
 * WEFT_BAD_INPUT) name the path, what was found and what to do. May block as
 * long as a writer holds the pipe open. Caller frees with g_bytes_unref.
 */
GBytes *weft_input_read(const char *path, GError **error);

/** A value of the command line: text is literal, "@FILE" read, "@@..." literal "@..."; other types take a path or "-". */
GBytes *weft_input_argument(const char *type, const char *value, GError **error);

/** A value of a JSON line: text is literal, {"file": PATH} is read; other types take a path or {"file": PATH}. */
GBytes *weft_input_json(const char *name, const char *type, const json_t *value, GError **error);

#endif
