"""Finding faces, embedding them, and what else a face tells."""
