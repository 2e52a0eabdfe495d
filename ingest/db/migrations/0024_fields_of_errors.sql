-- The way to the first fault of a bad item, as a JSON Pointer into it; null where it is the item as a whole.
ALTER TABLE job_errors ADD field text;
