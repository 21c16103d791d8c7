/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of catalogue.db: one function per step, never changed once released. */
#include "database.h"

static gboolean step_1(WeftDatabase *database, GError **error)
{
  return weft_database_exec(
    database,
    "CREATE TABLE plugin_file ("
    "  sha256 TEXT PRIMARY KEY,"         /* the file is sha256/ab/ab12... */
    "  n_bytes INTEGER NOT NULL,"
    "  machine INTEGER NOT NULL,"        /* e_machine of the ELF header */
    "  name TEXT NOT NULL,"              /* of the manifest, as are version, licence, contract */
    "  version TEXT NOT NULL,"
    "  licence TEXT NOT NULL,"
    "  contract INTEGER NOT NULL,"
    "  manifest TEXT NOT NULL,"          /* the bytes of the section .weft.manifest */
    "  source TEXT NOT NULL,"            /* where it was installed from */
    "  bundled INTEGER NOT NULL,"        /* 1: came with Weft */
    "  installed_at INTEGER NOT NULL"    /* seconds since 1970 */
    ") STRICT;"
    "CREATE TABLE plugin ("
    "  id TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL REFERENCES plugin_file(sha256) ON DELETE CASCADE,"
    "  kind TEXT NOT NULL,"
    "  summary TEXT,"
    "  reads_type TEXT,"                 /* readers: image, audio, ... */
    "  PRIMARY KEY (id, version)"
    ") STRICT;"
    "CREATE INDEX plugin_by_file ON plugin (sha256);"
    "CREATE INDEX plugin_by_reads ON plugin (reads_type) WHERE reads_type IS NOT NULL;"
    /* Everything that was tried, refusals with their reasons; never deleted. */
    "CREATE TABLE install_event ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"             /* seconds since 1970 */
    "  what TEXT NOT NULL CHECK (what IN ('installed', 'refused', 'removed', 'lost')),"
    "  path TEXT NOT NULL,"              /* as it was given */
    "  sha256 TEXT,"                     /* NULL: the file could not be read */
    "  code TEXT,"                       /* short and stable, why it was refused */
    "  reason TEXT"                      /* the same for people */
    ") STRICT;"
    "CREATE TABLE install_event_plugin ("
    "  event INTEGER NOT NULL REFERENCES install_event(number) ON DELETE CASCADE,"
    "  id TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  PRIMARY KEY (id, version, event)"
    ") STRICT;"
    "CREATE INDEX install_event_plugin_by_event ON install_event_plugin (event);"
    /* A cache: digests of files outside the store, valid while all five numbers are the same. */
    "CREATE TABLE file_digest ("
    "  dev INTEGER NOT NULL,"
    "  inode INTEGER NOT NULL,"
    "  n_bytes INTEGER NOT NULL,"
    "  mtime_ns INTEGER NOT NULL,"
    "  ctime_ns INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL,"
    "  PRIMARY KEY (dev, inode)"
    ") STRICT;",
    error);
}

/* Models, assets and pipelines: named, versioned, digested. Their files lie in the store, each once. */
static gboolean step_artifacts(WeftDatabase *database, GError **error)
{
  return weft_database_exec(
    database,
    "CREATE TABLE artifact ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  kind TEXT NOT NULL CHECK (kind IN ('model', 'asset', 'pipeline')),"
    "  name TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  digest TEXT NOT NULL,"            /* of a model: of its folder; otherwise of the file */
    "  n_bytes INTEGER NOT NULL,"        /* of all its files */
    "  source TEXT NOT NULL,"            /* where it was added from */
    "  added_at INTEGER NOT NULL,"       /* seconds since 1970 */
    "  UNIQUE (kind, name, version)"
    ") STRICT;"
    "CREATE TABLE artifact_file ("
    "  artifact INTEGER NOT NULL REFERENCES artifact(number) ON DELETE CASCADE,"
    "  name TEXT NOT NULL,"              /* relative to the artifact */
    "  sha256 TEXT NOT NULL,"            /* the file is sha256/ab/ab12... */
    "  n_bytes INTEGER NOT NULL,"
    "  PRIMARY KEY (artifact, name)"
    ") STRICT;"
    "CREATE INDEX artifact_file_by_sha256 ON artifact_file (sha256);",
    error);
}

