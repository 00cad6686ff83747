-- Copies of the vault in stores and at other sites, which the control plane makes.
CREATE TABLE copies (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  spec TEXT NOT NULL,
  generation BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  last_run TEXT,
  last_state TEXT,
  last_at BIGINT,
  last_detail TEXT,
  -- since the last whole one
  failures BIGINT NOT NULL,
  -- when the last whole one began and ended
  copied_from BIGINT,
  copied_at BIGINT
);
