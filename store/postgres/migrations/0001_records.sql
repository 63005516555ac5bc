-- Names from outside are bytea: a NUL byte or broken UTF-8 must survive.
-- Times are microseconds since 1970, 0 for never. A row whose first column
-- after its key is NULL is a placeholder: somebody locked that key's absence.

CREATE TABLE replay (
    key         uuid PRIMARY KEY,
    fingerprint bytea,
    answer      bytea,
    expires     bigint
);
CREATE INDEX replay_expires ON replay (expires) WHERE fingerprint IS NOT NULL;

CREATE TABLE handle (
    key          uuid PRIMARY KEY,
    verification uuid
);

-- Room on each page keeps an update on it, so that no index is touched.
CREATE TABLE destination (
    key     uuid PRIMARY KEY,
    body    bytea,
    tenant  bytea,
    touched bigint,
    live    uuid[]
) WITH (fillfactor = 80);

CREATE TABLE counter (
    key   uuid PRIMARY KEY,
    value bigint
) WITH (fillfactor = 50);

CREATE TABLE contact (
    key        uuid PRIMARY KEY,
    sealed     bytea,
    tenant     bytea,
    id         bytea,
    configured boolean
);
CREATE INDEX contact_tenant ON contact (tenant, key) WHERE sealed IS NOT NULL;

-- The id is ordered by time, so no index on expiry is needed to find old rows.
CREATE TABLE verification (
    id          uuid PRIMARY KEY,
    destination uuid NOT NULL,
    last_sent   bigint NOT NULL,
    expires     bigint NOT NULL,
    ended       bigint NOT NULL,
    attempts    integer NOT NULL,
    generation  integer NOT NULL,
    sends       integer NOT NULL,
    events      integer NOT NULL,
    status      smallint NOT NULL,
    tenant      bytea NOT NULL,
    secret      bytea NOT NULL,
    spec        bytea NOT NULL
) WITH (fillfactor = 80);

-- Rows live for seconds; the table stays small as long as it is swept often.
CREATE TABLE message (
    id           uuid PRIMARY KEY,
    verification uuid NOT NULL,
    owner        uuid NOT NULL,
    created      bigint NOT NULL,
    expires      bigint NOT NULL,
    next_at      bigint NOT NULL,
    attempt      integer NOT NULL,
    copies       integer NOT NULL,
    first_event  integer NOT NULL,
    kind         smallint NOT NULL,
    tenant       bytea NOT NULL,
    channel      bytea NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

CREATE TABLE event (
    verification uuid NOT NULL,
    n            integer NOT NULL,
    at           bigint NOT NULL,
    tenant       bytea NOT NULL,
    kind         bytea NOT NULL,
    dialect      bytea NOT NULL,
    actor        bytea NOT NULL,
    detail       bytea NOT NULL,
    PRIMARY KEY (verification, n)
);

CREATE TABLE document (
    kind bytea NOT NULL,
    name bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE TABLE document_version (
    one     boolean PRIMARY KEY CHECK (one),
    version bigint NOT NULL
);
INSERT INTO document_version VALUES (true, 0);

CREATE TABLE server (
    id   uuid PRIMARY KEY,
    seen timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The last batch of each writer: evidence when the answer to a COMMIT is lost.
CREATE TABLE mark (
    writer uuid PRIMARY KEY,
    batch  bigint NOT NULL,
    at     timestamptz NOT NULL
) WITH (fillfactor = 20);
