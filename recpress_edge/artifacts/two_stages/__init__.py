"""The bundle of two stages: its fields, its contract, and its second stage in whole numbers."""
