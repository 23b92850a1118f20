"""The students' record as tables, and at which budgets our student is the best, level or behind."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any, Final

METRICS: Final = ("recall@10", "ndcg@10", "recall@50")
JUDGED: Final = ("ndcg@10", "recall@50")
OURS: Final = "default"
HEADERS: Final = ("model", "bytes", "Recall@10", "NDCG@10", "Recall@50", "seeds", "MB", "CPU s")
Result = Mapping[str, Any]


def values(result: Result, metric: str) -> list[float]:
    """Of every seed, on test."""
    return [float(run["test"][metric] or 0.0) for run in result["runs"]]


def spread(result: Result, metric: str) -> float:
    """From the least to the greatest of the seeds."""
    found = values(result, metric)
    return max(found) - min(found)


def groups(record: Result) -> Iterator[tuple[str, str, int, list[Result]]]:
    """Set, recipe and budget, and what was measured there: product quantisation stands in every recipe."""
    found = record["results"]
    recipes = dict.fromkeys(one["recipe"] for one in found if one["recipe"] != "pq")
    for key in dict.fromkeys(one["set"] for one in found):
        for recipe in recipes:
            for budget in dict.fromkeys(one["budget"] for one in found):
                here = [
                    one
                    for one in found
                    if (one["set"], one["budget"]) == (key, budget) and one["recipe"] in (recipe, "pq")
                ]
                if here:
                    yield key, recipe, budget, here


def verdict(ours: Result, others: Sequence[Result]) -> dict[str, Any]:
    """'best', 'level' or 'behind' in each metric: level is within the larger spread of the seeds."""
    found: dict[str, Any] = {}
    for metric in JUDGED:
        rival = max(others, key=lambda one: mean(values(one, metric)))
        ahead = mean(values(ours, metric)) - mean(values(rival, metric))
        room = max(spread(ours, metric), spread(rival, metric))
        word = "best" if ahead > room else "level" if ahead >= -room else "behind"
        found[metric] = {"verdict": word, "ahead": ahead, "rival": rival["row"]}
    return found


def verdicts(record: Result) -> list[dict[str, Any]]:
    """Of our default student, at every budget of every set and recipe."""
    found = []
    for key, recipe, budget, here in groups(record):
        rivals = [one for one in here if one["row"] != OURS]
        ours = next((one for one in here if one["row"] == OURS), None)
        if ours and rivals:
            found.append({"set": key, "recipe": recipe, "budget": budget} | verdict(ours, rivals))
    return found


def verdict_words(found: Result, titles: Mapping[str, str]) -> list[str]:
    """The cells of one row: NDCG@10 and Recall@50, and whether it is best or level in both."""
    words = []
    for metric in JUDGED:
        one = found[metric]
        words.append(f"{one['verdict']} ({one['ahead']:+.4f}, {titles[one['rival']]})")
    holds = all(found[metric]["verdict"] != "behind" for metric in JUDGED)
    return [found["recipe"], str(found["budget"]), *words, "yes" if holds else "**no**"]


def rows(here: Sequence[Result], titles: Mapping[str, str]) -> list[list[str]]:
    """One line for each model of one budget: means over its seeds."""
    found = []
    for one in here:
        first, cpu = one["runs"][0], [run["cpu_s"] for run in one["runs"] if run["cpu_s"] is not None]
        found.append(
            [
                titles[one["row"]],
                str(one["budget"]),
                *(f"{mean(values(one, metric)):.4f}" for metric in METRICS),
                str(len(one["runs"])),
                f"{first['bytes'] / 1e6:.2f}",
                f"{mean(cpu):.1f}" if cpu else "",
            ]
        )
    return found
