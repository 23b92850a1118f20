"""ECAE: two autoencoders trained jointly, the second on soft data that the first generates."""
