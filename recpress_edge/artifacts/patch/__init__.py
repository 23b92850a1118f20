"""A patch: one small file that makes a new version of a bundle from the one that a device has (ADR 0036)."""
