-- Pictures drawn by the catalog's models, wherever they lie: a withdrawal marks those of the models that it reaches.
CREATE TABLE generated(
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL,
  model_id INTEGER NOT NULL REFERENCES models(id),
  made_at TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'ok'
);
CREATE INDEX generated_by_model ON generated(model_id);
CREATE INDEX generated_by_path ON generated(path);

-- Work on models that a crash may cut short: put down with what calls for it, taken away when it is done.
CREATE TABLE unfinished(
  id INTEGER PRIMARY KEY,
  what TEXT NOT NULL,
  told TEXT NOT NULL DEFAULT ''
);

-- Counts what may take something out of use. Work under way looks at it before each step.
CREATE TABLE takings(count INTEGER NOT NULL);
INSERT INTO takings VALUES (0);
CREATE TRIGGER taking_event AFTER INSERT ON ledger WHEN new.subject_uid IS NOT NULL AND new.kind <> 'grant'
BEGIN UPDATE takings SET count = count + 1; END;
CREATE TRIGGER taking_model AFTER UPDATE OF state ON models WHEN new.state <> old.state
BEGIN UPDATE takings SET count = count + 1; END;
CREATE TRIGGER taking_cohort AFTER UPDATE OF tainted ON cohorts WHEN new.tainted
BEGIN UPDATE takings SET count = count + 1; END;
