"""Settings of NeuMF students that learn from a teacher: a method's own, and what NeuMF adds. No torch."""

from dataclasses import dataclass

from recpress_edge.core.config import PositiveFloat, PositiveInt
from recpress_edge.distill.config import FTDConfig, HTDConfig
from recpress_edge.distill.ranking_config import DEConfig, RRDConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RRDNeuMFConfig(RRDConfig):
    """Relaxed ranking distillation beside NeuMF's pointwise loss."""

    learning_rate: PositiveFloat = 2e-3
    """As in neumf."""
    negatives: PositiveInt = 4
    """Unobserved items drawn for each positive, as in neumf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FTDNeuMFConfig(FTDConfig):
    """Full topology distillation beside NeuMF's pointwise loss."""

    learning_rate: PositiveFloat = 2e-3
    """As in neumf."""
    negatives: PositiveInt = 4
    """Unobserved items drawn for each positive, as in neumf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HTDNeuMFConfig(HTDConfig):
    """Hierarchical topology distillation beside NeuMF's pointwise loss."""

    learning_rate: PositiveFloat = 2e-3
    """As in neumf."""
    negatives: PositiveInt = 4
    """Unobserved items drawn for each positive, as in neumf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DENeuMFConfig(DEConfig):
    """Distillation experts beside NeuMF's pointwise loss."""

    learning_rate: PositiveFloat = 2e-3
    """As in neumf."""
    negatives: PositiveInt = 4
    """Unobserved items drawn for each positive, as in neumf."""
