-- SPDX-License-Identifier: Apache-2.0
-- Statistics of schema 1 as programs wrote it; never changed: test-schema.c opens it.
CREATE TABLE plugin_stats (  sha256 TEXT NOT NULL,  id TEXT NOT NULL,  n_starts INTEGER NOT NULL,  n_calls INTEGER NOT NULL,  n_crashes INTEGER NOT NULL,  last_crash_at INTEGER,  last_crash TEXT,  PRIMARY KEY (sha256, id)) STRICT, WITHOUT ROWID;
CREATE TABLE schema_step (number INTEGER PRIMARY KEY, program TEXT NOT NULL) STRICT;
INSERT INTO plugin_stats VALUES ('880a653d7c259442f1dee642d98a5add902e30df210c98a10f7a81dca6de2dba', 'fault', 1, 1, 0, NULL, NULL);
INSERT INTO schema_step VALUES (1, '0.1.0');
PRAGMA user_version = 1;
