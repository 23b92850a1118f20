"""Mutated patches against the device's side: refused with a reason, or the stated bundle; never a crash.

    python tests/fuzz_patches.py --count 300000 --out benchmarks/results/fuzz-patches.json

Between bundles of each kind: full and lean ones, click models and two stages, and signed ones with --trusted.
Half of the cases are accidents, in the bytes of the file. The others are done on purpose: index, operations
or bodies are changed, and sizes and digests of the head made right again, as anybody can who has no key. A
case that takes more than SLOW_S, holds more than GROWN bytes more, changes the bundle that is there, or
writes anything beside the draft, is a finding.
"""

import argparse
import functools
import json
import lzma
import os
import re
import shutil
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import made_two_stages
from bundles import make_bundle
from exports import exported
from made_click_bundles import click_bundle
from mutations import in_memory, mutate_bytes, mutate_json

from recpress_edge.artifacts.patch.header import PatchHead, patch_bytes, read_patch
from recpress_edge.artifacts.patch.index import damaged
from recpress_edge.artifacts.patch.unpack import unpack
from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private, read_trusted
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.trust.signature import sign_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.core.rng import stream
from recpress_edge.device.opening import open_any
from recpress_export.lean.strip import strip_bundle
from recpress_export.patches.make import make_patch
from recpress_export.two_stages.build import build_two_stages

_FAST = {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096, "depth": 1}
SLOW_S, GROWN = 5.0, 300 * 2**20
REFUSED, ACCEPTED = "refused", "accepted"


@functools.cache
def unpacked(data):
    """The payload of a patch's bytes, and its head."""
    head = PatchHead.from_bytes(data[17:129])
    return head, lzma.decompress(data[len(data) - head.payload_bytes :])


def repacked(head, payload, **stated):
    """A patch around another payload, sizes and digest right but for what is ``stated``."""
    data = stated.pop("stored", None) or lzma.compress(
        payload, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=[_FAST]
    )
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


_STATUS = os.open("/proc/self/status", os.O_RDONLY)


def held_bytes():
    """The most that this process has held."""
    return 1024 * int(re.search(rb"VmHWM:\s+(\d+)", os.pread(_STATUS, 4096, 0))[1])


