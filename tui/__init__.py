"""The terminal: the command line and the Textual app. No rule and no SQL lives here."""
