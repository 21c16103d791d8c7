/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file database.h
 * catalogue.db of one catalogue folder: opening in the right mode, schema
 * steps, statements, and errors that say what to do. Private to registry.
 */
#ifndef WEFT_DATABASE_H
#define WEFT_DATABASE_H

#include "catalogue.h"

#include <sqlite3.h>

/** The schema that this program writes. */
#define WEFT_SCHEMA_VERSION 2
/** How long a statement waits for another process's lock. */
#define WEFT_BUSY_TIMEOUT_MS 5000

typedef enum {
  WEFT_DATABASE_READ,   /**< must exist; writable where the files allow it (for what runs learn) */
  WEFT_DATABASE_USER,   /**< created when missing, with a write-ahead log */
  WEFT_DATABASE_SHARED  /**< created when missing, with a rollback journal: readable by other users */
} WeftDatabaseMode;

typedef struct {
  sqlite3 *handle;
  char *folder;
  gboolean writable;
} WeftDatabase;

WeftDatabase *weft_database_open(const char *folder, WeftDatabaseMode mode, GError **error);
void weft_database_close(WeftDatabase *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftDatabase, weft_database_close)

/** Always FALSE: sets error from the last failure of the handle; `doing` completes "cannot ...". */
gboolean weft_database_fail(WeftDatabase *database, const char *doing, GError **error);
gboolean weft_database_exec(WeftDatabase *database, const char *sql, GError **error);
/** A statement with its parameters: types has one letter each, s: text or NULL, i: gint64. */
sqlite3_stmt *weft_database_query(WeftDatabase *database, GError **error, const char *sql, const char *types, ...);
/** TRUE: *row says whether there is a row. */
gboolean weft_database_step(WeftDatabase *database, sqlite3_stmt *statement, gboolean *row, GError **error);
/** Runs a statement that gives no rows. */
gboolean weft_database_run(WeftDatabase *database, GError **error, const char *sql, const char *types, ...);
/** Copy of a text column; NULL when it is null. */
char *weft_column_text(sqlite3_stmt *statement, int column);

/** Brings an older schema to WEFT_SCHEMA_VERSION, one function per step (schema.c). */
gboolean weft_schema_migrate(WeftDatabase *database, int from, GError **error);

typedef sqlite3_stmt WeftStatement;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftStatement, sqlite3_finalize)

#endif
