"""What one request computes, independent of the file format.

A writer turns each step into operators of its format; this module defines what a step means:
a user's row -> scores of all items -> seen items excluded -> the k best -> their scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import ALL_USERS, ORDER_ONLY, Contract
from recpress_edge.artifacts.formats import FORMATS, model_file, writer_of
from recpress_edge.artifacts.integers import pack_int4
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.arrays import F16, F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.cores import arrangement_of

Table = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int8]
Floats = tuple[F32, F32] | tuple[F16, F16]
"""user_emb (U, D) and item_emb (I, D), of one type."""


@dataclass(frozen=True, slots=True, eq=False)
class LookUp:
    """row (D,) = table[user], or the only row where the contract has no user; float16 becomes float32."""

    table: Table
    """(U, D)"""


@dataclass(frozen=True, slots=True, eq=False)
class FoldHistory:
    """row (D,) = prior + Σ history_emb[seen], in float32; int8 as artifacts/fold_in.py defines it.

    With weights only the last N of ``seen`` are read, oldest first, each times the weights of its age.
    """

    history_emb: Table
    """(I, D)"""
    prior: Table
    """(D,), of the same type."""
    weights: Table | None = None
    """(N + 1, D): the oldest item's first, the prior's last; int8 where the tables are, else float32."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldTanh:
    """row (D,) = tanh(prior + Σ history_emb[seen] / √n), as artifacts/tanh_history.py defines it."""

    tables: Mapping[str, NDArray[Any]]
    """history_emb (I, D), prior (D,) and roots (N + 1,), floats; of integers tanh (P,), stride () and
    dim_weights (D,) too."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreAll:
    """scores (I,) = table · row, in float32 (float16 is widened), or exactly in int32 where both are int8."""

    table: Table
    """(I, D), of the same type as the looked-up row."""


@dataclass(frozen=True, slots=True, eq=False)
class ScorePacked:
    """scores (I,) int32 = unpacked table · int8 row, exactly."""

    table: NDArray[np.uint8]
    """(I, ceil(D / 2)): dimension d in the low half of a byte, d + ceil(D / 2) in the high one, plus 8."""
    dim: int


@dataclass(frozen=True, slots=True, eq=False)
class ScaleItems:
    """scores (I,) float32 = float32(scores) · float32(scale): one rounding each, in this order."""

    scale: F16
    """(I,)"""


@dataclass(frozen=True, slots=True)
class ExcludeSeen:
    """scores[seen] = value, which is below every score; ``seen`` may be empty or repeat itself."""

    value: float
    retired: tuple[int, ...] = ()
    """Items that are excluded for everybody, whatever the caller says."""


@dataclass(frozen=True, slots=True)
class SelectTop:
    """The k best scores, best first, and their items; equal scores: lower item index first."""


@dataclass(frozen=True, slots=True, eq=False)
class ScaleScores:
    """scores (k,) float32 = scores · scale[user], or the only scale where the contract has no user."""

    scale: F32
    """(U,)"""


@dataclass(frozen=True, slots=True)
class ScaleByPeak:
    """scores (k,) float32 = scores · (float32(peak of the history's sum) · step)."""

    step: np.float32


@dataclass(frozen=True, slots=True)
class KeepScores:
    """scores (k,) float32 = scores, as they were compared: their order is all that they tell."""


@dataclass(frozen=True, slots=True)
class ReadTokens:
    """tokens (1, n) = the start token and the last ``length`` − 1 of ``seen``, oldest first.

    A writer of fixed shapes fills up behind them to (1, length) with the start token's index.
    """

    start_token: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class RunNetwork:
    """scores (I,) or, in a file of fixed shapes, (size,) = the network of the tokens, or of the user."""

    network: bytes
    """A model of the contract's own format with one input and one output."""


Step = (
    LookUp
    | FoldHistory
    | FoldTanh
    | ScoreAll
    | ScorePacked
    | ScaleItems
    | ExcludeSeen
    | SelectTop
    | ScaleScores
    | ScaleByPeak
    | KeepScores
    | ReadTokens
    | RunNetwork
)

_OF_TANH: Final = ("history_emb", "prior", "roots", "tanh", "stride", "dim_weights")
CORE: Final = "recpress.core"
"""Of a file's metadata: the core that it is arranged for."""
INT32_LOWEST: Final = int(np.iinfo(np.int32).min)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """The steps of a request in order, and the names and sizes that the contract gives them."""

    contract: Contract
    steps: tuple[Step, ...]
    core: str = ""
    """The core of device/cores.py that the file is arranged for; empty for the usual file."""

    @property
    def arrangement(self) -> str:
        """How the file differs from the usual one; the steps mean the same."""
        return arrangement_of(self.contract.format, self.core)

    @property
    def traced(self) -> bool:
        """Whether a network scores the items."""
        return any(isinstance(step, RunNetwork) for step in self.steps)

    @property
    def chosen_scores(self) -> str:
        """The name of the k best scores: the output's, or their own where they are yet to be scaled."""
        scaled = any(isinstance(step, ScaleScores | ScaleByPeak | KeepScores) for step in self.steps)
        return "top_scores" if scaled else self.contract.scores_output


def describe(contract: Contract, user_emb: F32 | F16, item_emb: F32 | F16) -> Graph:
    """The request on float tables, both of one type. user_emb (U, D), item_emb (I, D)."""
    return Graph(
        contract, (LookUp(user_emb), ScoreAll(item_emb), ExcludeSeen(-np.inf, contract.retired), SelectTop())
    )


def describe_int8(contract: Contract, tables: QuantizedTables) -> Graph:
    """The request on integer tables: without item scales only the k returned scores ever become floats."""
    items, scale = tables.item_q, tables.item_row_scale
    return Graph(
        contract,
        (
            LookUp(tables.user_q),
            ScorePacked(pack_int4(items), items.shape[1]) if tables.item_bits == 4 else ScoreAll(items),
            *(() if scale is None else (ScaleItems(scale),)),
            ExcludeSeen(INT32_LOWEST if scale is None else -np.inf, contract.retired),
            SelectTop(),
            ScaleScores(tables.user_scale),
        ),
    )


def order_only(graph: Graph) -> Graph:
    """The same request without the users' scales: the same items in the same order.

    ConfigError where it has none. A scale must be positive: the k best are chosen before it is applied.
    """
    scales = [step.scale for step in graph.steps if isinstance(step, ScaleScores)]
    if not scales or not graph.contract.user_input:
        raise ConfigError(
            f"a {graph.contract.profile} file of recipe {graph.contract.recipe} holds no scale of each user, "
            "so there is none to leave out"
        )
    if not all((scale > 0).all() and np.isfinite(scale).all() for scale in scales):
        raise ConfigError("a user's scale is not positive, so that it says something about the order")
    steps = tuple(KeepScores() if isinstance(step, ScaleScores) else step for step in graph.steps)
    return replace(graph, steps=steps, contract=replace(graph.contract, scores=ORDER_ONLY))


def write_model(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """A file of the contract's format: its bytes depend on the graph and the metadata only."""
    return writer_of(graph.contract.format)(graph, metadata)


def describe_stored(contract: Contract, stored: QuantizedTables | Floats) -> Graph:
    """The request on the tables that a recipe stores."""
    if isinstance(stored, QuantizedTables):
        return describe_int8(contract, stored)
    return describe(contract, *stored)


def with_history(graph: Graph, tables: Mapping[str, NDArray[Any]]) -> Graph:
    """The same request with its user row made from the history.

    tables: history_emb (I, D), prior (D,), where they are integers step (), of a history that forgets
    age_weights (N + 1, D), and of one with a tanh what FoldTanh names.
    """
    fold: Step = FoldHistory(tables["history_emb"], tables["prior"], tables.get("age_weights"))
    if "roots" in tables:
        fold = FoldTanh({name: table for name, table in tables.items() if name in _OF_TANH})
    swap: dict[type[Step], Step] = {LookUp: fold}
    if "step" in tables:
        swap[ScaleScores] = ScaleByPeak(np.float32(tables["step"]))
    return replace(graph, steps=tuple(swap.get(type(step), step) for step in graph.steps))


def contract_for(
    recipe: Recipe, file_format: str, *, n_users: int, n_items: int, dim: int, tolerance: float = 0.0
) -> Contract:
    """The contract of an all-users file. ``tolerance``: largest score error allowed, 0 when exact."""
    return Contract(
        model_file=model_file(file_format),
        format=file_format,
        recipe=recipe.name,
        profile=ALL_USERS,
        n_users=n_users,
        n_items=n_items,
        dim=dim,
        exact=recipe.exact,
        score_tolerance=tolerance,
        seen_capacity=FORMATS[file_format].seen_capacity,
    )
