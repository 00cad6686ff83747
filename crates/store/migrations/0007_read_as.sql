-- The sensor with whose rules and protocols a capture was read; null: with those of none.
ALTER TABLE captures ADD COLUMN read_as TEXT;
