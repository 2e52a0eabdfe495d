-- Personal data of an entity (docs/contracts/operator.md section 7): for each field that its template calls so, the sealed
-- value in base64, and `kid:digest`, by which an equal value is known. Both are null where there is none. A field stands
-- here or in `properties`, never in both.
ALTER TABLE entities ADD pii jsonb, ADD pii_digests jsonb;
