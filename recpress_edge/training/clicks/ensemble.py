"""Several click models as one, the mean of their logits, and whether that is worth teaching."""

import time
from collections.abc import Callable

import numpy as np

from recpress_edge.artifacts.model_folder import write_model
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.memory import PeakMemory
from recpress_edge.data.interactions import Dataset
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.clicks.evaluate import click_facts, judged_rows
from recpress_edge.training.clicks.stored import fused, stored_clicks
from recpress_edge.training.fusion import below_member_words, not_above_member
from recpress_edge.training.loop import RunState
from recpress_edge.training.plan import Plan
from recpress_edge.training.record import metadata
from recpress_edge.training.store import TrainedModel


def fuse_clicks(
    plan: Plan, data: Dataset, store: CheckpointStore, tell: Callable[..., None]
) -> tuple[TrainedModel, RunState]:
    """Write the members of an ensemble into the plan's folder as one model; the model, and how its run ended.

    It holds their parameters and vocabularies whole, so that it scores rows without them. There is nothing to
    learn, hence no checkpoint in the store and no event but those of every run.
    """
    memory, started = PeakMemory(), time.perf_counter()
    parts, members = judged_rows(data), [stored_clicks(member) for member in plan.parts.members]
    logits = {
        part: np.concatenate([member.logits(data, part) for member in members]).mean(axis=0) for part in parts
    }
    state = RunState(epoch=1, seconds=time.perf_counter() - started, choose_by="auc")
    facts = {**metadata(plan, data, state), **click_facts(parts, logits)}
    architecture, arrays = fused(plan.parts.members)
    facts |= {
        "architecture": architecture,
        "below_member": not_above_member(facts["metrics"].get("valid"), facts["members"]),
        "peak_memory_bytes": memory.increase_bytes(),
    }
    return TrainedModel(plan.folder, write_model(plan.folder, facts, arrays), None), state


def require_gain(teacher: TrainedModel) -> None:
    """Refuse to teach by an ensemble that is not above its best member by AUC on validation: ConfigError."""
    if "members" not in teacher.metadata:
        return
    if "valid" not in teacher.metadata["metrics"]:
        raise ConfigError(
            f"{teacher.name}: its data set has no validation rows, so nothing says whether it is above its "
            "best member. Split the data again with a validation part, or distil from one model."
        )
    if below := teacher.metadata["below_member"]:
        raise ConfigError(below_member_words(teacher.name, below))
