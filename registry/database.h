/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file database.h
 * The databases of one catalogue folder (catalogue.db, audit.db, stats.db):
 * opening in the right mode, schema steps, statements, and errors that say
 * what to do. Private to registry.
 */
#ifndef WEFT_DATABASE_H
#define WEFT_DATABASE_H

#include "catalogue.h"

#include <sqlite3.h>

/** What to do where a folder holds no catalogue. */
#define WEFT_HOW_TO_MAKE_ONE "`weft plugin install`, `weft model add`, `weft asset add` and `weft pipeline add` make one"

/** How long a statement waits for another process's lock. */
#define WEFT_BUSY_TIMEOUT_MS 5000

typedef enum {
  WEFT_DATABASE_READ,   /**< must exist; writable where the files allow it (for what runs learn) */
  WEFT_DATABASE_USER,   /**< created when missing, with a write-ahead log */
  WEFT_DATABASE_SHARED  /**< created when missing, with a rollback journal: readable by other users */
} WeftDatabaseMode;

typedef struct WeftDatabase WeftDatabase;

/** One step of a schema, inside a transaction and before foreign keys are on. */
typedef gboolean (*WeftSchemaStep)(WeftDatabase *database, GError **error);

/** One kind of database: its file and how it came to its present form. */
typedef struct {
  const char *file;             /**< "catalogue.db" */
  const WeftSchemaStep *steps;  /**< never changed once released; a new need is a new step at the end */
  int n_steps;                  /**< the schema that this program writes */
} WeftSchema;

extern const WeftSchema weft_schema_catalogue, weft_schema_audit, weft_schema_stats;

struct WeftDatabase {
  sqlite3 *handle;
  char *folder;
  const WeftSchema *schema;
  gboolean writable;
};

/** catalogue.db of the folder. */
WeftDatabase *weft_database_open(const char *folder, WeftDatabaseMode mode, GError **error);
/** That database of the folder. */
WeftDatabase *weft_database_open_file(const WeftSchema *schema, const char *folder, WeftDatabaseMode mode,
                                      GError **error);
/** An existing one, without writing anything. */
WeftDatabase *weft_database_open_read_only(const WeftSchema *schema, const char *folder, GError **error);
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
/** The number that a query without parameters gives; 0 where it gives none. */
gboolean weft_database_number(WeftDatabase *database, const char *sql, gint64 *out, GError **error);
/** Begins a transaction that writes; ends it, committing where ok. Answers whether it was committed. */
gboolean weft_database_begin(WeftDatabase *database, GError **error);
gboolean weft_database_end(WeftDatabase *database, gboolean ok, GError **error);
/** Copy of a text column; NULL when it is null. */
char *weft_column_text(sqlite3_stmt *statement, int column);
/** Of one that the schema demands: "" where a damaged catalogue has none, which names nothing and fits nothing. */
char *weft_column_sure(sqlite3_stmt *statement, int column);


typedef sqlite3_stmt WeftStatement;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftStatement, sqlite3_finalize)

#endif
