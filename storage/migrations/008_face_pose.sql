-- How a face is held.
ALTER TABLE faces ADD COLUMN yaw REAL;
ALTER TABLE faces ADD COLUMN pitch REAL;
ALTER TABLE faces ADD COLUMN roll REAL;
