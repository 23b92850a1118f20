"""Mutated patches against the device's side: refused with a reason, or the stated bundle; never a crash.

    python tests/fuzz_patches.py --count 100000 --out benchmarks/results/fuzz-patches.json

Half of the cases are accidents, in the bytes of the file. The others are done on purpose: index, operations
or bodies are changed, and sizes and digests of the head made right again, as anybody can who has no key. A
case that takes more than SLOW_S, holds more than GROWN bytes more, changes the bundle that is there, or
writes anything beside the draft, is a finding.
"""

import argparse
import json
import lzma
import os
import re
import shutil
import struct
import tempfile
import time
from collections import Counter
from pathlib import Path

from bundles import make_bundle
from mutations import mutate_bytes, mutate_json

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.patch.header import PatchHead, patch_bytes, read_patch
from recpress_edge.artifacts.patch.index import damaged
from recpress_edge.artifacts.patch.unpack import unpack
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.core.rng import stream
from recpress_export.patches.make import make_patch, packed

SLOW_S, GROWN = 5.0, 300 * 2**20
REFUSED, ACCEPTED = "refused", "accepted"


def unpacked(data):
    """The payload of a patch's bytes, and its head."""
    head = PatchHead.from_bytes(data[17:129])
    return head, lzma.decompress(data[len(data) - head.payload_bytes :])


def repacked(head, payload, **stated):
    """A patch around another payload, sizes and digest right but for what is ``stated``."""
    data = stated.pop("stored", None) or packed(payload)
    facts = {
        "base": head.base,
        "target": head.target,
        "payload_bytes": len(data),
        "payload_sha256": sha256_bytes(data),
        "unpacked_bytes": len(payload),
    }
    return patch_bytes(PatchHead(**(facts | stated)), data)


def on_purpose(data, rng):
    """Index, operations or bodies are others."""
    head, payload = unpacked(data)
    size = struct.unpack_from("<I", payload)[0]
    index, rest = payload[4 : 4 + size], payload[4 + size :]
    way = int(rng.integers(0, 4))
    if way == 0:
        index = mutate_bytes(index, rng)
    elif way == 1:
        changed = mutate_json(json.loads(index), rng)
        index = json.dumps(changed).encode(errors="surrogatepass")
    else:
        rest = mutate_bytes(rest, rng)
    counted = len(index) if rng.random() < 0.9 else int(rng.integers(0, 2**32))
    made = struct.pack("<I", counted) + index + rest
    stated = {} if rng.random() < 0.8 else {"unpacked_bytes": int(rng.integers(0, 2**40))}
    return repacked(head, made, **stated)


def held_bytes():
    """The most that this process has held."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


class Run:
    """Cases, one after the other, on one pair of small bundles."""

    def __init__(self, home, seed):
        self.home, self.seed, self.outcomes, self.findings = home, seed, Counter(), []
        self.old = make_bundle(home / "old", n_users=8, n_items=60, n_tests=3)
        self.new = make_bundle(home / "new", n_users=8, n_items=63, n_tests=3)
        self.sizes = {path.name: path.stat().st_size for path in self.old.folder.iterdir()}
        self.before = {path.name: sha256_bytes(path.read_bytes()) for path in self.old.folder.iterdir()}
        self.patch = make_patch(self.old, self.new).data

    def case(self, number):
        """What came of one."""
        rng = stream(self.seed, f"patch {number}")
        data = on_purpose(self.patch, rng) if number % 2 else mutate_bytes(self.patch, rng)
        path, draft = self.home / "patch", self.home / "draft"
        path.write_bytes(data)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        start, held = time.perf_counter(), held_bytes()
        said = self._outcome(path, draft)
        self.outcomes[said if said in (REFUSED, ACCEPTED) else "finding"] += 1
        if said not in (REFUSED, ACCEPTED):
            self.findings.append(f"{number}: {said}")
        grown = held_bytes() - held
        if time.perf_counter() - start > SLOW_S or grown > GROWN:
            self.findings.append(f"{number}: {time.perf_counter() - start:.1f} s, {grown:,} bytes more")
        there = {path.name for path in self.home.iterdir()}
        if there != {"old", "new", "patch", "draft"}:
            self.findings.append(f"{number}: wrote {there}")
        if number % 50 == 0 and self._changed():
            self.findings.append(f"{number}: the bundle before was changed")

    def _changed(self):
        folder = self.old.folder
        return {path.name: sha256_bytes(path.read_bytes()) for path in folder.iterdir()} != self.before

    def _apply(self, path, draft):
        """What apply_patch does, without exchanging folders."""
        patch = read_patch(path)
        if patch.head.base != self.old.digest:
            raise damaged("another base")
        unpack(patch, self.old.folder, self.sizes, draft)
        if open_bundle(draft).digest != patch.head.target:
            raise damaged("another target")

    def _outcome(self, path, draft):
        try:
            self._apply(path, draft)
        except ArtifactError as error:
            return REFUSED if error.fault else f"no fault: {error}"
        except Exception as error:  # that is what is sought
            return f"{type(error).__name__}: {error}"[:300]
        same = all((draft / f.name).read_bytes() == f.read_bytes() for f in self.new.folder.iterdir())
        return ACCEPTED if same else "accepted another bundle"


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as home:
        run = Run(Path(home), args.seed)
        for number in range(args.count):
            run.case(number)
    facts = {
        "schema": "recpress.fuzz-patches/1",
        "command": f"python tests/fuzz_patches.py --count {args.count} --seed {args.seed}",
        "cases": args.count,
        "outcomes": dict(run.outcomes),
        "findings": run.findings,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(json.dumps(facts, indent=2))
    if args.out:
        args.out.write_text(json.dumps(facts, indent=2) + "\n")
    return bool(run.findings)


if __name__ == "__main__":
    raise SystemExit(main())
