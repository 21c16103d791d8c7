/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file diagnostic.h
 * What is wrong with a pipeline file: several at once, in order of the file.
 * Printed as `FILE:LINE:COLUMN: node "fuse", port "picture": MESSAGE` and a
 * second, indented line `hint: ...` where there is something to do.
 */
#ifndef WEFT_CORE_DIAGNOSTIC_H
#define WEFT_CORE_DIAGNOSTIC_H

#include <glib.h>

typedef struct {
  char *code;           /**< short and stable, "unknown-key" */
  guint line, column;   /**< 1-based; 0: the file as a whole */
  char *node, *port;    /**< NULL: none */
  char *message, *hint; /**< hint: NULL: none */
} WeftDiagnostic;

typedef struct {
  char *file;
  GPtrArray *list;      /**< of WeftDiagnostic, at most WEFT_DIAGNOSTICS_MAX */
  guint n_dropped;
} WeftDiagnostics;

#define WEFT_DIAGNOSTICS_MAX 100

WeftDiagnostics *weft_diagnostics_new(const char *file);
void weft_diagnostics_free(WeftDiagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftDiagnostics, weft_diagnostics_free)
WeftDiagnostic *weft_diagnostics_add(WeftDiagnostics *diagnostics, const char *code, guint line, guint column,
                                     const char *format, ...) G_GNUC_PRINTF(5, 6);
/** All of them as text for a person; caller frees with g_free. */
char *weft_diagnostics_text(const WeftDiagnostics *diagnostics);

#endif
