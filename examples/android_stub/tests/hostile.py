"""What somebody makes to do harm, signed: tests/evil.py's bundles, and values that no contract may state."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import damage
import evil
import numpy as np
from forging import Change, forged, replace_file

NO_FIGURES = (float("nan"), float("inf"), -1.0, 1e308)
TEXTS_THAT_ARE_NONE: tuple[tuple[str, Any], ...] = (
    ("created_by", 7),
    ("method", [1]),
    ("seed", -1),
    ("seed", "0"),
    ("dim", 1.5),
    ("teacher", "a name"),
    ("teacher", {"name": 5}),
    ("dataset", None),
    ("dataset", {"digest": 1}),
    ("versions", {"numpy": 2}),
    ("updates", {}),
    ("updates", [{"appended": "3"}]),
    ("command", "x" * 10_001),
)
FIGURES_THAT_ARE_NONE: tuple[tuple[str, Any], ...] = (
    ("cutoff", "50"),
    ("chain", {}),
    ("chain", [7]),
    ("chain", [{"stage": 1}]),
    ("chain", [{"test": {"recall@50": "high"}}]),
    ("chain", [{"bytes": -1}]),
    ("parity", []),
    ("parity", {"overlap": {"50": 1}}),
    ("parity", {"gate": {"met": 1}}),
    ("later", float("nan")),
    ("later", [[[]] * 10] * 100_001),
)


def hostile() -> Iterator[tuple[str, Change]]:
    yield from hostile_contracts()
    for name, (change, _) in evil.FILES.items():
        if name not in ("zip bomb", "deep manifest"):  # a smaller bomb below; its JSON is in manifest_text
            yield name, lambda folder, _, change=change: change(folder)
    yield "a small zip bomb", lambda folder, _: evil.zip_bomb(folder, 10**7)
    for claimed in (10**9, 2**62, -1):
        yield f"arrays that claim {claimed} numbers", lambda folder, _, n=claimed: claims(folder, n)
    yield from hostile_models()


def hostile_contracts() -> Iterator[tuple[str, Change]]:
    for value in NO_FIGURES:
        yield (
            f"tolerance {value}",
            forged(lambda m, v=value: m["contract"].update(exact=False, score_tolerance=v)),
        )
    yield "an exact tolerance", forged(lambda m: m["contract"].update(exact=True, score_tolerance=1e-6))
    for name in ("recipe", "items_output"):
        yield f"a long {name}", forged(lambda m, n=name: m["contract"].update({n: "x" * 257}))
    yield "n_items of 2**31 - 1", forged(lambda m: m["contract"].update(n_items=2**31 - 1))
    for section, values in (("provenance", TEXTS_THAT_ARE_NONE), ("quality", FIGURES_THAT_ARE_NONE)):
        for name, value in values:
            yield (
                f"{section} {name} {str(value)[:30]}",
                forged(lambda m, s=section, n=name, v=value: m[s].update({n: v})),
            )
    for value in (float("inf"), float("-inf"), 10**400):
        yield f"self-test with a score of {str(value)[:6]}", lambda folder, _, v=value: score(folder, v)
    yield "self-test longer than the catalogue", lambda folder, _: length(folder, 121)
    yield "self-test with a k that is true", lambda folder, _: length(folder, True)


def score(folder: Path, value: float) -> None:
    damage.edit_selftest(folder, lambda test: test["scores"][0].__setitem__(0, value))


def length(folder: Path, k: int) -> None:
    damage.edit_selftest(folder, lambda test: test.update(k=k))


def claims(folder: Path, numbers: int) -> None:
    """Headers that promise more than their members hold."""
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({numbers},), }}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
    path = folder / "evaluation.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in evil.ARRAYS:
            archive.writestr(f"{name}.npy", data)
    replace_file(folder, "evaluation.npz", path.read_bytes())


def hostile_models() -> Iterator[tuple[str, Change]]:
    changes = {change.__name__: change for change in evil.EXTERNAL}
    others = (
        evil.external_in_a_function,
        evil.external_in_training,
        evil.foreign_operator,
        evil.cached_context,
    )
    changes |= {change.__name__: change for change in others}
    changes |= {f"items moved by {n}": evil.names_items_outside(n) for n in (120, -120, 2**32)}
    changes["graphs nested deep"] = nested
    for name, change in changes.items():
        yield (
            name.replace("_", " "),
            lambda folder, _, change=change: evil.edit_model(folder, change),
        )
    yield "a field number beyond 32 bits", append_to_model(b"\x80\x80\x80\x80\x80\x01\x00")
    yield "a number of eleven bytes", append_to_model(b"\x08" + b"\xff" * 10 + b"\x01")
    yield "a group", append_to_model(b"\x0b\x0c")
    yield "a field longer than the file", append_to_model(b"\x0a\xff\xff\xff\xff\x07")


def nested(model: Any) -> None:
    """Graphs 30 deep."""
    inner = evil.helper.make_graph([], "innermost", [], [])
    for level in range(30):
        node = evil.helper.make_node("If", ["go"], ["out"], then_branch=inner)
        inner = evil.helper.make_graph([node], f"level {level}", [], [])
    model.graph.node.append(evil.helper.make_node("If", ["go"], ["out"], then_branch=inner))


def append_to_model(data: bytes) -> Change:
    def apply(folder: Path, _: np.random.Generator) -> None:
        replace_file(folder, "model.onnx", (folder / "model.onnx").read_bytes() + data)

    return apply
