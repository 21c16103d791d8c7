/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file expr.h
 * What a request must bring: `any(picture, speech) and not silent`. Names of
 * inputs, `any(...)`, `all(...)`, `and`, `or`, `not` and parentheses.
 */
#ifndef WEFT_CORE_EXPR_H
#define WEFT_CORE_EXPR_H

#include <glib.h>

/** How deep parentheses, calls and `not` may stand in each other. */
#define WEFT_EXPR_MAX_DEPTH 32
/** Most names in one expression. */
#define WEFT_EXPR_MAX_NAMES 256

typedef struct WeftExpr WeftExpr;

typedef struct {
  guint offset; /**< bytes into the text */
  char *message; /**< caller frees with g_free */
  char *word;    /**< an unknown name, or NULL; caller frees with g_free */
} WeftExprFault;

/** find: index of a name, or -1. NULL: fault says why. Free with weft_expr_free. */
WeftExpr *weft_expr_parse(const char *text, int (*find)(const void *data, const char *name), const void *data,
                          WeftExprFault *fault);
void weft_expr_free(WeftExpr *expr);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftExpr, weft_expr_free)

gboolean weft_expr_eval(const WeftExpr *expr, const gboolean *present);
/** The names it mentions, as indexes in order of the text; borrowed until free. */
const int *weft_expr_names(const WeftExpr *expr, guint *n);
/** Whether `word` means something else than an input in an expression. */
gboolean weft_expr_is_reserved(const char *word);

#endif
