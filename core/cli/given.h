/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file given.h
 * Options that several commands share: --set NAME=VALUE, and the context of a
 * request, --context KEY=VALUE and `$context` of a JSON line.
 */
#ifndef WEFT_CLI_GIVEN_H
#define WEFT_CLI_GIVEN_H

#include "command.h"
#include "session.h"

/** Takes the value of --set into *variables, which is made where it is NULL. Answers the exit code. */
int weft_given_set(const WeftCommand *command, const char *value, WeftVariables **variables);

/** Entries of a request's context, strings owned. Free with g_array_unref. */
GArray *weft_context_new(void);
/** Takes every --set and --context of a command, texts; as the two above. */
int weft_given_take(const WeftCommand *command, const GPtrArray *sets, const GPtrArray *contexts,
                    WeftVariables **variables, GArray *entries);
/** A copy of the entries; NULL: none. */
GArray *weft_context_copy(const GArray *entries);
/** Takes KEY=VALUE of --context. Answers the exit code. */
int weft_context_take(const WeftCommand *command, const char *value, GArray *entries);
/** Takes the object of `$context`; an entry of the same key is replaced. Errors: WEFT_ERROR, WEFT_BAD_INPUT. */
gboolean weft_context_take_json(const json_t *object, GArray *entries, GError **error);

#endif
