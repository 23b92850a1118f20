"""Damaged keys, signatures, manifests and files against recpress_trust.c under sanitizers: refused or right.

    python tests/engine/fuzz_trust.py --count 1000000 --out benchmarks/results/fuzz-trust.json

Each is read at every length, then with drawn damage; the program ends with an error where a sanitizer sees
one, or where the C library takes what no trusted key signed.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from engine_trust import compiled_turns, make_both_keys, signed_bundle, small_files, turns

A_PROGRAM = 10_000
"""Turns of one run of the program."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=A_PROGRAM, help="default: %(default)s")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    counts: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as home:
        place = Path(home)
        make_both_keys(place)
        files, program = small_files(place, signed_bundle(place)), compiled_turns(place)
        seeds = range(-(-args.count // A_PROGRAM))
        for seed in seeds:
            for name, found in turns(program, files, seed, A_PROGRAM).items():
                counts[name] = [a + b for a, b in zip(counts.get(name, [0, 0]), found, strict=True)]
    record = {
        "schema": "recpress.fuzz-trust/1",
        "command": f"python {' '.join(sys.argv)}",
        "turns": len(seeds) * A_PROGRAM,
        "signatures": {name: found[0] for name, found in counts.items()},
        "files": {name: found[1] for name, found in counts.items()},
    }
    text = json.dumps(record, indent=2) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
