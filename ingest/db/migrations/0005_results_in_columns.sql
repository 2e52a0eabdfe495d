-- What became of the items of a block that were taken, each at the same place of three arrays: its index, effect and
-- public id. One array of arrays cost five times as much to write. Null where the kind keeps none. `results` stays as it
-- is: processes that were started before this still write it.
ALTER TABLE job_blocks ADD result_indexes integer[], ADD result_effects text[], ADD result_ids uuid[],
    ADD CONSTRAINT job_blocks_results_check CHECK
        (cardinality(result_indexes) = cardinality(result_effects)
         AND cardinality(result_effects) = cardinality(result_ids)) NOT VALID;
-- They hardly compress: TOAST shall not try.
ALTER TABLE job_blocks ALTER result_indexes SET STORAGE EXTERNAL, ALTER result_ids SET STORAGE EXTERNAL;
