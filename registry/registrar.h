/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file registrar.h
 * Writes one catalogue. Every change is made under the lock FOLDER/lock, in
 * this order: files into the store, durable; rows in one transaction of
 * catalogue.db; rows of audit.db; then the call returns. Opening a registrar
 * repairs what a crash left between: staged files and files without a row are
 * removed, rows without a file become the event `lost`, rows missing in
 * audit.db are appended and marked repaired.
 *
 *     r = weft_registrar_open(folder, FALSE, &error);
 *     staged = weft_registrar_stage(r, data, n_bytes, sha256, &error);
 *     ... probe staged->path, without the lock ...
 *     weft_registrar_record(r, entries, n, &error);
 */
#ifndef WEFT_REGISTRAR_H
#define WEFT_REGISTRAR_H

#include "store.h"

/** How long a change waits for another registrar; WEFT_LOCK_WAIT says otherwise, in seconds up to the most. */
#define WEFT_REGISTRAR_WAIT_S 30
#define WEFT_REGISTRAR_WAIT_MAX_S 3600

typedef struct WeftRegistrar WeftRegistrar;

typedef struct {
  const char *id, *kind, *summary, *reads_type; /**< summary, reads_type: may be NULL */
} WeftRegistrarPlugin;

/** A file to be registered, or refused: then what is not known is NULL or 0. */
typedef struct {
  const char *path;     /**< as it was given */
  const char *sha256;
  gint64 n_bytes;
  guint machine, contract;
  const char *name, *version, *licence;
  const char *manifest; /**< text of manifest.json */
  gboolean bundled;
  const WeftRegistrarPlugin *plugins;
  guint n_plugins;
} WeftRegistrarFile;

/** shared: a new catalogue is made readable by other users (rollback journal), as the system's always is. */
WeftRegistrar *weft_registrar_open(const char *folder, gboolean shared, GError **error);
/** The same, but the store is left as it is, for who wants to look at it first (gc). */
WeftRegistrar *weft_registrar_open_unswept(const char *folder, GError **error);
void weft_registrar_free(WeftRegistrar *registrar);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRegistrar, weft_registrar_free)

/** Digest of the file in which id@version is installed; *sha256 NULL: not installed. Caller frees with g_free. */
gboolean weft_registrar_holds(WeftRegistrar *registrar, const char *id, const char *version, char **sha256,
                              GError **error);
/** A copy of the bytes inside the catalogue, not yet registered. Caller frees with weft_staged_free. */
WeftStaged *weft_registrar_stage(WeftRegistrar *registrar, const void *data, gsize n_bytes, const char *sha256,
                                 GError **error);

/** What is to be recorded of one file. */
typedef struct {
  const WeftRegistrarFile *file;
  WeftStaged *staged;         /**< the file, where it goes into the store; NULL: a refusal without it */
  const char *code, *reason;  /**< refused: short and stable, and for people; with staged: kept in quarantine */
  gboolean unchanged;         /**< out: all of it is installed already */
  char *conflict;             /**< out: `id@version` that is installed with other content; nothing was recorded */
  char *conflict_sha256;      /**< out: of that content */
} WeftRegistrarEntry;

/**
 * Installs and refuses n files at once: all of them, durable on return, or
 * after a failure or crash none but those that a file's own conflict excludes.
 * Caller frees each conflict and conflict_sha256 with g_free.
 */
gboolean weft_registrar_record(WeftRegistrar *registrar, WeftRegistrarEntry *entries, guint n, GError **error);
/** Installs one file; a conflict is an error. */
gboolean weft_registrar_commit(WeftRegistrar *registrar, WeftStaged *staged, const WeftRegistrarFile *file,
                               GError **error);
/** Records a refusal. */
gboolean weft_registrar_refuse(WeftRegistrar *registrar, const WeftRegistrarFile *file, const char *code,
                               const char *reason, GError **error);

/*
 * What follows answers with the names of the plugins concerned, `id@version`,
 * NULL-terminated, caller frees with g_strfreev. version NULL: all versions.
 * None concerned: WEFT_CATALOGUE_ERROR_NOT_FOUND.
 */
/** Removes every plugin of the file that holds id@version, installed or in quarantine. */
gboolean weft_registrar_remove(WeftRegistrar *registrar, const char *id, const char *version, char ***names,
                               GError **error);
/** Installs what was refused by its probe and is kept in quarantine: the operator answers for it. */
gboolean weft_registrar_release(WeftRegistrar *registrar, const char *id, const char *version, const char *reason,
                                char ***names, GError **error);
/**
 * Makes resolution skip a plugin, or find it again. sha256: of its file, which
 * may lie in another catalogue of the search order.
 */
gboolean weft_registrar_disable(WeftRegistrar *registrar, const char *id, const char *version, const char *sha256,
                                const char *reason, GError **error);
gboolean weft_registrar_enable(WeftRegistrar *registrar, const char *id, const char *version, const char *sha256,
                               GError **error);

/** One file that nobody needs. */
typedef struct {
  char *sha256;
  char *what;      /**< "orphan", "quarantine" */
  char *plugins;   /**< `id@version, ...`; NULL: none known */
  gint64 n_bytes;
} WeftGarbage;

void weft_garbage_free(WeftGarbage *garbage);
/**
 * Removes files of the store that no row names and, with quarantine, files in
 * quarantine. dry_run: only says which. Answers WeftGarbage; caller frees with
 * g_ptr_array_unref.
 */
GPtrArray *weft_registrar_gc(WeftRegistrar *registrar, gboolean quarantine, gboolean dry_run, GError **error);

#endif
