"""A bundle that answers: external ids in, external ids and scores out. Needs its format's runtime alone."""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.ids import POPULAR_FILE, id_text, is_integer
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.request import check_k
from recpress_edge.device.runtime import (
    Answering,
    Numbers,
    check_format,
    has_light_runtime,
    open_light,
    open_runtime,
)
from recpress_edge.device.verify import Verified, check_answers, verify_opened

MODEL: Final = "model"
POPULAR: Final = "popular"
"""The bundle's list of popular items, for a user whom it does not know."""
HISTORY: Final = "history"
"""A history bundle, which read what such a user has seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Recommendations:
    """An answer: iterate for (item id, score), best first."""

    items: list[str]
    """Item ids (K,), best first."""
    scores: Numbers
    """Their scores (K,), float32: they order one user's items and mean nothing across users. Where the
    contract's ``scores`` is ``order-only`` not even their size says anything: show none.

    numpy's array; of a bundle of format c the standard library's, which ``numpy.asarray`` takes as it is.
    """
    unknown: tuple[str, ...] = ()
    """Seen items that the bundle does not know; they were left out of the request."""
    titles: list[str] | None = None
    """Their titles (K,), empty where an item has none; None where the bundle carries no titles."""
    features: Mapping[str, list[str]] = field(default_factory=dict)
    """What else it carries of them (K,), by column, such as genres; empty where an item has none."""
    source: str = MODEL
    """What answered: MODEL, or POPULAR, whose items have no scores (NaN), or HISTORY, another bundle."""

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self.items, self.scores.tolist(), strict=True)

    def __len__(self) -> int:
        return len(self.items)

    def integers(self) -> list[int]:
        """``items`` as integers, for a log whose ids are; one that is none is a ConfigError."""
        odd = next((name for name in self.items if not is_integer(name)), None)
        if odd is not None:
            raise ConfigError(f"item {odd!r} is no integer: the ids of this bundle are texts, in items")
        return list(map(int, self.items))


class Recommender:
    """A runtime behind a bundle's id maps. For one thread at a time."""

    def __init__(
        self,
        runtime: Answering,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        titles: Sequence[str] | None = None,
        features: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._runtime = runtime
        self._item_ids = item_ids
        self._titles = titles
        self._features = features or {}
        self._popular: tuple[int, ...] | None = None
        self._users = {name: index for index, name in enumerate(user_ids)}
        self._items = {name: index for index, name in enumerate(item_ids)}

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        verify: bool = True,
        threads: int = 1,
        delegate: str | None = None,
        runtime: str | None = None,
        trust: Trust = ANYBODY,
    ) -> "Recommender":
        """Check every digest, load the model and run the self-test; ArtifactError at the first doubt.

        Without ``verify`` digests and self-test are left out: for a bundle that this device has verified
        before. ``delegate`` and ``runtime`` as in ``device_bench run``. ``trust``: whose bundles are taken,
        ``Trust(keys=Path("trusted.keys"))``, or which one, ``Trust(digest="4f1c…")``.
        A bundle of format c needs neither numpy nor another package.
        """
        if trust.keys is not None and not verify:
            raise ConfigError(
                "verify=False leaves out the digests, and without them a signature says nothing of the "
                "files. Leave out one of verify=False and trust."
            )
        bundle = open_bundle(Path(folder), digests=verify, trust=trust)
        if runtime is None and has_light_runtime(bundle.contract.format):
            return cls.light(bundle, verify=verify, threads=threads, delegate=delegate)
        if verify:
            return cls.of(verify_opened(bundle, threads, delegate, runtime))
        check_format(bundle.contract.format, bundle.folder, delegate)
        return cls._of(bundle, open_runtime(bundle.model_path, bundle.contract, threads, delegate, runtime))

    @classmethod
    def light(
        cls, bundle: Bundle, *, verify: bool = True, threads: int = 1, delegate: str | None = None
    ) -> "Recommender":
        """The same of an opened bundle whose format has a light runtime: the standard library is enough.

        What measures quality, ``evaluation.npz``, is not read.
        """
        check_format(bundle.contract.format, bundle.folder, delegate)
        opened = open_light(bundle.model_path, bundle.contract, threads)
        if verify:
            check_answers(opened, bundle.selftest(), bundle.contract)
        return cls._of(bundle, opened)

    @classmethod
    def _of(cls, bundle: Bundle, opened: Answering) -> "Recommender":
        made = cls(opened, bundle.user_ids(), bundle.item_ids(), bundle.titles(), bundle.item_features())
        made._popular = bundle.popular()
        return made

    @classmethod
    def of(cls, verified: Verified) -> "Recommender":
        """The same of a bundle that is verified and loaded already."""
        shown = verified.titles, verified.features
        made = cls(verified.runtime, verified.user_ids, verified.item_ids, *shown)
        made._popular = verified.popular
        return made

    def recommend(
        self,
        user: str | int | None = None,
        seen: Sequence[str | int] = (),
        k: int = 10,
        *,
        strict: bool = False,
        or_popular: bool = False,
        or_history: "Recommender | None" = None,
    ) -> Recommendations:
        """The best ``k`` unseen items of a user; fewer only where fewer are left.

        ``user`` None: the one user of a single-user bundle; of a history bundle, whoever consumed
        ``seen``, oldest first. Seen items that the bundle does not know cannot be recommended anyway:
        they are left out and named in the answer; with ``strict`` they are a ConfigError, as an unknown
        user always is unless one of these answers in the model's place: ``or_history``, of a history bundle,
        what it makes of ``seen``; ``or_popular`` the popular items of this bundle, also where nothing is
        seen. ``source`` says which. Ids are texts, and an integer stands for its decimal digits.
        """
        if isinstance(seen, str):
            raise ConfigError(f"seen {seen!r} is one text: give a list of item ids")
        if (or_popular or or_history) and not self.knows(user):
            if or_history is None or (or_popular and not len(seen)):
                return self._of_popular(seen, k, strict=strict)
            if or_history._users:
                raise ConfigError("or_history holds users: give a history bundle, which answers for anybody")
            return replace(or_history.recommend(None, seen, k, strict=strict), source=HISTORY)
        row = self._row(user)
        unknown: tuple[str, ...] = ()
        try:
            indices = [self._items[name] for name in seen]  # type: ignore[index]  # an integer is no key: below
        except KeyError:
            indices, unknown = self._known(seen, strict=strict)
        items, scores = self._runtime.recommend(row, indices, k)
        return self._shown(items.tolist(), scores, unknown)

    def knows(self, user: str | int | None) -> bool:
        """Whether the bundle holds that user; of one that holds no users, or one, nobody need be named."""
        return user is None or id_text("user", user) in self._users

    def _shown(self, found: list[int], scores: Numbers, unknown: tuple[str, ...]) -> Recommendations:
        titles = None if self._titles is None else [self._titles[item] for item in found]
        features = {name: [texts[item] for item in found] for name, texts in self._features.items()}
        return Recommendations([self._item_ids[item] for item in found], scores, unknown, titles, features)

    def _of_popular(self, seen: Sequence[str | int], k: int, *, strict: bool) -> Recommendations:
        """The most popular unseen items; ConfigError where the bundle has no list of them."""
        if self._popular is None:
            raise ConfigError(
                f"this bundle holds no {POPULAR_FILE}, the items for users whom it does not know: all-users "
                "bundles have one. Export the student again, or name a history bundle."
            )
        indices, unknown = self._known(seen, strict=strict)
        hidden = set(indices)
        found = [item for item in self._popular if item not in hidden][: check_k(k)]
        return replace(self._shown(found, array("f", [math.nan]) * len(found), unknown), source=POPULAR)

    def recommend_many(
        self,
        users: Sequence[str | int | None],
        seen: Sequence[Sequence[str | int]] | None = None,
        k: int = 10,
        *,
        strict: bool = False,
    ) -> list[Recommendations]:
        """:meth:`recommend` for each of several users; ``seen``: what each of them has seen (None: nothing).

        Of a history bundle, ``users`` are None and ``seen`` their histories.
        """
        if isinstance(users, str):
            raise ConfigError(f"users {users!r} is one text: give a list of user ids")
        rows = [()] * len(users) if seen is None else seen
        if len(rows) != len(users):
            raise ConfigError(
                f"{len(users)} users and {len(rows)} lists of seen items: give one for each user"
            )
        return [self.recommend(user, row, k, strict=strict) for user, row in zip(users, rows, strict=True)]

    def _row(self, user: str | int | None) -> int | None:
        """Index of a user; None for the one user or the history that needs no name."""
        if user is None:
            if len(self._users) > 1:
                raise ConfigError(
                    f"this bundle serves {len(self._users):,} users: say which one, for example "
                    f"{next(iter(self._users))!r}. Its users.txt lists their ids."
                )
            return None
        if not self._users:
            raise ConfigError(
                f"user {user!r}: this bundle holds no users. It answers from the history alone: "
                "give no user, and the consumed items as seen."
            )
        name = id_text("user", user)
        if name not in self._users:
            raise ConfigError(
                f"unknown user {user!r}: not one of the bundle's {len(self._users):,} users. "
                "Its users.txt lists their ids."
            )
        return self._users[name]

    def _known(self, seen: Sequence[str | int], *, strict: bool) -> tuple[list[int], tuple[str, ...]]:
        names = [id_text("seen item", name) for name in seen]
        unknown = tuple(name for name in names if name not in self._items)
        numbers = [name for name in seen if not isinstance(name, str) and str(name) in unknown]
        if numbers and not is_integer(self._item_ids[0]):
            raise ConfigError(
                f"seen item {numbers[0]!r} is a number, and the ids of this bundle are texts such as "
                f"{self._item_ids[0]!r}: an index is no id"
            )
        if strict and unknown:
            raise ConfigError(
                f"unknown seen item {unknown[0]!r}: not one of the bundle's {len(self._items):,} items. "
                "Leave it out, or ask without strict."
            )
        return [self._items[name] for name in names if name in self._items], unknown
