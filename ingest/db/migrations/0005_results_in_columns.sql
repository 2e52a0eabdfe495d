-- What became of the items of a block that were taken, each at the same place of three arrays: its index, effect and public
-- id. One array of arrays cost five times as much to write. Null where the kind keeps none.
ALTER TABLE job_blocks ADD result_indexes integer[], ADD result_effects text[], ADD result_ids uuid[],
    ADD CONSTRAINT job_blocks_results_check CHECK
        (cardinality(result_indexes) = cardinality(result_effects) AND cardinality(result_effects) = cardinality(result_ids));
UPDATE job_blocks b
SET (result_indexes, result_effects, result_ids) = (
    SELECT coalesce(array_agg((r -> 0)::integer ORDER BY no), '{}'), coalesce(array_agg(r ->> 1 ORDER BY no), '{}'),
           coalesce(array_agg((r ->> 2)::uuid ORDER BY no), '{}')
    FROM jsonb_array_elements(b.results) WITH ORDINALITY AS e (r, no))
WHERE results IS NOT NULL;
ALTER TABLE job_blocks DROP results;
-- They hardly compress: TOAST shall not try.
ALTER TABLE job_blocks ALTER result_indexes SET STORAGE EXTERNAL, ALTER result_ids SET STORAGE EXTERNAL;
