-- The epoch of the redo log beside the file, 0 for none, and up to which of its
-- batches this database goes.
INSERT INTO meta (name, value) VALUES ('redo', 0), ('applied', 0);
