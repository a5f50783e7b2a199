"""The sample archive: who was photographed, when and where, and the pictures of it."""
