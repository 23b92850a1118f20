"""Training, judging and storing models of two stages."""
