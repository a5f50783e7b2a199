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
