"""The model file of a subject as bytes, and how many they are: for a budget, before anything is trained."""

from dataclasses import replace
from typing import Any, Final

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.registry import named
from recpress_export.graph import CORE, write_model
from recpress_export.options import FilePlan
from recpress_export.student import model_metadata, provenance_of
from recpress_export.subjects import Encoding, Subject

PLAIN: Final = "fp32"
"""The recipe with which the others are compared."""


def plan_of(subject: Subject[Any], encoding: Encoding) -> FilePlan:
    """How the subject's file stores its tables."""
    row = FORMATS[encoding.graph.contract.format]
    plan: FilePlan = named(row.plan)(encoding, subject.data) if row.plan else FilePlan()
    return plan


def model_bytes(subject: Subject[Any], encoding: Encoding, plan: FilePlan) -> bytes:
    """The file that answers for the subject, with what it says about itself."""
    graph, core = encoding.graph, subject.data.core
    facts = model_metadata(provenance_of(subject.data), graph.contract.recipe)
    facts = {**facts, **subject.metadata, **plan.metadata}
    if core and graph.contract.recipe != PLAIN:  # the file that it is compared with is the usual one
        graph, facts = replace(graph, core=core), {**facts, CORE: core}
    return write_model(graph, facts)


def file_bytes(subject: Subject[Any], recipe: Recipe) -> int:
    """Bytes of the plainest file; tables of equal shape give the same, whatever their numbers are."""
    return len(model_bytes(subject, subject.encode(recipe), FilePlan()))
