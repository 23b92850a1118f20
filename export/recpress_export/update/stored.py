"""A bundle's tables, read back from its model file, and the file that they make again."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.integers import INT4_QMAX, QMAX
from recpress_edge.artifacts.item_scale import least_error_scale
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.scales import read_item_scale
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.core.registry import named
from recpress_edge.device.tables import read_tables
from recpress_export.graph import CORE, Graph, describe, describe_int8, with_history, write_model
from recpress_export.inspect import read_contents
from recpress_export.reference import Reference, integer_tables, item_tables, table_reference
from recpress_export.update.history import StoredHistory, history_of, row_alone

Float = NDArray[np.float32] | NDArray[np.float16]

UPDATABLE: Final = ("fp32", "fp16", "int8-dim", "score16", "int8-item", "int4-item")


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a model file holds: ``plain`` tables (U, D) and (I, D) of floats, or ``int8`` ones."""

    plain: tuple[Float, Float] | None
    int8: QuantizedTables | None
    metadata: Mapping[str, str]
    """The file's own metadata."""
    history: StoredHistory | None = None
    """Of a history bundle: what makes users' rows; the tables above have one user, who consumed nothing."""

    @property
    def item_table(self) -> NDArray[Any]:
        """(I, D) as it is stored."""
        return self._tables[1]

    @property
    def user_table(self) -> NDArray[Any]:
        """(U, D) as it is stored."""
        return self._tables[0]

    @property
    def _tables(self) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.int8 is not None:
            return self.int8.user_q, self.int8.item_q
        assert self.plain is not None
        return self.plain

    @property
    def item_rows(self) -> F32:
        """(I, D) item vectors as floats: what an update's rows are compared with."""
        if self.int8 is None:
            return self.item_table.astype(np.float32)
        scale = self.int8.item_scale if self.row_scale is None else self.row_scale.astype(np.float32)[:, None]
        rows = self.int8.item_q * scale
        return rows if self.row_scale is None else rows * self.int8.item_scale

    @property
    def user_rows(self) -> F32:
        """(U, D) user vectors as floats: their products with :attr:`item_rows` rank as the file does.

        Of a history bundle see :meth:`StoredHistory.users`.
        """
        if self.int8 is None:
            return self.user_table.astype(np.float32)
        return self.int8.user_q * self.int8.user_scale[:, None] / self.int8.item_scale

    @property
    def item_limits(self) -> F32 | None:
        """(D,) the largest value that the items' scales hold; None where each item has a scale of its own."""
        return None if self.int8 is None or self.row_scale is not None else self.int8.item_scale * QMAX

    @property
    def row_scale(self) -> NDArray[np.float16] | None:
        """(I,) where each item has a scale of its own."""
        return self.int8.item_row_scale if self.int8 else None

    def graph(self, contract: Contract) -> Graph:
        """The request on these tables."""
        graph = describe_int8(contract, self.int8) if self.int8 else describe(contract, *(self.plain or ()))
        graph = with_history(graph, self.history.tables) if self.history else graph
        return dataclasses.replace(graph, core=self.metadata.get(CORE, ""))

    def reference(self, retired: tuple[int, ...]) -> Reference:
        """numpy's answers."""
        users = {} if self.history else {"user_emb": self.user_table}
        made = self.history.tables if self.history else {}
        if self.int8:
            own = item_tables(self.int8) if self.history else integer_tables(self.int8)
        else:
            own = {**users, "item_emb": self.item_table}
        reference = table_reference({**own, **made})
        return dataclasses.replace(reference, retired=np.array(retired, np.int64))

    def with_rows(self, rows: I64, new: "NewRows", n_items: int) -> "Stored":
        """The same tables with ``n_items`` items of which ``rows`` are ``new``."""
        table = _put(self.item_table, rows, new.values, n_items)
        history = self.history and self.history.with_rows(rows, new.history, n_items)
        if self.int8 is None:
            return dataclasses.replace(self, plain=(self.user_table, table), history=history)
        scale = self.int8.item_row_scale
        if scale is not None:
            assert new.row_scale is not None
            scale = _put(scale, rows, new.row_scale, n_items)
        return dataclasses.replace(
            self, int8=dataclasses.replace(self.int8, item_q=table, item_row_scale=scale), history=history
        )

    def with_metadata(self, key: str, value: str) -> "Stored":
        """The same tables in a file that says more about itself."""
        return dataclasses.replace(self, metadata={**self.metadata, key: value})


def _put(old: NDArray[Any], rows: I64, values: NDArray[Any], count: int) -> NDArray[Any]:
    grown = np.zeros((count, *old.shape[1:]), old.dtype)
    grown[: len(old)] = old
    grown[rows] = values
    return grown


