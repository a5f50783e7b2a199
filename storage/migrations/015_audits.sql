-- Audits of models and models that left the catalog, each of certain bytes. Neither holds a name.
CREATE TABLE audits(
  id INTEGER PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models(id),
  bytes_hash TEXT NOT NULL,
  at TEXT NOT NULL,
  verdict TEXT NOT NULL,
  images INTEGER NOT NULL,
  faces INTEGER NOT NULL,
  withheld INTEGER NOT NULL,
  rate REAL NOT NULL,
  upper_bound95 REAL NOT NULL,
  fmr REAL NOT NULL,
  checker TEXT
);
CREATE INDEX audits_of_model ON audits(model_id);
CREATE TABLE releases(
  id INTEGER PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models(id),
  bytes_hash TEXT NOT NULL,
  at TEXT NOT NULL
);
CREATE INDEX releases_of_model ON releases(model_id);
