-- SPDX-License-Identifier: Apache-2.0
-- A catalogue of schema 1 as released programs wrote it; never changed: test-catalogue.c opens it.
CREATE TABLE file_digest (  dev INTEGER NOT NULL,  inode INTEGER NOT NULL,  n_bytes INTEGER NOT NULL,  mtime_ns INTEGER NOT NULL,  ctime_ns INTEGER NOT NULL,  sha256 TEXT NOT NULL,  PRIMARY KEY (dev, inode)) STRICT;
CREATE TABLE install_event (  number INTEGER PRIMARY KEY AUTOINCREMENT,  at INTEGER NOT NULL,  what TEXT NOT NULL CHECK (what IN ('installed', 'refused', 'removed', 'lost')),  path TEXT NOT NULL,  sha256 TEXT,  code TEXT,  reason TEXT) STRICT;
CREATE TABLE install_event_plugin (  event INTEGER NOT NULL REFERENCES install_event(number) ON DELETE CASCADE,  id TEXT NOT NULL,  version TEXT NOT NULL,  kind TEXT NOT NULL,  PRIMARY KEY (id, version, event)) STRICT;
CREATE TABLE plugin (  id TEXT NOT NULL,  version TEXT NOT NULL,  sha256 TEXT NOT NULL REFERENCES plugin_file(sha256) ON DELETE CASCADE,  kind TEXT NOT NULL,  summary TEXT,  reads_type TEXT,  PRIMARY KEY (id, version)) STRICT;
CREATE TABLE plugin_file (  sha256 TEXT PRIMARY KEY,  n_bytes INTEGER NOT NULL,  machine INTEGER NOT NULL,  name TEXT NOT NULL,  version TEXT NOT NULL,  licence TEXT NOT NULL,  contract INTEGER NOT NULL,  manifest TEXT NOT NULL,  source TEXT NOT NULL,  bundled INTEGER NOT NULL,  installed_at INTEGER NOT NULL) STRICT;
CREATE INDEX install_event_plugin_by_event ON install_event_plugin (event);
CREATE INDEX plugin_by_file ON plugin (sha256);
CREATE INDEX plugin_by_reads ON plugin (reads_type) WHERE reads_type IS NOT NULL;
PRAGMA user_version = 1;
