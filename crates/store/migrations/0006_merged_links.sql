-- A link of which an end or the protocol proved to be another: what it held stands in that row.
-- The row stays for those who were away when it went.
ALTER TABLE links ADD COLUMN merged_into TEXT;
