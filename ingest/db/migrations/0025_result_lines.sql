-- The lines of a block's results, beside result_indexes; null where they are numbered from first_line on without a gap, or
-- where the body had no lines.
ALTER TABLE job_blocks ADD result_lines bigint[];
