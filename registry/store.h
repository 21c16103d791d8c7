/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store.h
 * Files by content: FOLDER/sha256/ab/ab12...; private to registry.
 * A file is written to FOLDER/incoming/, synced, renamed, and its folder
 * synced before any row names it. Files in the store are never changed.
 */
#ifndef WEFT_STORE_H
#define WEFT_STORE_H

#include <glib.h>

/** Absolute path of a file in the store, there or not. Caller frees with g_free. */
char *weft_store_path(const char *folder, const char *sha256);
/** Whether text is a digest as files of the store are named. */
gboolean weft_store_is_digest(const char *text);
/** The folders of the store, made where they are missing. FALSE: one of them is a link or no folder. */
gboolean weft_store_prepare(const char *folder, GError **error);

/** A file under incoming/; while it is open no sweep removes it. */
typedef struct {
  char *path;
  int fd;
} WeftStaged;

/** Whether the file under that name still has these bytes. */
gboolean weft_staged_holds(const WeftStaged *staged, const char *sha256);
/** Closes; removes it where it is still under incoming/. NULL is allowed. */
void weft_staged_free(WeftStaged *staged);
/** Writes a new file under incoming/, not synced yet. data may be NULL: the caller writes to fd. Caller frees. */
WeftStaged *weft_store_stage(const char *folder, const char *sha256, const void *data, gsize n_bytes, GError **error);
/**
 * Syncs a staged file, looks that its bytes still have this digest, and gives
 * it its name in the store. Durable after weft_store_sync.
 */
gboolean weft_store_commit(const char *folder, WeftStaged *staged, const char *sha256, GError **error);
/** Makes the names of these n files durable, each folder once. */
gboolean weft_store_sync(const char *folder, const char *const *digests, guint n, GError **error);
/** Removes a file; that it is not there is no error. */
gboolean weft_store_remove(const char *folder, const char *sha256, GError **error);
/** Calls with the digest of every file in the store; incoming files that nobody holds are removed. */
gboolean weft_store_sweep(const char *folder, void (*each)(void *data, const char *sha256), void *data, GError **error);

/** Whether that file is gone; FALSE with error: it cannot be known. */
gboolean weft_store_lacks(const char *folder, const char *sha256, gboolean *lacks, GError **error);

/** Files in the store; what cannot be read counts as one. */
guint weft_store_count(const char *folder);

#endif
