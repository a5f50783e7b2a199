-- What photographs' files say of people, releases and ages: kept as what somebody wrote. `bars` is what a claim stands
-- against until `settled`, the hash of a ledger event. `area` is JSON, empty where there is none.
CREATE TABLE claims(
  id INTEGER PRIMARY KEY,
  photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  source TEXT NOT NULL,
  area TEXT NOT NULL DEFAULT '',
  bars TEXT,
  at TEXT NOT NULL,
  settled TEXT,
  UNIQUE(photo_id, field, value, source, area)
);
CREATE INDEX claims_barring ON claims(photo_id, bars) WHERE bars IS NOT NULL AND settled IS NULL;
CREATE TRIGGER dirty_new_claim AFTER INSERT ON claims WHEN new.bars IS NOT NULL
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
CREATE TRIGGER dirty_lost_claim AFTER DELETE ON claims WHEN old.bars IS NOT NULL
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (old.photo_id); END;
CREATE TRIGGER dirty_claim AFTER UPDATE OF settled ON claims WHEN old.settled IS NOT new.settled
BEGIN INSERT OR IGNORE INTO status_dirty VALUES (new.photo_id); END;
-- What was written into a sidecar by this catalog: read again, that is no claim.
CREATE TABLE own_words(
  photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
  source TEXT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(photo_id, source, field, value)
) WITHOUT ROWID;
