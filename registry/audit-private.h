/* SPDX-License-Identifier: Apache-2.0 */
/** @file audit-private.h  Writing audit.db: between the registrar and audit.c. */
#ifndef WEFT_AUDIT_PRIVATE_H
#define WEFT_AUDIT_PRIVATE_H

#include "database.h"

/** Name of whoever runs this process; its number where it has none. Caller frees with g_free. */
char *weft_audit_user(void);

/** A row for audit.db, inside the transaction on catalogue.db that does what it tells of. digest, detail: may be NULL. */
gboolean weft_audit_note(WeftDatabase *catalogue, const char *action, const char *object, const char *digest,
                         const char *detail, GError **error);

/**
 * Appends what is in the outbox of catalogue.db, durable on return. repaired:
 * it was left by a crash. Called with the catalogue's lock held.
 */
gboolean weft_audit_drain(WeftDatabase *catalogue, WeftDatabase *audit, gboolean repaired, GError **error);
/** Whether catalogue.db was once found to be older than its trail. */
gboolean weft_audit_replaced(WeftDatabase *audit, gboolean *out, GError **error);

#endif
