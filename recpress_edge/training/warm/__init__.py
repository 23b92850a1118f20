"""Warm starts: a model that goes on from the tables of an earlier one, on a log that grew."""
