-- How far a plan has come, what is known of a message that a carrier has taken,
-- and which message a carrier's name stands for: packed, and empty for most.
-- A constant default touches no row, so the tables are locked for a moment only.
ALTER TABLE verification ADD COLUMN course bytea NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN progress bytea NOT NULL DEFAULT '';
ALTER TABLE handle ADD COLUMN carried bytea NOT NULL DEFAULT '';
