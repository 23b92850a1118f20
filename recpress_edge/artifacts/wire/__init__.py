"""Encodings of model files, read field by field without a schema or a package."""
