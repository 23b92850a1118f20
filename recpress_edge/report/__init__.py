"""Pareto report: which variant to ship, and why."""
