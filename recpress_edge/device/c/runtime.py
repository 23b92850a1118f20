"""Runtime ``c``: the engine's answers as numpy arrays, as the other runtimes give them."""

from array import array
from pathlib import Path
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.c.engine import EngineQuery
from recpress_edge.device.c.light import LightRuntime
from recpress_edge.device.query import Answer, SeenItems
from recpress_edge.device.request import items_outside


class ArrayQuery(NamedTuple):
    """A request, and numpy's views of where its answer will be."""

    query: EngineQuery
    k: int
    items: NDArray[np.uint32]
    scores: F32


class CRuntime:
    """One model.bin; ``name`` says whether compiled code answers or Python, which is asked the same way."""

    def __init__(self, model_path: Path, contract: Contract, threads: int = 1) -> None:
        self._light = LightRuntime(model_path, contract, threads)
        self.name, self.version, self.exact = self._light.name, self._light.version, self._light.exact
        self.built, self._fill = self._light.built, self._light.engine.fill
        self._items: array[int] | None = None

    def audit(self) -> None:
        """ArtifactError where the file's numbers are not what its header says."""
        self._light.audit()

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> ArrayQuery:
        """Check a request (ConfigError) and lay it out for the engine."""
        items = self._checked(seen) if isinstance(seen, np.ndarray) else seen
        query = self._light.prepare(user, items, k)
        if query.items is not self._items:  # made anew for a longer list
            self._items = query.items
            # Without its type numpy would parse what an array says of it: four times the engine's work.
            self._views = np.frombuffer(query.items, np.uint32), np.frombuffer(query.scores, np.float32)
        left, right = self._views
        return ArrayQuery(query, query.k, left[: query.k], right[: query.k])

    def _checked(self, seen: NDArray[np.integer]) -> "array[int]":
        """Seen items as uint32."""
        if seen.ndim != 1 or (seen.size and not np.issubdtype(seen.dtype, np.integer)):
            raise ConfigError(f"seen items must be a list of integers, got {seen.ndim} axes of {seen.dtype}")
        if seen.size and (seen.min() < 0 or seen.max() >= self._light.n_items):
            raise items_outside(seen.min(), seen.max(), self._light.n_items)
        return array("I", seen.astype(np.uint32).tobytes())

    def run(self, feed: ArrayQuery) -> Answer:
        """The engine's own time: items (k,) int64, scores (k,) float32; fewer where fewer are left."""
        query, k, items, scores = feed
        found = self._fill(query)
        if found < k:
            return items[:found].astype(np.int64), scores[:found].copy()
        return items.astype(np.int64), scores.copy()

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """Best k unseen items; ConfigError on an id out of range, ArtifactError when the engine fails."""
        return self.run(self.prepare(user, seen, k))
