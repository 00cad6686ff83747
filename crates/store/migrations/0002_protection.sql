-- What is backed up, by which plan, and how it went. The backups themselves are in the vault.
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE plans (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  spec TEXT NOT NULL,
  generation BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- A backup, verification, restore or clean-up: one process of the vault's worker.
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  plan TEXT,
  -- asset id, or the name of something that is no asset of the inventory
  target TEXT,
  name TEXT NOT NULL,
  cause TEXT NOT NULL,
  finding TEXT,
  actor TEXT,
  job TEXT NOT NULL,
  queued_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  snapshot TEXT,
  previous TEXT,
  entries BIGINT NOT NULL,
  bytes_read BIGINT NOT NULL,
  bytes_stored BIGINT NOT NULL,
  faults BIGINT NOT NULL,
  detail TEXT,
  report TEXT,
  revision BIGINT NOT NULL
);
CREATE INDEX runs_revision ON runs (revision);
CREATE INDEX runs_queued ON runs (queued_at, id);
CREATE INDEX runs_target ON runs (target, queued_at);
CREATE INDEX runs_finding ON runs (finding);
CREATE INDEX runs_snapshot ON runs (snapshot);

-- What the runs of one plan came to for one target.
CREATE TABLE protections (
  plan TEXT NOT NULL,
  target TEXT NOT NULL,
  name TEXT NOT NULL,
  last_run TEXT,
  last_state TEXT,
  last_at BIGINT,
  last_detail TEXT,
  failures BIGINT NOT NULL,
  complete_at BIGINT,
  complete_snapshot TEXT,
  partial_at BIGINT,
  partial_snapshot TEXT,
  proven_at BIGINT,
  proven_level BIGINT,
  proven_snapshot TEXT,
  PRIMARY KEY (plan, target)
);

-- A change was seen on an asset; its backup comes when the changes have stopped for a while.
CREATE TABLE pending_changes (
  target TEXT PRIMARY KEY,
  finding TEXT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL
);
-- The newest word of each finding that has been acted on.
CREATE TABLE seen_changes (
  target TEXT NOT NULL,
  finding TEXT NOT NULL,
  last_seen BIGINT NOT NULL,
  PRIMARY KEY (target, finding)
);
