"""Tables of what was shown of the C engine: docs/results/c-engine.md."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from result_tables import Result, short, table

CORES: Final = ("gcc-a53", "gcc-a76", "zig-a53", "zig-a76")
CORE_TITLES: Final = ("A53, gcc", "A76, gcc", "A53, zig", "A76, zig")
ENGINE: Final = ("c int8", "c fp32")
CODES: Final = {
    "0": "`RP_OK`, an empty list",
    "1": "a list",
    "-1": "`RP_NOT_A_MODEL`",
    "-2": "`RP_OTHER_VERSION`",
    "-3": "`RP_DAMAGED`",
    "-4": "`RP_UNALIGNED`",
    "-6": "`RP_BAD_USER`",
    "-7": "`RP_BAD_ITEM`",
    "-8": "`RP_BAD_K`",
    "-9": "`RP_SCRATCH_TOO_SMALL`",
}


def limits(result: Result) -> str:
    """The limit of each student and core, and the best that was counted."""
    rows = [
        [
            row["student"],
            row["form"],
            row["core"].upper(),
            row["compiler"],
            f"{row['instructions']:,}",
            f"{row['limit']:,}",
            "met" if row["met"] else f"{row['instructions'] / row['limit'] - 1:.0%} above",
        ]
        for row in result["limits"]
    ]
    return table(("student", "file", "core", "compiler", "instructions", "limit", ""), rows)


def instructions(result: Result) -> str:
    """Every file on both cores by both compilers."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in result["rows"]:
        found.setdefault((row["student"], row["form"]), {})[row["build"]] = row["instructions"]
    rows = [
        [*names, *(f"{counts[core]:,}" if core in counts else "–" for core in CORES)]
        for names, counts in found.items()
    ]
    return table(("student", "file", *CORE_TITLES), rows)


def alone(result: Result) -> str:
    """What a program of the engine and nothing else takes."""
    one = result["alone"]
    rows = [
        ["whole program, Cortex-A53", f"{one['program_bytes']:,} bytes"],
        ["instructions to the first answer, in user space", f"{one['instructions']:,}"],
        ["resident after it, x86-64", f"{one['resident_kib']} KiB"],
        ["of which not the model's file", f"{one['private_kib']} KiB"],
    ]
    return table(("", "dim 10, `score16`"), rows)


def equal(result: Result) -> str:
    """Lists of trained students by build, and those that differ from numpy's."""
    rows = []
    for build in dict.fromkeys(row["build"] for row in result["rows"]):
        ones = [row for row in result["rows"] if row["build"] == build]
        counts = (len({row[name] for row in ones}) for name in ("student", "form"))
        sums = (sum(row[name] for row in ones) for name in ("users", "differing"))
        rows.append([build, ones[0]["compiler"], *map(str, counts), *(f"{total:,}" for total in sums)])
    return table(("build", "compiler", "students", "files of each", "lists", "differing"), rows)


STARTS: Final = {
    "c": "a program of C without a library",
    "python": "Python, which says a word",
    "ctypes": "Python and ctypes alone",
    "unverified": "`Recommender.load(…, verify=False)`",
    "verified": "`Recommender.load(…)`: digests, self-test and audit",
}


def starts(result: Result) -> str:
    """From exec to the first answer, the kernel's share in it."""
    rows = [
        [words, f"{one['median'] / 1e6:.2f} M", f"{one['resident_kib']:,} KiB", f"{one['private_kib']:,} KiB"]
        for name, words in STARTS.items()
        for one in [result["starts"][name]]
    ]
    return table(("", "instructions", "resident after it", "of which no file's"), rows)


def fuzz(result: Result) -> str:
    """Random models by build."""
    rows = [
        [
            row["build"],
            row["compiler"],
            f"`{row['flags']}`",
            f"`{row['runner']}`" if row["runner"] else "",
            f"{row['models']:,}",
            f"{row['models'] * result['questions_a_model']:,}",
            str(row["findings"]),
        ]
        for row in result["builds"]
    ]
    return table(("build", "compiler", "flags", "emulated", "models", "questions", "findings"), rows)


