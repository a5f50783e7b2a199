-- The cached matrix grows at its end by itself. `faces_stamp` is renewed by all that is no growth; a face's own
-- stamp tells that the rows up to it are those the cache was made of, also where an older database was put back.
CREATE TABLE face_stamps(
  face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE,
  stamp INTEGER NOT NULL
);
INSERT INTO face_stamps SELECT id, random() FROM faces;
DROP TRIGGER stamp_new_face;
CREATE TRIGGER stamp_new_face AFTER INSERT ON faces BEGIN
  INSERT OR REPLACE INTO face_stamps VALUES (new.id, random());
  UPDATE faces_stamp SET stamp = random() WHERE new.id < (SELECT max(id) FROM faces);
END;

-- Faces that no clustering has looked at yet.
CREATE TABLE faces_waiting(face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE);
INSERT INTO faces_waiting SELECT id FROM faces;
CREATE TRIGGER new_face_waits AFTER INSERT ON faces BEGIN INSERT OR IGNORE INTO faces_waiting VALUES (new.id); END;
CREATE TRIGGER changed_face_waits AFTER UPDATE OF space, embedding ON faces
BEGIN INSERT OR IGNORE INTO faces_waiting VALUES (new.id); END;
CREATE TRIGGER unmarked_face_waits AFTER UPDATE OF mark ON faces WHEN old.mark IS NOT NULL AND new.mark IS NULL
BEGIN INSERT OR IGNORE INTO faces_waiting VALUES (new.id); END;

-- The last clustering of all the faces of a space: up to what distance, and of how many.
CREATE TABLE clusterings(
  space TEXT PRIMARY KEY,
  threshold REAL NOT NULL,
  faces INTEGER NOT NULL
);

-- A person said that this face is not that subject's.
CREATE TABLE faces_not(
  face_id INTEGER NOT NULL REFERENCES faces(id) ON DELETE CASCADE,
  subject_id INTEGER NOT NULL REFERENCES subjects(id) ON DELETE CASCADE,
  PRIMARY KEY(face_id, subject_id)
) WITHOUT ROWID;
CREATE INDEX faces_not_by_subject ON faces_not(subject_id);

-- All that clustering asks of a face, beside its embedding: read without touching the embeddings.
CREATE INDEX faces_by_standing ON faces(space, id, cluster, subject_id, assigned_by_person, mark);
