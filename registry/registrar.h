/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file registrar.h
 * Writes one catalogue. One registrar at a time holds a catalogue (a lock on
 * FOLDER/lock); opening one repairs what a crash left: staged files and files
 * without a row are removed, rows without a file become the event `lost`.
 *
 *     r = weft_registrar_open(folder, FALSE, &error);
 *     staged = weft_registrar_stage(r, data, n_bytes, sha256, &error);
 *     ... probe the staged file ...
 *     weft_registrar_commit(r, staged, &entry, &error) or weft_registrar_refuse(...)
 */
#ifndef WEFT_REGISTRAR_H
#define WEFT_REGISTRAR_H

#include <glib.h>

/** How long opening waits for another registrar. */
#define WEFT_REGISTRAR_WAIT_MS 30000

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

/** shared: a new catalogue is made readable by other users (rollback journal). */
WeftRegistrar *weft_registrar_open(const char *folder, gboolean shared, GError **error);
void weft_registrar_free(WeftRegistrar *registrar);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRegistrar, weft_registrar_free)

/** Digest of the file in which id@version is installed; *sha256 NULL: not installed. Caller frees with g_free. */
gboolean weft_registrar_holds(WeftRegistrar *registrar, const char *id, const char *version, char **sha256,
                              GError **error);
/** A copy of the bytes inside the catalogue, not yet registered. Caller frees the path with g_free. */
char *weft_registrar_stage(WeftRegistrar *registrar, const void *data, gsize n_bytes, const char *sha256,
                           GError **error);
/** Removes a staged file. */
void weft_registrar_discard(WeftRegistrar *registrar, const char *staged);
/** File into the store, then rows, then the event; all or nothing after a crash at any point. */
gboolean weft_registrar_commit(WeftRegistrar *registrar, const char *staged, const WeftRegistrarFile *file,
                               GError **error);
/** Records a refusal. code: short and stable; reason: for people. */
gboolean weft_registrar_refuse(WeftRegistrar *registrar, const WeftRegistrarFile *file, const char *code,
                               const char *reason, GError **error);
/**
 * Removes every plugin of the file that holds id@version (version NULL: all
 * versions). *removed: their `id@version`, NULL-terminated, caller frees with g_strfreev.
 */
gboolean weft_registrar_remove(WeftRegistrar *registrar, const char *id, const char *version, char ***removed,
                               GError **error);

#endif
