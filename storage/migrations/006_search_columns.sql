-- What searches read: columns of 4,096 photographs each, and the random version of the rows that they must be of.
CREATE TABLE column_versions(
  part TEXT NOT NULL,
  stretch INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY(part, stretch)
) WITHOUT ROWID;
CREATE TABLE columns(
  name TEXT NOT NULL,
  stretch INTEGER NOT NULL,
  version INTEGER NOT NULL,
  form TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY(name, stretch)
);
INSERT INTO column_versions SELECT 'photos', id >> 12, random() FROM photos GROUP BY 2;
INSERT INTO column_versions SELECT 'faces', photo_id >> 12, random() FROM faces GROUP BY 2;
INSERT INTO column_versions SELECT 'statuses', photo_id >> 12, random() FROM photo_status GROUP BY 2;
CREATE TRIGGER version_new_photo AFTER INSERT ON photos BEGIN
  INSERT INTO column_versions VALUES ('photos', new.id >> 12, random()) ON CONFLICT DO UPDATE SET version = random();
END;
CREATE TRIGGER version_lost_photo AFTER DELETE ON photos BEGIN
  UPDATE column_versions SET version = random() WHERE part = 'photos' AND stretch = old.id >> 12;
END;
CREATE TRIGGER version_photo AFTER UPDATE OF path_text, state, format, width, height, taken_at, camera, lens, f_number,
  iso, focal_mm, lat, lon, place, country, rating, caption, error, faces_space ON photos BEGIN
  UPDATE column_versions SET version = random() WHERE part = 'photos' AND stretch = new.id >> 12;
END;
CREATE TRIGGER version_new_tag AFTER INSERT ON tags BEGIN
  UPDATE column_versions SET version = random() WHERE part = 'photos' AND stretch = new.photo_id >> 12;
END;
CREATE TRIGGER version_lost_tag AFTER DELETE ON tags BEGIN
  UPDATE column_versions SET version = random() WHERE part = 'photos' AND stretch = old.photo_id >> 12;
END;
CREATE TRIGGER version_new_face AFTER INSERT ON faces BEGIN
  INSERT INTO column_versions VALUES ('faces', new.photo_id >> 12, random())
    ON CONFLICT DO UPDATE SET version = random();
END;
CREATE TRIGGER version_lost_face AFTER DELETE ON faces BEGIN
  UPDATE column_versions SET version = random() WHERE part = 'faces' AND stretch = old.photo_id >> 12;
END;
CREATE TRIGGER version_face AFTER UPDATE OF photo_id, subject_id, cluster, mark ON faces BEGIN
  INSERT INTO column_versions VALUES ('faces', new.photo_id >> 12, random())
    ON CONFLICT DO UPDATE SET version = random();
  UPDATE column_versions SET version = random()
    WHERE part = 'faces' AND stretch = old.photo_id >> 12 AND old.photo_id <> new.photo_id;
END;
-- A photograph has been ruled on.
CREATE TRIGGER version_status AFTER DELETE ON status_dirty BEGIN
  INSERT INTO column_versions VALUES ('statuses', old.photo_id >> 12, random())
    ON CONFLICT DO UPDATE SET version = random();
END;
-- Searches by these are answered by columns.
DROP INDEX photos_by_camera;
DROP INDEX photos_by_spot;
-- Whose faces a photograph shows, read without touching their embeddings.
DROP INDEX faces_by_photo;
CREATE INDEX faces_by_photo ON faces(photo_id, subject_id, assigned_by_person, mark, cluster);
