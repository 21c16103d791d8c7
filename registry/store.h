/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store.h
 * Files by content: FOLDER/sha256/ab/ab12...; private to registry.
 * A file is written to FOLDER/incoming/, synced, renamed, and its folder
 * synced before any row names it.
 */
#ifndef WEFT_STORE_H
#define WEFT_STORE_H

#include <glib.h>

/** Absolute path of a file in the store, there or not. Caller frees with g_free. */
char *weft_store_path(const char *folder, const char *sha256);
/** Writes a new file under incoming/ and syncs it. Caller frees the path with g_free. */
char *weft_store_stage(const char *folder, const char *sha256, const void *data, gsize n_bytes, GError **error);
/** Renames a staged file to its place and syncs the folders. */
gboolean weft_store_commit(const char *folder, const char *staged, const char *sha256, GError **error);
/** Removes a file; that it is not there is no error. */
gboolean weft_store_remove(const char *folder, const char *sha256, GError **error);
/** Calls with the digest of every file in the store; incoming files are removed. */
gboolean weft_store_sweep(const char *folder, void (*each)(void *data, const char *sha256), void *data, GError **error);

#endif
