"""How far each default is behind the best change of one setting, from the record. Without torch."""

from collections.abc import Mapping
from typing import Any, Final

JUDGE: Final = "recall@50"
METRICS: Final = ("recall@50", "ndcg@10", "recall@10")
LIMIT: Final = 0.01
"""Of Recall@50 on test, that no default may be behind."""
Group = Mapping[str, Any]


def best(group: Group) -> Mapping[str, Any]:
    """The change whose Recall@50 on test is highest, the default where none is better."""
    known = [group["default"], *(one for one in group["changes"] if "test" in one)]
    return max(known, key=lambda one: float(one["test"][JUDGE]))


def gap(group: Group) -> float:
    """By how much the default is behind that."""
    return float(best(group)["test"][JUDGE]) - float(group["default"]["test"][JUDGE])


def ahead_of(group: Group) -> list[Mapping[str, Any]]:
    """The changes by which the default is behind by more than the limit, the best first."""
    base = float(group["default"]["test"][JUDGE])
    over = [one for one in group["changes"] if "test" in one and one["test"][JUDGE] - base > LIMIT]
    return sorted(over, key=lambda one: -float(one["test"][JUDGE]))


def change_words(one: Mapping[str, Any]) -> str:
    """'l2 = 0.004', or what stands for no change."""
    return "the default" if one["setting"] == "default" else f"{one['setting']} = {one['value']}"


HEADERS: Final = (
    "set",
    "model",
    "default: Recall@50 / NDCG@10",
    "best change of one setting",
    "with it",
    "gap",
    "measured",
)


def cells(group: Group) -> list[str]:
    """A row: what the default finds, the best change and what it finds, and how far the default is behind."""
    found = len(group["changes"])
    return [
        group["set"],
        group["model"],
        _told(group["default"]),
        change_words(best(group)),
        _told(best(group)),
        _short(gap(group)),
        f"{found} of {found + group['missing']}",
    ]


def _told(one: Mapping[str, Any]) -> str:
    return " / ".join(_short(float(one["test"][metric])) for metric in METRICS[:2])


def _short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")
