"""Corruptions of what a bundle's files hold, each signed again: only the content can be at fault."""

import functools
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from forging import Change, Manifest, replace_file

from recpress_edge.artifacts.bundle import Evaluation, open_bundle


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


def popular_items() -> Iterator[tuple[str, Change]]:
    """Signed lists of popular items that are none."""
    for what, data in (
        ("an item twice", b"1\n2\n1\n"),
        ("an item beyond the catalogue", b"120\n"),
        ("an item beyond 64 bits", b"99999999999999999999\n"),
        ("a negative item", b"-1\n"),
        ("an item id", b"item-1\n"),
        ("an empty line", b"1\n\n2\n"),
        ("the last line not ended", b"1\n2"),
        ("more lines than items", b"".join(b"%d\n" % n for n in range(121))),
        ("digits of another script", "٣\n".encode()),
    ):
        yield f"popular items with {what}", functools.partial(_popular, data)


def _popular(data: bytes, folder: Path, _: np.random.Generator) -> None:
    replace_file(folder, "popular.txt", data)


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
