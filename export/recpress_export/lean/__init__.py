"""Lean bundles: what an application needs of a bundle and nothing else."""
