-- The statuses of a photograph that is deleted go with it, so their column is another too.
DROP TRIGGER version_lost_photo;
CREATE TRIGGER version_lost_photo AFTER DELETE ON photos BEGIN
  UPDATE column_versions SET version = random() WHERE part IN ('photos', 'statuses') AND stretch = old.id >> 12;
END;