def read_stored(bundle: Bundle) -> Stored:
    """The tables of a bundle that can be updated; ArtifactError says why one cannot."""
    contract = bundle.contract
    if bundle.provenance.get("network"):
        raise ArtifactError(
            f"{bundle.folder} is a network: its file is traced, and all of its parameters learned from its "
            "items, so that none can be added or retired. Train on the new catalogue and export again."
        )
    for what, found, known in (
        ("format", contract.format, tuple(FORMATS)),
        ("recipe", contract.recipe, UPDATABLE),
    ):
        if found not in known:
            raise ArtifactError(
                f"{bundle.folder} has {what} {found!r}; a bundle can be updated where it is "
                f"{' or '.join(known)}. Train on the new catalogue and export again."
            )
    metadata = read_contents(bundle.model_path).metadata or {}
    try:
        tensors = read_tables(bundle.model_path, contract)
        stored = _tables(bundle, tensors, metadata)
        again = write_model(stored.graph(contract), metadata)
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise _foreign(bundle, f"it cannot be written again ({error!r})") from None
    same = named(FORMATS[contract.format].same)
    if not same(again, bundle.model_path.read_bytes()):  # what we cannot write we must not lose
        raise _foreign(bundle, "its graph is not the one that this version writes")
    return stored


def _foreign(bundle: Bundle, why: str) -> ArtifactError:
    return ArtifactError(
        f"{bundle.model_path} cannot be updated: {why}. Export the student again with this version first."
    )


def _tables(bundle: Bundle, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Stored:
    item, of_history = tensors["item_emb"], bundle.contract.profile == HISTORY
    user = row_alone(tensors) if of_history else tensors["user_emb"]
    if bundle.contract.recipe in ("fp32", "fp16"):
        history = history_of(tensors, None) if of_history else None
        return Stored((user, item), None, metadata, history)
    bits = 4 if bundle.contract.recipe == "int4-item" else 8
    user_scale = np.ones(1, np.float32) if of_history else tensors["user_scale"]
    retires_alone = of_history and "roots" in tensors  # a tanh's rows are of no closed form
    scale = np.ones(item.shape[1], np.float32) if retires_alone else read_item_scale(bundle)
    quantized = QuantizedTables(user, item, user_scale, scale, tensors.get("item_scale"), bits)
    return Stored(None, quantized, metadata, history_of(tensors, scale) if of_history else None)


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """New item rows as they will be stored, and what the existing scales cost them."""

    values: NDArray[Any]
    """(n, D), of the type of the table."""
    clipped: NDArray[np.bool_]
    """(n,): rows with a value beyond the range of the bundle's scales, or in a dimension that has none."""
    worst: float
    """Largest value over the range's end: 1.2 is 20 % beyond it; at most 1 where nothing is clipped."""
    row_scale: NDArray[np.float16] | None = None
    """(n,) where each item has a scale of its own: then no scale of another item can clip it."""
    history: NDArray[Any] | None = None
    """(n, D) of a history bundle: what each adds to whoever consumed it, of the type of that table."""


def store_rows(stored: Stored, emb: F32, history: F32 | None = None) -> NewRows:
    """Float rows (n, D) in the tables' own numbers, with the scales that they have already.

    ``history`` (n, D): of a history bundle, what each adds to whoever consumed it.
    """
    rows = _store_items(stored, emb)
    if stored.history is None or history is None:
        return rows
    values, over = stored.history.stored(history)
    worst = max(rows.worst, float(over.max(initial=0)))
    return dataclasses.replace(rows, history=values, clipped=rows.clipped | (over > 1), worst=worst)


def _store_items(stored: Stored, emb: F32) -> NewRows:
    fits = np.zeros(len(emb), np.bool_)
    if stored.int8 is None:
        return NewRows(_in_range(emb, stored.item_table.dtype), fits, 0.0)
    # Where no item had a value, the users have none either, so that a new item's counts for nothing.
    absent = ~(stored.int8.item_q.any(axis=0) | stored.int8.user_q.any(axis=0))  # (D,)
    lost = np.asarray((emb[:, absent] != 0).any(axis=1))
    scaled = np.where(absent, 0.0, emb / stored.int8.item_scale.astype(np.float64))  # (n, D)
    if stored.int8.item_row_scale is not None:
        return _store_item_scaled(scaled, stored.int8.item_bits, lost)
    rounded = np.rint(scaled)
    beyond = lost | np.asarray((np.abs(rounded) > QMAX).any(axis=1))
    worst = float(np.abs(rounded).max() / QMAX) if emb.size else 0.0
    return NewRows(np.clip(rounded, -QMAX, QMAX).astype(np.int8), beyond, worst)


def _store_item_scaled(items: NDArray[np.float64], bits: int, lost: NDArray[np.bool_]) -> NewRows:
    """As quantize.py does it: a scale per row, the values rounded with the fp16 scale."""
    qmax = QMAX if bits == 8 else INT4_QMAX
    wanted = np.abs(items).max(axis=1, initial=0) / QMAX if bits == 8 else least_error_scale(items)
    scale = _in_range(wanted, np.dtype(np.float16))
    vanishing = scale == 0
    scale[vanishing], items[vanishing] = 1, 0
    levels = np.clip(np.rint(items / scale.astype(np.float64)[:, None]), -qmax, qmax)
    return NewRows(levels.astype(np.int8), lost, 0.0, scale)


def _in_range(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if values.size and np.abs(values).max() > np.finfo(dtype).max:
        raise DataError(
            f"the new vectors reach {np.abs(values).max():.4g} and cannot be stored as {dtype}. "
            "Were they learned with this student's user_emb?"
        )
    return values.astype(dtype)
