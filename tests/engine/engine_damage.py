"""Damaged model.bin files: small models, what mutate.c counts, wrong values of fields."""

import dataclasses
import re
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from engine_cases import cases
from engine_models import kinds
from engine_programs import SOURCES, TIMEOUT_S, answers

from recpress_edge.device.c.model_bin import Header

LARGEST: Final = 3000
"""Bytes of a model: most of a turn is not to be the copying of it."""
OF_A_KIND: Final = 3
CODES: Final = {
    name: int(value)
    for name, value in re.findall(r"(RP_\w+) = (-\d+|0),", (SOURCES / "recpress.h").read_text())
}
"""What recpress.h calls the results."""
_NAMES: Final = [
    field.name for field in dataclasses.fields(Header) if field.name not in ("magic", "reserved")
]
_PLACES: Final = {name: 8 + 4 * place for place, name in enumerate(_NAMES)} | {"reserved": 96, "last": 124}
WRONG: Final = (
    ("version", 2, "RP_OTHER_VERSION"),
    ("file_bytes", 0, "RP_DAMAGED"),
    ("file_bytes", 0xFFFFFFFF, "RP_DAMAGED"),
    ("recipe", 4, "RP_DAMAGED"),
    ("profile", 3, "RP_DAMAGED"),
    ("profile", 1, "RP_DAMAGED"),
    ("order", 3, "RP_DAMAGED"),
    ("layout", 1, "RP_DAMAGED"),
    ("layout", 2, "RP_DAMAGED"),
    ("flags", 2, "RP_DAMAGED"),
    ("n_users", 0, "RP_DAMAGED"),
    ("n_items", 0, "RP_DAMAGED"),
    ("n_items", 0x1000000, "RP_DAMAGED"),
    ("dim", 0, "RP_DAMAGED"),
    ("dim", 1025, "RP_DAMAGED"),
    ("n_retired", 0xFFFFFFFF, "RP_DAMAGED"),
    ("user_at", 0, "RP_DAMAGED"),
    ("user_at", 64, "RP_DAMAGED"),
    ("user_at", 130, "RP_DAMAGED"),
    ("items_at", 0xFFFFFFC0, "RP_DAMAGED"),
    ("prior_at", 128, "RP_DAMAGED"),
    ("ages_at", 128, "RP_DAMAGED"),
    ("history_length", 1, "RP_DAMAGED"),
    ("reserved", 1, "RP_DAMAGED"),
    ("last", 1, "RP_DAMAGED"),
)
"""Values that the first case's file may not have: fp32, all users."""
_KINDS: Final = [(kind.recipe, kind.profile, kind.order, kind.layout, kind.flags) for kind in kinds()]
WRONG_TOGETHER: Final[tuple[tuple[int, Mapping[str, int]], ...]] = (
    (_KINDS.index((1, 0, 0, 0, 0)), {"flags": 2}),
    (_KINDS.index((1, 0, 0, 0, 2)), {"flags": 0}),
    (_KINDS.index((1, 0, 0, 0, 2)), {"flags": 4}),
    (_KINDS.index((1, 2, 0, 0, 0)), {"flags": 2}),
    (_KINDS.index((1, 0, 0, 0, 0)), {"layout": 1}),
    (_KINDS.index((1, 0, 1, 0, 0)), {"order": 3, "bounds_at": 0}),
    (_KINDS.index((1, 0, 1, 0, 1)), {"layout": 1}),
    (_KINDS.index((1, 2, 0, 0, 0)), {"flags": 1}),
    (_KINDS.index((2, 0, 0, 0, 0)), {"flags": 1}),
    (_KINDS.index((1, 2, 0, 0, 0)), {"profile": 3, "history_at": 0, "prior_at": 0}),
    (_KINDS.index((3, 0, 0, 0, 0)), {"recipe": 4}),
    (_KINDS.index((1, 0, 0, 0, 0)), {"n_users": 0, "user_at": 0, "user_scale_at": 0}),
    (_KINDS.index((2, 0, 0, 0, 0)), {"dim": 0, "user_at": 0}),
    (_KINDS.index((1, 2, 0, 0, 0)), {"n_users": 1, "user_at": 128, "user_scale_at": 128}),
)
"""The number of a case, and fields that make its file damaged."""
_ONE_USER: Final[dict[str, Any]] = {"n_users": 1, "user_at": 128, "profile": 1}
_ORDERED: Final[dict[str, Any]] = {"user_scale_at": 192, "bounds_at": 256, "item_of_at": 320, "items_at": 384}
_HISTORY: Final[dict[str, Any]] = {
    "n_users": 0,
    "profile": 2,
    "history_at": 128,
    "prior_at": 192,
    "ages_at": 256,
}
OUT_OF_BOUNDS: Final = (
    Header(**_ONE_USER, recipe=3, n_items=2**24, dim=1, user_scale_at=192, items_at=256),
    Header(**_ONE_USER, recipe=1, n_items=1, dim=1025, user_scale_at=1216, items_at=1280),
    Header(
        **_ONE_USER, recipe=1, n_items=1, dim=1, n_retired=1, user_scale_at=192, retired_at=256, items_at=320
    ),
    Header(**_ONE_USER, recipe=2, n_items=4, dim=2, order=1, **_ORDERED),
    Header(
        **_ONE_USER,
        recipe=1,
        n_items=1,
        dim=1,
        user_scale_at=192,
        history_length=1,
        ages_at=256,
        items_at=320,
    ),
    Header(**_HISTORY, recipe=1, n_items=1, dim=1, step=1, history_length=2**16, items_at=2**16 + 256),
)
"""Headers of files that have all their sections, and are not what the format allows all the same."""


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


