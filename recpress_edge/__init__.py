"""RecPress Edge: distil recommenders, put them on small devices, measure what they keep."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recpress_edge.artifacts.trust.policy import Trust
    from recpress_edge.device.recommender import Recommendations, Recommender

# onnxruntime 1.29 and later start vendor telemetry unless this is set before it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

__all__ = ["Recommendations", "Recommender", "Trust", "__version__"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: the device path stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'recpress_edge' has no attribute {name!r}")
    if name == "Trust":
        from recpress_edge.artifacts.trust.policy import Trust

        return Trust
    from recpress_edge.device import recommender

    return getattr(recommender, name)
