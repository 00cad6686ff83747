-- How far a sensor beyond a narrow line was heard: its run, the segment of it, batches of that.
ALTER TABLE sensors ADD COLUMN uplink_run BIGINT;
ALTER TABLE sensors ADD COLUMN uplink_segment BIGINT;
ALTER TABLE sensors ADD COLUMN uplink_batches BIGINT;
