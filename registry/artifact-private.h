/* SPDX-License-Identifier: Apache-2.0 */
/** @file artifact-private.h  What a registrar and the files of artifacts share. */
#ifndef WEFT_ARTIFACT_PRIVATE_H
#define WEFT_ARTIFACT_PRIVATE_H

#include "artifact.h"
#include "registrar-private.h"

/** Removes a file of the store that no row names any more. */
gboolean weft_artifact_release(WeftRegistrar *registrar, const char *sha256, GError **error);

/**
 * Part of opening a registrar, under its lock: rows whose files are gone become
 * events, and the folders of models are put in order.
 */
gboolean weft_artifact_repair(WeftRegistrar *registrar, GError **error);

/** An empty row to be filled. */
WeftArtifactRow *weft_artifact_row_new(WeftArtifactKind kind);
/** FOLDER/models/DIGEST. Caller frees with g_free. */
char *weft_artifact_folder(const char *catalogue, const char *digest);
/** Rows of one database, added to out; name: NULL: all. */
gboolean weft_artifact_select(WeftDatabase *database, WeftArtifactKind kind, const char *name, GPtrArray *out,
                              GError **error);
/** Makes a model's folder of links where it is not there or not whole. */
gboolean weft_artifact_link(const WeftArtifactRow *row, GError **error);

#endif
