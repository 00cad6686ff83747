-- Portable between SQLite and PostgreSQL: TEXT, BIGINT (times are nanoseconds since 1970 UTC,
-- flags 0 or 1), DOUBLE PRECISION. A list is its elements, each between two line feeds.
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);

CREATE TABLE assets (
  id TEXT PRIMARY KEY,
  sensor TEXT NOT NULL,
  -- start of the sensor run the newest observation is of, and what earlier runs had seen
  epoch BIGINT NOT NULL,
  earlier TEXT,
  observed TEXT NOT NULL,
  observed_zone TEXT,
  declared TEXT NOT NULL,
  merged_into TEXT,
  generation BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  -- what wins: the operator's word, else what was observed
  name TEXT NOT NULL,
  names TEXT NOT NULL,
  class TEXT NOT NULL,
  role TEXT NOT NULL,
  purdue DOUBLE PRECISION,
  vendor TEXT,
  model TEXT,
  firmware TEXT,
  serial TEXT,
  os TEXT,
  ips TEXT NOT NULL,
  macs TEXT NOT NULL,
  vlans TEXT NOT NULL,
  protocols TEXT NOT NULL,
  zone TEXT,
  criticality BIGINT,
  lifecycle TEXT NOT NULL,
  labels TEXT NOT NULL,
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  packets BIGINT NOT NULL,
  findings BIGINT NOT NULL,
  severity BIGINT
);
CREATE INDEX assets_revision ON assets (revision);
CREATE INDEX assets_name ON assets (name, id);
CREATE INDEX assets_last_seen ON assets (last_seen, id);
CREATE INDEX assets_merged ON assets (merged_into);

CREATE TABLE links (
  id TEXT PRIMARY KEY,
  sensor TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  earlier_packets BIGINT NOT NULL,
  earlier_bytes BIGINT NOT NULL,
  earlier_operations TEXT NOT NULL,
  client TEXT NOT NULL,
  server TEXT NOT NULL,
  protocol TEXT NOT NULL,
  transport TEXT NOT NULL,
  port BIGINT,
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  packets BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  operations TEXT NOT NULL,
  poll_interval_ms BIGINT,
  revision BIGINT NOT NULL
);
CREATE INDEX links_revision ON links (revision);
CREATE INDEX links_client ON links (client);
CREATE INDEX links_server ON links (server);

CREATE TABLE findings (
  id TEXT PRIMARY KEY,
  sensor TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  earlier_count BIGINT NOT NULL,
  observed TEXT NOT NULL,
  detector TEXT NOT NULL,
  engine TEXT NOT NULL,
  severity BIGINT NOT NULL,
  title TEXT NOT NULL,
  techniques TEXT NOT NULL,
  status TEXT NOT NULL,
  owner TEXT,
  note TEXT,
  mute TEXT,
  muted BIGINT NOT NULL,
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  count BIGINT NOT NULL,
  assets TEXT NOT NULL,
  addresses TEXT NOT NULL,
  closed_at BIGINT,
  generation BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE INDEX findings_revision ON findings (revision);
CREATE INDEX findings_last_seen ON findings (last_seen, id);
CREATE INDEX findings_detector ON findings (detector);

CREATE TABLE finding_assets (
  asset TEXT NOT NULL,
  finding TEXT NOT NULL,
  PRIMARY KEY (asset, finding)
);

CREATE TABLE mutes (
  id TEXT PRIMARY KEY,
  detector TEXT NOT NULL,
  assets TEXT NOT NULL,
  reason TEXT NOT NULL,
  until BIGINT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX mutes_subject ON mutes (detector, assets);

CREATE TABLE events (
  seq BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  asset TEXT,
  finding TEXT,
  actor TEXT,
  says TEXT NOT NULL
);
CREATE INDEX events_asset ON events (asset, seq);
CREATE INDEX events_finding ON events (finding, seq);

CREATE TABLE zones (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  purdue DOUBLE PRECISION,
  cidrs TEXT NOT NULL,
  vlans TEXT NOT NULL,
  generation BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE sensors (
  id TEXT PRIMARY KEY,
  interface TEXT NOT NULL,
  state TEXT NOT NULL,
  detail TEXT,
  started_at BIGINT,
  last_beat BIGINT,
  packets_per_s DOUBLE PRECISION NOT NULL,
  bytes_per_s DOUBLE PRECISION NOT NULL,
  packets BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  drops BIGINT,
  restarts BIGINT NOT NULL,
  learning BIGINT NOT NULL,
  learning_until BIGINT,
  health TEXT,
  revision BIGINT NOT NULL
);

-- step_s 1: as they came, kept for hours; 60: rolled up, kept for weeks
CREATE TABLE beats (
  sensor TEXT NOT NULL,
  step_s BIGINT NOT NULL,
  at BIGINT NOT NULL,
  packets BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  drops BIGINT NOT NULL,
  PRIMARY KEY (sensor, step_s, at)
);
CREATE INDEX beats_at ON beats (step_s, at);

CREATE TABLE captures (
  id TEXT PRIMARY KEY,
  file TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  state TEXT NOT NULL,
  detail TEXT,
  uploaded_by TEXT NOT NULL,
  uploaded_at BIGINT NOT NULL,
  finished_at BIGINT,
  summary TEXT,
  imported_at BIGINT,
  revision BIGINT NOT NULL
);

CREATE TABLE users (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  password TEXT,
  disabled BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_sign_in BIGINT,
  generation BIGINT NOT NULL
);

CREATE TABLE sessions (
  hash TEXT PRIMARY KEY,
  user_name TEXT NOT NULL,
  csrf TEXT NOT NULL,
  ip TEXT,
  created_at BIGINT NOT NULL,
  last_used BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_name);

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  name TEXT NOT NULL,
  user_name TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  last_used BIGINT
);
CREATE INDEX tokens_user ON tokens (user_name);

CREATE TABLE links_once (
  hash TEXT PRIMARY KEY,
  user_name TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE TABLE replies (
  owner TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  status BIGINT NOT NULL,
  content_type TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (owner, idempotency_key)
);

-- Append only: a change is a row of phase 'begin' and, once it is known how it went, one of phase
-- 'end' with the same record number. Each row's hash covers the row before.
CREATE TABLE audit (
  seq BIGINT PRIMARY KEY,
  record BIGINT NOT NULL,
  phase TEXT NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  body TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_record ON audit (record, phase);
