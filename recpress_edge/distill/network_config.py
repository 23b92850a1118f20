"""Settings of NeuMF students that learn from a teacher: a method's own, and what NeuMF adds. No torch."""

from dataclasses import dataclass

from recpress_edge.distill.config import FTDConfig, HTDConfig
from recpress_edge.distill.ranking_config import DEConfig, RRDConfig
from recpress_edge.models.network_config import PointwiseSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RRDNeuMFConfig(PointwiseSettings, RRDConfig):
    """Relaxed ranking distillation beside NeuMF's pointwise loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FTDNeuMFConfig(PointwiseSettings, FTDConfig):
    """Full topology distillation beside NeuMF's pointwise loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HTDNeuMFConfig(PointwiseSettings, HTDConfig):
    """Hierarchical topology distillation beside NeuMF's pointwise loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DENeuMFConfig(PointwiseSettings, DEConfig):
    """Distillation experts beside NeuMF's pointwise loss."""
