"""The models of a study, found or trained."""

from collections.abc import Sequence
from pathlib import Path

from recpress_edge.core.progress import OnEvent
from recpress_edge.data.interactions import Dataset
from recpress_edge.jobs.executor import Executor
from recpress_edge.jobs.forest import make_models
from recpress_edge.training.plan import ModelRequest, want
from recpress_edge.training.store import TrainedModel


def made(
    requests: Sequence[ModelRequest], data: Dataset, work: Path, on_event: OnEvent, executor: Executor | None
) -> list[TrainedModel]:
    """The models of the requests, in the same order."""
    return make_models([want(request, data) for request in requests], data, work, on_event, executor)
