"""Writes the tables of README and docs from committed results and the code: python docs/tables.py"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results"
sys.path[:0] = [str(ROOT), str(ROOT / "export"), str(ROOT / "benchmarks"), str(Path(__file__).parent)]

import autoencoder_tables  # noqa: E402
import board_tables  # noqa: E402
import cell_tables  # noqa: E402
import click_tables  # noqa: E402
import data_tables  # noqa: E402
import engine_tables  # noqa: E402
import format_tables  # noqa: E402
import life_tables  # noqa: E402
import method_tables  # noqa: E402
import result_tables  # noqa: E402
import scale_tables  # noqa: E402
import sequence_tables  # noqa: E402
import student_tables  # noqa: E402
import two_stage_tables  # noqa: E402


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between the marks ``<!-- generated: NAME -->`` and ``<!-- end -->``."""

    pages: tuple[str, ...]
    results: tuple[str, ...]
    """Names of JSON files, which ``text`` takes in this order."""
    text: Callable[..., str]


FORMATS: Final = "docs/reference/formats.md"
METHODS: Final = "docs/methods.md"
UPDATES: Final = "docs/guide/updates.md"
CITEULIKE: Final = "docs/results/citeulike.md"
RUNTIMES: Final = "docs/results/runtimes.md"
CLICKS: Final = "docs/results/clicks.md"
TOPOLOGY: Final = "docs/results/topology.md"
BOTH: Final = ("citeulike-runtimes", "citeulike-runtimes-zen3")
DATA: Final = "docs/data.md"
STUDENTS: Final = "docs/results/students.md"
NETWORKS: Final = "docs/results/networks.md"
SEQUENCES: Final = ("sequences-ml-100k", "sequences-beauty", "sequences-ml-1m")
AUTOENCODERS: Final = "docs/results/autoencoders.md"
AUTOENCODED: Final = ("autoencoders-ml-100k",)
TWO_STAGES: Final = "docs/results/two-stages.md"
STAGED_SETS: Final = ("two-stages-ml-100k",)
CELLS: Final = ("cells-ml-100k",)
LIFE: Final = "docs/results/life.md"
LIVED: Final = {
    "nightly": ("ml-1m", "ml-100k", "citeulike"),
    "folded-items": ("ml-1m", "citeulike"),
    "bundle-bytes": ("ml-1m", "citeulike"),
}
ENGINE: Final = "docs/results/c-engine.md"
SIX_SETS: Final = (
    "students",
    *(f"students-{name}" for name in ("ml-1m", "citeulike", "beauty", "foursquare", "gowalla")),
    *(f"students-{name}" for name in ("ml-1m-64", "ml-1m-seeds", "citeulike-seeds")),
)
BLOCKS: Final = {
    "data-sets": Block((DATA,), (), data_tables.sets),
    "ties": Block((DATA,), ("ties",), result_tables.ties),
    "data-files": Block((DATA,), (), data_tables.files),
    **{
        name: Block((METHODS,), (name,), partial(method_tables.study, name)) for name in method_tables.STUDIES
    },
    **{
        name: Block((CLICKS,), (name,), partial(method_tables.study, name))
        for name in method_tables.TABLE_STUDIES
    },
    **{
        name: Block((NETWORKS,), (name,), partial(method_tables.study, name))
        for name in method_tables.SEQUENCE_STUDIES
    },
    "click-bundles": Block((CLICKS,), ("click-bundles",), click_tables.bundles),
    "field-fuzz": Block((CLICKS,), ("field-fuzz",), click_tables.fields),
    "citeulike": Block(("README.md", CITEULIKE), (BOTH[0], "ensemble"), result_tables.citeulike),
    "quantisation-aware": Block((CITEULIKE,), ("quantisation-aware",), result_tables.recipes),
    "runtimes": Block((RUNTIMES,), BOTH, result_tables.runtimes),
    "peers": Block((RUNTIMES,), ("peers-dim20", "peers-dim20-zen3"), result_tables.peers),
    "first-answer": Block((RUNTIMES,), ("first-answer",), result_tables.first_answer),
    "tensorflow-judge": Block((RUNTIMES,), ("tensorflow-judge",), result_tables.judged),
    "emulated-cores": Block(("docs/results/emulated-arm.md",), ("emulated-cores",), result_tables.cores),
    "updates-on-a-board": Block((UPDATES,), ("updates-on-a-board",), board_tables.updates),
    "power-cuts": Block((UPDATES,), ("updates-on-a-board",), board_tables.cuts),
    "arranged-cores": Block(("docs/guide/cores.md",), ("arranged-cores",), result_tables.arranged_cores),
    "networks": Block((NETWORKS,), ("networks-neumf", "networks-sasrec"), result_tables.networks),
    "sequence-students": Block((NETWORKS,), SEQUENCES, sequence_tables.students),
    "sequence-differences": Block((NETWORKS,), SEQUENCES, sequence_tables.above),
    "autoencoder-teachers": Block((AUTOENCODERS,), AUTOENCODED, autoencoder_tables.teachers),
    "autoencoder-students": Block((AUTOENCODERS,), AUTOENCODED, autoencoder_tables.students),
    "two-stages": Block((TWO_STAGES,), STAGED_SETS, two_stage_tables.figures),
    "two-stages-seeds": Block((TWO_STAGES,), STAGED_SETS, two_stage_tables.seeds),
    "two-stages-costs": Block((TWO_STAGES,), STAGED_SETS, two_stage_tables.costs),
    "two-stage-cores": Block((TWO_STAGES,), ("two-stage-cores",), two_stage_tables.cores),
    "cells": Block((NETWORKS,), CELLS, cell_tables.cells),
    "cell-verdicts": Block((NETWORKS,), CELLS, cell_tables.verdicts),
    "bring-your-own": Block(
        ("docs/start/your-own-model.md",),
        ("bring-your-own", "bring-your-own-citeulike"),
        result_tables.brought,
    ),
    "history": Block(
        ("docs/results/history.md",), ("history-profile", "history-profile-seed2"), result_tables.history
    ),
    "reading": Block(
        ("docs/adr/0023-reading-through-duckdb.md",), ("reading", "reading-100m"), scale_tables.reading
    ),
    **{
        f"students-{name}": Block((STUDENTS,), SIX_SETS, text)
        for name, text in (
            ("sets", student_tables.sets),
            ("judged", student_tables.judged),
            ("figures", student_tables.figures),
        )
    },
    "tuned": Block((STUDENTS,), ("tune", "tune-ml-1m", "tune-citeulike"), student_tables.tuned),
    "defaults": Block((STUDENTS,), ("defaults", "defaults-als"), student_tables.defaults),
    "scale": Block(("docs/results/scale.md",), ("scale",), scale_tables.scale),
    "growth": Block(
        ("docs/results/scale.md",),
        ("growth-1m", "growth-5m", "growth-20m", "growth-20m-als_dim200"),
        scale_tables.growth,
    ),
    "formats": Block((FORMATS,), (), format_tables.formats),
    "mutated-logs": Block((FORMATS,), ("mutated-logs",), format_tables.mutated),
    "format-counts": Block((FORMATS,), (), format_tables.counts),
    **{
        f"engine-{name}": Block((ENGINE,), (f"engine-{result}",), text)
        for name, result, text in (
            ("limits", "instructions", engine_tables.limits),
            ("instructions", "instructions", engine_tables.instructions),
            ("alone", "instructions", engine_tables.alone),
            ("equal", "equal", engine_tables.equal),
            ("start", "start", engine_tables.starts),
            ("fuzz", "fuzz", engine_tables.fuzz),
            ("fuzz-alone", "fuzz", engine_tables.fuzz_alone),
            ("damaged", "fuzz", engine_tables.damaged),
            ("mutants", "mutants", engine_tables.mutants),
            ("host", "host", engine_tables.host),
        )
    },
    **{
        name: Block((LIFE,), tuple(f"{file}-{log}" for log in LIVED[file]), text)
        for name, file, text in (
            ("nights", "nightly", life_tables.nights),
            ("night-gains", "nightly", life_tables.gains),
            ("folded-items", "folded-items", life_tables.folded),
            ("bundle-bytes", "bundle-bytes", life_tables.bundles),
            ("patch-bytes", "bundle-bytes", life_tables.patches),
        )
    },
    "score16": Block((ENGINE,), ("score16",), engine_tables.score16),
    "topology": Block((TOPOLOGY,), ("topology",), result_tables.topology),
    "topology-speed": Block((TOPOLOGY,), ("topology-speed",), result_tables.topology_speed),
}


def block(name: str) -> str:
    """What stands between the marks of one block."""
    one = BLOCKS[name]
    results: list[dict[str, Any]] = [
        json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8")) for file in one.results
    ]
    return one.text(*results)


def pages() -> dict[str, list[str]]:
    """Each page and the names of its blocks."""
    found: dict[str, list[str]] = {}
    for name, one in BLOCKS.items():
        for page in one.pages:
            found.setdefault(page, []).append(name)
    return found


def written(page: str, text: str) -> str:
    """The text of a page with all its blocks written again."""
    for name in pages()[page]:
        marks = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(marks, partial(_filled, block(name)), text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{page}: expected one block 'generated: {name}', found {count}")
    return text


def _filled(content: str, found: re.Match[str]) -> str:
    return f"{found[1]}{content}\n{found[2]}"


if __name__ == "__main__":
    for path in map(ROOT.joinpath, pages()):
        page = str(path.relative_to(ROOT))
        path.write_text(written(page, path.read_text(encoding="utf-8")), encoding="utf-8")
