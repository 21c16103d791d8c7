/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file derived.h
 * What is made out of a model and may be made again: FOLDER/derived/DIGEST.KEY,
 * named by the model's digest and a key of the maker's. Never signed, never in
 * a bundle or a backup; whoever may write the catalogue may remove them. Two
 * processes that make one at once write the same bytes, and the later name wins.
 */
#ifndef WEFT_DERIVED_STORE_H
#define WEFT_DERIVED_STORE_H

#include <glib.h>

/** The key of what `weft model check --store` found: it stays until the model goes. */
#define WEFT_DERIVED_CHECK "check"

/** Absolute path, there or not. Caller frees with g_free. */
char *weft_derived_path(const char *folder, const char *model_digest, const char *key);
/** Writes head and body, synced, under a name that appears at once. FALSE: WEFT_CATALOGUE_ERROR. [control thread] */
gboolean weft_derived_write(const char *path, GBytes *head, const void *body, gsize n_body, GError **error);

typedef struct {
  char *path, *model_digest, *key;
  gint64 n_bytes;
} WeftDerivedFile;
void weft_derived_file_free(WeftDerivedFile *file);
/** Files of a model, or of all (NULL), by name: of WeftDerivedFile. No such folder: none. */
GPtrArray *weft_derived_list(const char *folder, const char *model_digest);
/** What is not there is no error. */
gboolean weft_derived_remove(const WeftDerivedFile *file, GError **error);
/** Removes what writers left that have ended. */
void weft_derived_sweep(const char *folder);

#endif
