"""Long work in a process of its own, which outlives the terminal."""
