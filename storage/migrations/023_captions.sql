-- What a person of the house calls the picture of somebody in a photograph, where that is not what the recipe says.
CREATE TABLE captions(
  id INTEGER PRIMARY KEY,
  photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
  subject_id INTEGER NOT NULL REFERENCES subjects(id) ON DELETE CASCADE,
  caption TEXT NOT NULL,
  UNIQUE(photo_id, subject_id)
);
CREATE INDEX captions_by_subject ON captions(subject_id);
-- What taggers saw in pictures, to be added to captions where a person says so. `tagger` names what looked, `tags` is
-- JSON: a probability by tag, empty where it saw nothing.
CREATE TABLE proposals(
  id INTEGER PRIMARY KEY,
  photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
  subject_id INTEGER NOT NULL REFERENCES subjects(id) ON DELETE CASCADE,
  tagger TEXT NOT NULL,
  tags TEXT NOT NULL,
  UNIQUE(photo_id, subject_id, tagger)
);
CREATE INDEX proposals_by_subject ON proposals(subject_id);
