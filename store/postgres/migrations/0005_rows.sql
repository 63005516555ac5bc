-- What the saves send as one array for all columns of a table: to unnest one
-- array of rows costs half of what an array for each column does. A server of an
-- older version goes on sending a type as it knows it, so a type never changes;
-- a table that gets a column gets a new type.
CREATE TYPE destination_row AS (key uuid, body bytea, tenant bytea, touched bigint, live uuid[]);
CREATE TYPE counter_row AS (key uuid, value bigint, tally bytea);
CREATE TYPE verification_row AS (
    id uuid, destination uuid, last_sent bigint, expires bigint, ended bigint, attempts bigint, generation bigint, sends bigint,
    events bigint, status bigint, tenant bytea, secret bytea, spec bytea, course bytea
);
CREATE TYPE verification_state AS (
    id uuid, last_sent bigint, expires bigint, ended bigint, attempts bigint, generation bigint, sends bigint,
    events bigint, status bigint, secret bytea, course bytea
);
CREATE TYPE message_row AS (
    id uuid, verification uuid, owner uuid, created bigint, expires bigint, next_at bigint, attempt bigint, copies bigint,
    first_event bigint, kind bigint, tenant bytea, channel bytea, progress bytea
);
CREATE TYPE event_row AS (
    verification uuid, n bigint, at bigint, tenant bytea, kind bytea, dialect bytea, actor bytea, detail bytea
);

-- Most rows are changed once, soon after they were written. With 80 a page of new
-- rows had no room for that, and every second change went to another page and
-- into the index.
ALTER TABLE verification SET (fillfactor = 60);
ALTER TABLE destination SET (fillfactor = 60);
