"""One training run of a click model: from a plan to a finished model folder."""

import dataclasses
from collections.abc import Callable

import numpy as np

from recpress_edge.artifacts.model_folder import write_model
from recpress_edge.core.memory import PeakMemory, require_memory
from recpress_edge.core.registry import named
from recpress_edge.data.features.fit import encode_rows, fit_fields, labelled_rows
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.clicks.forecast import click_epoch_seconds
from recpress_edge.models.clicks.method import ClickMethod
from recpress_edge.models.clicks.rows import ClickRows, ClickTargets
from recpress_edge.models.method import TrainingInput
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.clicks.ensemble import require_gain
from recpress_edge.training.clicks.evaluate import click_facts, judged_rows
from recpress_edge.training.clicks.stored import click_arrays, stored_clicks
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
    rows = _train_rows(data, plan.wanted.config.min_count)
    if plan.parts.teacher:
        rows = dataclasses.replace(rows, targets=_targets(plan, plan.parts.teacher, data))
    method = _made(plan.wanted, data, rows, lambda n_bytes: tell("needs", memory_bytes=n_bytes))
    parts = judged_rows(data)
    encoded = {part: encode_rows(rows.fields, data, part) for part in parts}
    validation = None
    if "valid" in parts:
        validation = Validation(
            lambda method, epoch: parts["valid"].metrics(method.scorer.logits(encoded["valid"]))
        )

    def on_epoch(report: EpochReport) -> None:
        if report.forecast_s is not None:
            tell("forecast", epoch=report.epoch, seconds=report.forecast_s)
        else:
            tell("epoch", epoch=report.epoch, seconds=report.seconds, metrics=report.metrics)

    state = train(method, plan.wanted.training, validation, store, on_epoch)
    restore_best(method, state)
    facts = {
        **metadata(plan, data, state),
        **click_facts(parts, {part: method.scorer.logits(of_part) for part, of_part in encoded.items()}),
        "architecture": method.scorer.architecture(),
        "peak_memory_bytes": memory.increase_bytes(),
    }
    parameters = {name: value.cpu().numpy() for name, value in method.parameters().items()}
    arrays = click_arrays(parameters, rows.fields)
    return TrainedModel(plan.folder, write_model(plan.folder, facts, arrays), None), state


def foreseen_clicks(wanted: Wanted, data: Dataset) -> tuple[int | None, float]:
    """The bytes that a click model states before it takes them, and the CPU seconds of all its epochs.

    What a teacher's soft labels take is known once the teacher is there. An ensemble states nothing.
    """
    if wanted.name.entry.closed_form:
        return None, 0.0
    stated: list[int] = []
    method = _made(wanted, data, _train_rows(data, wanted.config.min_count), stated.append)
    rows, fields = len(method.clicks.labels), len(method.clicks.fields)
    epoch_s = click_epoch_seconds(method.shape, rows, fields, method.layout.size, method.config.batch_size)
    return stated[0], epoch_s * wanted.training.epochs


def _train_rows(data: Dataset, min_count: int) -> ClickRows:
    fields = fit_fields(data, min_count)
    known = labelled_rows(data)
    return ClickRows(fields, encode_rows(fields, data, "train"), known.labels[known.part("train")])


def _targets(plan: Plan, teacher: TrainedModel, data: Dataset) -> ClickTargets:
    """What the teacher says of the rows of train; refused where nothing is gained, or where it is large."""
    require_gain(teacher)
    stored, n_rows = stored_clicks(teacher), labelled_rows(data).sizes[0]
    hints = plan.wanted.config.hint_weight > 0
    width = stored.hidden_width if hints else 0
    require_memory(
        n_rows * (len(stored.scorers) + width) * np.float32().nbytes,
        f"what {teacher.name} says of {n_rows:,} rows",
        "Set method.hint_weight = 0." if hints else "Take fewer teachers.",
    )
    none = np.empty((n_rows, 0), np.float32)
    return ClickTargets(stored.logits(data, "train"), stored.hidden(data, "train") if hints else none)


def _made(wanted: Wanted, data: Dataset, rows: ClickRows, on_need: Callable[[int], None]) -> ClickMethod:
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
