"""A narrow transformer as a student: SASRec taught by a wider one at every place of every sequence."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.sequences.hint import hint_loss
from recpress_edge.distill.sequences.student import SequenceStudent
from recpress_edge.models.method import Method, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.sasrec import SASRec, SASRecMethod, answers
from recpress_edge.models.sequences.settings import (
    STUDENT_COMPARED,
    SASRecConfig,
    check_heads,
    check_length,
)


def sasrec(given: TrainingInput, config: SASRecConfig) -> Method:
    """With a teacher a student of it, else a model that learns from the next items alone."""
    if given.teacher is not None:
        return SASRecStudent(given, config)
    if config.hint_weight:
        raise ConfigError("method.hint_weight needs a teacher, whose states are the hint. Leave it out.")
    return SASRecMethod(given, config)


class SASRecStudent(SequenceStudent):
    """The transformer, trained over the teacher's windows: its step is of batch_users full windows."""

    network: SASRec

    def __init__(self, given: TrainingInput, config: SASRecConfig) -> None:
        check_heads(config, given.dim)
        if config.loss != "ce":
            raise ConfigError(
                f"method.loss {config.loss} is of a model without a teacher: a student compares all items. "
                "Leave it out, or train with --teacher none."
            )
        super().__init__(given, config, config.history_length)
        assert self._teacher is not None
        check_length(config, self._teacher.length)
        self.network = SASRec(given.train.n_items, given.dim, given.seed, config).to(given.device)
        wide = self._teacher.item_emb.shape[1]
        self._hint = nn.Parameter(torch.zeros(wide, given.dim, device=given.device))
        parts = nn.ModuleDict({"network": self.network})
        if config.hint_weight:
            parts["hint"] = nn.ParameterList([self._hint])
        self.optimizer = Adam(parts, config.learning_rate, config.weight_decay)
        self._known = self.rows_after(given.train)

    @property
    def batch_places(self) -> int:
        return int(self.config.batch_users * self.config.history_length)

    @property
    def compared_items(self) -> int:
        return STUDENT_COMPARED

    def _batch_loss(
        self, targets: I64, rng: np.random.Generator, noise: torch.Generator | None = None
    ) -> Tensor:
        tokens, real = self._tokens(targets)
        states = self.network.hidden(tokens, noise)[real]  # (P, d)
        columns, labels = self._columns(targets[targets < self.given.train.n_items], rng)
        table = self.network.item_emb
        assert self._teacher is not None
        with torch.no_grad():
            taught = self._teacher.hidden(tokens)[real]  # (P, e)
        rows = table[:-1] if columns is None else table[columns]
        loss = self._mixed(states, rows, (columns, labels), taught)
        if not self.config.hint_weight:
            return loss
        return loss + float(self.config.hint_weight) * hint_loss(states, self._hint, taught)

    def scores(self, users: I64) -> F32:
        return self._known(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        return answers(self.network, self.network.length - 1, histories)

    def architecture(self) -> dict[str, Any]:
        return {"kind": "sasrec", "heads": self.config.heads}
