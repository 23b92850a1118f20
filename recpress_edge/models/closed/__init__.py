"""Models that are computed at once."""
