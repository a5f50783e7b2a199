-- Who writes standings tells searches, once for each stretch; a trigger told it once for each photograph.
DROP TRIGGER version_status;
-- What is frozen of a photograph's content, whichever copy of it was frozen.
CREATE INDEX cohort_items_by_content ON cohort_items(content_hash);
