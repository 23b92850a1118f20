"""Settings of the base models. No torch here: settings are read and hashed before it is needed."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from recpress_edge.core.errors import ConfigError

LATER: Final[Mapping[str, bool]] = MappingProxyType({"later": True})
"""Metadata of a field that was added after models were trained without it: see :func:`deciding`."""


def deciding(config: Any) -> dict[str, Any]:
    """The settings that a model's key is made from.

    A field added later is left out while it has its default, which means what was done before there was
    a choice: models trained then are still found.
    """
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if not (field.metadata.get("later") and getattr(config, field.name) == field.default)
    }


def check_positive(where: str, **values: float) -> None:
    """Every value must be above zero; the error names the first that is not."""
    for name, value in values.items():
        if not value > 0:
            raise ConfigError(f"{where}.{name} must be above 0, got {value}")


def check_not_negative(where: str, **values: float) -> None:
    """Every value must be at least zero."""
    for name, value in values.items():
        if not value >= 0:
            raise ConfigError(f"{where}.{name} must be at least 0, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BPRConfig:
    """Matrix factorisation by Bayesian personalised ranking (Rendle et al., UAI 2009)."""

    learning_rate: float = 1e-3
    """Step size of Adam."""
    weight_decay: float = 1e-3
    """L2 added to the gradient of every row at every step, also of rows that are not in the batch."""
    batch_size: int = 1024
    """Positives per step. The loss is a sum, so the balance with the weight decay depends on it."""
    init_std: float = 0.01
    """Standard deviation of the initial embeddings."""

    def __post_init__(self) -> None:
        check_positive(
            "method", learning_rate=self.learning_rate, batch_size=self.batch_size, init_std=self.init_std
        )
        check_not_negative("method", weight_decay=self.weight_decay)
