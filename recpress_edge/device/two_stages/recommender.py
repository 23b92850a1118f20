"""A bundle of two stages that answers on a device: a user, what was seen and the moment in, items out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.selftest import Values
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle, open_two_stage_bundle
from recpress_edge.artifacts.two_stages.selftest import request_row
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError, ConfigError, unknown_name
from recpress_edge.device.clicks.ranker import check_values
from recpress_edge.device.two_stages.runtimes import StagedRequest, TwoStageRuntime, open_stages


@dataclass(frozen=True, slots=True, eq=False)
class StagedAnswer:
    """Items by their ids, best first."""

    items: tuple[str, ...]
    scores: F32
    """What they are ranked by (k,)."""
    first: tuple[str, ...]
    """What the first stage found, best first."""
    unknown: tuple[str, ...]
    """Seen items that the bundle does not know, in the order given; they are left out."""


class TwoStageRecommender:
    """A bundle of two stages, verified and self-tested, ready to answer."""

    def __init__(self, bundle: TwoStageBundle, runtime: TwoStageRuntime) -> None:
        self.bundle, self._runtime = bundle, runtime
        self._ids, users = bundle.item_ids(), bundle.user_ids()
        self._known = bool(bundle.contract.n_users)
        self._items = {name: place for place, name in enumerate(self._ids)}
        self._users = {name: place for place, name in enumerate(users)}

    @classmethod
    def load(
        cls, folder: Path | str, runtime: str | None = None, *, trust: Trust = ANYBODY
    ) -> "TwoStageRecommender":
        """Open a bundle by its format's runtime or by ``numpy``; ArtifactError where its self-test fails.

        ``trust``: whose bundles are taken.
        """
        bundle = open_two_stage_bundle(Path(folder), trust)
        opened = open_stages(bundle.model_path, bundle.contract, runtime)
        check_two_stages(opened, bundle)
        return cls(bundle, opened)

    @property
    def fields(self) -> tuple[str, ...]:
        """What a request may state."""
        return tuple(field.name for field in self.bundle.contract.stated)

    def recommend(
        self, user: str | None, seen: Sequence[str] = (), values: Values | None = None, k: int = 10
    ) -> StagedAnswer:
        """The best k unseen items for a user at a moment.

        ``user``: None where the bundle knows none, and serves whoever consumed what is seen. ``seen``: item
        ids, oldest first, of which the last are read too. ``values``: by field; one that is
        not named is missing. Fewer than k items are all ranked. ConfigError for an unknown user or field, and
        for a k below 1 or above the candidates of the first stage.
        """
        contract, values = self.bundle.contract, values or {}
        row, known, unknown = self._asked(user, seen, values)
        if not 1 <= k <= contract.candidates:
            raise ConfigError(
                f"k must be from 1 to {contract.candidates}, what the first stage finds; got {k}"
            )
        retrieve = min(contract.candidates, contract.n_items - len({*known}))
        if not retrieve:
            return StagedAnswer((), np.empty(0, np.float32), (), unknown)
        who = None if user is None else self._users[user]
        asked = StagedRequest(who, np.array(known, np.int64), row, retrieve, min(k, retrieve))
        found = self._runtime.lists(asked)
        best, first = (self._named(items.tolist()) for items in (found.items, found.first_items))
        return StagedAnswer(best, found.scores, first, unknown)

    def _asked(self, user: str | None, seen: Sequence[str], values: Values) -> Any:
        """The row of a request, its known seen items by index, and the ids that are not known."""
        contract = self.bundle.contract
        for name in values:
            if name not in self.fields:
                raise unknown_name("field", name, self.fields)
        if user is not None and not self._known:
            raise ConfigError(f"the bundle knows no users, so {user!r} is none of them: seen says who asks")
        if self._known and user not in self._users:
            raise ConfigError(f"user {user!r} is none of the bundle's {contract.n_users:,} users")
        unknown = tuple(dict.fromkeys(name for name in seen if name not in self._items))
        known = tuple(self._items[name] for name in seen if name in self._items)
        check_values(contract.stated, values)
        try:
            return np.array(request_row(contract, values, known), np.int32), known, unknown
        except (ValueError, OverflowError) as error:
            raise ConfigError(f"a field of numbers was given something else: {error}") from None

    def _named(self, items: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._ids[item] for item in items)


def check_two_stages(runtime: TwoStageRuntime, bundle: TwoStageBundle) -> None:
    """Ask a runtime the self-test; ArtifactError for another answer. Equal means to the bit."""
    contract = bundle.contract
    for number, question in enumerate(bundle.selftest()):
        retrieve = min(contract.candidates, contract.n_items - len({*question.seen}))
        asked = StagedRequest(
            question.user,
            np.array(question.seen, np.int64),
            np.array(question.row, np.int32),
            retrieve,
            len(question.items),
        )
        items, scores = runtime.rank(asked)
        if tuple(items.tolist()) != question.items or tuple(scores.tolist()) != question.scores:
            raise ArtifactError(
                f"{bundle.folder}: question {number} of the self-test is answered otherwise: items "
                f"{items.tolist()[:5]}, expected {list(question.items[:5])}",
                fault="answers",
            )


def fields_of(bundle: TwoStageBundle) -> dict[str, FeatureField]:
    """What a request may state, by name."""
    return {field.name: field for field in bundle.contract.stated}
