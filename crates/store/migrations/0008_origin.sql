-- Where a sensor hears and an asset was heard: in the simulated plant, a capture or the network.
ALTER TABLE sensors ADD COLUMN origin TEXT NOT NULL DEFAULT 'network';
ALTER TABLE assets ADD COLUMN origin TEXT NOT NULL DEFAULT 'network';
UPDATE sensors SET origin = 'lab' WHERE interface LIKE 'lab plant, seed %';
UPDATE assets SET origin = 'lab' WHERE sensor IN (SELECT id FROM sensors WHERE origin = 'lab');
UPDATE assets SET origin = 'capture' WHERE sensor IN (SELECT id FROM captures)
