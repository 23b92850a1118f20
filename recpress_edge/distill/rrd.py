"""Relaxed ranking distillation: the order of the teacher's best items (response-based)."""

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.lists import Unlisted, ranked_draw, teacher_lists, teacher_user_lists
from recpress_edge.distill.plackett_luce import relaxed_ranking_loss
from recpress_edge.distill.settings import IRRRDConfig, RRDConfig
from recpress_edge.distill.terms import Batch, Rows, Term
from recpress_edge.models.method import TrainingInput


class RankedLists:
    """A teacher's lists of one side, and what an epoch draws from them and from all that they leave out."""

    def __init__(self, train: Interactions, lists: I32, sharpness: float | None) -> None:
        """train (N rows), lists (N, L) of the best unobserved columns; sharpness None takes the first K."""
        self.lists = lists
        self._sharpness = sharpness
        self._unlisted = Unlisted(train, lists)

    def draw(self, seed: int, purpose: str, epoch: int, top: int, rest: int) -> tuple[I64, I64]:
        """Interesting columns (N, top) in the teacher's order and uninteresting ones (N, rest)."""
        if self._sharpness is None:
            interesting = self.lists[:, :top].astype("int64")
        else:
            rng = stream(seed, f"{purpose} interesting", epoch)
            interesting = ranked_draw(self.lists, top, self._sharpness, rng)
        return interesting, self._unlisted.draw(rest, stream(seed, f"{purpose} uninteresting", epoch))


class ListTerm(Term):
    """RRD's loss over the unique users of a batch, or, ``by_item``, over its unique items.

    Kang et al., "DE-RRD", CIKM 2020; the item side: Kang et al., "Item-side ranking regularized distillation
    for recommender system", Information Sciences 2021. Each epoch draws its own lists. Uninteresting columns
    come from outside the whole pool, not only from outside the drawn list.
    """

    def __init__(
        self,
        given: TrainingInput,
        lists: RankedLists,
        weight: float,
        top: int,
        rest: int,
        *,
        by_item: bool = False,
    ) -> None:
        self.given = given
        self.weight = weight
        self.lists = lists
        self.top, self.rest = top, rest
        self.by_item = by_item

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        purpose = "rrd items" if self.by_item else "rrd users"
        drawn = self.lists.draw(self.given.seed, purpose, epoch, self.top, self.rest)
        self.drawn = [torch.from_numpy(part.astype(np.int32)).to(self.given.device) for part in drawn]

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        return list_loss(student, batch, *self.drawn, by_item=self.by_item)


def list_loss(student: Rows, batch: Batch, top: Tensor, rest: Tensor, *, by_item: bool) -> Tensor:
    """The relaxed ranking loss of a batch's unique users or items: top (N, K), rest (N, L) of all rows."""
    each = torch.cat([batch.positives, batch.negatives]) if by_item else batch.users
    rows = torch.unique(each)
    listed = torch.cat([top.index_select(0, rows), rest.index_select(0, rows)], dim=1).long()  # (B, K + L)
    scores = student.item_lists(rows, listed) if by_item else student.user_lists(rows, listed)
    return relaxed_ranking_loss(scores[:, : top.shape[1]], scores[:, top.shape[1] :])


def user_lists(given: TrainingInput, config: RRDConfig) -> ListTerm:
    """The term over users: RRD."""
    sharpness = None if config.deterministic else config.sharpness
    lists = RankedLists(given.train, teacher_lists(given, config.pool), sharpness)
    return ListTerm(given, lists, config.list_weight, config.interesting, config.uninteresting)


def item_lists(given: TrainingInput, config: IRRRDConfig) -> ListTerm:
    """The term over items, which makes RRD IR-RRD."""
    sharpness = None if config.deterministic else config.sharpness
    lists = RankedLists(given.train.transposed(), teacher_user_lists(given, config.item_pool), sharpness)
    top, rest = config.item_interesting, config.item_uninteresting
    return ListTerm(given, lists, config.item_weight, top, rest, by_item=True)
