"""RecPress Edge: distil recommenders, put them on small devices, measure what they keep."""

import os

# onnxruntime 1.29 and later start vendor telemetry unless this is set before it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
