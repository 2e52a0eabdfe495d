-- The tenant whose key encrypts the text of a bad item (docs/contracts/operator.md section 7); null where the text is in the
-- clear, or not kept. Processes of before take an encrypted text for the item itself, so they are to be replaced first.
ALTER TABLE job_errors ADD sealed_for integer;
