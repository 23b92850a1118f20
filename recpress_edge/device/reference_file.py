"""``--runtime reference``: a model file's tables, multiplied out by numpy. Every other runtime must equal it.

In integers where the tables are int8, in float64 otherwise. It is slow and takes several times the file's
size in memory, since all is widened first: it shows what is right, not what is possible.
"""

from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.integers import rounded_rows
from recpress_edge.artifacts.tanh_history import LAYER, tanh_row
from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.query import Answer, Catalogue, Query, SeenItems, check_query, no_items
from recpress_edge.device.reference import best_unseen
from recpress_edge.device.tables import Tables, read_tables


class FileReference:
    """Answers of one model file of tables; a network is refused with a ConfigError."""

    name = "numpy-reference"
    version = np.__version__

    def __init__(self, model_path: Path, contract: Contract, threads: int = 1) -> None:
        assert threads == 1, "options.Protocol refuses more"
        self.exact = contract.exact
        self.catalogue = Catalogue.of(contract)
        tables = _checked(model_path, contract)
        wide = np.int64 if tables["item_emb"].dtype == np.int8 else np.float64
        self._tables = {name: tables[name].astype(wide) for name in _emb(contract)}
        weights = tables.get("age_weights")
        self._weights = None if weights is None else weights.astype(wide)
        self._layer = {name: tables[name] for name in (*LAYER, "history_emb", "prior") if name in tables}
        self._user_scale, self._step = tables.get("user_scale"), tables.get("step")
        item_scale = tables.get("item_scale")
        self._item_scale = None if item_scale is None else item_scale.astype(np.float32)

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Query:
        """Check a request; ConfigError on an id out of range."""
        return check_query(user, seen, k, self.catalogue)

    def run(self, feed: Query) -> Answer:
        """Best k unseen items; ties go to the lower item index. items (k,) int64, scores (k,) float32."""
        if not feed.k:
            return no_items()
        row, scale = self._row(feed)
        scores = self._tables["item_emb"] @ row  # (I,)
        if self._item_scale is not None:  # one rounding each, in this order: the same bits on every CPU
            scores = scores.astype(np.float32) * self._item_scale
        items = best_unseen(scores, feed.seen, self.catalogue.retired, feed.k)
        return items, scores[items].astype(np.float32) * scale

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """(items (k,) int64, scores (k,) float32); ConfigError on an id out of range."""
        return self.run(self.prepare(user, seen, k))

    def _row(self, feed: Query) -> tuple[NDArray[Any], np.float32]:
        """The user's row (D,) and what the scores are multiplied with."""
        if "user_emb" in self._tables:
            scale = np.float32(1) if self._user_scale is None else self._user_scale[feed.user]
            return self._tables["user_emb"][feed.user], scale
        total = self._sum(feed.seen)
        if self._step is None:
            return total, np.float32(1)
        rows, peaks = rounded_rows(total[None])
        return rows[0], np.float32(peaks[0]) * np.float32(self._step)

    def _sum(self, seen: I64) -> NDArray[Any]:
        """prior + the sum of the history's rows (D,); the last ones by their age where the file forgets, and
        what a tanh makes of it in one of a hidden layer."""
        if "roots" in self._layer:
            return tanh_row(self._layer, seen)
        prior, rows = self._tables["prior"], self._tables["history_emb"]
        if self._weights is None:
            return np.asarray(prior + rows[seen].sum(axis=0))
        read = seen[-(len(self._weights) - 1) :]
        bag = np.concatenate([rows[read], prior[None]])
        return np.asarray((bag * self._weights[-len(bag) :]).sum(axis=0))


def _emb(contract: Contract) -> tuple[str, ...]:
    return ("item_emb", *(("history_emb", "prior") if contract.profile == HISTORY else ("user_emb",)))


def _checked(path: Path, contract: Contract) -> Tables:
    """The tables, when they are those that the contract speaks of."""
    shapes = {
        "user_emb": (contract.n_users, contract.dim),
        "item_emb": (contract.n_items, contract.dim),
        "history_emb": (contract.n_items, contract.dim),
        "prior": (contract.dim,),
    }
    try:
        tables = read_tables(path, contract)
        found = {name: tables[name].shape for name in _emb(contract)}
    except KeyError as error:
        found = {str(error.args[0]): ()}
    if found != {name: shapes[name] for name in _emb(contract)}:
        raise ConfigError(
            f"--runtime reference multiplies tables, and {path} has no such ({_told(found)}): it holds a "
            "network, or another program wrote it. Leave --runtime out."
        )
    return tables


def _told(found: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape or 'is missing'}" for name, shape in found.items())
