"""What leaves the catalog for people and other programs."""
