"""Tables, indexes and triggers of `catalog.db`, as numbered migrations.

A migration, once released, never changes; a new one is added. `PRAGMA user_version` counts them.
Times of events are ISO 8601 in UTC, JSON columns are canonical JSON text, paths are BLOBs because
file names need not be UTF-8. In tables without rowid the key's columns come first: SQLite 3.40's integrity check
takes others for NULL.
"""

from __future__ import annotations

import sqlite3

FIRST = """
CREATE TABLE folders(
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE
);

CREATE TABLE photos(
  id INTEGER PRIMARY KEY,
  folder_id INTEGER NOT NULL REFERENCES folders(id),
  name BLOB NOT NULL,
  path_text TEXT NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'present',
  content_hash TEXT,
  format TEXT, width INTEGER, height INTEGER, orientation INTEGER NOT NULL DEFAULT 1,
  taken_at TEXT, taken_offset INTEGER, taken_source TEXT,
  camera TEXT, lens TEXT, exposure_s REAL, f_number REAL, iso INTEGER, focal_mm REAL,
  lat REAL, lon REAL, place TEXT, country TEXT,
  rights TEXT NOT NULL DEFAULT 'unknown',
  rating INTEGER, caption TEXT, error TEXT,
  faces_space TEXT,
  UNIQUE(folder_id, name)
);
CREATE INDEX photos_by_hash ON photos(content_hash);
CREATE INDEX photos_by_taken ON photos(taken_at, id);
CREATE INDEX photos_by_camera ON photos(camera, id);
CREATE INDEX photos_by_error ON photos(id) WHERE error IS NOT NULL;
CREATE INDEX photos_by_path ON photos(path_text, id);
CREATE INDEX photos_by_spot ON photos(lat, lon) WHERE lat IS NOT NULL;

CREATE TABLE subjects(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  born TEXT,
  adult_attested_by TEXT, adult_attested_how TEXT,
  minor INTEGER NOT NULL DEFAULT 0,
  guardian TEXT,
  salt TEXT NOT NULL DEFAULT (lower(hex(randomblob(16))))
);

CREATE TABLE faces(
  id INTEGER PRIMARY KEY,
  photo_id INTEGER NOT NULL REFERENCES photos(id),
  x0 INTEGER NOT NULL, y0 INTEGER NOT NULL, x1 INTEGER NOT NULL, y1 INTEGER NOT NULL,
  probability REAL NOT NULL,
  space TEXT NOT NULL, embedding BLOB NOT NULL,
  sharpness REAL, age_estimate REAL,
  cluster INTEGER,
  subject_id INTEGER REFERENCES subjects(id),
  assigned_by_person INTEGER NOT NULL DEFAULT 0,
  mark TEXT
);
CREATE INDEX faces_by_photo ON faces(photo_id);
CREATE INDEX faces_by_subject ON faces(subject_id, photo_id);
CREATE INDEX faces_by_cluster ON faces(cluster);

-- Tells the cached matrix of embeddings that it is stale. Random, not counted: a restored backup can't meet a
-- cache of a later state under the same number.
CREATE TABLE faces_stamp(stamp INTEGER NOT NULL);
INSERT INTO faces_stamp VALUES (random());
CREATE TRIGGER stamp_new_face AFTER INSERT ON faces BEGIN UPDATE faces_stamp SET stamp = random(); END;
CREATE TRIGGER stamp_lost_face AFTER DELETE ON faces BEGIN UPDATE faces_stamp SET stamp = random(); END;
CREATE TRIGGER stamp_face AFTER UPDATE OF space, embedding ON faces
BEGIN UPDATE faces_stamp SET stamp = random(); END;

CREATE TABLE ledger(
  seq INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject_uid TEXT,
  body TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE
);
CREATE INDEX ledger_by_subject ON ledger(subject_uid, seq);
CREATE INDEX ledger_by_at ON ledger(at);
CREATE TABLE ledger_twin(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  seq INTEGER NOT NULL, bytes INTEGER NOT NULL
);
INSERT INTO ledger_twin VALUES (1, 0, 0);
CREATE TRIGGER ledger_grows_by_one BEFORE INSERT ON ledger
WHEN new.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
BEGIN SELECT RAISE(ABORT, 'the ledger grows by one event at a time'); END;
CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_keeps_values BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE photo_status(
  photo_id INTEGER NOT NULL REFERENCES photos(id),
  purpose TEXT NOT NULL,
  status TEXT NOT NULL,
  until TEXT,
  PRIMARY KEY(photo_id, purpose)
) WITHOUT ROWID;
CREATE INDEX photo_status_by_status ON photo_status(purpose, status, photo_id);
CREATE INDEX photo_status_by_until ON photo_status(until) WHERE until IS NOT NULL;

CREATE TABLE status_dirty(photo_id INTEGER PRIMARY KEY);
CREATE TRIGGER dirty_new_photo AFTER INSERT ON photos
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.id); END;
CREATE TRIGGER dirty_photo AFTER UPDATE OF taken_at, taken_offset, rights, error, faces_space ON photos
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.id); END;
CREATE TRIGGER dirty_new_face AFTER INSERT ON faces
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
CREATE TRIGGER dirty_lost_face AFTER DELETE ON faces
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (old.photo_id); END;
CREATE TRIGGER dirty_face AFTER UPDATE OF subject_id, assigned_by_person, mark ON faces
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
CREATE TRIGGER dirty_subject AFTER UPDATE OF born, adult_attested_by, minor ON subjects
BEGIN
  INSERT OR IGNORE INTO status_dirty SELECT photo_id FROM faces WHERE subject_id = new.id;
END;
CREATE TRIGGER dirty_event AFTER INSERT ON ledger WHEN new.subject_uid IS NOT NULL
BEGIN
  INSERT OR IGNORE INTO status_dirty
    SELECT photo_id FROM faces WHERE subject_id = (SELECT id FROM subjects WHERE uid = new.subject_uid);
END;

CREATE TABLE cohorts(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  query TEXT NOT NULL,
  purpose TEXT NOT NULL,
  rules TEXT NOT NULL,
  created_at TEXT NOT NULL,
  frozen_at TEXT, merkle_root TEXT, ledger_head TEXT,
  tainted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE cohort_items(
  cohort_id INTEGER NOT NULL REFERENCES cohorts(id),
  leaf TEXT NOT NULL,
  photo_id INTEGER NOT NULL REFERENCES photos(id),
  face_id INTEGER NOT NULL,
  subject_id INTEGER NOT NULL REFERENCES subjects(id),
  content_hash TEXT NOT NULL,
  crop TEXT NOT NULL, masks TEXT NOT NULL,
  grant_hash TEXT NOT NULL,
  PRIMARY KEY(cohort_id, leaf)
) WITHOUT ROWID;
CREATE INDEX cohort_items_by_subject ON cohort_items(subject_id, cohort_id);
CREATE INDEX cohort_items_by_photo ON cohort_items(photo_id, cohort_id);

CREATE TABLE models(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  path TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  base TEXT NOT NULL, base_hash TEXT NOT NULL,
  trigger TEXT,
  cohort_id INTEGER REFERENCES cohorts(id),
  recipe TEXT NOT NULL,
  created_at TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'ok',
  energy_kept REAL, why TEXT
);
CREATE TABLE model_inputs(
  model_id INTEGER NOT NULL REFERENCES models(id),
  input_id INTEGER NOT NULL REFERENCES models(id),
  weight REAL NOT NULL,
  PRIMARY KEY(model_id, input_id)
) WITHOUT ROWID;
CREATE INDEX model_inputs_by_input ON model_inputs(input_id);
CREATE TABLE model_subjects(
  model_id INTEGER NOT NULL REFERENCES models(id),
  subject_id INTEGER NOT NULL REFERENCES subjects(id),
  share REAL NOT NULL,
  PRIMARY KEY(model_id, subject_id)
) WITHOUT ROWID;
CREATE INDEX model_subjects_by_subject ON model_subjects(subject_id);

CREATE TABLE jobs(
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  args TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT,
  progress REAL NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', eta_s REAL,
  pid INTEGER, log TEXT, result TEXT
);
"""

