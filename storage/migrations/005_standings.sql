-- A photograph's statuses are one number: that of its standing, a distinct answer for all purposes, which is kept
-- once. So an event that reaches 10,000 photographs writes 10,000 short rows, whatever it names. `photo_status`
-- shows them by purpose. The triggers note exactly the photographs whose statuses may be others now.
DROP TABLE photo_status;
CREATE TABLE standings(
  id INTEGER PRIMARY KEY,
  told TEXT NOT NULL UNIQUE,
  until TEXT
);
CREATE INDEX standings_by_until ON standings(until) WHERE until IS NOT NULL;
CREATE TABLE standing_purposes(
  standing INTEGER NOT NULL REFERENCES standings(id) ON DELETE CASCADE,
  purpose TEXT NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY(standing, purpose)
) WITHOUT ROWID;
CREATE INDEX standing_purposes_by_status ON standing_purposes(purpose, status, standing);
CREATE TABLE photo_standing(
  photo_id INTEGER PRIMARY KEY REFERENCES photos(id) ON DELETE CASCADE,
  standing INTEGER NOT NULL REFERENCES standings(id)
);
CREATE INDEX photo_standing_by_standing ON photo_standing(standing, photo_id);
CREATE VIEW photo_status(photo_id, purpose, status) AS
  SELECT photo_id, purpose, status FROM photo_standing JOIN standing_purposes USING (standing);
CREATE TABLE status_clock(at TEXT NOT NULL);

DROP INDEX faces_by_photo;
CREATE INDEX faces_by_photo ON faces(photo_id, subject_id, assigned_by_person, mark);

DROP TRIGGER dirty_photo;
CREATE TRIGGER dirty_photo AFTER UPDATE OF taken_at, taken_offset, taken_source, rights, error, faces_space ON photos
WHEN old.taken_at IS NOT new.taken_at OR old.taken_offset IS NOT new.taken_offset
  OR old.taken_source IS NOT new.taken_source OR old.rights <> new.rights
  OR (old.error IS NULL) <> (new.error IS NULL) OR (old.faces_space IS NULL) <> (new.faces_space IS NULL)
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.id); END;
DROP TRIGGER dirty_face;
CREATE TRIGGER dirty_face AFTER UPDATE OF subject_id, assigned_by_person, mark ON faces
WHEN old.subject_id IS NOT new.subject_id OR old.assigned_by_person <> new.assigned_by_person
  OR old.mark IS NOT new.mark
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
CREATE TRIGGER clean_lost_photo AFTER DELETE ON photos BEGIN DELETE FROM status_dirty WHERE photo_id = old.id; END;
INSERT OR IGNORE INTO status_dirty SELECT id FROM photos;
