"""The tables of docs/results/students.md, from records of benchmarks/students.py, tune.py and defaults.py."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, Final

import result_tables
from _defaults_table import HEADERS, ahead_of, cells
from _students_table import METRICS, groups, values, verdict_words, verdicts

Result = Mapping[str, Any]
CELL: Final = ("set", "recipe", "budget", "row")
"""What a row at one size is known by."""


def sets(*results: Result) -> str:
    """Each data set, its protocol and the command that imports it."""
    rows = [
        [
            key,
            f"{one['users']:,} × {one['items']:,}",
            f"{one['interactions']:,}",
            one["protocol"],
            f"`{one['command']}`",
        ]
        for key, one in _together(results)["sets"].items()
    ]
    return result_tables.table(["set", "users × items", "interactions", "held out", "import"], rows)


def judged(*results: Result) -> str:
    """At which budgets our default student is the best of its bytes, level or behind."""
    result = _together(results)
    rows = [[one["set"], *verdict_words(one, result["rows"])] for one in verdicts(result)]
    headers = ["set", "recipe", "bytes", "NDCG@10", "Recall@50", "best or level in both"]
    return result_tables.table(headers, rows)


def figures(*results: Result) -> str:
    """Of each set and recipe a table: a row for each model, a column for each budget."""
    result = _together(results)
    parts: dict[tuple[str, str], dict[str, dict[int, str]]] = {}
    for key, recipe, budget, here in groups(result):
        for one in here:
            title = result["rows"][one["row"]]
            parts.setdefault((key, recipe), {}).setdefault(title, {})[budget] = _cell(one)
    return "\n\n".join(_table(key, recipe, models) for (key, recipe), models in parts.items())


def tuned(*results: Result) -> str:
    """What ``tune`` chose for a budget, beside the best baseline, and what interrupted searches gave."""
    rows = [
        [name.removeprefix("six-"), *_search(found)]
        for result in results
        for name, found in result["sets"].items()
    ]
    headers = ["set", "bytes", "tries", "CPU min", "chosen", "Recall@10 / NDCG@10 / Recall@50"]
    return result_tables.table([*headers, "best baseline", "verdict", "same result"], rows)


def _search(found: Result) -> list[str]:
    chosen, verdict = found["chosen"], found["verdict"]
    figures = [
        " / ".join(result_tables.short(verdict["gains"][metric][side]) for metric in METRICS)
        for side in ("student", "baseline")
    ]
    beside = [name for name in ("killed", "cluster") if found.get(name, {}).get("equal_bundle")]
    return [
        f"{found['max_bytes']:,}",
        str(len(found["tries"])),
        f"{found['cpu_seconds'] / 60:.1f}",
        f"`{chosen['name']}`, `{chosen['recipe']}`",
        figures[0],
        f"{figures[1]} (`{verdict['baseline'].partition(',')[0].partition(' ')[0]}`)",
        verdict["stand"],
        ", ".join(beside),
    ]


def defaults(*results: Result) -> str:
    """Each default and the best change of one setting; a gap above the limit stands out."""
    rows = [
        [*row[:-2], f"**{row[-2]}**" if ahead_of(one) else row[-2], row[-1]]
        for result in results
        for one in result["results"]
        for row in [cells(one)]
    ]
    return result_tables.table(list(HEADERS), rows)


def _together(results: Sequence[Result]) -> Result:
    """One record of several: of a row at one size it has the seeds of each."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for result in results:
        for one in result["results"]:
            cell = found.setdefault(tuple(str(one[name]) for name in CELL), {**one, "runs": []})
            cell["runs"] = [*cell["runs"], *one["runs"]]
    return {
        "sets": {key: one for result in results for key, one in result["sets"].items()},
        "rows": {name: title for result in results for name, title in result["rows"].items()},
        "results": list(found.values()),
    }


def _table(key: str, recipe: str, models: Mapping[str, Mapping[int, str]]) -> str:
    budgets: Sequence[int] = sorted({budget for cells in models.values() for budget in cells})
    rows = [[title, *(cells.get(budget, "") for budget in budgets)] for title, cells in models.items()]
    headers = ["Recall@10 / NDCG@10 / Recall@50", *(f"{budget} bytes" for budget in budgets)]
    return f"### {key}, {recipe}\n\n{result_tables.table(headers, rows)}"


def _cell(one: Result) -> str:
    found = " / ".join(result_tables.short(mean(values(one, metric))) for metric in METRICS)
    return f"{found}, {one['runs'][0]['bytes'] / 1e6:.2f} MB"
