"""What a file of each profile may know of the users that it is judged by, and the K that judges."""

from typing import Final

from recpress_edge.core.metrics import DEFAULT_CUTOFF
from recpress_edge.report.front import Section
from recpress_edge.report.runs import Run

_HISTORY: Final = "history"
_KNOWS: Final = {
    "all-users": "User vectors know the train items alone; train and validation items are never recommended.",
    "single-user": "The user's vector knows the train items alone. Recall is that of one user, which tells "
    "little: the all-users files of a student tell what it is worth.",
    _HISTORY: "A history file is asked with the train and validation items of a test user; a teacher, or a "
    "file with user vectors, knows the train items alone. So it is compared with history files, and with its "
    "teacher on validation users, where both know the train items.",
}


def asked_with_more(run: Run) -> bool:
    """Whether the file knows more of a test user than a teacher, or a file with user vectors, does."""
    return run.profile == _HISTORY


def knows(section: Section) -> str:
    """What the section's files know of test users; files that know other things are in other sections."""
    return _KNOWS.get(section.first.profile, "")


def why_cutoff(section: Section) -> str:
    """Why another K than 50 judges; empty where 50 does."""
    if section.cutoff == DEFAULT_CUTOFF:
        return ""
    return (
        f"Recall@{section.cutoff} judges here, not Recall@{DEFAULT_CUTOFF}: of "
        f"{section.first.n_items:,} items a longer list holds so many that any order finds most of what is "
        "relevant."
    )
