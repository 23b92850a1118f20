"""Instructions of a query on emulated cores, and synthetic models of CiteULike's size to count them on."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from engine_cases import Question
from engine_models import Kind, Tables, packed
from engine_programs import ROOT, TIMEOUT_S, Build
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64
from recpress_edge.core.rng import stream
from recpress_edge.device.c import model_bin as mb

PLUGIN_SOURCE: Final = ROOT / "device_bench" / "emulation" / "counting.c"
CACHES: Final = "cache=32:4:512:16"
"""The plugin asks for some; nothing here reads their counts."""
N_ITEMS: Final = 25_181
N_USERS: Final = 200
K: Final = 50
SEEN: Final = 23
"""Items that a CiteULike user has seen, on average."""
SPREAD: Final = 0.8
"""Of the logarithm of an item's length, where items are ordered by it."""
CLOUD: Final = 40
"""Items around a point."""
CLOUD_WIDTH: Final = 0.3


@dataclass(frozen=True, slots=True)
class Counted:
    """A model and questions to it."""

    model: bytes
    questions: tuple[Question, ...]


def synthetic(kind: Kind, questions: int, n_items: int = N_ITEMS) -> Counted:
    """Rows of length 1 as cosine students have them; of all lengths where the order is by length, in clouds
    where near ones lie together.
    """
    assert kind.dim is not None
    rng = stream(0, "engine counts", kind.dim, kind.order, n_items)
    spectrum = np.arange(1, kind.dim + 1) ** -0.5
    items, users = (_unit(rng.standard_normal((n, kind.dim)) * spectrum) for n in (n_items, N_USERS))
    if kind.order == mb.LENGTH:
        items *= np.exp(SPREAD * rng.standard_normal((n_items, 1)))
        items /= np.abs(items).max()
    if kind.order == mb.NEIGHBOURS:
        items = _unit(items[np.arange(n_items) // CLOUD] + CLOUD_WIDTH * items)
    users /= np.abs(users).max(axis=1, keepdims=True)
    stored = np.rint(127 * items).astype(np.int8)
    tables = Tables(
        items=stored,
        users=_fitting(127 * users, stored)
        if kind.flags & mb.FITS_16
        else np.rint(127 * users).astype(np.int8),
        user_scale=np.ones(N_USERS, np.float32),
        item_scale=None,
        history=None,
        prior=None,
        step=0.0,
        retired=np.zeros(0, np.int64),
    )
    asked = tuple(
        Question(user, K, rng.integers(0, n_items, int(rng.geometric(1 / SEEN))).astype(np.uint32))
        for user in range(questions)
    )
    return Counted(packed(kind, tables), asked)


def _unit(rows: F64) -> F64:
    unit: F64 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _fitting(users: F64, items: NDArray[np.int8]) -> NDArray[np.int8]:
    """Users (U, D) made smaller where a score would not fit 16 bits."""
    largest = np.abs(users @ items.T.astype(np.float64)).max(axis=1, keepdims=True)
    margin = np.abs(items.astype(np.int64)).sum(axis=1).max() / 2  # what rounding may add
    fitting: NDArray[np.int8] = np.rint(users * np.minimum(1, (2**15 - 1 - margin) / largest)).astype(np.int8)
    return fitting


def compiled_plugin(folder: Path) -> Path:
    """The counting plugin of device_bench."""
    plugin = folder / "counting.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(plugin), str(PLUGIN_SOURCE)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
    return plugin


def asked_bytes(questions: Sequence[Question]) -> bytes:
    """What count.c reads."""
    parts = [np.uint32(len(questions)).tobytes()]
    for one in questions:
        parts += [np.array([one.user, len(one.seen)], "<u4").tobytes(), one.seen.astype("<u4").tobytes()]
    return b"".join(parts)


def instructions(build: Build, counted: Counted, folder: Path, plugin: Path, defines: Sequence[str]) -> int:
    """Of a query, the median."""
    program = build.compiled(folder, "count.c", defines)
    (folder / "model.bin").write_bytes(counted.model)
    (folder / "questions").write_bytes(asked_bytes(counted.questions))
    return int(np.median(counts(program, folder, plugin, counted.questions[0].k)))


def counts(program: Sequence[str], folder: Path, plugin: Path, k: int) -> NDArray[np.int64]:
    """Instructions of each query in turn, for the model and the questions in the folder."""
    marks = folder / "marks"
    emulator, *rest = program
    command = [emulator, "-plugin", f"{plugin},out={marks},{CACHES}", *rest]
    command += [str(folder / "model.bin"), str(folder / "questions"), str(k)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
    totals: NDArray[np.int64] = np.loadtxt(marks, np.int64, usecols=1, ndmin=1)
    return np.diff(totals)


def alone(build: Build, kind: Kind) -> tuple[Build, list[str]]:
    """A build under a name of its own for the engine of one kind, and its flags."""
    name = f"{build.name}-{kind.recipe}{kind.order}{kind.layout}{kind.flags}-{kind.dim}"
    return replace(build, name=name), kind.defines


def facts(kind: Kind) -> dict[str, Any]:
    """A kind in the words of a record."""
    recipe = "score16" if kind.flags & mb.FITS_16 else mb.RECIPES[kind.recipe]
    return {
        "dim": kind.dim,
        "recipe": recipe,
        "order": mb.ORDERS[kind.order],
        "layout": mb.LAYOUTS[kind.layout],
    }


def gated() -> dict[str, Kind]:
    """What tests/engine/instructions.json has a figure of, by the build and the kind in words."""
    score16 = [Kind(mb.INT8_DIM, layout=mb.DIMS, flags=mb.FITS_16, dim=dim) for dim in (10, 20, 32)]
    wide = [Kind(mb.INT8_DIM, dim=dim) for dim in (10, 20, 32, 100)]
    ordered = [Kind(mb.INT8_DIM, order=order, dim=10) for order in (mb.LENGTH, mb.NEIGHBOURS)]
    kinds = {"gcc-a53": [*score16, wide[0], wide[-1], *ordered], "gcc-a76": [*wide, *ordered]}
    return {
        f"{build} {' '.join(map(str, facts(kind).values()))}": kind
        for build, of_build in kinds.items()
        for kind in of_build
    }
