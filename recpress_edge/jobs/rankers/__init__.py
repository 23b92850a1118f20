"""Bundles that rank by the fields of a request: of click models, and of two stages."""
