"""Networks, exported through torch; no other folder of recpress_export imports torch.

They are imported when a network is exported, never for a student that is two tables (docs/adr/0019).
"""
