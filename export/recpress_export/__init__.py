"""From a student's arrays to files that a device runs. Never imports torch."""

import os

# onnxruntime 1.29 and later start vendor telemetry unless this is set before it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
