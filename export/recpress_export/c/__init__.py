"""Bundles of the C engine: model.bin, sources, programs."""
