-- The operators' journal. It is only ever added to.
CREATE TABLE audit (
  n    bigint PRIMARY KEY,
  body bytea NOT NULL
);
