/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file archive.h
 * A whole catalogue as one file, and back; as a folder for another machine;
 * and whether it is sound. All of these work on a catalogue that is in use.
 */
#ifndef WEFT_ARCHIVE_H
#define WEFT_ARCHIVE_H

#include "catalogue.h"

typedef struct {
  guint n_files;    /**< of the store */
  gint64 n_bytes;
} WeftArchiveSize;

/**
 * Databases as they are at one moment, and the store's files that they name,
 * each checked against its digest, into a new file; durable on return. force:
 * an existing file is replaced. out: may be NULL.
 */
gboolean weft_archive_backup(const char *folder, const char *file, gboolean force, WeftArchiveSize *out, GError **error);

/**
 * The catalogue of a backup becomes the one in folder. Everything is unpacked
 * and checked beside it first, then takes its place at once. Where a
 * catalogue is there: WEFT_CATALOGUE_ERROR_FAILED without force; with it, the
 * old one is kept: *old is its new place (NULL: there was none), caller frees
 * with g_free.
 */
gboolean weft_archive_restore(const char *file, const char *folder, gboolean force, char **old, GError **error);

/**
 * The catalogue and its audit trail as a folder that WEFT_CATALOGUE may name,
 * also on a medium that can only be read. target: not there yet, or empty.
 */
gboolean weft_archive_export(const char *folder, const char *target, WeftArchiveSize *out, GError **error);

/** One thing that is wrong. */
typedef struct {
  char *code;    /**< damaged, missing, changed, audit */
  char *message;
} WeftProblem;

void weft_problem_free(WeftProblem *problem);
/**
 * Looks at databases, at the store's files that rows name (deep: at their
 * digests too), and at the audit trail; changes nothing. Of WeftProblem,
 * empty: sound; caller frees with g_ptr_array_unref. NULL: it cannot be opened.
 */
GPtrArray *weft_archive_check(const char *folder, gboolean deep, GError **error);

#endif
