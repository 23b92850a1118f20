"""Base models and teachers: models that learn from interactions alone."""
