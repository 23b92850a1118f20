"""Measures a bundle where it will run. Needs numpy, psutil and a runtime, nothing else."""

import os

# onnxruntime 1.29 and later start vendor telemetry unless this is set before it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

DEVICE_PARTS = ("core", "artifacts", "records", "device")
"""Packages of recpress_edge that a board needs beside this one."""
