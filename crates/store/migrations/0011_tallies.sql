-- What the newest run of each sensor counted of it, as JSON, where several sensors told of it; null:
-- the row's sensor alone, and all that is counted is of its run but for what earlier ones did.
ALTER TABLE assets ADD COLUMN told TEXT;
ALTER TABLE links ADD COLUMN told TEXT;
ALTER TABLE findings ADD COLUMN told TEXT;
-- Findings of a mute rule, and how many there are.
CREATE INDEX findings_mute ON findings (mute);
