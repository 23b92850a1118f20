"""The model file of a subject as bytes, and how many they are: for a budget, before anything is trained."""

from typing import Any

from recpress_edge.artifacts.recipes import Recipe
from recpress_export.graph import write_model
from recpress_export.student import model_metadata, provenance_of
from recpress_export.subjects import Encoding, Subject


def model_bytes(subject: Subject[Any], encoding: Encoding) -> bytes:
    """The file that answers for the subject, with what it says about itself."""
    facts = model_metadata(provenance_of(subject.data), encoding.graph.contract.recipe)
    return write_model(encoding.graph, {**facts, **subject.metadata})


def file_bytes(subject: Subject[Any], recipe: Recipe) -> int:
    """Bytes of the file; tables of equal shape give the same, whatever their numbers are."""
    return len(model_bytes(subject, subject.encode(recipe)))
