"""Networks through torch's exporters; the only modules of recpress_export that import torch.

They are imported when a network is exported, never for a student that is two tables (docs/adr/0019).
"""
