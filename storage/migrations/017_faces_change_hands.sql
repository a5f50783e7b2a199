-- A face that changes hands tells searches by one statement, where the second was for a face that changes its photograph.
DROP TRIGGER version_face;
CREATE TRIGGER version_face AFTER UPDATE OF subject_id, cluster, mark ON faces
WHEN old.subject_id IS NOT new.subject_id OR old.cluster IS NOT new.cluster OR old.mark IS NOT new.mark BEGIN
  UPDATE column_versions SET version = random() WHERE part = 'faces' AND stretch = new.photo_id >> 12;
END;
CREATE TRIGGER version_moved_face AFTER UPDATE OF photo_id ON faces WHEN old.photo_id <> new.photo_id BEGIN
  INSERT INTO column_versions VALUES ('faces', new.photo_id >> 12, random())
    ON CONFLICT DO UPDATE SET version = random();
  UPDATE column_versions SET version = random() WHERE part = 'faces' AND stretch = old.photo_id >> 12;
END;
