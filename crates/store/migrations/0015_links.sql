-- A sign-in link is good between two times: one made by a clock that was ahead would outlive its day
-- by as much. Those of before are as old as their end allows.
ALTER TABLE links_once ADD COLUMN made_at BIGINT NOT NULL DEFAULT 0;
