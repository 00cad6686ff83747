-- The name in the order people count in, PLC-2 before PLC-10; the program fills it.
ALTER TABLE assets ADD COLUMN name_order TEXT NOT NULL DEFAULT '';
DROP INDEX assets_name;
CREATE INDEX assets_name ON assets (name_order, id);
-- A timeline follows the events' own time, whenever they were told.
DROP INDEX events_asset;
CREATE INDEX events_asset ON events (asset, at, seq);
DROP INDEX events_finding;
CREATE INDEX events_finding ON events (finding, at, seq);
