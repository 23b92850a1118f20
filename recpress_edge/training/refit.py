"""The same model again on train and validation together, once validation has decided: for test figures.

Published tables are mostly made so. What comes out has nothing left to choose on, and has seen what a
student's epochs are chosen on: it is no teacher, and is not exported.
"""

import dataclasses
from pathlib import Path

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import OnEvent
from recpress_edge.data.features.attach import resorted
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import ENSEMBLE, parse_name
from recpress_edge.training.ensure import ensure
from recpress_edge.training.plan import ModelRequest, TrainOptions, Wanted, want
from recpress_edge.training.store import TrainedModel


def joined(data: Dataset) -> Dataset:
    """Train and validation interactions as the train split, and no validation split."""
    train = data.train.union(data.valid)
    before, after = (data.train, data.valid, data.test), (train, data.test)
    return dataclasses.replace(
        data,
        train=train,
        valid=data.valid.none(),
        features=data.features if data.labelled else resorted(data.features, before, after),
        labelled=data.labelled.joined() if data.labelled else None,
        protocol=f"{data.protocol}; train and validation joined",
    )


def refit(
    chosen: TrainedModel, data: Dataset, work: Path, options: TrainOptions, on_event: OnEvent
) -> TrainedModel:
    """Find or train ``chosen`` again, from the start and with its settings, for as many epochs as it kept.

    ``options`` are those that it was made with on ``data``. A closed form is computed again with the
    settings that validation chose.
    """
    check_refit(chosen.name, data)
    both = joined(data)
    return ensure(want_again(chosen, both, options), both, work, on_event)


def want_again(chosen: TrainedModel, both: Dataset, options: TrainOptions) -> Wanted:
    """What :func:`refit` finds or trains on ``both``, the joined data."""
    name = parse_name(chosen.name, "teacher")
    training = {}
    if not name.entry.closed_form:
        training = {**options.training, "epochs": chosen.metadata["chosen_epoch"], "keep": "last"}
    request = ModelRequest(
        name=chosen.name,
        role="teacher",
        seed=int(chosen.metadata["seed"]),
        options=dataclasses.replace(
            options,
            training=training,
            method={**options.method, **chosen.metadata.get("chosen_settings", {})},
        ),
    )
    return dataclasses.replace(want(request, both), refit_of=chosen)


def check_refit(name: str, data: Dataset, earlier: str | None = None) -> None:
    """ConfigError for a model that is made of others or goes on from an earlier one, and for data without a
    validation split.
    """
    if earlier is not None:
        raise ConfigError(
            f"--refit trains from the start, and --from {earlier} goes on from a model. Leave one out."
        )
    if parse_name(name, "teacher").method == ENSEMBLE:
        raise ConfigError(f"--refit trains one model again, and {name} is made of several. Leave it out.")
    if parse_name(name, "teacher").entry.gives == "clicks":
        raise ConfigError(
            f"--refit trains for the epochs that validation chose, and the steps of {name} fall by "
            "validation too. Leave it out."
        )
    if not len(data.valid):
        raise ConfigError(
            f"--refit joins validation to train, and data set {data.name!r} has no validation split: "
            "what is trained on it has learned from all there is. Leave it out."
        )
