/* SPDX-License-Identifier: Apache-2.0 */
/** @file catalogue-private.h  Shared by the files that read the search order. */
#ifndef WEFT_CATALOGUE_PRIVATE_H
#define WEFT_CATALOGUE_PRIVATE_H

#include "database.h"

struct WeftCatalogue {
  GPtrArray *databases; /* of WeftDatabase, in the search order */
  char *cache_folder;   /* where what runs learn is kept; NULL: nowhere */
  WeftDatabase *cache;  /* opened at first use; one of `databases`, or own_cache */
  WeftDatabase *own_cache;
  gboolean cache_tried;
};

/** A row of the columns that WEFT_ROW_COLUMNS names. */
WeftPluginRow *weft_catalogue_read_row(const WeftDatabase *database, sqlite3_stmt *statement);
#define WEFT_ROW_COLUMNS                                                                                              \
  "plugin.id, plugin.version, plugin.kind, plugin.summary, plugin.sha256, plugin.reads_type, plugin_file.manifest, " \
  "plugin_file.bundled FROM plugin JOIN plugin_file ON plugin_file.sha256 = plugin.sha256"
/** Installed plugins that a query names: of WeftPluginRow, added to out. */
gboolean weft_catalogue_select(WeftDatabase *database, const char *where, const char *word, GPtrArray *out,
                               GError **error);
/** By the precedence of versions. */
int weft_catalogue_compare_versions(const char *a, const char *b);

#endif
