-- Recovery plans, which drills follow; what one says is TOML, what it comes to was told by a worker.
CREATE TABLE recovery_plans (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL,
  outline TEXT NOT NULL,
  every_days BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- The newest snapshot that was restored in isolation and whose services worked.
ALTER TABLE protections ADD COLUMN recovered_at BIGINT;
ALTER TABLE protections ADD COLUMN recovered_snapshot TEXT;
