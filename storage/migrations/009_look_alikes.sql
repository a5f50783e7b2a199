-- Perceptual hashes by content, and groups of photographs that look alike.
-- By content: a copy or a moved file is hashed already, a changed one is not. Null: nothing in it to compare by.
CREATE TABLE perceptual_hashes(content_hash TEXT PRIMARY KEY, hash BLOB) WITHOUT ROWID;

-- A row for each photograph that was compared with the others. group_id null: it is alone; kind null: its group's
-- first; apart: a person took it out of its group.
CREATE TABLE alike(
  photo_id INTEGER PRIMARY KEY REFERENCES photos(id),
  group_id INTEGER,
  kind TEXT,
  apart INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX alike_by_group ON alike(group_id, photo_id) WHERE group_id IS NOT NULL;
-- The next group's number, and a count of the changes: who compares meanwhile looks whether it moved.
CREATE TABLE alike_state(next INTEGER NOT NULL, changes INTEGER NOT NULL);
INSERT INTO alike_state VALUES (1, 0);
CREATE TRIGGER alike_other_content AFTER UPDATE OF content_hash ON photos WHEN new.content_hash IS NOT old.content_hash
BEGIN DELETE FROM alike WHERE photo_id = new.id; END;
CREATE TRIGGER alike_left AFTER DELETE ON alike WHEN old.group_id IS NOT NULL
BEGIN
  UPDATE alike_state SET changes = changes + 1;
  UPDATE alike SET group_id = NULL, kind = NULL
    WHERE group_id = old.group_id AND (SELECT count(*) FROM alike WHERE group_id = old.group_id) = 1;
END;
