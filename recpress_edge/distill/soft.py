"""Soft targets: a softmax over the catalogue, from the SVD of the teacher, against train and teacher."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import I64
from recpress_edge.core.rng import stream
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft_targets import (
    TeacherTargets,
    mix_targets,
    rank_targets,
    teacher_targets,
)
from recpress_edge.models.bpr import first_tables
from recpress_edge.models.closed.ease import Binary
from recpress_edge.models.closed.low_rank import truncated, turned
from recpress_edge.models.closed.svd import nearest_tables
from recpress_edge.models.method import Factorised, Method, TrainingInput, middle
from recpress_edge.models.nn import CLAMP, logsumexp_of_product
from recpress_edge.models.outputs import Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import top_items
from recpress_edge.models.row_adam import optimizer_for
from recpress_edge.models.sampled_softmax import Popularity, is_sampled, sampled_logsumexp

SCORES: Final = ("cosine", "inner")
"""Inner products rank best on real logs, cosines where an SVD sees few of many equally large tastes."""
LEARNING_RATES: Final = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Candidates, in the tables' root mean squares: .03 to .1 are best on MovieLens 1M, .3 on CiteULike, and .003
where an SVD has room for almost all that the teacher knows."""
TEACHER_WEIGHTS: Final = (0.3, 0.5, 0.7, 0.9)
CANDIDATES: Final[Mapping[str, Sequence[Any]]] = {
    "score": SCORES,
    "learning_rate": LEARNING_RATES,
    "teacher_weight": TEACHER_WEIGHTS,
}
WARM_STEP: Final = 0.5
"""Of the step of a model from the start, that of one that goes on: what it knows already is kept."""
WARM_NOISE: Final = 0.65
"""Of a row's squared length, what is noise where a model goes on that began as noise. It has more numbers
than it learns from, and stopped before it knew them by heart: to go on from there is to learn by heart (Ash
and Adams, "On Warm-Starting Neural Network Training", NeurIPS 2020)."""
LEAST_STEPS: Final = 20
"""Of an epoch: batches are smaller where there are too few users for as many."""
LEAST_USERS: Final = 32
"""Of a batch, whatever the number of steps."""
_OCTAVE: Final = 4
_SCALES: Final = tuple(2.0 ** (power / _OCTAVE) for power in range(-8, 49))
_SCALE_USERS: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """What does not depend on what validation chooses: the first tables, and the teacher's part."""

    start: Tables | None
    """None: drawn."""
    taught: TeacherTargets | None


