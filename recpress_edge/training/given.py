"""Models that are given by their folders rather than made by name."""

from collections.abc import Sequence
from pathlib import Path

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import ModelName, check_pair, parse_name
from recpress_edge.training.store import METADATA, OF_A_USER, TrainedModel, is_complete, load_model


def fitting(teacher: TrainedModel, student: ModelName) -> TrainedModel:
    """The same teacher, when it has what the student learns from."""
    if teacher.tables is None:
        check_pair(student, parse_name(teacher.name, "teacher"))
    return teacher


def model_in(folder: Path, data: Dataset) -> TrainedModel:
    """The model in a folder, trained on this data; anything else is a :class:`ConfigError`."""
    if not is_complete(folder):
        raise ConfigError(f"{folder}: no trained model there ({METADATA} is missing)")
    teacher = load_model(folder, OF_A_USER)
    if teacher.metadata["dataset"]["digest"] != data.digest():
        if "refit_of" in teacher.metadata:
            raise ConfigError(
                f"{folder} was trained on validation too (--refit), so nothing can be chosen on validation "
                f"with it. Give the model of the same name that was trained without --refit."
            )
        trained_on = teacher.metadata["dataset"]["name"]
        raise ConfigError(
            f"{folder} was trained on {trained_on!r} and a split that differs from {data.name!r} "
            f"here. Train one on this data: "
            f"recpress-edge train --teacher {teacher.name} --data {data.name}"
        )
    return teacher


def given_members(
    ensemble: ModelName, folders: Sequence[str], data: Dataset
) -> dict[ModelName, TrainedModel]:
    """Members of an ensemble that are taken from folders, by name."""
    given = {}
    for folder in folders:
        model = model_in(Path(folder), data)
        name = parse_name(model.name, "teacher")
        if name not in ensemble.members:
            raise ConfigError(f"--member {folder} holds {name}, which is no member of {ensemble}")
        given[name] = model
    return given
