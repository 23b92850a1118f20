"""Bundles that are damaged or forged, each by one seeded change, with the verdict of Python's reader.

A forger can compute digests: of most kinds there is a signed form, where only the content can be at fault.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from corrupted_bins import BASES as BIN_BASES
from corrupted_bins import bins
from corrupted_files import contents, evaluations, models, popular_items, self_tests
from forging import Change, Manifest, forged
from hostile import hostile

from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_bytes, write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.verify import verify_bundle

BASES: Final = ("int8-dim", "fp32", "int8-dim-single-user", "fp32-history")
FILES: Final = ("CARD.md", "evaluation.npz", "items.txt", "model.onnx", "selftest.json", "users.txt")
CONTRACT: Final = (
    *("model_file", "format", "recipe", "profile", "n_users", "n_items", "dim", "exact", "score_tolerance"),
    *("user_input", "seen_input", "k_input", "items_output", "scores_output", "tie_rule"),
)
BAD_NAMES: Final = ("../x", "/etc/hostname", "sub/x", "..", ".hidden", "", "a\\b", "x" * 200, "a\n", "é")


def write_corruptions(bundles: Path, target: Path) -> None:
    """One folder a case, and cases.json: folder, what was done, Python's verdict."""
    cases = []
    for number, (base, what, change) in enumerate([*on(BASES, corruptions()), *on(BIN_BASES, bins())]):
        rng, folder = stream(number, "corruptions of the Android stub"), target / f"{number:03d}"
        shutil.copytree(bundles / base, folder)
        change(folder, rng)
        cases.append({"folder": folder.name, "what": f"{base}: {what}", "fault": verdict(folder)})
    write_json(target / "cases.json", {"cases": cases})


def on(bases: Sequence[str], changes: Iterable[tuple[str, Change]]) -> Iterator[tuple[str, str, Change]]:
    """Each change with the bundle that it is made to, all bases in turn."""
    for number, (what, change) in enumerate(changes):
        yield bases[number % len(bases)], what, change


def verdict(folder: Path) -> str:
    """The fault that Python names; one that it accepts, or refuses without a fault, is our mistake."""
    with pytest.raises(ArtifactError) as refused:
        verify_bundle(folder)
    assert refused.value.fault is not None, refused.value
    return refused.value.fault


def corruptions() -> Iterator[tuple[str, Change]]:
    """Every kind, by file or field."""
    for name in FILES:
        if name != "users.txt":  # empty in a history bundle
            yield f"a bit of {name} flipped", functools.partial(flip_bit, name)
            yield f"{name} cut short", functools.partial(cut_short, name)
        yield f"{name} grown", functools.partial(grow, name)
        yield f"{name} removed", functools.partial(remove, name)
    for name in ("items.txt", "model.onnx"):
        yield f"{name} is a link", functools.partial(link, name)
        yield f"{name} is a folder", functools.partial(replace_by_folder, name)
    yield from manifest_text()
    yield from manifest_fields()
    yield from contract_fields()
    yield from listed_files()
    yield from contents()
    yield from self_tests()
    yield from evaluations()
    yield from models()
    yield from hostile()
    yield from popular_items()


def flip_bit(name: str, folder: Path, rng: np.random.Generator) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    (folder / name).write_bytes(data)


def cut_short(name: str, folder: Path, rng: np.random.Generator) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(rng.integers(len(data)))])


def grow(name: str, folder: Path, rng: np.random.Generator) -> None:
    with (folder / name).open("ab") as file:
        file.write(rng.bytes(int(rng.integers(1, 99))))


def remove(name: str, folder: Path, _: np.random.Generator) -> None:
    (folder / name).unlink()


def link(name: str, folder: Path, _: np.random.Generator) -> None:
    shutil.move(folder / name, folder / "elsewhere")
    (folder / name).symlink_to("elsewhere")


