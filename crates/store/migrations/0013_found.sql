-- A gap that the control plane found by the numbers of segments: the sensor may tell of it too.
ALTER TABLE gaps ADD COLUMN found BIGINT NOT NULL DEFAULT 0;
