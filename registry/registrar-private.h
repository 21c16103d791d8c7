/* SPDX-License-Identifier: Apache-2.0 */
/** @file registrar-private.h  Shared by the files that write a catalogue. */
#ifndef WEFT_REGISTRAR_PRIVATE_H
#define WEFT_REGISTRAR_PRIVATE_H

#include "audit-private.h"
#include "database.h"
#include "registrar.h"

struct WeftRegistrar {
  WeftDatabase *database; /* catalogue.db */
  WeftDatabase *audit;    /* audit.db */
  char *folder;
  int lock;               /* the open file FOLDER/lock; -1 while it is not held */
  guint n_locks;          /* how often this process has taken it */
};

/** Takes the lock of the catalogue, again within itself. Waits for WEFT_REGISTRAR_WAIT_S, then names who holds it. */
gboolean weft_registrar_lock(WeftRegistrar *registrar, GError **error);
void weft_registrar_unlock(WeftRegistrar *registrar);

/** Work inside one transaction of catalogue.db; each change leaves its row by weft_audit_note. */
typedef gboolean (*WeftWork)(WeftRegistrar *registrar, gpointer data, GError **error);
/** Lock, transaction, work, commit, audit rows, unlock. TRUE: all of it is durable. */
gboolean weft_registrar_transact(WeftRegistrar *registrar, WeftWork work, gpointer data, GError **error);

/** What happened to a file: a row of install_event and one for audit.db. */
gboolean weft_registrar_event(WeftRegistrar *registrar, const char *what, const WeftRegistrarFile *file,
                              const char *code, const char *reason, GError **error);
/** What happened to a file that has rows. */
typedef struct {
  const char *what, *sha256;
  gboolean quarantined;        /**< its rows are in quarantine, otherwise in plugin */
  const char *code, *reason;   /**< may be NULL */
} WeftFileEvent;

/** The same of such a file; where it has no rows nothing. names: gets its `id@version`; may be NULL. */
gboolean weft_registrar_event_of(WeftRegistrar *registrar, const WeftFileEvent *event, GPtrArray *names, GError **error);
/** First columns of a query's rows, added to out as copies. types as weft_database_query, at most two texts. */
gboolean weft_registrar_collect(WeftRegistrar *registrar, GPtrArray *out, GError **error, const char *sql,
                                const char *a, const char *b);
/** Digests of the store that no row names. Caller frees with g_ptr_array_unref. */
GPtrArray *weft_registrar_orphans(WeftRegistrar *registrar, GPtrArray *lost, GError **error);

#endif
