-- Embeddings lie beside the rows of faces: to give a face to somebody else rewrites a short row, not pages of vectors.
CREATE TABLE face_embeddings(
  face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE,
  vector BLOB NOT NULL
);
INSERT INTO face_embeddings SELECT id, embedding FROM faces;
DROP TRIGGER stamp_new_face;
DROP TRIGGER stamp_lost_face;
DROP TRIGGER stamp_face;
DROP TRIGGER new_face_waits;
DROP TRIGGER changed_face_waits;
DROP INDEX faces_by_standing;
ALTER TABLE faces DROP COLUMN embedding;
CREATE INDEX faces_by_space ON faces(space);

CREATE TRIGGER stamp_new_embedding AFTER INSERT ON face_embeddings BEGIN
  INSERT OR REPLACE INTO face_stamps VALUES (new.face_id, random());
  UPDATE faces_stamp SET stamp = random() WHERE new.face_id < (SELECT max(face_id) FROM face_embeddings);
END;
CREATE TRIGGER stamp_lost_embedding AFTER DELETE ON face_embeddings BEGIN UPDATE faces_stamp SET stamp = random(); END;
CREATE TRIGGER stamp_embedding AFTER UPDATE ON face_embeddings BEGIN UPDATE faces_stamp SET stamp = random(); END;
CREATE TRIGGER stamp_space AFTER UPDATE OF space ON faces BEGIN UPDATE faces_stamp SET stamp = random(); END;
CREATE TRIGGER new_embedding_waits AFTER INSERT ON face_embeddings
BEGIN INSERT OR IGNORE INTO faces_waiting VALUES (new.face_id); END;
CREATE TRIGGER changed_embedding_waits AFTER UPDATE ON face_embeddings
BEGIN INSERT OR IGNORE INTO faces_waiting VALUES (new.face_id); END;
CREATE TRIGGER changed_space_waits AFTER UPDATE OF space ON faces
BEGIN INSERT OR IGNORE INTO faces_waiting VALUES (new.id); END;
