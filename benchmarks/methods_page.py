"""Write the tables of docs/methods.md from the committed results: python benchmarks/methods_page.py"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

from recpress_edge.core.popularity import THIRDS
from recpress_edge.studies import de_rrd, gowalla, hetcomp
from recpress_edge.studies.study import spread

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "methods.md"
RESULTS = ROOT / "benchmarks" / "results"
TEACHER_WEIGHTS: Final = ("topology_weight", "list_weight", "item_weight")
"""Settings that say how much what is learned from the teacher counts beside BPR."""


def markdown(headers: list[str], rows: list[list[str]]) -> str:
    """A table, names to the left and numbers to the right."""
    line = ["---" if index == 0 else "---:" for index in range(len(headers))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, line, *rows))


def _reached(verdict: dict[str, Any]) -> str:
    return "reached" if verdict["holds"] else "**not reached**"


def verdict_lines(result: dict[str, Any]) -> str:
    """Every goal with its evidence, reached or not."""
    return "\n".join(
        f"- {_reached(verdict)}: {verdict['claim']} ({verdict['evidence']})"
        for verdict in result.get("verdicts", [])
    )


def of_de_rrd(result: dict[str, Any]) -> str:
    """LOO-499 test metrics beside the reference runs and the paper."""
    outcomes = [de_rrd.Outcome(**outcome) for outcome in result["outcomes"]]
    headers = ["model", "H@5", "N@5", "H@10", "H@20", "H@5 over seeds", "reference H@5", "paper H@5"]
    return markdown(headers, de_rrd.table_rows(outcomes))


def of_hetcomp(result: dict[str, Any]) -> str:
    """Teachers, ensemble and students in one table."""
    outcomes = [hetcomp.Outcome(**outcome) for outcome in result["outcomes"]]
    headers = ["model", "part", "teacher", "seed", "epoch", "R@10", "R@50", "N@50", "valid R@50"]
    return markdown(headers, hetcomp.table_rows(outcomes))


def of_gowalla(result: dict[str, Any]) -> str:
    """Test metrics beside the published ones, and how they came about."""
    outcomes = []
    for found in result["outcomes"]:
        before = gowalla.Choosing(**found["choosing"]) if found["choosing"] else None
        outcomes.append(gowalla.Outcome(**{**found, "choosing": before}))
    return markdown(list(gowalla.HEADERS), gowalla.table_rows(outcomes))


SINGLE_TEACHER: Final = (
    "model",
    "valid",
    "test",
    "test over seeds",
    "int8",
    *THIRDS,
    "weight of the teacher",
)


def single_teacher_rows(outcomes: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Recall@50 of every model, as it is and as int8, and by popularity: means and spread over its seeds."""
    names = dict.fromkeys(outcome["name"] for outcome in outcomes)
    return [_single_teacher_row([o for o in outcomes if o["name"] == name]) for name in names]


def _single_teacher_row(seeds: Sequence[dict[str, Any]]) -> list[str]:
    settings = seeds[0]["settings"]
    valid, test, int8 = ([seed[key] for seed in seeds] for key in ("valid", "test", "int8_test"))
    thirds = [[seed["test_by_popularity"][third] for seed in seeds] for third in THIRDS]
    return [
        seeds[0]["name"],
        f"{mean(valid):.4f}",
        f"{mean(test):.4f}",
        spread(test),
        *(f"{mean(values):.4f}" for values in (int8, *thirds)),
        " and ".join(f"{value:g}" for name, value in settings.items() if name in TEACHER_WEIGHTS),
    ]


def of_single_teacher(result: dict[str, Any]) -> str:
    """Teacher and students, one line each."""
    return markdown(list(SINGLE_TEACHER), single_teacher_rows(result["outcomes"]))


@dataclass(frozen=True, slots=True)
class Block:
    """One table: how it is written, and by which command its JSON is made."""

    table: Callable[[dict[str, Any]], str]
    command: str


BLOCKS: Final = {
    "de-rrd": Block(of_de_rrd, "recpress-edge reproduce de-rrd"),
    "de-rrd-until-stalled": Block(of_de_rrd, "recpress-edge reproduce de-rrd --until-stalled"),
    "single-teacher": Block(of_single_teacher, "python benchmarks/single_teacher.py"),
    "hetcomp": Block(of_hetcomp, "recpress-edge reproduce hetcomp"),
    "gowalla": Block(of_gowalla, "recpress-edge reproduce gowalla"),
}


def block(name: str) -> str:
    """What stands between the marks of one study."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return f"Not run yet: `{BLOCKS[name].command} --out benchmarks/results/{name}.json`."
    result = json.loads(file.read_text())
    differs = "\n".join(f"- differs: {difference}" for difference in result.get("differences", []))
    head = f"{result['protocol']}. `{result['command']}`"
    parts = [head, BLOCKS[name].table(result), verdict_lines(result), differs]
    return "\n\n".join(part for part in parts if part)


def page(text: str) -> str:
    """The page with every block written anew."""
    for name in BLOCKS:
        parts = re.split(rf"(?<=<!-- generated: {name} -->\n).*?(?=<!-- end -->)", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise SystemExit(f"{PAGE}: expected one block 'generated: {name}', found {len(parts) - 1}")
        text = f"{parts[0]}{block(name)}\n{parts[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
