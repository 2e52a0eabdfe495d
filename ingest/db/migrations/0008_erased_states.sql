-- States that came back after their entity was erased, because they were written at the same time.
DELETE FROM states s USING entities e WHERE e.id = s.entity_id AND e.deleted_at IS NOT NULL;
