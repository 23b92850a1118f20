"""Records of runs on devices, budgets, and records held against them. Standard library alone."""