/* Plugins in the order of lists, states, quarantine, and who did what. */
static gboolean step_states(WeftDatabase *database, GError **error)
{
  return weft_database_exec(
    database,
    "CREATE TABLE plugin_3 ("
    "  id TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL REFERENCES plugin_file(sha256) ON DELETE CASCADE,"
    "  kind TEXT NOT NULL,"
    "  summary TEXT,"
    "  reads_type TEXT,"
    "  bundled INTEGER NOT NULL,"        /* as its file's, so that a list reads one table */
    "  PRIMARY KEY (id, version)"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO plugin_3 SELECT id, plugin.version, plugin.sha256, kind, summary, reads_type, bundled FROM plugin "
    "JOIN plugin_file ON plugin_file.sha256 = plugin.sha256;"
    "DROP TABLE plugin;"
    "ALTER TABLE plugin_3 RENAME TO plugin;"
    "CREATE INDEX plugin_by_file ON plugin (sha256);"
    "CREATE INDEX plugin_by_reads ON plugin (reads_type) WHERE reads_type IS NOT NULL;"
    "CREATE TABLE install_event_3 ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  what TEXT NOT NULL CHECK (what IN ('installed', 'refused', 'removed', 'lost', 'released', 'enabled', 'disabled')),"
    "  path TEXT NOT NULL,"
    "  file_name TEXT NOT NULL,"         /* of path, without its folder */
    "  sha256 TEXT,"
    "  code TEXT,"
    "  reason TEXT,"
    "  user TEXT"                        /* who did it; NULL: not recorded */
    ") STRICT;"
    "INSERT INTO install_event_3 SELECT number, at, what, path, replace(path, rtrim(path, replace(path, '/', '')), ''), "
    "sha256, code, reason, NULL FROM install_event;"
    "DROP TABLE install_event;"
    "ALTER TABLE install_event_3 RENAME TO install_event;"
    "CREATE INDEX install_event_by_file_name ON install_event (file_name);"
    "CREATE INDEX install_event_bad ON install_event (number) WHERE what IN ('refused', 'lost');"
    /* What resolution skips, by the operator's decision; also plugins of another catalogue of the search order. */
    "CREATE TABLE plugin_state ("
    "  sha256 TEXT NOT NULL,"
    "  id TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('disabled')),"
    "  at INTEGER NOT NULL,"
    "  user TEXT NOT NULL,"
    "  reason TEXT,"
    "  PRIMARY KEY (id, sha256)"
    ") STRICT, WITHOUT ROWID;"
    /* Files whose code failed the probe: kept in the store, never used, until released or removed. */
    "CREATE TABLE quarantine ("
    "  sha256 TEXT PRIMARY KEY,"
    "  at INTEGER NOT NULL,"
    "  code TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  n_bytes INTEGER NOT NULL,"
    "  machine INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  licence TEXT NOT NULL,"
    "  contract INTEGER NOT NULL,"
    "  manifest TEXT NOT NULL,"
    "  source TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE quarantine_plugin ("
    "  sha256 TEXT NOT NULL REFERENCES quarantine(sha256) ON DELETE CASCADE,"
    "  id TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  summary TEXT,"
    "  reads_type TEXT,"
    "  PRIMARY KEY (id, sha256)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX quarantine_plugin_by_file ON quarantine_plugin (sha256);"
    /* Rows on their way to audit.db, written in the transaction of what they tell of. */
    "CREATE TABLE audit_outbox ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  uid INTEGER NOT NULL,"
    "  user TEXT NOT NULL,"
    "  action TEXT NOT NULL,"
    "  object TEXT NOT NULL,"
    "  digest TEXT,"
    "  detail TEXT"
    ") STRICT;",
    error);
}

static const WeftSchemaStep steps[] = {step_1, step_artifacts, step_states};
const WeftSchema weft_schema_catalogue = {"catalogue.db", steps, G_N_ELEMENTS(steps)};
