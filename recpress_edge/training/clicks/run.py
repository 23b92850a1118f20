"""One training run of a click model: from a plan to a finished model folder."""

from collections.abc import Callable
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.model_folder import FIELD_PREFIX, NETWORK_PREFIX, write_model
from recpress_edge.core.memory import PeakMemory
from recpress_edge.core.registry import named
from recpress_edge.data.features.fit import encode_rows, fit_fields, labelled_rows
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.clicks.forecast import click_epoch_seconds
from recpress_edge.models.clicks.method import ClickMethod
from recpress_edge.models.clicks.rows import ClickRows
from recpress_edge.models.method import TrainingInput
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.clicks.evaluate import click_facts, judged_rows
from recpress_edge.training.loop import EpochReport, RunState, Validation, restore_best, train
from recpress_edge.training.plan import Plan, Wanted
from recpress_edge.training.record import metadata
from recpress_edge.training.store import TrainedModel


def train_clicks(
    plan: Plan, data: Dataset, store: CheckpointStore, tell: Callable[..., None]
) -> tuple[TrainedModel, RunState]:
    """Train from the store's checkpoint, or from the start, and write the model into the plan's folder; the
    model, and what its run ended with.
    """
    memory = PeakMemory()
    method = _made(plan.wanted, data, lambda n_bytes: tell("needs", memory_bytes=n_bytes))
    sizes = labelled_rows(data).sizes
    parts = {
        part: judged_rows(method.clicks.fields, data, part)
        for part, size in zip(("valid", "test"), sizes[1:], strict=True)
        if size
    }
    validation = None
    if "valid" in parts:
        validation = Validation(lambda method, epoch: parts["valid"].metrics(method.logits))

    def on_epoch(report: EpochReport) -> None:
        if report.forecast_s is not None:
            tell("forecast", epoch=report.epoch, seconds=report.forecast_s)
        else:
            tell("epoch", epoch=report.epoch, seconds=report.seconds, metrics=report.metrics)

    state = train(method, plan.wanted.training, validation, store, on_epoch)
    restore_best(method, state)
    facts = {
        **metadata(plan, data, state),
        **click_facts(parts, method.logits),
        "architecture": method.architecture(),
        "peak_memory_bytes": memory.increase_bytes(),
    }
    return TrainedModel(plan.folder, write_model(plan.folder, facts, _arrays(method)), None), state


def foreseen_clicks(wanted: Wanted, data: Dataset) -> tuple[int, float]:
    """The bytes that a click model states before it takes them, and the CPU seconds of all its epochs."""
    stated: list[int] = []
    method = _made(wanted, data, stated.append)
    rows, fields = len(method.clicks.labels), len(method.clicks.fields)
    epoch_s = click_epoch_seconds(method.shape, rows, fields, method.layout.size, method.config.batch_size)
    return stated[0], epoch_s * wanted.training.epochs


def _made(wanted: Wanted, data: Dataset, on_need: Callable[[int], None]) -> ClickMethod:
    fields = fit_fields(data, wanted.config.min_count)
    known = labelled_rows(data)
    rows = ClickRows(fields, encode_rows(fields, data, "train"), known.labels[known.part("train")])
    given = TrainingInput(
        data.train,
        wanted.name.dim,
        wanted.seed,
        wanted.training.epochs,
        device=wanted.options.device,
        clicks=rows,
        on_need=on_need,
    )
    made: ClickMethod = named(wanted.name.entry.where)(given, wanted.config)
    return made


def _arrays(method: ClickMethod) -> dict[str, Any]:
    """Parameters by name, and the vocabulary of each field that has one."""
    parameters = {
        f"{NETWORK_PREFIX}{name}": value.detach().cpu().numpy()
        for name, value in method.optimizer.parameters().items()
    }
    return parameters | {
        f"{FIELD_PREFIX}{field.name}": vocabulary_bytes(field)
        for field in method.clicks.fields
        if field.values
    }


def vocabulary_bytes(field: FeatureField) -> Any:
    """A field's values as UTF-8, one a line: uint8."""
    return np.frombuffer("".join(f"{value}\n" for value in field.values).encode(), np.uint8)
