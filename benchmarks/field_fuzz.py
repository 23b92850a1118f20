"""Fields of click bundles on random contracts and rows: the library, a second plain reading, and Java.

    python benchmarks/field_fuzz.py --rows 100000 --out benchmarks/results/field-fuzz.json

Contracts and values are drawn: missing fields, NaN, infinities, -0, numbers as text, integers beyond 64 bits,
unknown texts, accents composed and not, emoji, too many values. The second reading is written from the text
of contracts, without numpy and without the library. Java is the library of examples/android_stub on a JVM.
A finding is a row that differs, or a value that one refuses and another reads. ``altered``: rows that a
second reading with one mistake gets wrong; a mistake that no row shows ends the run.
"""

import argparse
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from unittest import mock

import _plain_fields
import numpy as np
from _bench import options, run, table
from _java_fields import rows_of_cases
from _plain_fields import REFUSED, plain_row

from recpress_edge.artifacts.clicks.fields import FeatureField, normal, read_field
from recpress_edge.artifacts.clicks.selftest import encoded
from recpress_edge.core.errors import GateError
from recpress_edge.core.rng import stream

SCHEMA: Final = "recpress.field-fuzz/1"
ROWS_A_CONTRACT: Final = 100
ALTERED_CONTRACTS: Final = 100
"""The first ones, on which mistakes are tried."""
SHOWN: Final = 20
"""Findings that the record keeps."""
WORDS: Final = (
    *(
        "a",
        "B",
        "Z\u00fcrich",
        "Zu\u0308rich",
        "\u6771\u4eac",
        "\U0001f642",
        "e\u0301",
        "\u00e9",
        " ",
        "0",
        "7",
    ),
    *("\U0001f469\u200d\U0001f467", "\ufb01", "\u1e9b\u0323", "\ud55c", "\u1112\u1161\u11ab", "\u00c5"),
    *("\u212b", "x" * 300, "\u0301", "\ufeff", "\u2028", "nan", "-1", "1.5", "null", "true", "\u0130"),
    *("i\u0307", "\u0344", "\u0958", "\U0001d15e", "\U0001f1e8\U0001f1ed"),
)
"""Accents composed and not, ligatures, Hangul, signs that compose to two, emoji of several code points."""
NUMBERS: Final = (
    *(0.0, -0.0, 1.0, -1.0, 0.1, 1e-45, 1e-46, 3.5e38, -3.5e38, 1e300, math.inf, -math.inf, math.nan, 2.5),
    *(2**31, -(2**31), 2**53 + 1, 2**63, 2**64 + 1, -(2**70), 10**30, 10**400, -(10**400), 16777217),
)
TEXTS_OF_NUMBERS: Final = (
    *("7", "07", "-3", "+3", "3.", ".5", "-.5e1", "1e3", "1E-3", "1e999", "-1e999", "0.1", "16777217"),
    *(
        " 7",
        "7 ",
        "1_0",
        "\u0667",
        "0x7",
        "nan",
        "inf",
        "Infinity",
        "",
        ".",
        "1e",
        "--1",
        "7\n",
        "9" * 400,
        "\u00bd",
    ),
)


MISTAKES: Final[dict[str, tuple[str, Any]]] = {
    "texts as they come, not in NFC": ("normal", lambda text: text),
    "a signed remainder": ("remainder", lambda found, n: int(math.fmod(found - (found >> 31 << 32), n))),
    "edges in double": ("float32", lambda number: number),
    "an edge below itself": ("reaches", lambda value, edge: value > edge),
    "Python's own texts of numbers": ("check_digits", lambda _: None),
    "the last of many values": ("first_ones", lambda texts, capacity: texts[-capacity:]),
}
"""Function of the second reading -> a wrong one in its place."""


def parser() -> argparse.ArgumentParser:
    found = options(__doc__)
    found.add_argument("--rows", type=int, default=100_000, help="rows in all (default: %(default)s)")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--without-java", action="store_true", help="compare the two readings in Python alone")
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every row by every reading."""
    cases = [drawn_case(args.seed, number) for number in range(-(-args.rows // ROWS_A_CONTRACT))]
    findings: list[dict[str, Any]] = []
    outcomes: Counter[str] = Counter()
    java = None if args.without_java else java_rows(cases)
    for number, (fields, rows) in enumerate(cases):
        entries = [(field.entry(), list(field.values)) for field in fields]
        for place, values in enumerate(rows):
            found = {"library": library_row(fields, values), "plain": plain_row(entries, values)}
            if java is not None:
                found["java"] = java[number][place]
            outcomes["refused" if found["library"] == REFUSED else "read"] += 1
            if any(row != found["library"] for row in found.values()):
                findings.append({"contract": number, "row": place, "values": repr(values)[:500], **found})
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "readings": ["library", "plain", *([] if java is None else ["java"])],
        "contracts": len(cases),
        "fields": dict(Counter(field.kind for fields, _ in cases for field in fields)),
        "rows": sum(outcomes.values()),
        "outcomes": dict(outcomes),
        "altered": altered(cases[:ALTERED_CONTRACTS]),
        "findings": len(findings),
        "first_findings": findings[:SHOWN],
    }


def altered(cases: list[Any]) -> dict[str, int]:
    """Of each mistake how many rows are wrong by it; GateError where it is none."""
    found = {}
    for mistake, (name, wrong) in MISTAKES.items():
        with mock.patch.object(_plain_fields, name, wrong):
            found[mistake] = sum(
                plain_row([(field.entry(), list(field.values)) for field in fields], values)
                != library_row(fields, values)
                for fields, rows in cases
                for values in rows
            )
        if not found[mistake]:
            raise GateError(f"no row shows a reading with {mistake}: draw more rows, or others")
    return found


def library_row(fields: tuple[FeatureField, ...], values: dict[str, Any]) -> list[int] | str:
    """By the library; REFUSED where it refuses a value."""
    try:
        return list(encoded(fields, values))
    except ValueError:
        return REFUSED


def java_rows(cases: list[Any]) -> list[list[Any]] | None:
    """By the Java library, or None where there is none of it."""
    with tempfile.TemporaryDirectory(prefix="recpress-fields-") as folder:
        return rows_of_cases(cases, Path(folder))


def drawn_case(seed: int, number: int) -> tuple[tuple[FeatureField, ...], list[dict[str, Any]]]:
    """A contract's fields, as they are read from a manifest, and rows of values for them."""
    rng = stream(seed, f"field fuzz {number}")
    fields = tuple(_field(rng, place) for place in range(int(rng.integers(1, 6))))
    # through JSON, as a device reads them
    again = tuple(read_field(json.loads(json.dumps(field.entry())), field.values) for field in fields)
    return again, [dict(_row(rng, again)) for _ in range(ROWS_A_CONTRACT)]


