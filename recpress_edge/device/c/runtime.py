"""Runtime ``c``: the engine's answers as numpy arrays, as the other runtimes give them."""

from array import array
from pathlib import Path
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.c.light import EngineQuery, LightRuntime
from recpress_edge.device.query import Answer, SeenItems, no_items
from recpress_edge.device.request import items_outside


class CRuntime:
    """One model.bin; ``name`` says whether compiled code answers or Python, which is asked the same way."""

    def __init__(self, model_path: Path, contract: Contract, threads: int = 1) -> None:
        self._light = LightRuntime(model_path, contract, threads)
        self.name, self.version, self.exact = self._light.name, self._light.version, self._light.exact
        self.built = self._light.built

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> EngineQuery:
        """Check a request (ConfigError) and put it into the engine's types."""
        return self._light.prepare(user, self._checked(seen) if isinstance(seen, np.ndarray) else seen, k)

    def _checked(self, seen: NDArray[np.integer]) -> "array[int]":
        """Seen items as uint32."""
        if seen.ndim != 1 or (seen.size and not np.issubdtype(seen.dtype, np.integer)):
            raise ConfigError(f"seen items must be a list of integers, got {seen.ndim} axes of {seen.dtype}")
        if seen.size and (seen.min() < 0 or seen.max() >= self._light.n_items):
            raise items_outside(seen.min(), seen.max(), self._light.n_items)
        return array("I", seen.astype(np.uint32).tobytes())

    def run(self, feed: EngineQuery) -> Answer:
        """The engine's own time: items (k,) int64, scores (k,) float32; fewer where fewer are left."""
        items, scores = self._light.run(feed)
        if not items:
            return no_items()
        # Without their types numpy would parse what the arrays say of theirs: four times the engine's work.
        return np.frombuffer(items, np.uint32).astype(np.int64), np.frombuffer(scores, np.float32)

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """Best k unseen items; ConfigError on an id out of range, ArtifactError when the engine fails."""
        return self.run(self.prepare(user, seen, k))
