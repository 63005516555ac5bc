-- How far a plan has come, what is known of a message that a carrier has taken,
-- and which message a carrier's name stands for: packed, and empty for most.
ALTER TABLE verification ADD COLUMN course BLOB NOT NULL DEFAULT x'';
ALTER TABLE message ADD COLUMN progress BLOB NOT NULL DEFAULT x'';
ALTER TABLE handle ADD COLUMN carried BLOB NOT NULL DEFAULT x'';
