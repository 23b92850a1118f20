"""Vectors that other programs made: read from their files, never unpickled, and placed by ids."""
