"""The light layer: standard library and numpy, all that a device may import."""
