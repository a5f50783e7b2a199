-- Files that belong to a photograph (its RAW, its sidecars) and its keywords.
CREATE TABLE companions(
  folder_id INTEGER NOT NULL REFERENCES folders(id),
  name BLOB NOT NULL,
  photo_id INTEGER NOT NULL REFERENCES photos(id),
  kind TEXT NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
  content_hash TEXT,
  PRIMARY KEY(folder_id, name)
) WITHOUT ROWID;
CREATE INDEX companions_by_photo ON companions(photo_id);
CREATE INDEX companions_by_hash ON companions(content_hash);

CREATE TABLE tags(
  photo_id INTEGER NOT NULL REFERENCES photos(id),
  tag TEXT NOT NULL,
  PRIMARY KEY(photo_id, tag)
) WITHOUT ROWID;
CREATE INDEX tags_by_tag ON tags(tag, photo_id);
