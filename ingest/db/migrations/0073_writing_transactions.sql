-- Each paragraph is a transaction of its own.

-- Names the transaction that closed the block by the moment at which it began. All rows that it wrote have that moment, too
-- (`updated_at`, `created_at`): so a row tells which job wrote it. Null: the block is open, or was closed before this.
CALL with_brief_locks('ALTER TABLE job_blocks ADD COLUMN IF NOT EXISTS written_at timestamptz');
