/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file catalogue.h
 * The catalogue of plugins: a store of files by content (sha256/) and an
 * SQLite database (catalogue.db), searched in order: WEFT_CATALOGUE (one or
 * more folders, `:`), else the user's (XDG_DATA_HOME/weft/catalogue) and the
 * system's (/var/lib/weft/catalogue); then always the one that came with the
 * program, so that a bare clone finds its plugins in its build folder. Knows no plugin code: probing is a callback of the
 * installer.
 */
#ifndef WEFT_CATALOGUE_H
#define WEFT_CATALOGUE_H

#include <glib.h>

typedef struct WeftCatalogue WeftCatalogue;

/** The system's catalogue: written by its administrator, read by all, so without a write-ahead log. */
#ifndef WEFT_SYSTEM_CATALOGUE
#define WEFT_SYSTEM_CATALOGUE "/var/lib/weft/catalogue"
#endif

#define WEFT_CATALOGUE_ERROR (weft_catalogue_error_quark())
GQuark weft_catalogue_error_quark(void);
typedef enum {
  WEFT_CATALOGUE_ERROR_FAILED,    /**< a file or the database could not be read or written */
  WEFT_CATALOGUE_ERROR_NOT_FOUND, /**< no such plugin or version */
  WEFT_CATALOGUE_ERROR_MISSING,   /**< the folder holds no catalogue */
  WEFT_CATALOGUE_ERROR_LOCKED,    /**< another process holds it */
  WEFT_CATALOGUE_ERROR_CORRUPT,   /**< catalogue.db is damaged */
  WEFT_CATALOGUE_ERROR_NEWER,     /**< written by a newer Weft */
  WEFT_CATALOGUE_ERROR_READ_ONLY, /**< may not be written */
  WEFT_CATALOGUE_ERROR_RANGE,     /**< not a version range */
  WEFT_CATALOGUE_ERROR_EXISTS     /**< there already, with other content */
} WeftCatalogueError;

/** What the catalogue knows of one plugin in one version. */
typedef struct {
  char *id, *version, *kind;
  char *summary;       /**< NULL: none */
  char *path;          /**< absolute path of the .so in the store; NULL where it is not usable */
  char *sha256;        /**< of the .so, hex */
  char *manifest;      /**< manifest.json of the file */
  char *catalogue;     /**< folder of the catalogue it stands in */
  char *reads_type;    /**< readers: "image" ...; otherwise NULL */
  gboolean bundled;    /**< came with Weft */
  gboolean usable;     /**< installed, neither refused nor disabled */
  char *reason;        /**< why it is not usable; NULL otherwise */
} WeftPluginRow;

void weft_plugin_row_free(WeftPluginRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftPluginRow, weft_plugin_row_free)

/**
 * Opens the search order (bundled: folder of the catalogue that came with the
 * program, or NULL; always last). Folders named by WEFT_CATALOGUE must hold a
 * catalogue; the user's and the system's need not be there. A catalogue that
 * may only be read is opened so. [control thread, as all functions here]
 */
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
/** Everything with its manifest, ordered by id and version. */
GPtrArray *weft_catalogue_list(WeftCatalogue *catalogue, GError **error);

/** Everything, or what a filter leaves, in lines: what thousands of plugins are listed by. */
typedef struct {
  const char *id, *version, *kind, *sha256, *catalogue;
  const char *summary; /**< NULL: none */
  const char *state;   /**< "bundled", "installed", "disabled", "quarantine", "refused", "lost" */
  const char *reason;  /**< of the last four; otherwise NULL */
  gboolean bundled;
} WeftPluginLine;

typedef struct {
  const WeftPluginLine *lines; /**< ordered by id and version: borrowed until free */
  guint n;
} WeftPluginLines;

typedef struct {
  const char *kind;      /**< exactly; NULL: all */
  const char *pattern;   /**< of the id, with `*` and `?`; NULL: all */
  gboolean no_digests;   /**< sha256 is NULL in all lines, which is faster */
} WeftLineFilter;

/** filter: NULL: all. Caller frees with weft_plugin_lines_free. */
WeftPluginLines *weft_catalogue_lines(WeftCatalogue *catalogue, const WeftLineFilter *filter, GError **error);
void weft_plugin_lines_free(WeftPluginLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftPluginLines, weft_plugin_lines_free)

/**
 * Who disabled a plugin, when and why: "disabled by USER on DATE: REASON"; NULL:
 * it is not disabled. folder: of the catalogue that says so, may be NULL.
 * Caller frees both with g_free.
 */
char *weft_catalogue_disabled(WeftCatalogue *catalogue, const char *id, const char *sha256, char **folder);

/** One attempt to install, a removal, or a decision. */
typedef struct {
  gint64 at;           /**< seconds since 1970 */
  char *what;          /**< installed, refused, removed, lost, released, enabled, disabled */
  char *user;          /**< who did it; NULL: not recorded */
  char *path;          /**< as it was given */
  char *sha256;        /**< NULL: the file could not be read */
  char *code, *reason; /**< why it was refused, short and stable, and for people; NULL otherwise */
  char *plugins;       /**< `id@version, ...`; NULL: the manifest could not be read */
  char *catalogue;     /**< folder of the catalogue it stands in */
} WeftInstallEvent;

void weft_install_event_free(WeftInstallEvent *event);
/**
 * What happened to a plugin id, or to a file (its path, or its name without
 * folder), the latest first: of WeftInstallEvent.
 */
GPtrArray *weft_catalogue_events(WeftCatalogue *catalogue, const char *word, GError **error);

/** Where `weft plugin install` installs: the first folder of WEFT_CATALOGUE, else the user's. Caller frees with g_free. */
char *weft_catalogue_default_folder(void);
/** Whether the folder holds a catalogue; WEFT_CATALOGUE_ERROR_MISSING, saying how to make one. */
gboolean weft_catalogue_is_there(const char *folder, GError **error);

/** The digest (sha256, hex) of a file's bytes, remembered by inode, size and times. Caller frees with g_free. */
char *weft_catalogue_file_digest(WeftCatalogue *catalogue, const char *path, GError **error);
/**
 * The digest of a model folder: sha256 of the lines `HEX  NAME` of its files
 * that end in .json, .safetensors, .txt or .model, sorted by name, as
 * `sha256sum *.json ... | sha256sum` prints them; its card does not count.
 * Caller frees with g_free.
 */
char *weft_catalogue_model_digest(WeftCatalogue *catalogue, const char *folder, GError **error);
/** Whether a file of that name counts in a model folder's digest. [any thread] */
gboolean weft_model_file_counts(const char *name);

/** The closest of `names` to `word` (edit distance), or NULL when none is close: borrowed. */
const char *weft_closest(const char *word, const char *const *names, gsize n_names);

#endif
