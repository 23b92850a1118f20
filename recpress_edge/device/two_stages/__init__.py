"""Bundles of two stages on a device: what computes them, and how they are asked."""