class Soft(Factorised, Method):
    """Cross-entropy of a softmax over the catalogue; without a teacher, over the train items alone.

    It starts from the two tables nearest to the teacher's scores, or to the interactions where it has no
    teacher, in the scale at which they fit the targets best. Validation chooses whether the inner
    product or the cosine is the score.
    """

    def __init__(self, given: TrainingInput, config: SoftConfig, prepared: _Prepared | None = None) -> None:
        self.given = given
        self.config = config
        self.score = config.score or SCORES[-1]
        self.prepared = prepared or _prepared(given, config)
        train = given.train
        weight = middle(TEACHER_WEIGHTS) if config.teacher_weight is None else config.teacher_weight
        self.targets = mix_targets(train, self.prepared.taught, weight)
        self.sampled = is_sampled(config.softmax, train.n_users, train.n_items, given.recipe)
        self.popularity = Popularity(train.item_counts()) if self.sampled else None
        self.batch_users = min(config.batch_users, max(train.n_users // LEAST_STEPS, LEAST_USERS))
        self.mf = first_tables(dataclasses.replace(given, start=self.prepared.start), config.init_std)
        tables = self.mf.user_emb, self.mf.item_emb
        if given.warm and config.start == "noise":
            self._blur()
        if self.score == "inner" and (_of_cosines(given.start) if given.start else config.start == "svd"):
            self._fit_scale()
        self.starts_trained = given.start is not None or config.start == "svd"
        self.first_rate = (config.learning_rate or middle(LEARNING_RATES)) * _root_mean_square(*tables)
        if given.warm and config.start == "svd":
            self.first_rate *= WARM_STEP
        self.optimizer = optimizer_for(self.mf, tables, self.first_rate, 0.0, by_rows=self.sampled)

    def candidates(self) -> Mapping[str, Sequence[Any]]:
        """The score, the step size, and the teacher's weight where there is one."""
        fine_tuned = self.given.start is not None and not self.given.warm
        if fine_tuned or self.sampled:  # trials of large data would take too long
            return {}
        return open_axes(self.config, taught=self.prepared.taught is not None)

    def variant(self, settings: Mapping[str, Any], epochs: int) -> "Soft":
        given, config = (
            dataclasses.replace(self.given, epochs=epochs),
            dataclasses.replace(self.config, **dict[str, Any](settings)),
        )
        return Soft(given, config, self.prepared)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.given.train.n_users)
        for start in range(0, order.size, self.batch_users):
            done = (epoch + start / order.size) / self.given.epochs
            self.optimizer.learning_rate = self.first_rate * 0.5 * (1.0 + math.cos(math.pi * done))
            rng = stream(self.given.seed, "softmax", epoch, start)
            yield self._batch_loss(order[start : start + self.batch_users], rng)

    def steps(self) -> int:
        return -(-self.given.train.n_users // self.batch_users)

    def _batch_loss(self, users: I64, rng: np.random.Generator, scale: float = 1.0) -> Tensor:
        """Mean over the users (B,) of logsumexp(row) − Σ target · logit, which is the cross-entropy."""
        return self._sampled_loss(users, rng, scale) if self.sampled else self._full_loss(users, scale)

    def _full_loss(self, users: I64, scale: float) -> Tensor:
        device = self.given.device
        offsets, items, weights = (torch.from_numpy(part).to(device) for part in self.targets.rows(users))
        user_rows, item_rows = self._rows(torch.from_numpy(users).to(device))
        cosine = self.score == "cosine"
        logit_users = user_rows * self._sharpness(scale)
        whole = logsumexp_of_product(logit_users, item_rows, clamp=None if cosine else CLAMP)
        if cosine:
            wanted = F.embedding_bag(
                items, item_rows, offsets, mode="sum", per_sample_weights=weights
            )  # (B, D)
            return (whole - (logit_users * wanted).sum(dim=1)).mean()
        counts = torch.diff(offsets, append=offsets.new_tensor([items.numel()]))
        pairs = logit_users.repeat_interleave(counts, dim=0) * F.embedding(items, item_rows)  # (P, D)
        return (whole.sum() - (pairs.sum(dim=1).clamp(-CLAMP, CLAMP) * weights).sum()) / len(users)

    def _sampled_loss(self, users: I64, rng: np.random.Generator, scale: float) -> Tensor:
        """:meth:`_full_loss` with the catalogue's sum estimated from sampled items."""
        train, device = self.given.train, self.given.device
        offsets, own, weights = self.targets.rows(users)
        owner = np.repeat(np.arange(users.size), np.diff(np.append(offsets, own.size)))
        assert self.popularity is not None
        drawn, log_weights = self.popularity.candidates(
            train.pairs_of(users)[1], train.n_users, users.size, self.config.sampled_items, rng
        )
        places, at = np.unique(np.concatenate([drawn, own]), return_inverse=True)
        column = np.minimum(np.searchsorted(drawn, own), drawn.size - 1)
        hit = drawn[column] == own
        item_rows = self._scored(
            F.embedding(torch.from_numpy(places).to(device), self.mf.item_emb, sparse=True)
        )
        left = self._scored(F.embedding(torch.from_numpy(users).to(device), self.mf.user_emb, sparse=True))
        left = left * self._sharpness(scale)
        of_drawn, of_own, row, weight, log_weight = (
            torch.from_numpy(part).to(device)
            for part in (at[: drawn.size], at[drawn.size :], owner, weights, log_weights)
        )
        scores = (left.index_select(0, row) * item_rows.index_select(0, of_own)).sum(dim=1)  # (P,)
        own_at = (row[torch.from_numpy(hit)], torch.from_numpy(column[hit]).to(device))
        total = sampled_logsumexp(
            left, item_rows.index_select(0, of_drawn), log_weight, (row, scores), own_at
        )
        return (total.sum() - (weight * scores).sum()) / users.size

    def _rows(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of these users (B, D) and of all items (I, D), as a recipe rounds them."""
        if self.given.recipe is None:
            return self._scored(F.embedding(users, self.mf.user_emb)), self._scored(self.mf.item_emb)
        whole = self._scored(self.mf.user_emb), self._scored(self.mf.item_emb)
        user_emb, item_emb = stored_tables(self.given.recipe, *whole)
        return F.embedding(users, user_emb), item_emb

    def _sharpness(self, scale: float) -> float:
        return 1.0 / self.config.temperature if self.score == "cosine" else scale

    def _scored(self, rows: Tensor) -> Tensor:
        """Rows as they are, or of unit length where the cosine is the score."""
        return F.normalize(rows) if self.score == "cosine" else rows

    def tables(self) -> tuple[Tensor, Tensor]:
        """Their product is the logit, or the cosine, which ranks as cosine / τ does."""
        return self._scored(self.mf.user_emb.detach()), self._scored(self.mf.item_emb.detach())

    @torch.no_grad()
    def _blur(self) -> None:
        """Mix noise into all rows, whose lengths stay about as they are; other noise on another log."""
        rng = stream(self.given.seed, "blur", len(self.given.train))
        for table in (self.mf.user_emb, self.mf.item_emb):
            noise = torch.from_numpy(rng.standard_normal(tuple(table.shape), dtype=np.float32))
            lengths = table.norm(dim=1, keepdim=True) / math.sqrt(table.shape[1])
            table.mul_(math.sqrt(1 - WARM_NOISE)).add_(
                noise.to(table.device) * lengths, alpha=math.sqrt(WARM_NOISE)
            )

    @torch.no_grad()
    def _fit_scale(self) -> None:
        """Bring the first tables to the scale of the lowest loss, the same on both sides.

        A teacher's scores may be cosines, shares or ranks: as logits they may be far too flat. The scale
        grows until the loss does: where it is so large that most logits are held, the loss falls again.
        """
        drawn = stream(0, "scale users").permutation(self.given.train.n_users)[:_SCALE_USERS]

        @cache
        def loss(at: int) -> float:
            return float(self._batch_loss(drawn, stream(0, "scale items"), _SCALES[at]))

        at = 0
        while at + _OCTAVE < len(_SCALES) and loss(at + _OCTAVE) < loss(at):
            at += _OCTAVE
        best = _SCALES[min(range(max(at - _OCTAVE + 1, 0), min(at + _OCTAVE, len(_SCALES))), key=loss)]
        sizes = [_root_mean_square(table) for table in (self.mf.user_emb, self.mf.item_emb)]
        even = math.sqrt(sizes[1] / sizes[0]) if min(sizes) > 0 else 1.0
        self.mf.user_emb.mul_(math.sqrt(best) * even)
        self.mf.item_emb.mul_(math.sqrt(best) / even)


def open_axes(config: SoftConfig, *, taught: bool) -> dict[str, Sequence[Any]]:
    """Candidates of the settings that validation chooses; ``taught``: by a teacher, who then has a weight."""
    return {
        name: values
        for name, values in CANDIDATES.items()
        if getattr(config, name) is None and (taught or name != "teacher_weight")
    }


def _prepared(given: TrainingInput, config: SoftConfig) -> _Prepared:
    start, taught = given.start, None
    if given.teacher is not None:
        top = top_items(given.teacher, given.train, config.top_items)
        if config.targets == "scores":
            taught = teacher_targets(top, config.teacher_temperature)
        else:
            taught = rank_targets(top, config.rank_scale, config.head_scale, config.head_share)
    if start is None and config.start == "svd":
        start = _nearest(given, config)
    return _Prepared(start, taught)


def _nearest(given: TrainingInput, config: SoftConfig) -> Tables:
    """The SVD of the teacher or of the interactions; dimensions that it lacks are drawn, and small.

    All are turned about, so that none is small when they are stored.
    """
    teacher, train = given.teacher, given.train
    known = (teacher.tables or teacher.near) if teacher else None
    dim = min(given.dim, train.n_users, train.n_items, known.user_emb.shape[1] if known else given.dim)
    found = nearest_tables(teacher, train, dim) if teacher else truncated(Binary(train), dim)
    tables = [table.numpy() for table in found]
    if dim < given.dim:
        rng = stream(given.seed, "init")
        for at, table in enumerate(tables):
            std = config.init_std * float(np.sqrt(np.square(table).mean()))
            more = rng.standard_normal((len(table), given.dim - dim), dtype=np.float32) * np.float32(std)
            tables[at] = np.concatenate([table, more], axis=1)
    return turned(tables[0], tables[1], given.seed)


def _of_cosines(tables: Tables) -> bool:
    """Whether users are of unit length, but for empty rows, which are drawn: as logits their products are far
    too flat.
    """
    lengths = np.linalg.norm(tables.user_emb, axis=1)
    return bool(np.allclose(lengths[lengths > 0], 1.0, atol=1e-4))


def _root_mean_square(*tables: Tensor) -> float:
    """Geometric mean of the tables' root mean squares."""
    squares = [float(table.detach().square().mean()) for table in tables]
    return math.prod(squares) ** (0.5 / len(squares))