def contents(folder):
    """Bytes of every file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Pair:
    """Two bundles of a kind, and the patch from one to the other."""

    def __init__(self, name, old, new, keys=None):
        self.name, self.old, self.new = name, old, new
        self.sizes = {path.name: path.stat().st_size for path in old.folder.iterdir()}
        private, self.trust = (None, ANYBODY) if keys is None else keys
        self.patch = make_patch(old, new, private).data
        self.before, self.after = contents(old.folder), contents(new.folder)
        self.trusted = None if keys is None else read_trusted(self.trust.keys)


def pairs(home, kinds):
    """A pair of small bundles of each kind."""

    def two(folder):
        named = (("old", 60), ("new", 63))
        return [make_bundle(folder / n, n_users=8, n_items=items, n_tests=3) for n, items in named]

    def plain(name, folder):
        return Pair(name, *two(folder))

    def lean(name, folder):
        full = [exported(folder / "one", "int8-dim").folder, exported(folder / "two", "int8-item").folder]
        return Pair(name, *(strip_bundle(one, folder / f"{one.name}-lean").lean for one in full))

    def clicks(name, folder):
        return Pair(name, *(click_bundle(folder / f"{n}", seed=n).bundle for n in (0, 1)))

    def stages(name, folder):
        source = made_two_stages.source_of
        made = [source(made_two_stages.second_of(seed=n)) for n in (0, 1)]
        return Pair(
            name, *(build_two_stages(s, folder / f"{n}", force=True).bundle for n, s in enumerate(made))
        )

    def signed(name, folder):
        make_keys(folder / "key", "fuzz")
        private = read_private(folder / "key")
        made = [bundle.folder for bundle in two(folder)]
        for one in made:
            sign_bundle(one, private, (one / "bundle.json").read_bytes())
        trust = Trust(keys=public_path(folder / "key"))
        return Pair(name, *map(open_any, made), (private, trust))

    makers = {"plain": plain, "lean": lean, "clicks": clicks, "two stages": stages, "signed": signed}
    made = []
    for kind in kinds:
        folder = home / kind
        folder.mkdir(parents=True)
        made.append(makers[kind](kind, folder))
    return made


KINDS = ("plain", "lean", "clicks", "two stages", "signed")


class Run:
    """Cases, one after the other, on pairs of small bundles in turn."""

    def __init__(self, home, seed, kinds=KINDS):
        self.home, self.seed, self.findings = home / "cases", seed, []
        self.home.mkdir()
        self.pairs = pairs(home, kinds)
        self.outcomes, self.held = {pair.name: Counter() for pair in self.pairs}, held_bytes()

    old = property(lambda self: self.pairs[0].old)
    new = property(lambda self: self.pairs[0].new)
    sizes = property(lambda self: self.pairs[0].sizes)
    patch = property(lambda self: self.pairs[0].patch)

    def case(self, number):
        """What came of one."""
        rng, pair = stream(self.seed, f"patch {number}"), self.pairs[number // 2 % len(self.pairs)]
        data = on_purpose(pair.patch, rng) if number % 2 else mutate_bytes(pair.patch, rng)
        path, draft = self.home / "patch", self.home / "draft"
        path.write_bytes(data)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        start = time.perf_counter()
        said = self._outcome(pair, path, draft)
        self.outcomes[pair.name][said if said in (REFUSED, ACCEPTED) else "finding"] += 1
        if said not in (REFUSED, ACCEPTED):
            self.findings.append(f"{number}, {pair.name}: {said}")
        grown, self.held = held_bytes() - self.held, held_bytes()
        if time.perf_counter() - start > SLOW_S or grown > GROWN:
            self.findings.append(f"{number}: {time.perf_counter() - start:.1f} s, {grown:,} bytes more")
        there = set(os.listdir(self.home))  # noqa: PTH208 - quick
        if there != {"patch", "draft"}:
            self.findings.append(f"{number}: wrote {there}")
        if number % 50 in (0, 1) and contents(pair.old.folder) != pair.before:
            self.findings.append(f"{number}: the bundle before was changed")

    def _apply(self, pair, path, draft):
        """What apply_patch does, without exchanging folders."""
        patch = read_patch(path)
        if pair.trusted is not None:
            patch.check_signed(pair.trusted)
        if patch.head.base != pair.old.digest:
            raise damaged("another base")
        unpack(patch, pair.old.folder, pair.sizes, draft)
        if open_any(draft, pair.trust).digest != patch.head.target:
            raise damaged("another target")

    def _outcome(self, pair, path, draft):
        try:
            self._apply(pair, path, draft)
        except ArtifactError as error:
            return REFUSED if error.fault else f"no fault: {error}"
        except Exception as error:  # that is what is sought
            return f"{type(error).__name__}: {error}"[:300]
        return ACCEPTED if contents(draft) == pair.after else "accepted another bundle"


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=in_memory(), help="default: %(default)s")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    start, spent = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=args.scratch) as home:
        run = Run(Path(home), args.seed)
        for number in range(args.first, args.first + args.count):
            run.case(number)
    facts = {
        "schema": "recpress.fuzz-patches/2",
        "command": f"python {' '.join(sys.argv)}",
        "cases": args.count,
        "outcomes": {name: dict(counts) for name, counts in run.outcomes.items()},
        "findings": run.findings,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
        "peak_resident_bytes": held_bytes(),
    }
    print(json.dumps(facts, indent=2))
    if args.out:
        args.out.write_text(json.dumps(facts, indent=2) + "\n")
    return bool(run.findings)


if __name__ == "__main__":
    raise SystemExit(main())
