"""Models that read a user's items in their order: transformers, and a sum that forgets."""
