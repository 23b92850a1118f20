"""Users whom a bundle does not know: real bundles, Python's answers, and the C program's."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from engine_programs import ROOT, Build, answers
from exports import ANY_HISTORY, NO_GATE, make_source, with_fold_in

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.ids import POPULAR_FILE
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.rng import stream
from recpress_edge.device.recommender import Recommender
from recpress_export.build import build
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import retirement

PAGE: Final = ROOT / "docs/start/in-c.md"
_RETIRED: Final = ("item-0", "item-2", "item-60")
_KS: Final = (1, 2, 9, 50, 117, 120)


@dataclass(frozen=True, slots=True)
class Pair:
    """A student's two bundles of format c: of all its users, some items retired, and of histories."""

    users: Bundle
    history: Bundle

    def asked_of(self, text: bytes, *, with_history: bool) -> bytes:
        """What newcomers.c reads first."""
        history = self.history.model_path.read_bytes() if with_history else b""
        files = (self.users.model_path.read_bytes(), history, text)
        return b"".join(len(one).to_bytes(4, "little") + one for one in files)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What somebody unknown has seen, as indices, and how much is wanted."""

    k: int
    seen: Sequence[int]

    def to_bytes(self) -> bytes:
        """As newcomers.c reads it."""
        return np.array([self.k, len(self.seen), *self.seen], "<u4").tobytes()


def pair(folder: Path) -> Pair:
    """Of 70 users and 120 items, int8."""
    source = dataclasses.replace(make_source(folder / "model"), file_format="c")
    whole = build(AllUsers(source), RECIPES["int8-dim"], folder / "all", gate=NO_GATE).bundle
    users = update_bundle(whole.folder, retirement(list(_RETIRED)), folder / "retired", force=False).bundle
    subject = History(source, with_fold_in(folder / "model", source), ANY_HISTORY)
    return Pair(users, build(subject, RECIPES["int8-dim"], folder / "history", gate=NO_GATE).bundle)


def newcomers(count: int) -> list[Newcomer]:
    """Who has seen nothing, a few items, some twice, and nearly all."""
    found = []
    for number in range(count):
        rng = stream(number, "newcomers")
        seen = rng.permutation(120)[: int(rng.choice([0, 0, 1, 5, 40, 110]))]
        again = seen[: int(rng.integers(3))]
        found.append(Newcomer(int(rng.choice(_KS)), np.concatenate([seen, again]).tolist()))
    return found


def of_python(both: Pair, asked: Sequence[Newcomer], *, with_history: bool) -> list[list[int]]:
    """Python's answers, as indices."""
    users, reader = Recommender.load(both.users.folder), Recommender.load(both.history.folder)
    ids = both.users.item_ids()
    place = {name: index for index, name in enumerate(ids)}
    history = reader if with_history else None
    return [
        [
            place[name]
            for name in users.recommend(
                "nobody", [ids[item] for item in one.seen], one.k, or_popular=True, or_history=history
            ).items
        ]
        for one in asked
    ]


def compiled(build_: Build, engines: Path) -> list[str]:
    """newcomers.c around the function of the page."""
    page = PAGE.read_text()
    (function,) = re.findall(r'```c\n(#include "recpress_popular\.h"\n.*?)```', page, re.DOTALL)
    (engines / "for_newcomer.h").write_text(function)
    return build_.compiled(engines, "newcomers.c", [f"-I{engines}"])


def of_c(program: Sequence[str], asked: bytes) -> tuple[int, list[int | list[int]]]:
    """How many popular items were read; of each question the items, or the code of a refusal."""
    words = np.frombuffer(answers(program, asked), "<i4").tolist()
    found: list[int | list[int]] = []
    at = 1
    while at < len(words):
        n = words[at]
        found.append(n if n < 0 else words[at + 1 : at + 1 + n])
        at += 1 + max(n, 0)
    return words[0], found


def popular_text(bundle: Bundle) -> bytes:
    """popular.txt of a bundle."""
    return (bundle.folder / POPULAR_FILE).read_bytes()
