"""Students that read sequences."""
