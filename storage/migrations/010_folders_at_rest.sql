-- Folders in which nothing was left to do: a digest of their files' stats, and of how many photographs they are.
ALTER TABLE folders ADD COLUMN rest BLOB;
ALTER TABLE folders ADD COLUMN resting INTEGER NOT NULL DEFAULT 0;
CREATE INDEX photos_failed ON photos(folder_id) WHERE error IS NOT NULL;
-- Whatever touches what a scan compares with ends it.
CREATE TRIGGER rest_new_photo AFTER INSERT ON photos
BEGIN UPDATE folders SET rest = NULL WHERE id = new.folder_id AND rest IS NOT NULL; END;
CREATE TRIGGER rest_lost_photo AFTER DELETE ON photos
BEGIN UPDATE folders SET rest = NULL WHERE id = old.folder_id AND rest IS NOT NULL; END;
CREATE TRIGGER rest_photo AFTER UPDATE OF folder_id, name, size, mtime_ns, ctime_ns, inode, state, content_hash
ON photos
BEGIN UPDATE folders SET rest = NULL WHERE id IN (old.folder_id, new.folder_id) AND rest IS NOT NULL; END;
CREATE TRIGGER rest_new_companion AFTER INSERT ON companions
BEGIN UPDATE folders SET rest = NULL WHERE id = new.folder_id AND rest IS NOT NULL; END;
CREATE TRIGGER rest_lost_companion AFTER DELETE ON companions
BEGIN UPDATE folders SET rest = NULL WHERE id = old.folder_id AND rest IS NOT NULL; END;
CREATE TRIGGER rest_companion AFTER UPDATE ON companions
BEGIN UPDATE folders SET rest = NULL WHERE id IN (old.folder_id, new.folder_id) AND rest IS NOT NULL; END;
