/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file audit.h
 * audit.db of a catalogue: append-only rows, each of which holds the hash of
 * the one before. What changes catalogue.db leaves its rows in the outbox of
 * the same transaction; weft_audit_drain appends them after that transaction
 * is durable. No transaction spans both: what a crash left in the outbox is
 * appended by whoever comes next, marked repaired.
 */
#ifndef WEFT_AUDIT_H
#define WEFT_AUDIT_H

#include "catalogue.h"

/** One row. */
typedef struct {
  gint64 number, at;     /**< 1, 2, 3 ...; seconds since 1970 */
  gint64 uid;
  char *user;
  char *action;          /**< installed, refused, removed, ... */
  char *object;          /**< what it was done to: `id@version, ...`, a path */
  char *digest, *detail; /**< sha256 of the file; why: may be NULL */
  gboolean repaired;     /**< appended after a crash kept the first attempt away */
  char *previous, *hash; /**< hex; previous of the first row: 64 zeros */
} WeftAuditRow;

/** row: borrowed until return. FALSE stops. */
typedef gboolean (*WeftAuditEach)(void *data, const WeftAuditRow *row);

/** The rows of the catalogue in folder, oldest first, the last n of them (0: all). */
gboolean weft_audit_each(const char *folder, guint n, WeftAuditEach each, void *data, GError **error);

/**
 * Checks numbers and hashes from the first row to the last. FALSE: error names
 * the first row that does not fit (WEFT_CATALOGUE_ERROR_CORRUPT). *n: rows
 * that fit; last: hash of the last of them; caller frees with g_free; may be
 * NULL. A chain cut at its end is found by what catalogue.db counted, unless
 * that was changed too: keep the hash elsewhere.
 */
gboolean weft_audit_verify(const char *folder, guint64 *n, char **last, GError **error);

#endif
