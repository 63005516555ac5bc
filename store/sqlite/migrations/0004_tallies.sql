-- What a rule counts over time, packed; empty for plain numbers.
ALTER TABLE counter ADD COLUMN tally BLOB NOT NULL DEFAULT x'';
