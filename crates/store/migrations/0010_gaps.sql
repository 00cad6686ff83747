-- Times of which less is known of a sensor than it said: how many of its reports were saved late,
-- and how many not at all, where that is known.
CREATE TABLE gaps (
    sensor TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    reason TEXT NOT NULL,
    late BIGINT,
    lost BIGINT
);
CREATE INDEX gaps_of_sensor ON gaps (sensor, until);
