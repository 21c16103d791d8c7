/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file print.h
 * An answer as a person reads it.
 */
#ifndef WEFT_CLI_PRINT_H
#define WEFT_CLI_PRINT_H

#include "diagnostic.h"
#include <jansson.h>

/**
 * Prints a `weft.answer/1`: as JSON, or as lines; failures on standard error.
 * given: input name -> its value as the user gave it, so that a failure names
 * it. Answers the exit code.
 */
int weft_print_answer(const json_t *answer, gboolean as_json, gboolean explain, GHashTable *given);

/** What is wrong with a pipeline: `weft.diagnostics/1` on standard output, or lines on standard error. */
void weft_print_diagnostics(const WeftDiagnostics *diagnostics, gboolean as_json);

#endif
