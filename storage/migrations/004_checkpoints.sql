-- How many signed checkpoints of the ledger there are, and the hash of the newest one's line.
CREATE TABLE checkpoints_known(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  number INTEGER NOT NULL, hash TEXT NOT NULL
);
INSERT INTO checkpoints_known VALUES (1, 0, '');
