"""Bundles of two stages on the bench: each stage alone, both, and what each is worth on the test users."""
