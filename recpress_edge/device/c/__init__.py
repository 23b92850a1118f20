"""The C engine: its sources, its file model.bin, and what asks it from Python."""