def fuzz_alone(result: Result) -> str:
    """Random models of one kind, answered by engines compiled for it."""
    rows = [
        [f"`{' '.join(row['defines'])}`", row["build"], f"{row['models']:,}", str(row["findings"])]
        for row in result["alone"]
    ]
    return table(("engine", "build", "models", "findings"), rows)


def damaged(result: Result) -> str:
    """What became of damaged files."""
    names = [row["build"] for row in result["headers"]]
    rows = [["files", *(f"{row['turns']:,}" for row in result["headers"])]]
    rows += [["sanitizers' reports", *(str(len(row["reports"])) for row in result["headers"])]]
    for function, field in (("rp_open", "opened"), ("rp_recommend", "answered")):
        codes = sorted({code for row in result["headers"] for code in row[field]}, key=int, reverse=True)
        for code in codes:
            words = "`RP_OK`" if field == "opened" and code == "0" else CODES[code]
            counts = [f"{row[field].get(code, 0):,}" for row in result["headers"]]
            rows.append([f"`{function}`: {words}", *counts])
    return table(("", *names), rows)


def mutants(result: Result) -> str:
    """Wrong engines by file, and the survivors with why they answer alike."""
    files: dict[str, list[Mapping[str, Any]]] = {}
    for row in result["mutants"]:
        files.setdefault(row["file"], []).append(row)
    rows = [
        [f"`{file}`", str(len(of_file)), str(sum(bool(row["noticed"]) for row in of_file))]
        for file, of_file in files.items()
    ]
    found = table(("file", "mutants", "noticed"), rows)
    left = [row for row in result["mutants"] if not row["noticed"]]
    why = table(
        ("file", "survives", "why"),
        [[f"`{row['file']}`", row["what"], row["equivalent"] or "**nobody knows**"] for row in left],
    )
    return f"{found}\n\n{why}"


def host(result: Result) -> str:
    """The engine's time, and how many times longer others take."""
    peers = list(result["rows"][0]["factors"])
    rows = [
        [
            f"{row['items']:,}",
            str(row["dim"]),
            *(f"{row['median_ns'][name] / 1000:,.1f} µs" for name in ENGINE),
            *(f"{row['factors'][name]['ratio']:,.1f}" for name in peers),
        ]
        for row in result["rows"]
    ]
    return table(("items", "dim", *ENGINE, *peers), rows)


def score16(result: Result) -> str:
    """What the recipe changes beside int8-dim, means over seeds and their lowest and highest difference."""
    groups: dict[tuple[str, int], dict[str, list[Mapping[str, Any]]]] = {}
    for row in result["files"]:
        by_recipe = groups.setdefault((row["set"], row["dim"]), {})
        by_recipe.setdefault(row["recipe"], []).append(row)
    rows = []
    for (name, dim), found in groups.items():
        pairs = list(zip(found["int8-dim"], found["score16"], strict=True))
        cells = [_both([(_figure(a, one), _figure(b, one)) for a, b in pairs]) for one in COMPARED]
        rows.append([name, str(dim), str(len(pairs)), *cells])
    return table(("set", "dim", "seeds", "overlap@50", "Recall@50", "NDCG@10"), rows)


COMPARED: Final = ("overlap@50", "recall@50", "ndcg@10")


def _figure(row: Mapping[str, Any], name: str) -> float:
    return float(row["overlap"][name] if name in row["overlap"] else row["change"][name]["after"])


def _both(pairs: Sequence[tuple[float, float]]) -> str:
    """Means of both, and the range of their differences."""
    before, after = (sum(pair[at] for pair in pairs) / len(pairs) for at in (0, 1))
    changes = [right - left for left, right in pairs]
    return f"{short(before)} → {short(after)} ({min(changes):+.4f} to {max(changes):+.4f})"
