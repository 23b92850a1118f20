"""Training, judging and storing click models."""
