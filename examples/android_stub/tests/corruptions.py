"""Bundles that are damaged or forged, each by one seeded change, with the verdict of Python's reader.

A forger can compute digests: of most kinds there is a signed form, where only the content can be at fault.
"""

import functools
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from device_bench.selftest import verify_bundle
from recpress_edge.core.bundle import MANIFEST, Evaluation, open_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import canonical_json, sha256_bytes, write_json
from recpress_edge.core.rng import stream

Change = Callable[[Path, np.random.Generator], None]

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
    for number, (what, change) in enumerate(corruptions()):
        rng = stream(number, "corruptions of the Android stub")
        base, folder = BASES[number % len(BASES)], target / f"{number:03d}"
        shutil.copytree(bundles / base, folder)
        change(folder, rng)
        cases.append({"folder": folder.name, "what": f"{base}: {what}", "fault": verdict(folder)})
    write_json(target / "cases.json", {"cases": cases})


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


Manifest = dict[str, Any]


def forged(change: Callable[[Manifest], Any]) -> Change:
    """The manifest changed and signed again."""

    def apply(folder: Path, _: np.random.Generator) -> None:
        sign(folder, change)

    return apply


def sign(folder: Path, change: Callable[[Manifest], Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    manifest.pop("digest")
    manifest["digest"] = sha256_bytes(canonical_json(manifest))
    (folder / MANIFEST).write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Other content with a digest that fits."""
    (folder / name).write_bytes(data)
    facts = {"bytes": len(data), "sha256": sha256_bytes(data)}
    sign(folder, lambda manifest: manifest["files"].update({name: facts}))


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


def contents() -> Iterator[tuple[str, Change]]:
    """Signed id maps that do not hold what they must."""

    def ids(change: Callable[[bytes], bytes]) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            replace_file(folder, "items.txt", change((folder / "items.txt").read_bytes()))

        return apply

    yield (
        "an id twice",
        ids(lambda data: data.replace(b"item-1 ", b"item-0 ", 1).replace(b"item-8", b"item-16", 1)),
    )
    yield "an empty id", ids(lambda data: b"\n" + data.partition(b"\n")[2])
    yield "an id missing", ids(lambda data: data.partition(b"\n")[2])
    yield "an id too many", ids(lambda data: data + b"one more\n")
    yield "the last line not ended", ids(lambda data: data[:-1])
    yield "ids not UTF-8", ids(lambda data: data.replace(b"item-5", b"item\xc0\x80", 1))
    yield "ids with half a surrogate pair", ids(lambda data: data.replace(b"item-5", b"\xed\xa0\x80", 1))
    yield "no ids", ids(lambda _: b"")


def self_tests() -> Iterator[tuple[str, Change]]:
    def test(change: Callable[[Manifest], Any]) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            value = json.loads((folder / "selftest.json").read_text())
            change(value)
            replace_file(folder, "selftest.json", json.dumps(value).encode())

        return apply

    for name in ("k", "users", "seen", "items", "scores"):
        yield f"self-test without {name}", test(lambda t, name=name: t.pop(name))
        yield f"self-test with {name} null", test(lambda t, name=name: t.update({name: None}))
    yield (
        "self-test with no query",
        test(lambda t: [t[n].clear() for n in ("users", "seen", "items", "scores")]),
    )
    yield "self-test with a user too many", test(lambda t: t["users"].append(t["users"][0]))
    yield "self-test with an item index too high", test(lambda t: t["items"][0].__setitem__(3, 120))
    yield "self-test with a negative item", test(lambda t: t["items"][1].__setitem__(0, -1))
    yield "self-test with a seen item beyond 64 bits", test(lambda t: t["seen"][1].append(10**30))
    yield "self-test with another user", test(lambda t: t["users"].__setitem__(0, 70))
    yield "self-test with a user below nobody", test(lambda t: t["users"].__setitem__(0, -2))
    yield "self-test shorter than its answers", test(lambda t: t.update(k=3))
    yield (
        "self-test with an answer of nothing",
        test(lambda t: (t["items"][0].clear(), t["scores"][0].clear())),
    )
    yield "self-test with scores missing", test(lambda t: t["scores"][2].pop())
    yield "self-test with a score as text", test(lambda t: t["scores"][2].__setitem__(0, "high"))
    for rank in (0, 17, 49):
        yield f"another item expected at rank {rank}", test(functools.partial(expect_another, rank))
    yield "another score expected", test(lambda t: t["scores"][0].__setitem__(4, t["scores"][0][4] + 1))
    yield "no score can equal NaN", test(lambda t: t["scores"][0].__setitem__(4, float("nan")))
    yield "a seen item expected", test(lambda t: t["seen"][1].append(t["items"][1][0]))
    yield "an answer upside down", test(lambda t: t["items"][0].reverse())


def expect_another(rank: int, test: Manifest) -> None:
    listed = test["items"][0]
    listed[rank] = next(n for n in range(119, -1, -1) if n not in listed and n not in test["seen"][0])


def evaluations() -> Iterator[tuple[str, Change]]:
    def arrays(**values: Callable[[np.ndarray], np.ndarray]) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            evaluation = open_bundle(folder).evaluation()
            found = {name: getattr(evaluation, name) for name in Evaluation.__slots__}
            changed = found | {name: change(found[name]) for name, change in values.items()}
            replace_file(folder, "evaluation.npz", npz({k: npy(v) for k, v in changed.items()}))

        return apply

    def damaged(change: Callable[[bytearray], Any]) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            data = bytearray((folder / "evaluation.npz").read_bytes())
            change(data)
            replace_file(folder, "evaluation.npz", bytes(data))

        return apply

    yield "evaluation of floats", arrays(users=lambda a: a.astype(np.float32))
    yield "evaluation of two axes", arrays(seen_indices=lambda a: a[:, None])
    yield (
        "evaluation of objects",
        lambda folder, _: replace_file(folder, "evaluation.npz", npz({"users": pickled()})),
    )
    yield "evaluation of nobody's items", arrays(relevant_indices=lambda a: a + 120)
    yield "evaluation of a negative item", arrays(seen_indices=lambda a: np.append(a[:-1], -1))
    yield "evaluation of other users", arrays(users=lambda a: a + 1000)
    yield "evaluation of users below nobody", arrays(users=lambda a: np.minimum(a, -2))
    yield "row pointers that go back", arrays(seen_indptr=lambda a: a[::-1])
    yield "row pointers that start late", arrays(relevant_indptr=lambda a: np.append(a[:1] + 1, a[1:]))
    yield "row pointers that end early", arrays(relevant_indptr=lambda a: np.append(a[:-1], a[-1] - 1))
    yield "row pointers too few", arrays(seen_indptr=lambda a: a[1:])
    yield "no relevant item", arrays(relevant_indices=lambda a: a[:0], relevant_indptr=np.zeros_like)
    yield "evaluation of nothing", damaged(lambda d: d.clear())
    yield "evaluation that is text", damaged(lambda d: d.__setitem__(slice(None), b"not a zip file" * 9))
    yield "evaluation cut short", damaged(lambda d: d.__delitem__(slice(len(d) // 2, None)))
    yield "evaluation with another checksum", damaged(lambda d: d.__setitem__(170, d[170] ^ 1))
    for name in Evaluation.__slots__:
        yield f"evaluation without {name}", lambda folder, _, name=name: without_array(folder, name)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def pickled() -> bytes:
    """The header of an array of Python objects; nothing that could be unpickled follows."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\x80\x05N."


def npz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data)
    return buffer.getvalue()


def without_array(folder: Path, name: str) -> None:
    with zipfile.ZipFile(folder / "evaluation.npz") as archive:
        members = {n.removesuffix(".npy"): archive.read(n) for n in archive.namelist()}
    members.pop(name)
    replace_file(folder, "evaluation.npz", npz(members))


def models() -> Iterator[tuple[str, Change]]:
    """Signed model files that are none, or another bundle's."""

    def model(change: Callable[[bytes], bytes]) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            replace_file(folder, "model.onnx", change((folder / "model.onnx").read_bytes()))

        return apply

    def other(name: str) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            source = folder.parents[1] / "bundles" / name / "model.onnx"
            replace_file(folder, "model.onnx", source.read_bytes())

        return apply

    yield "a model of nothing", model(lambda _: b"")
    yield "a model of text", model(lambda _: b"this is no protobuf")
    yield "a model cut short", model(lambda data: data[: len(data) // 2])
    yield "a model of zeros", model(lambda data: bytes(len(data)))
    for name in ("ties", "retired", "int8-item", "fp16", "int8-dim-history"):
        yield f"the model of {name}", other(name)
