-- Agents on hosts: invited with a token that works once, known by the key they came with.
CREATE TABLE agents (
  name TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  invited_at BIGINT NOT NULL,
  -- of the invitation; null once it was used
  secret TEXT,
  secret_until BIGINT,
  certificate TEXT UNIQUE,
  vault_token TEXT,
  enrolled_at BIGINT,
  last_call BIGINT,
  revoked_at BIGINT,
  -- what it told last, as JSON
  told TEXT,
  address TEXT,
  skew_ms BIGINT NOT NULL,
  lost_runs BIGINT NOT NULL,
  lost_from BIGINT,
  lost_until BIGINT
);
-- A run that an agent makes: whose, and the number it has there.
ALTER TABLE runs ADD COLUMN agent TEXT;
ALTER TABLE runs ADD COLUMN agent_run BIGINT;
CREATE UNIQUE INDEX runs_agent ON runs (agent, agent_run);
