"""The model file of a subject as bytes, and how many they are: for a budget, before anything is trained."""

from typing import Any

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.registry import named
from recpress_export.graph import write_model
from recpress_export.options import FilePlan
from recpress_export.student import model_metadata, provenance_of
from recpress_export.subjects import Encoding, Subject


def plan_of(subject: Subject[Any], encoding: Encoding) -> FilePlan:
    """How the subject's file stores its tables."""
    row = FORMATS[encoding.graph.contract.format]
    plan: FilePlan = named(row.plan)(encoding, subject.data) if row.plan else FilePlan()
    return plan


def model_bytes(subject: Subject[Any], encoding: Encoding, plan: FilePlan) -> bytes:
    """The file that answers for the subject, with what it says about itself."""
    facts = model_metadata(provenance_of(subject.data), encoding.graph.contract.recipe)
    return write_model(encoding.graph, {**facts, **subject.metadata, **plan.metadata})


def file_bytes(subject: Subject[Any], recipe: Recipe) -> int:
    """Bytes of the plainest file; tables of equal shape give the same, whatever their numbers are."""
    return len(model_bytes(subject, subject.encode(recipe), FilePlan()))
