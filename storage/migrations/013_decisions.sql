-- What people decided, in order, each with what it takes to take it back and to do it again. `subjects` are the ids
-- of the people it names; `body` is JSON, deflated, for one decision may be about every photograph.
CREATE TABLE decisions(
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  told TEXT NOT NULL,
  subjects TEXT NOT NULL DEFAULT '[]',
  undone INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL
);
CREATE INDEX decisions_by_undone ON decisions(undone, id);

-- Keywords that a person gave here stay when the file is read again.
ALTER TABLE tags ADD COLUMN by_person INTEGER NOT NULL DEFAULT 0;