PEOPLE_AT_SCALE = """
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
"""

# Files that belong to a photograph (its RAW, its sidecars) and its keywords.
COMPANIONS_AND_TAGS = """
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
"""

# How many signed checkpoints of the ledger there are, and the hash of the newest one's line.
CHECKPOINTS = """
CREATE TABLE checkpoints_known(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  number INTEGER NOT NULL, hash TEXT NOT NULL
);
INSERT INTO checkpoints_known VALUES (1, 0, '');
"""

# A photograph's statuses are one number: that of its standing, a distinct answer for all purposes, which is kept
# once. So an event that reaches 10,000 photographs writes 10,000 short rows, whatever it names. `photo_status`
# shows them by purpose. The triggers note exactly the photographs whose statuses may be others now.
STANDINGS = """
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
"""

# What searches read: columns of 4,096 photographs each, and the random version of the rows that they must be of.
SEARCH_COLUMNS = """
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
  UPDATE column_versions SET version = random() WHERE part IN ('photos', 'statuses') AND stretch = old.id >> 12;
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
"""

PROOFS_AND_CONTROLLER = """
ALTER TABLE cohort_items ADD COLUMN secret TEXT NOT NULL DEFAULT '';

CREATE TABLE settings(
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
"""

# How a face is held.
FACE_POSE = """
ALTER TABLE faces ADD COLUMN yaw REAL;
ALTER TABLE faces ADD COLUMN pitch REAL;
ALTER TABLE faces ADD COLUMN roll REAL;
"""

# Perceptual hashes by content, and groups of photographs that look alike.
LOOK_ALIKES = """
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
"""

# Folders in which nothing was left to do: a digest of their files' stats, and of how many photographs they are.
FOLDERS_AT_REST = """
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
"""

MIGRATIONS: tuple[str, ...] = (
    FIRST,
    PEOPLE_AT_SCALE,
    COMPANIONS_AND_TAGS,
    CHECKPOINTS,
    STANDINGS,
    SEARCH_COLUMNS,
    PROOFS_AND_CONTROLLER,
    FACE_POSE,
    LOOK_ALIKES,
    FOLDERS_AT_REST,
)
VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """Number of migrations applied to the database, 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that are missing, each with its number in one transaction."""
    for number in range(version_of(connection), VERSION):
        connection.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
