"""Trained students as the C engine stores them, and the questions of their evaluation."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import ROOT
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.files import read_json
from recpress_edge.core.rng import stream
from recpress_edge.device.c import model_bin as mb

sys.path.insert(0, str(ROOT / "tests" / "engine"))

from engine_cases import Question
from engine_models import Kind, Tables, packed

K: Final = 50
ASKED: Final = 300
"""Evaluation users whose instructions are counted."""
CODES: Final = {
    "fp32": mb.FP32,
    "int8-dim": mb.INT8_DIM,
    "int8-item": mb.INT8_ITEM,
    "int4-item": mb.INT4_ITEM,
}
COPIES: Final = 40
"""Of every item, in a catalogue of a million."""


@dataclass(frozen=True, slots=True)
class Trained:
    """user_emb (U, D), item_emb (I, D), and what the evaluation's users have seen, each in its order."""

    name: str
    user_emb: NDArray[np.float32]
    item_emb: NDArray[np.float32]
    questions: tuple[Question, ...]

    @property
    def dim(self) -> int:
        return int(self.item_emb.shape[1])

    def some(self, count: int = ASKED) -> tuple[Question, ...]:
        """A seeded part of the questions."""
        order = stream(0, "engine questions").permutation(len(self.questions))[:count]
        return tuple(self.questions[int(place)] for place in order)


@dataclass(frozen=True, slots=True)
class Form:
    """A recipe, an order and a layout."""

    recipe: str
    order: int = mb.CATALOGUE
    layout: int = mb.QUADS

    def kind(self, dim: int) -> Kind:
        """What its files say in their headers."""
        fits = self.recipe == "score16"
        code = CODES["int8-dim" if fits else self.recipe]
        return Kind(code, order=self.order, layout=self.layout, flags=int(fits), dim=dim)

    @property
    def words(self) -> str:
        return f"{self.recipe} {mb.ORDERS[self.order]} {mb.LAYOUTS[self.layout]}"


def students(work: Path, names: Sequence[str]) -> Iterator[Trained]:
    """The students in a work folder of ``recpress-edge export``, asked as its first bundle is evaluated."""
    bundle = open_bundle(min((work / "dist").glob("*/bundle.json")).parent)
    evaluation = bundle.rows()
    asked = tuple(
        Question(int(user), K, evaluation.seen(row).astype(np.uint32))
        for row, user in enumerate(evaluation.users)
    )
    data = bundle.provenance["dataset"]["digest"]
    for name in names:
        found = sorted((work / "models").glob(f"{name}-s0-*/model.json"))
        (folder, *_) = (path.parent for path in found if read_json(path)["dataset"]["digest"] == data)
        student = read_student(folder)
        yield Trained(name, student.user_emb, student.item_emb, asked)


def tables_of(student: Trained, form: Form) -> Tables:
    """As the exporter quantises them."""
    found = quantize(RECIPES[form.recipe], student.user_emb, student.item_emb)
    scale = None if found is None else found.item_row_scale
    return Tables(
        items=student.item_emb if found is None else found.item_q,
        users=student.user_emb if found is None else found.user_q,
        user_scale=np.ones(len(student.user_emb), np.float32) if found is None else found.user_scale,
        item_scale=scale,
        history=None,
        prior=None,
        step=0.0,
        retired=np.zeros(0, np.int64),
    )


def file_of(student: Trained, form: Form) -> bytes:
    """The model.bin."""
    return packed(form.kind(student.dim), tables_of(student, form))


def million(student: Trained) -> Trained:
    """Every item COPIES times, moved as far as its nearest neighbour is away; of a seen item the first."""
    rng = stream(0, "a million items")
    items = student.item_emb.astype(np.float32)
    lengths = np.einsum("id,id->i", items, items)
    nearest = np.empty(len(items), np.float32)
    for start in range(0, len(items), 1024):
        part = slice(start, start + 1024)
        square = lengths[part, None] + lengths - 2 * items[part] @ items.T
        square[np.arange(len(square)), np.arange(start, start + len(square))] = np.inf
        nearest[part] = np.sqrt(np.maximum(square.min(axis=1), 0))
    away = (nearest / np.sqrt(student.dim))[:, None, None]
    moved = items[:, None] + away * rng.standard_normal((len(items), COPIES, student.dim)).astype(np.float32)
    questions = tuple(Question(one.user, one.k, one.seen * np.uint32(COPIES)) for one in student.questions)
    name = f"{student.name}, {COPIES} times"
    return Trained(name, student.user_emb, moved.reshape(-1, student.dim), questions)


def add_work(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """--students, and what it needs of --work."""
    parser.add_argument("--students", nargs="+", default=list(names), help="default: %(default)s")


def missing(work: Path, names: Sequence[str]) -> dict[str, Any]:
    """Students that are not trained, which a record must not hide."""
    lacking = [name for name in names if not any((work / "models").glob(f"{name}-s0-*/model.json"))]
    return {"students_missing": lacking} if lacking else {}
