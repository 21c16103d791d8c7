/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file catalogue.h
 * The catalogue of plugins: a store of files by content (sha256/) and an
 * SQLite database (catalogue.db), searched in order: WEFT_CATALOGUE (one or
 * more folders, `:`), else the user's, then the system's, then the one that
 * came with the program. Knows no plugin code: probing is a callback of the
 * installer.
 */
#ifndef WEFT_CATALOGUE_H
#define WEFT_CATALOGUE_H

#include <glib.h>

typedef struct WeftCatalogue WeftCatalogue;

/** What the catalogue knows of one plugin in one version. */
typedef struct {
  char *id, *version, *kind;
  char *path;          /**< absolute path of the .so in the store */
  char *sha256;        /**< of the .so, hex */
  char *manifest;      /**< manifest.json of the file */
  char *catalogue;     /**< folder of the catalogue it stands in */
  char *reads_type;    /**< readers: "image" ...; otherwise NULL */
  gboolean bundled;    /**< came with Weft */
  gboolean usable;     /**< installed, not refused */
  char *reason;        /**< why it is refused; NULL otherwise */
} WeftPluginRow;

void weft_plugin_row_free(WeftPluginRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftPluginRow, weft_plugin_row_free)

/** Opens the search order (bundled: folder of the catalogue that came with the program, or NULL). */
WeftCatalogue *weft_catalogue_open(const char *bundled, GError **error);
void weft_catalogue_free(WeftCatalogue *catalogue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftCatalogue, weft_catalogue_free)

/**
 * The newest usable version of `id` within `range` ("1.2.3", "^1.2", "~1.2",
 * NULL: any); the first catalogue of the order that has one wins. Not found:
 * error with the closest id, or the versions that exist.
 */
WeftPluginRow *weft_catalogue_find(WeftCatalogue *catalogue, const char *id, const char *range, GError **error);
/** Readers of a type ("image"), newest version of each id: of WeftPluginRow. */
GPtrArray *weft_catalogue_readers(WeftCatalogue *catalogue, const char *type, GError **error);
/** Everything, ordered by id and version. */
GPtrArray *weft_catalogue_list(WeftCatalogue *catalogue, GError **error);

/** The digest (sha256, hex) of a file's bytes, remembered by inode, size and times. Caller frees with g_free. */
char *weft_catalogue_file_digest(WeftCatalogue *catalogue, const char *path, GError **error);
/** The digest of a model folder: names and digests of its files, sorted. Caller frees with g_free. */
char *weft_catalogue_model_digest(WeftCatalogue *catalogue, const char *folder, GError **error);

/** The closest of `names` to `word` (edit distance), or NULL when none is close: borrowed. */
const char *weft_closest(const char *word, const char *const *names, gsize n_names);

#endif
