-- SPDX-License-Identifier: Apache-2.0
-- An audit trail of schema 1 as programs wrote it; never changed: test-schema.c opens it.
CREATE TABLE audit (  number INTEGER PRIMARY KEY,  at INTEGER NOT NULL,  uid INTEGER NOT NULL,  user TEXT NOT NULL,  action TEXT NOT NULL,  object TEXT NOT NULL,  digest TEXT,  detail TEXT,  outbox INTEGER UNIQUE,  repaired INTEGER NOT NULL,  previous TEXT NOT NULL,  hash TEXT NOT NULL) STRICT;
CREATE TABLE schema_step (number INTEGER PRIMARY KEY, program TEXT NOT NULL) STRICT;
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit WHEN new.number != (SELECT coalesce(max(number), 0) + 1 FROM audit) BEGIN SELECT raise(ABORT, 'audit.db is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'audit.db is append-only'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'audit.db is append-only'); END;
INSERT INTO audit VALUES (1, 1795538010, 0, 'root', 'installed', 'pass@1.0.0', '353d42327d3d41445342c895cda87a36a870e29e66626e5527ffd9f547194030', '/somewhere/test-pass.so', 1, 0, '0000000000000000000000000000000000000000000000000000000000000000', 'e8273ebd600a095cc32829492f5ba02e97d269a58b96ce8adff247925e72b51c');
INSERT INTO audit VALUES (2, 1795538010, 0, 'root', 'installed', 'fault@1.0.0', '880a653d7c259442f1dee642d98a5add902e30df210c98a10f7a81dca6de2dba', '/somewhere/test-fault.so', 2, 0, 'e8273ebd600a095cc32829492f5ba02e97d269a58b96ce8adff247925e72b51c', 'be59f75af00be861562dcdd619c03023cfa833fe4cef516922527b81d6333ee8');
INSERT INTO schema_step VALUES (1, '0.1.0');
PRAGMA user_version = 1;
