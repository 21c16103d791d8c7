/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file diagnostic.h
 * What is wrong with a pipeline file: several at once, in order of the file.
 * Printed as `FILE:LINE:COLUMN: node "fuse", port "picture": MESSAGE`, indented
 * lines `takes: ...` and `given: ...` where an edge does not fit (only the first
 * where nothing is given), and `hint: ...` where there is something to do. A warning says so and does not fail the file.
 */
#ifndef WEFT_CORE_DIAGNOSTIC_H
#define WEFT_CORE_DIAGNOSTIC_H

#include <glib.h>

/** One side of an edge, as its plugin states it. */
typedef struct {
  char *node, *plugin, *port; /**< "see", "vit@1.0.0", "tokens"; NULL: none */
  char *dtype;                /**< "f32" */
  GPtrArray *dims;            /**< of char *: a size, the manifest's name for it, or "*" */
  guint n_splits;             /**< 1: ragged, 2: ragged groups */
  GPtrArray *attributes;      /**< of char *: key, value, key, value ... */
} WeftPortText;

/** A file that is not the diagnostics' own: of a sub-pipeline. */
typedef struct {
  char *file;           /**< as messages show it */
  char *within;         /**< the node it stands for: "ask", or "ask/inner" */
} WeftDiagnosticPlace;

typedef struct {
  char *code;           /**< short and stable, "unknown-key" */
  guint line, column;   /**< 1-based; 0: the file as a whole */
  char *file, *within;  /**< of a sub-pipeline; NULL: the file of the diagnostics */
  char *node, *port;    /**< NULL: none */
  char *message, *hint; /**< hint: NULL: none */
  WeftPortText *source, *target; /**< both sides of an edge; NULL: none */
  gboolean warning;
} WeftDiagnostic;

typedef struct {
  char *file;
  GPtrArray *list;      /**< of WeftDiagnostic, at most WEFT_DIAGNOSTICS_MAX */
  guint n_dropped;
  guint n_errors;       /**< warnings are not counted, dropped errors are */
} WeftDiagnostics;

#define WEFT_DIAGNOSTICS_MAX 100

WeftDiagnostics *weft_diagnostics_new(const char *file);
void weft_diagnostics_free(WeftDiagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftDiagnostics, weft_diagnostics_free)
/** Adds an error. Returns it, borrowed until the next one is added; never NULL (beyond the limit it is not printed). */
WeftDiagnostic *weft_diagnostics_add(WeftDiagnostics *diagnostics, const char *code, guint line, guint column,
                                     const char *format, ...) G_GNUC_PRINTF(5, 6);
/** Adds a warning. */
WeftDiagnostic *weft_diagnostics_warn(WeftDiagnostics *diagnostics, const char *code, guint line, guint column,
                                      const char *format, ...) G_GNUC_PRINTF(5, 6);
/** Says where in the graph it is: node and port may be NULL. Returns diagnostic. */
WeftDiagnostic *weft_diagnostic_at(WeftDiagnostic *diagnostic, const char *node, const char *port);
/** Says that it is in the file of a sub-pipeline. place: borrowed until return; NULL: it is not. Returns diagnostic. */
WeftDiagnostic *weft_diagnostic_in(WeftDiagnostic *diagnostic, const WeftDiagnosticPlace *place);
/** Takes over all that `from` holds, as said within a node; from is empty afterwards. */
void weft_diagnostics_move(WeftDiagnostics *from, WeftDiagnostics *into, const char *node);
/** Says what to do. Returns diagnostic. */
WeftDiagnostic *weft_diagnostic_hint(WeftDiagnostic *diagnostic, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** `did you mean "CLOSEST"?` where one of names is close to word; otherwise nothing. */
WeftDiagnostic *weft_diagnostic_closest(WeftDiagnostic *diagnostic, const char *word, const char *const *names,
                                        gsize n_names);
/** What both sides of an edge offer, NULL: there is no such side; transferred: freed with weft_port_text_free.
 * Returns diagnostic. */
WeftDiagnostic *weft_diagnostic_offers(WeftDiagnostic *diagnostic, WeftPortText *source, WeftPortText *target);
/** "f32 [*, 64] ragged, modality image". Caller frees with g_free. */
char *weft_port_text_print(const WeftPortText *text);
void weft_port_text_free(WeftPortText *text);
/** Those that are shown, in order of the file; of WeftDiagnostic, borrowed. Caller frees with g_ptr_array_unref. */
GPtrArray *weft_diagnostics_sorted(const WeftDiagnostics *diagnostics);
/** How many are not shown, warnings included. */
guint weft_diagnostics_n_more(const WeftDiagnostics *diagnostics);
/** All of them in order of the file as text for a person; caller frees with g_free. */
char *weft_diagnostics_text(const WeftDiagnostics *diagnostics);

#endif
