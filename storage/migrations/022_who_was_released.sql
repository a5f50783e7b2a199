-- Who was in a model when it left the catalog: its copies stay what they were, whatever the model becomes. A number
-- below zero is somebody who was erased since.
CREATE TABLE release_subjects(
  release_id INTEGER NOT NULL REFERENCES releases(id),
  subject_id INTEGER NOT NULL,
  PRIMARY KEY (release_id, subject_id)
) WITHOUT ROWID;
INSERT OR IGNORE INTO release_subjects(release_id, subject_id)
SELECT r.id, s.subject_id FROM releases r JOIN model_subjects s ON s.model_id = r.model_id;
