"""Captions as people work on them: changed in bulk, by hand, by file, and with what taggers propose."""
