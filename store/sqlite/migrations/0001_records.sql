-- Keys and ids are 16 bytes and the tables are clustered on them. Ids grow with
-- time, so new rows lie at the end of their table; there is no index on expiry,
-- since old means small id. Text from outside is a BLOB, times are microseconds
-- since 1970 and 0 for never.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('documents', 0), ('floor', 0), ('clean', 1);

-- What never changes is packed in spec, so that a check binds few bytes.
CREATE TABLE verification (
  id          BLOB PRIMARY KEY,
  tenant      BLOB NOT NULL,
  destination BLOB NOT NULL,
  status      INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  sends       INTEGER NOT NULL,
  last_sent   INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  ended       INTEGER NOT NULL,
  events      INTEGER NOT NULL,
  secret      BLOB NOT NULL,
  spec        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  id           BLOB PRIMARY KEY,
  tenant       BLOB NOT NULL,
  verification BLOB NOT NULL,
  kind         INTEGER NOT NULL,
  channel      BLOB NOT NULL,
  created      INTEGER NOT NULL,
  expires      INTEGER NOT NULL,
  next_at      INTEGER NOT NULL,
  owner        BLOB NOT NULL,
  attempt      INTEGER NOT NULL,
  copies       INTEGER NOT NULL,
  first_event  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  verification BLOB NOT NULL,
  n            INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  kind         BLOB NOT NULL,
  tenant       BLOB NOT NULL,
  dialect      BLOB NOT NULL,
  actor        BLOB NOT NULL,
  detail       BLOB NOT NULL,
  PRIMARY KEY (verification, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE destination (
  key     BLOB PRIMARY KEY,
  tenant  BLOB NOT NULL,
  touched INTEGER NOT NULL,
  body    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE handle (
  key          BLOB PRIMARY KEY,
  verification BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE replay (
  key         BLOB PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  answer      BLOB NOT NULL,
  expires     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX replay_expires ON replay (expires);

CREATE TABLE counter (
  key   BLOB PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
  key        BLOB PRIMARY KEY,
  tenant     BLOB NOT NULL,
  id         BLOB NOT NULL,
  configured INTEGER NOT NULL,
  sealed     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_tenant ON contact (tenant);

CREATE TABLE document (
  kind BLOB NOT NULL,
  name BLOB NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
