/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file artifact.h
 * Models, assets and pipelines of a catalogue: named, versioned and digested.
 * Their files lie in the store, each once however many artifacts hold it; a
 * model has a folder of links to them besides, FOLDER/models/DIGEST, for whoever
 * wants a model folder; Weft itself reads the store. Rows are written through a registrar
 * (one writer at a time), read through the search order.
 *
 *     r = weft_registrar_open(folder, FALSE, &error);
 *     WeftArtifactSource source = {WEFT_ARTIFACT_MODEL, "models/minilm", "minilm", "1.0.0"};
 *     weft_artifact_add(r, &source, &is_new, &error);
 */
#ifndef WEFT_ARTIFACT_H
#define WEFT_ARTIFACT_H

#include "catalogue.h"
#include "registrar.h"

typedef enum { WEFT_ARTIFACT_MODEL, WEFT_ARTIFACT_ASSET, WEFT_ARTIFACT_PIPELINE } WeftArtifactKind;

/** Longest name, bytes: letters, digits, `_`, `-`; the first is a letter or `_`. */
#define WEFT_ARTIFACT_MAX_NAME 64
/** Most files of a model. */
#define WEFT_ARTIFACT_MAX_FILES 1024u
/** Largest file of a model, bytes. */
#define WEFT_ARTIFACT_MODEL_MAX_BYTES (G_GINT64_CONSTANT(64) << 30)
/** Largest asset, bytes. */
#define WEFT_ARTIFACT_ASSET_MAX_BYTES (G_GINT64_CONSTANT(256) << 20)
/** Largest pipeline file, bytes. */
#define WEFT_ARTIFACT_PIPELINE_MAX_BYTES (G_GINT64_CONSTANT(16) << 20)

typedef struct {
  char *name;      /**< relative to the artifact */
  char *sha256;
  char *path;      /**< absolute, in the store */
  gint64 n_bytes;
} WeftArtifactFile;

typedef struct {
  WeftArtifactKind kind;
  char *name, *version;
  char *digest;       /**< of a model: weft_catalogue_model_digest; otherwise of the file */
  char *source;       /**< where it was added from */
  char *catalogue;    /**< folder of the catalogue it stands in */
  char *path;         /**< absolute: a model's folder of links; otherwise the file in the store */
  gint64 n_bytes, added_at; /**< of all files; seconds since 1970 */
  GPtrArray *files;   /**< of WeftArtifactFile, by name */
} WeftArtifactRow;

void weft_artifact_row_free(WeftArtifactRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftArtifactRow, weft_artifact_row_free)

/** "model", "asset", "pipeline". [any thread] */
const char *weft_artifact_kind_name(WeftArtifactKind kind);
/** Whether a text can be the name of one. [any thread] */
gboolean weft_artifact_name_is_sound(const char *name);

/**
 * The newest version of `name` within `range` (as weft_catalogue_find); the
 * first catalogue of the order that has one wins. Not found: an error with the
 * closest name, or the versions that exist. [control thread, as all here]
 */
WeftArtifactRow *weft_artifact_find(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name,
                                    const char *range, GError **error);
/** Whether any catalogue of the order holds `name` in some version. */
gboolean weft_artifact_has(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name);
/** All of a kind, by name and version: of WeftArtifactRow. name: NULL, or only those called so. */
GPtrArray *weft_artifact_list(WeftCatalogue *catalogue, WeftArtifactKind kind, const char *name, GError **error);
/** Reads every file again and compares: problems, one line each, NULL-terminated; caller frees with g_strfreev. */
char **weft_artifact_check(const WeftArtifactRow *row);

typedef struct {
  WeftArtifactKind kind;
  const char *path;    /**< a model's folder, or a file */
  const char *name, *version;
} WeftArtifactSource;

/**
 * Copies the files into the store and enters the rows; after a crash at any
 * point it is there whole or not at all. *is_new FALSE: it was there already,
 * with the same digest. Errors: WEFT_CATALOGUE_ERROR_EXISTS (other content under
 * this name and version), FAILED (no model folder, unreadable, too large, a
 * link that leads outside, not a version, not a name).
 */
gboolean weft_artifact_add(WeftRegistrar *registrar, const WeftArtifactSource *source, gboolean *is_new,
                           GError **error);
/** version NULL: all versions. *removed: `name@version`, NULL-terminated; caller frees with g_strfreev. */
gboolean weft_artifact_remove(WeftRegistrar *registrar, WeftArtifactKind kind, const char *name, const char *version,
                              char ***removed, GError **error);

#endif
