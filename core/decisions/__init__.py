"""What people decide, put down so that it can be undone and done again."""
