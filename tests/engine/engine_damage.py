"""Damaged model.bin files: small models to start from, and what mutate.c counts."""

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from engine_cases import cases
from engine_models import kinds
from engine_programs import TIMEOUT_S

LARGEST: Final = 3000
"""Bytes of a model: most of a turn is not to be the copying of it."""
OF_A_KIND: Final = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each code came back; 1 stands for lists that hold an item."""

    opened: dict[int, int]
    answered: dict[int, int]


def models(seed: int = 0) -> list[bytes]:
    """A few small ones of every kind."""
    kept: list[list[bytes]] = [[] for _ in kinds()]
    for number in count():
        of_kind = kept[number % len(kept)]
        if len(of_kind) < OF_A_KIND:
            of_kind += [case.model for case in cases(seed, [number]) if len(case.model) <= LARGEST]
        elif all(len(other) == OF_A_KIND for other in kept):
            break
    return [model for of_kind in kept for model in of_kind]


def mutated(command: Sequence[str], seed: int, turns: int) -> Counts:
    """Run mutate.c; RuntimeError with the sanitizer's words where it reports something."""
    files = models()
    parts = [struct.pack("<I", len(files)), *(struct.pack("<I", len(file)) + file for file in files)]
    whole, given = [*command, str(seed), str(turns)], b"".join(parts)
    done = subprocess.run(whole, input=given, capture_output=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"seed {seed}: ended with {done.returncode}: {done.stderr.decode()[-4000:]}")
    rows = [tuple(map(int, line.split())) for line in done.stdout.decode().splitlines()]
    return Counts({code: n for code, n, _ in rows if n}, {code: n for code, _, n in rows if n})
