"""Training runs that can be killed at any point, evaluated on the full ranking and cached by content."""
