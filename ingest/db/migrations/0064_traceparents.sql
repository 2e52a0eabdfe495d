-- Names the span of the request that brought the job (`traceparent` of W3C Trace Context), where web traces: the spans of its
-- run link to it.
ALTER TABLE jobs ADD traceparent text;

-- As of 0058, with the new column: a view keeps the columns that its table had.
CREATE OR REPLACE VIEW jobs_labelled AS
SELECT * FROM jobs
WHERE options ->> 'label' IS NOT NULL
  AND (current_user <> 'sluice_app' OR tenant_id = nullif(current_setting('sluice.tenant', true), '')::integer);