def surprises(counts: Counts) -> list[str]:
    """Codes that should have come back and did not, and others."""
    wanted = ("RP_OK", "RP_NOT_A_MODEL", "RP_OTHER_VERSION", "RP_DAMAGED", "RP_UNALIGNED")
    found = [f"rp_open returned {sorted(counts.opened)}"] * (set(counts.opened) != _codes(wanted))
    wanted = ("RP_OK", "RP_DAMAGED", "RP_BAD_USER", "RP_BAD_ITEM", "RP_BAD_K")
    return found + [f"rp_recommend returned {sorted(counts.answered)}"] * (
        set(counts.answered) != {1, *_codes(wanted)}
    )


def _codes(names: Sequence[str]) -> set[int]:
    return {CODES[name] for name in names}


def refused_wrongly(command: Sequence[str]) -> list[str]:
    """Wrong fields, and cut files, that drive.c's engine does not refuse as recpress.h says."""
    model = next(cases(0, [0])).model
    asked = [(f"{field} is {value}", _with(model, field, value), code) for field, value, code in WRONG]
    asked += [(f"{size} bytes", model[:size], "RP_NOT_A_MODEL") for size in (0, 1, 127)]
    asked += [(f"{size} bytes", model[:size], "RP_DAMAGED") for size in (128, 192, len(model) - 1)]
    asked += [(f"byte {at} is X", _with_byte(model, at), "RP_NOT_A_MODEL") for at in range(8)]
    for number, fields in WRONG_TOGETHER:
        file = next(cases(0, [number])).model
        for field, value in fields.items():
            file = _with(file, field, value)
        asked.append((f"{fields} in case {number}", file, "RP_DAMAGED"))
    for header in OUT_OF_BOUNDS:
        bytes_of = header.items_at + header.n_blocks * header.block_bytes
        file = dataclasses.replace(header, file_bytes=bytes_of).to_bytes()
        asked.append((f"{header} is accepted", file.ljust(bytes_of, b"\0"), "RP_DAMAGED"))
    parts = [struct.pack("<I", len(asked))]
    for _, file, _ in asked:
        parts += [struct.pack("<I", len(file)), file, struct.pack("<4I", 1, 0, 1, 0)]
    said = answers(command, b"".join(parts))
    if len(said) != 4 * len(asked):
        return ["a damaged file is answered"]
    codes = struct.unpack(f"<{len(asked)}i", said)
    return [what for (what, _, code), found in zip(asked, codes, strict=True) if found != CODES[code]]


def _with(model: bytes, field: str, value: int) -> bytes:
    at = _PLACES[field]
    return model[:at] + struct.pack("<I", value) + model[at + 4 :]


def _with_byte(model: bytes, at: int) -> bytes:
    return model[:at] + b"X" + model[at + 1 :]
