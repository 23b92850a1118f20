"""From a student's arrays to files that a device runs. Never imports torch."""
