"""The memory that a method takes, reported and refused before it is taken. No torch here.

Lower bounds: the tables and lists alone, by the bytes that numpy and torch were seen to hold for each.
Closed forms, autoencoders and click models know their matrices better and report it themselves.
"""

from typing import TYPE_CHECKING, Any, Final

from recpress_edge.distill.settings import TeacherLists
from recpress_edge.models.clicks.settings import ClickConfig
from recpress_edge.models.ecae.settings import AEConfig, ECAEConfig
from recpress_edge.models.outputs import is_large
from recpress_edge.models.sequences.settings import AdaRecConfig, LRHConfig, TransformerConfig
from recpress_edge.models.settings import IAEConfig, LightGCNConfig, MultVAEConfig, NeuMFConfig

if TYPE_CHECKING:
    from recpress_edge.models.method import TrainingInput

REPORT_THEMSELVES: Final = (MultVAEConfig, IAEConfig, ECAEConfig, AEConfig, ClickConfig)
_FLOAT: Final = 4
_COPIES: Final = 5
"""Of a parameter: itself, its gradient, Adam's two moments, and the best epoch's."""
_PAIR_BYTES: Final = 60
"""An interaction's keys, and its place in an epoch's order."""
_NEGATIVE_BYTES: Final = 30
"""An item drawn for it, in int64, and what telling it from the observed ones takes."""
_BLOCK_SCORES: Final = 512 * 3
"""Rows of scores that an evaluation holds, masked and sorted, of tables that are not large."""


def require_memory_of(method: str, given: "TrainingInput", config: Any) -> None:
    """Report what this method needs at least; DataError, with what to change, where it is not there."""
    if isinstance(config, REPORT_THEMSELVES):
        return
    train = given.train
    taught = given.teacher is not None or bool(given.teachers)
    lists = config if taught and isinstance(config, TeacherLists) else None
    listed = lists.place_bytes * lists.places(train.n_users, train.n_items) if lists else 0
    given.require_memory(
        _parameter_bytes(given, config) + _pair_bytes(given, config) + listed,
        f"{method} of {train.n_users:,} users, {train.n_items:,} items and {len(train):,} interactions",
        f"{lists.shorten if lists else 'Take a smaller dim'}, or drop rare users and items when importing.",
    )


def _parameter_bytes(given: "TrainingInput", config: Any) -> int:
    rows = _rows(given, config)
    width = 3 * given.dim if isinstance(config, NeuMFConfig) else given.dim
    layers = 2 * config.layers if isinstance(config, LightGCNConfig) else 0  # and their gradients
    scores = 0 if is_large(given.train.n_users, given.train.n_items) else given.train.n_items * _BLOCK_SCORES
    return (rows * width * (_COPIES + layers) + scores) * _FLOAT


def _rows(given: "TrainingInput", config: Any) -> int:
    """Rows of all tables."""
    if isinstance(config, TransformerConfig):
        return given.train.n_items + config.history_length
    if isinstance(config, AdaRecConfig):
        attends = not config.cell or config.given_cell().attends
        return given.train.n_items + config.history_length * attends
    if isinstance(config, LRHConfig):
        return 2 * given.train.n_items
    return given.train.n_items + given.train.n_users


def _pair_bytes(given: "TrainingInput", config: Any) -> int:
    negatives = getattr(config, "negatives", 1) * getattr(config, "candidates", 1)
    return len(given.train) * (_PAIR_BYTES + _NEGATIVE_BYTES * negatives)
