"""What Kyodaku does: scanning, faces, consent rules, cohorts, training, merging, audit and jobs."""
