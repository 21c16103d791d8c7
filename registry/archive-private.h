/* SPDX-License-Identifier: Apache-2.0 */
/** @file archive-private.h  Shared by the files of backups. */
#ifndef WEFT_ARCHIVE_PRIVATE_H
#define WEFT_ARCHIVE_PRIVATE_H

#include "archive.h"
#include "database.h"

/** Bytes of one row of a backup. */
#define WEFT_ARCHIVE_CHUNK_BYTES (4 << 20)

/** Steps of a backup file's schema. */
extern const WeftSchemaStep weft_archive_steps[1];

/** Digests of the store that the rows of a catalogue name: caller frees with g_ptr_array_unref. */
GPtrArray *weft_archive_digests(WeftDatabase *catalogue, GError **error);

/** Removes what killed processes have left beside path, folders called `PATH` + ending + number; not those of who runs. */
void weft_archive_clear(const char *path, const char *ending);

#endif
