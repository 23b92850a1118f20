"""RecPress Edge: distil recommenders, put them on small devices, measure what they keep."""

__version__ = "0.1.0"
