-- An erasure takes a person's words out of events, and nothing else is ever changed in the ledger.
DROP TRIGGER ledger_keeps_values;
CREATE TRIGGER ledger_keeps_values BEFORE UPDATE ON ledger
WHEN new.seq IS NOT old.seq OR new.at IS NOT old.at OR new.kind IS NOT old.kind
  OR new.subject_uid IS NOT old.subject_uid OR new.hash IS NOT old.hash
  OR json_extract(new.body, '$.redacted') IS NOT 1 OR json_extract(old.body, '$.redacted') IS 1
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- The file is to be written anew.
ALTER TABLE ledger_twin ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;

-- The face of a person who was erased stays as it was left: nobody's, in no group, and not described.
CREATE TRIGGER erased_face BEFORE UPDATE OF subject_id, cluster, mark, sharpness, age_estimate, yaw, pitch, roll ON faces
WHEN old.mark = 'erased' BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER erased_embedding BEFORE INSERT ON face_embeddings
WHEN (SELECT mark FROM faces WHERE id = new.face_id) = 'erased' BEGIN SELECT RAISE(IGNORE); END;
