-- The operators' journal. It is only ever added to.
CREATE TABLE audit (
  n    INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
