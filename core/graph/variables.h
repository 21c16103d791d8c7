/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file variables.h
 * `${NAME}` in the scalars of a pipeline file, given with --set NAME=VALUE.
 * What is put in is read as if it stood there. A scalar that is one variable
 * and nothing else is read as without quotes, also where it has some, which
 * YAML wants of braces within braces: it can be a number. `$${` is a literal
 * `${`; any other `$` stands for itself.
 */
#ifndef WEFT_CORE_VARIABLES_H
#define WEFT_CORE_VARIABLES_H

#include <glib.h>

/** Longest name and longest value of a variable, bytes. */
#define WEFT_VARIABLE_MAX_NAME 64
#define WEFT_VARIABLE_MAX_BYTES 65536
/** Most variables. */
#define WEFT_VARIABLES_MAX 1024

typedef struct WeftVariables WeftVariables;

WeftVariables *weft_variables_new(void);
/** The variables of a sub-pipeline: hints speak of params, not of --set. */
WeftVariables *weft_variables_new_params(void);
/** NULL is allowed. */
void weft_variables_free(WeftVariables *variables);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftVariables, weft_variables_free)
/** Takes NAME=VALUE. FALSE: problem says what is wrong with it; caller frees with g_free. */
gboolean weft_variables_set(WeftVariables *variables, const char *given, char **problem);
/** A variable that no file has used, or NULL: borrowed until free. variables may be NULL. */
const char *weft_variables_unused(const WeftVariables *variables);

typedef struct {
  gsize offset;  /**< bytes into the text */
  char *message; /**< caller frees with g_free */
  char *hint;    /**< NULL: none; caller frees with g_free */
  char *closest; /**< a variable of a like name, or NULL; caller frees with g_free */
} WeftVariableFault;

/** The text with its variables put in, caller frees with g_free. NULL: fault says why. variables may be NULL: none. */
char *weft_variables_expand(WeftVariables *variables, const char *text, WeftVariableFault *fault);

#endif
