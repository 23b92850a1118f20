"""Patches with what Python makes of each: the new bundle, byte for byte, or the reason why it is refused."""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fuzz_patches
from evil_patches import CASES, bomb, built, endless, honest_bomb, huge_dictionary, longer
from forging import replace_file

from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import write_json
from recpress_edge.device.opening import open_any
from recpress_edge.device.verify import verify_bundle
from recpress_export.patches.apply import ApplyOptions, apply_patch
from recpress_export.patches.make import make_patch, packed

Case = tuple[str, Path, bytes, Path | None]
"""What it is, the bundle before, the patch, the keys that are trusted."""


def write_patches(fixtures: Path, target: Path) -> None:
    """cases.json and, beside it, patches, bundles before and bundles after; ``fixtures``: has bundles."""
    target.mkdir()
    run = fuzz_patches.Run(target, seed=0, kinds=("plain",))
    cases = []
    for number, (what, base, data, keys) in enumerate(
        itertools.chain(_honest(fixtures, run), _signed(run), _damaged(run), _evil(run))
    ):
        patch, made = target / f"{number:03d}.patch", target / f"made-{number:03d}"
        patch.write_bytes(data)
        facts = {"what": what, "base": str(base), "patch": patch.name, "keys": keys and str(keys)}
        cases.append(facts | _verdict(base, patch, made, keys))
    cases.append(_wrong_answers(fixtures, target))
    write_json(target / "cases.json", {"cases": cases})


def _verdict(base: Path, patch: Path, made: Path, keys: Path | None) -> dict[str, str]:
    shutil.copytree(base, made)
    trust = ANYBODY if keys is None else Trust(keys)
    try:
        apply_patch(made, patch, ApplyOptions(trust, self_test=False))
    except ArtifactError as error:
        shutil.rmtree(made)
        return {"fault": error.fault or f"none of {error}"}
    return {"made": made.name}


def _honest(fixtures: Path, run: fuzz_patches.Run) -> Iterator[Case]:
    bundles, clicks = fixtures / "bundles", fixtures / "clicks/bundles"
    first, second, *_ = sorted(clicks.iterdir())
    stages = fixtures / "stages/bundles"
    for old, new in (
        (run.old.folder, run.new.folder),
        (run.new.folder, run.old.folder),
        (fixtures / "before/bundles/retired", bundles / "retired"),
        (bundles / "int8-dim", bundles / "int8-dim-c"),
        (bundles / "fp32", bundles / "fp32-history"),
        (first, second),
        (stages / "two-stages", stages / "two-stages-history"),
    ):
        yield f"{old.name} to {new.name}", old, make_patch(open_any(old), open_any(new)).data, None
    yield "applied before", run.new.folder, run.patch, None


def _signed(run: fuzz_patches.Run) -> Iterator[Case]:
    folder = run.home / "keys"
    folder.mkdir()
    for name in ("ours", "theirs"):
        make_keys(folder / name, name)
    ours, theirs = (
        make_patch(run.old, run.new, read_private(folder / name)).data for name in ("ours", "theirs")
    )
    trusted, old = public_path(folder / "ours"), run.old.folder
    yield "signed", old, ours, trusted
    yield "signed, and nobody asks", old, theirs, None
    yield "unsigned", old, run.patch, trusted
    yield "signed by another", old, theirs, trusted
    yield "another head", old, ours[:100] + bytes([ours[100] ^ 1]) + ours[101:], trusted
    yield "another base", old, ours[:17] + bytes(32) + ours[49:], trusted
    size = int.from_bytes(ours[129:133], "little")
    facts = json.loads(ours[133 : 133 + size])

    def resigned(text: bytes) -> bytes:
        return ours[:129] + len(text).to_bytes(4, "little") + text + ours[133 + size :]

    other = facts["signature"].replace(facts["signature"][:4], "AAAA", 1)
    for what, change in (
        ("another signature", {"signature": other}),
        ("a signature that is none", {"signature": "AAAA"}),
        ("no base64", {"signature": "!"}),
        ("a key that is none", {"key": "x"}),
        ("another schema", {"schema": "recpress.signature/9"}),
        ("a key that is a number", {"key": 1}),
    ):
        for keys in (trusted, None):
            yield what, old, resigned(json.dumps(facts | change).encode()), keys
    for text in (b"[]", b"{", b"\xff"):
        yield "a signature that is no object", old, resigned(text), None
    yield "a long signature", old, resigned(json.dumps(facts | {"more": "x" * 4096}).encode()), None
    unsigned = make_patch(run.old, run.new).data
    payload = fuzz_patches.unpacked(unsigned)[0].payload_bytes
    # who signs a patch signs what it makes: a head of ours over a payload that brings no signature
    head = fuzz_patches.PatchHead.from_bytes(unsigned[17:129])
    mine = fuzz_patches.patch_bytes(head, unsigned[-payload:], read_private(folder / "ours"))
    yield "a signed patch that makes an unsigned bundle", old, mine, trusted


def _damaged(run: fuzz_patches.Run) -> Iterator[Case]:
    data, old = run.patch, run.old.folder
    for cut in (0, 5, 17, 20, 128, 131, 133, 300, len(data) // 2, len(data) - 1):
        yield f"cut at {cut}", old, data[:cut], None
    yield "longer", old, data + b"more", None
    for at in (3, 20, 60, 90, 115, 124, 130, len(data) - 100):
        yield f"a bit of byte {at}", old, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], None
    yield "no file of ours", old, b"PK\x03\x04" + bytes(200), None


def _evil(run: fuzz_patches.Run) -> Iterator[Case]:
    for what, (files, operations, _) in CASES.items():
        yield what, run.old.folder, built(run, files, operations, b"body"), None
    for said in (2**26, 2**20, 0, 2**63 + 5):
        yield f"a bomb that says {said}", run.old.folder, bomb(run, said), None
    yield "a bomb that says what it is", run.old.folder, honest_bomb(run), None
    for data in longer(run):
        yield "a payload that goes on", run.old.folder, data, None
    yield "a stream without its end", run.old.folder, endless(run), None
    yield "a huge dictionary", run.old.folder, huge_dictionary(run), None
    head = fuzz_patches.unpacked(run.patch)[0]
    whole = fuzz_patches.unpacked(run.patch)[1]
    yield "no xz", run.old.folder, fuzz_patches.repacked(head, whole, stored=whole), None
    broken = bytearray(packed(whole))
    broken[len(broken) // 2] ^= 8
    yield "a broken stream", run.old.folder, fuzz_patches.repacked(head, whole, stored=bytes(broken)), None
    back = make_patch(run.new, run.old).data
    other = fuzz_patches.unpacked(back)[1]
    yield "another result", run.old.folder, fuzz_patches.repacked(head, other), None


def _wrong_answers(fixtures: Path, target: Path) -> dict[str, str]:
    """A bundle whose digests are right and whose model does not answer as its self-test says."""
    base, forged = fixtures / "bundles/int8-dim", target / "forged"
    shutil.copytree(base, forged)
    test = json.loads((forged / "selftest.json").read_text())
    test["items"][0].reverse()
    replace_file(forged, "selftest.json", json.dumps(test).encode())
    (target / "forged.patch").write_bytes(make_patch(open_any(base), open_any(forged)).data)
    try:
        verify_bundle(forged)
    except ArtifactError as error:
        facts = {"what": "wrong answers", "base": str(base), "patch": "forged.patch", "keys": None}
        return facts | {"fault": error.fault or "none", "self_test": True}
    raise AssertionError("Python takes the forged bundle")
