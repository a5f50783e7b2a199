-- Names that a person had before: words of old still say them, and an erasure seeks these too.
CREATE TABLE earlier_names(
  subject_id INTEGER NOT NULL REFERENCES subjects(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  PRIMARY KEY(subject_id, name)
) WITHOUT ROWID;
CREATE TRIGGER renamed_subject AFTER UPDATE OF name ON subjects WHEN new.name <> old.name
BEGIN INSERT OR IGNORE INTO earlier_names VALUES (old.id, old.name); END;

-- Records of people who turned out to be others, who hold their faces since.
CREATE TABLE folded(
  subject_id INTEGER PRIMARY KEY REFERENCES subjects(id) ON DELETE CASCADE,
  into_id INTEGER NOT NULL REFERENCES subjects(id) ON DELETE CASCADE
);
CREATE INDEX folded_by_into ON folded(into_id);
