"""The widest tables that a file of so many bytes can hold, computed before anything is trained."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import HISTORY, SINGLE_USER
from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.core.units import format_bytes
from recpress_edge.data.interactions import Dataset
from recpress_edge.device.c.footprint import Footprint, needs_of
from recpress_export.gates import load_history_gate
from recpress_export.size import file_bytes
from recpress_export.student import StudentData
from recpress_export.subjects import Subject
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser

LEAST_DIM: Final = 2
LISTS_OF: Final = 10
"""Items of a list, where RAM is computed."""
MOST_DIM: Final = 200
"""As wide as the usual teachers: wider tables keep no more."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """How a student's tables are stored: what its file weighs depends on nothing else but its name."""

    recipe: str
    dim: int

    def __str__(self) -> str:
        return f"{self.recipe}:{self.dim}"


@dataclass(frozen=True, eq=False)
class FileKind:
    """The files of a data set in one format and profile."""

    data: Dataset
    file_format: str
    profile: str
    user: str | None

    @functools.cached_property
    def most_dim(self) -> int:
        """The widest that is of use: a table of rank below both sides of the matrix."""
        return max(min(MOST_DIM, self.data.n_users - 1, self.data.n_items - 1), LEAST_DIM)

    def bytes_of(self, shape: TableShape, method: str, seed: int) -> int:
        """Bytes of the model file of a student by this method: the writer's, of drawn tables."""
        name = f"{method}_dim{shape.dim}" if shape.dim > 1 else method
        return file_bytes(self._subject(name, seed, shape.dim), recipe_named(shape.recipe))

    def needs_of(self, shape: TableShape, method: str, seed: int) -> Footprint:
        """Flash and RAM on a microcontroller that gives lists of LISTS_OF: computed, with the file's bytes.

        ConfigError for a format that no microcontroller reads.
        """
        found = needs_of(
            {
                "format": self.file_format,
                "recipe": shape.recipe,
                "profile": self.profile,
                "n_users": {HISTORY: 0, SINGLE_USER: 1}.get(self.profile, self.data.n_users),
                "n_items": self.data.n_items,
                "dim": shape.dim,
                "file_bytes": self.bytes_of(shape, method, seed),
            },
            LISTS_OF,
        )
        if found is None:
            raise ConfigError(
                f"--max-flash and --max-ram are a microcontroller's, which runs no {self.file_format} file. "
                "Add --format c, or leave them out."
            )
        return found

    def _subject(self, name: str, seed: int, dim: int) -> Subject[Any]:
        data, nobody = self.data, np.empty(0, np.int32)
        none = Evaluation(nobody, np.zeros(1, np.int64), nobody, np.zeros(1, np.int64), nobody)
        students = StudentData(
            model=Student(
                _drawn(data.n_users, dim),
                _drawn(data.n_items, dim),
                name,
                seed,
                sha256="0" * 64,
                facts={"dataset": data.facts()},
            ),
            user_ids=data.user_ids,
            item_ids=data.item_ids,
            valid=none,
            test=none,
            licence="",
            definition={},
            teacher_bytes=None,
            item_counts=np.zeros(data.n_items, np.int64),
            cutoff=1,
            command="",
            ships_rows=False,
            file_format=self.file_format,
        )
        if self.user is not None:
            return SingleUser(students, self.user)
        if self.profile == HISTORY:
            fold_in = FoldIn(_drawn(data.n_items, dim), _drawn(1, dim)[0])
            return History(students, fold_in, load_history_gate())
        return AllUsers(students)


def _drawn(rows: int, dim: int) -> F32:
    return stream(0, "table").standard_normal((rows, dim), np.float32)


def widest_shapes(
    kind: FileKind, recipes: Sequence[str], methods: Sequence[str], max_bytes: int, seed: int
) -> tuple[TableShape, ...]:
    """The widest shape of each recipe whose file fits, whichever of ``methods`` named it.

    Recipes of which none fits are left out; ConfigError where that leaves none.
    """
    longest = max(methods, key=len)
    found = [(recipe, _widest(kind, recipe, longest, max_bytes, seed)) for recipe in recipes]
    shapes = tuple(TableShape(recipe, dim) for recipe, dim in found if dim)
    if not shapes:
        raise _nothing_fits(kind, recipes, longest, max_bytes, seed)
    return shapes


def _widest(kind: FileKind, recipe: str, method: str, max_bytes: int, seed: int) -> int:
    """The largest dim that fits, 0 for none: along the line through two sizes, then to the byte."""

    @functools.cache
    def size(dim: int) -> int:
        return kind.bytes_of(TableShape(recipe, dim), method, seed)

    if size(LEAST_DIM) > max_bytes:
        return 0
    if kind.most_dim < LEAST_DIM + 2:
        return LEAST_DIM
    step = (size(LEAST_DIM + 2) - size(LEAST_DIM)) / 2
    guess = LEAST_DIM + int((max_bytes - size(LEAST_DIM)) / max(step, 1))
    dim = min(max(guess, LEAST_DIM), kind.most_dim)
    while size(dim) > max_bytes:
        dim -= 1
    while dim < kind.most_dim and size(dim + 1) <= max_bytes:
        dim += 1
    return dim


def _nothing_fits(
    kind: FileKind, recipes: Sequence[str], method: str, max_bytes: int, seed: int
) -> ConfigError:
    least = min(recipes, key=lambda recipe: kind.bytes_of(TableShape(recipe, LEAST_DIM), method, seed))
    size = kind.bytes_of(TableShape(least, LEAST_DIM), method, seed)
    data = kind.data
    users = "" if kind.profile == HISTORY else "; --profile history holds no users' rows"
    return ConfigError(
        f"no file of {data.n_users:,} users and {data.n_items:,} items fits into {max_bytes:,} bytes "
        f"({format_bytes(max_bytes)}): the smallest, {least} at dim {LEAST_DIM}, has {size:,}. Ask for "
        f"--max-bytes {size} or more{users}."
    )


def within_ram(
    kind: FileKind, shapes: Sequence[TableShape], method: str, seed: int, max_ram: int
) -> tuple[TableShape, ...]:
    """The shapes whose lists a microcontroller with so much RAM can make; ConfigError where none is left."""
    needs = {shape: kind.needs_of(shape, method, seed).ram_bytes for shape in shapes}
    fitting = tuple(shape for shape, ram in needs.items() if ram <= max_ram)
    if not fitting:
        least = min(needs, key=lambda shape: needs[shape])
        raise ConfigError(
            f"{kind.data.n_items:,} items do not fit {max_ram:,} bytes of RAM: lists of {LISTS_OF} of "
            f"{least} need about {needs[least]:,} (computed). Ask for --max-ram {needs[least]} or more, or "
            "import fewer items."
        )
    return fitting
