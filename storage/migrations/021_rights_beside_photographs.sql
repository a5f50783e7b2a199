-- Whose photographs are lies beside their rows: a line of the ledger that settles ten thousand writes ten thousand short
-- rows, not ten thousand pages of the widest table. A photograph that has none here: nobody said.
CREATE TABLE photo_rights(
  photo_id INTEGER PRIMARY KEY REFERENCES photos(id) ON DELETE CASCADE,
  rights TEXT NOT NULL
);
INSERT INTO photo_rights SELECT id, rights FROM photos WHERE rights <> 'unknown';
DROP TRIGGER dirty_photo;
ALTER TABLE photos DROP COLUMN rights;
CREATE TRIGGER dirty_photo AFTER UPDATE OF taken_at, taken_offset, taken_source, error, faces_space ON photos
WHEN old.taken_at IS NOT new.taken_at OR old.taken_offset IS NOT new.taken_offset
  OR old.taken_source IS NOT new.taken_source
  OR (old.error IS NULL) <> (new.error IS NULL) OR (old.faces_space IS NULL) <> (new.faces_space IS NULL)
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.id); END;
CREATE TRIGGER dirty_new_rights AFTER INSERT ON photo_rights
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
CREATE TRIGGER dirty_rights AFTER UPDATE ON photo_rights WHEN old.rights <> new.rights
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
CREATE TRIGGER dirty_lost_rights AFTER DELETE ON photo_rights WHEN EXISTS (SELECT 1 FROM photos WHERE id = old.photo_id)
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (old.photo_id); END;
