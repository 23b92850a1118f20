"""Formats of files that travel: contract, bundle, recipes, model folders. Standard library and numpy."""