def replace_by_folder(name: str, folder: Path, _: np.random.Generator) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def manifest_text() -> Iterator[tuple[str, Change]]:
    """bundle.json that is not JSON, or no longer what was signed."""

    def text(change: Callable[[bytes, np.random.Generator], bytes]) -> Change:
        def apply(folder: Path, rng: np.random.Generator) -> None:
            path = folder / MANIFEST
            path.write_bytes(change(path.read_bytes(), rng))

        return apply

    def insert(what: str) -> Change:
        return text(lambda data, _: data.replace(b'"schema"', f'"later": {what}, "schema"'.encode(), 1))

    yield "no bundle.json", functools.partial(remove, MANIFEST)
    yield "bundle.json cut short", text(lambda data, rng: data[: int(rng.integers(len(data) - 2))])
    yield "bundle.json empty", text(lambda _data, _rng: b"")
    yield "bundle.json is a list", text(lambda data, _: b"[" + data + b"]")
    yield "bundle.json is not UTF-8", text(lambda data, _: data.replace(b'"name"', b'"na\xff"', 1))
    yield "bundle.json with a mark of byte order", text(lambda data, _: b"\xef\xbb\xbf" + data)
    yield "bundle.json with a comment", text(lambda data, _: data.replace(b"{", b"{ // ours\n", 1))
    yield "bundle.json above any size", text(lambda data, _: data + b" " * (4 * 2**20))
    for name in ("dim", "n_items", "seed", "bytes"):
        yield (
            f"{name} edited by hand",
            text(lambda data, _, name=name: data.replace(f'"{name}": '.encode(), f'"{name}": 1'.encode(), 1)),
        )
    for what in ("[" * 9000 + "]" * 9000, '"\\ud800"', "tru", "01", "'x'", '"\n"', "9" * 5000):
        yield f"a later field {what[:12]!r}", insert(what)


def manifest_fields() -> Iterator[tuple[str, Change]]:
    for schema in ("recpress.bundle/2", "recpress.bench/1", 1, None):
        yield f"schema {schema!r}", forged(lambda m, schema=schema: m.update(schema=schema))
    for name in ("name", "contract", "provenance", "quality", "files"):
        yield f"no {name}", forged(lambda m, name=name: m.pop(name))
        yield f"{name} is a number", forged(lambda m, name=name: m.update({name: 7}))
    for name in ("../evil", "/tmp/evil", "a/b", ""):
        yield f"named {name!r}", forged(lambda m, name=name: m.update(name=name))
    yield "digest of something else", lambda folder, _: write_unsigned(folder, "0" * 64)
    yield "digest is null", lambda folder, _: write_unsigned(folder, None)


def write_unsigned(folder: Path, digest: str | None) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"digest": digest}))


def contract_fields() -> Iterator[tuple[str, Change]]:
    def contract(**values: Any) -> Change:
        return forged(lambda m: m["contract"].update(values))

    for name in CONTRACT:
        yield f"contract without {name}", forged(lambda m, name=name: m["contract"].pop(name))
    for name, value in (
        ("n_items", "120"),
        ("n_items", 120.0),
        ("n_items", True),
        ("exact", 1),
        ("score_tolerance", "0"),
        ("model_file", None),
        ("seen_capacity", 128),
        ("retired", "none"),
        ("retired", [1.5]),
        ("history_length", -1),
        ("history_length", 2**31),
        ("history_length", "5"),
        ("history_length", True),
        ("n_items", 0),
        ("n_items", 2**31),
        ("n_items", 10**30),
        ("n_items", -5),
        ("dim", 0),
        ("n_users", 10**12),
        ("n_users", -1),
        ("retired", [5, 3]),
        ("retired", [3, 3]),
        ("retired", [120]),
        ("retired", [-1]),
        ("retired", list(range(120))),
        ("tie_rule", "higher item index first"),
        ("profile", "somebody"),
        ("format", "tflite"),
        ("format", "gguf"),
        ("model_file", "other.onnx"),
        ("model_file", "../model.onnx"),
        ("seen_input", "visited"),
        ("items_output", "scores"),
        ("n_items", 119),
        ("n_items", 121),
    ):
        shown = str(value)[:24]
        yield f"contract {name} {shown}", contract(**{name: value})
    yield "user input of another profile", forged(swap_user_input)


def swap_user_input(manifest: Manifest) -> None:
    contract = manifest["contract"]
    contract["user_input"] = "" if contract["user_input"] else "user"


def listed_files() -> Iterator[tuple[str, Change]]:
    for name in BAD_NAMES:
        facts = {"bytes": 6, "sha256": sha256_bytes(b"secret")}
        yield f"lists {name[:20]!r}", forged(lambda m, n=name, f=facts: m["files"].update({n: f}))
    for name in ("users.txt", "items.txt", "selftest.json", "evaluation.npz", "model.onnx"):
        yield f"does not list {name}", forged(lambda m, name=name: m["files"].pop(name))
    for values in (
        {"bytes": "9"},
        {"bytes": True},
        {"bytes": -1},
        {"bytes": 2**63},
        {"sha256": 5},
        {"sha256": "5"},
    ):
        yield f"items.txt states {values}", forged(lambda m, v=values: m["files"]["items.txt"].update(v))
    yield "items.txt states nothing", forged(lambda m: m["files"].update({"items.txt": {}}))
    yield "items.txt states a list", forged(lambda m: m["files"].update({"items.txt": []}))
