-- When an asset came to be here, by this machine's clock: an old capture tells of old packets.
ALTER TABLE assets ADD COLUMN known_since BIGINT NOT NULL DEFAULT 0;
UPDATE assets SET known_since =
    MIN(first_seen, CAST(strftime('%s', 'now') AS INTEGER) * 1000000000);
CREATE INDEX assets_known ON assets (known_since, id);
