"""Bundles with a changed catalogue, and the version before."""