def _field(rng: np.random.Generator, place: int) -> FeatureField:
    name, side = f"f{place}", ("user", "context")[rng.integers(2)]
    kind = ("categorical", "integer", "numeric", "many", "hashed")[rng.integers(5)]
    if kind == "integer":
        least = int(rng.choice([0, -3, 1, 1970, -(2**31), 2**24]))
        return FeatureField(name, side, kind, least=least, most=least + int(rng.integers(0, 40)))
    if kind == "numeric":
        drawn = np.concatenate(
            [rng.normal(size=rng.integers(0, 6)), rng.choice([0.0, 0.1, 1e-45, 3.4e38, -1.0], 2)]
        )
        edges = np.unique((drawn + 0.0).astype(np.float32))  # -0 + 0 is 0
        return FeatureField(name, side, kind, edges=tuple(float(edge) for edge in edges))
    if kind == "hashed":
        buckets, seed = (
            int(rng.choice([1, 2, 7, 512, 2**31 - 3])),
            int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1])),
        )
        return FeatureField(name, side, kind, buckets=buckets, seed=seed)
    words = dict.fromkeys(normal(str(word)) for word in rng.choice(WORDS, rng.integers(0, 12)))
    values = tuple(word for word in words if word and "\n" not in word)
    return FeatureField(name, side, kind, values, capacity=int(rng.integers(1, 5)) if kind == "many" else 1)


def _row(rng: np.random.Generator, fields: tuple[FeatureField, ...]) -> Iterator[tuple[str, Any]]:
    for field in fields:
        if rng.random() < 0.1:
            continue  # missing
        if field.kind == "many":
            value: Any = [_value(rng, field) for _ in range(rng.integers(0, field.capacity + 3))]
            yield field.name, None if rng.random() < 0.05 else value
        else:
            yield field.name, _value(rng, field)


def _value(rng: np.random.Generator, field: FeatureField) -> Any:
    """Mostly what the field may be given, sometimes anything."""
    draw = rng.random()
    if draw < 0.03:
        return None
    if field.kind in ("integer", "numeric"):
        return _number(rng, field, draw)
    if draw < 0.4 and field.values:
        return str(rng.choice(field.values))
    if draw < 0.9:
        return "".join(str(word) for word in rng.choice(WORDS, rng.integers(0, 3)))
    return NUMBERS[rng.integers(len(NUMBERS))]


def _number(rng: np.random.Generator, field: FeatureField, draw: float) -> Any:
    if draw < 0.35 and field.kind == "integer":
        return int(rng.integers(field.least - 2, field.most + 3))
    if draw < 0.35 and field.edges:  # at an edge, or a step of a double or of a float beside it
        edge = float(rng.choice(field.edges))
        beside = (edge, np.nextafter(edge, math.inf), np.nextafter(edge, -math.inf))
        near = (float(np.nextafter(np.float32(edge), np.float32(side))) for side in (-math.inf, math.inf))
        return float((*beside, *near)[rng.integers(5)])
    if draw < 0.6:
        return TEXTS_OF_NUMBERS[rng.integers(len(TEXTS_OF_NUMBERS))]
    if draw < 0.65:
        return WORDS[rng.integers(len(WORDS))]
    if draw < 0.8:
        return float(rng.normal() * 10.0 ** rng.integers(-3, 4))
    if draw < 0.85:
        return repr(float(rng.normal()))
    return NUMBERS[rng.integers(len(NUMBERS))]


def show(record: dict[str, Any]) -> str:
    """Counts."""
    rows = [[name, str(record[name])] for name in ("contracts", "rows", "findings")]
    rows += [[f"rows {name}", str(count)] for name, count in record["outcomes"].items()]
    rows += [[f"wrong with {name}", str(count)] for name, count in record["altered"].items()]
    return f"{', '.join(record['readings'])}\n{table(['', 'found'], rows)}"


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
