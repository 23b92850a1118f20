"""Whether columns that have no names can be what their places say."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.readers.lines import shorten
from recpress_edge.data.times import FIRST_UNIX_TIME, is_date, read_number

_FEWEST: Final = 3
"""With fewer rows nothing is judged."""
_RECENT: Final = (9.4e8, 2.2e9)
"""Unix seconds of 1999 to 2039: ids of ten digits that all lie here are asked about."""
_ASIN: Final = re.compile(r"B[0-9A-Z]+|\d{9}[\dX]")
_REVIEWER: Final = re.compile(r"A[0-9A-Z]+")
_NAMED_ITEM: Final = re.compile(r"(?i)(i|item|p|product|m|movie|book|track|song|sku)[-_]?\d+")
_NAMED_USER: Final = re.compile(r"(?i)(u|user|uid|c|customer|reviewer)[-_]?\d+")
_MOST_RATINGS: Final = 11
_TIMES_MORE: Final = 3


def third_column(path: Path, values: Sequence[str]) -> str:
    """'time' or 'rating' for the last of three columns without names."""
    late = [is_time(value) for value in values]
    if all(late):
        return "time"
    if any(late) and all(read_number(value) is not None for value in values):
        raise ConfigError(
            f"{path}: column 3 may be a rating or a time: it holds {_examples(values)}. "
            "Say which: --columns user=1,item=2,rating=3 or --columns user=1,item=2,time=3"
        )
    return "rating"


def is_time(text: str) -> bool:
    """A date, or a number that is a Unix time rather than a rating."""
    number = read_number(text)
    return is_date(text) if number is None else number >= FIRST_UNIX_TIME


def check_guess(path: Path, columns: Sequence[Sequence[str]], at: Mapping[str, int]) -> None:
    """Raise a ConfigError with the question where what a column holds contradicts its place.

    columns: the first values of each column; ``at``: role to place.
    """
    if len(columns[0]) < _FEWEST:
        return
    reason = _contradiction(columns, at)
    if reason:
        guess = ",".join(f"{role}={place + 1}" for role, place in at.items())
        example = ", ".join(
            f"column {place + 1}: {_examples(column)}" for place, column in enumerate(columns)
        )
        raise ConfigError(
            f"{path}: there is no header, and the guess user = column 1, item = column 2 is doubtful: "
            f"{reason} ("
            f"{example}). Say what the columns are, for example {_answer(columns, at)}; "
            f"or --columns {guess} if the guess is right."
        )


def doubt_of_words(first: str, said: bool | None) -> str:
    """What is said of a first row without a digit, which may be a header of words that are not known."""
    if said is not None or re.search(r"\d", first):
        return ""
    return f" (the first line {shorten(first)} is a row; if it names the columns: --header yes)"


def _contradiction(columns: Sequence[Sequence[str]], at: Mapping[str, int]) -> str:
    users, items = columns[at["user"]], columns[at["item"]]
    for role, values in (("user", users), ("item", items)):
        if all(map(_is_recent, values)):
            return f"the {role} column holds times"
    if len(columns) > len(("user", "item")) and _counts_rows(users):
        return "the user column counts the rows"
    if all(map(_ASIN.fullmatch, users)) and all(map(_REVIEWER.fullmatch, items)):
        return (
            "the user column holds product codes and the item column reviewers, as in Amazon's rating files"
        )
    if all(map(_NAMED_ITEM.fullmatch, users)) and all(map(_NAMED_USER.fullmatch, items)):
        return "the user column holds what look like items, and the item column users"
    rating = at.get("rating")
    if rating is not None:
        values = columns[rating]
        if _are_words(values):
            return f"column {rating + 1} is no rating: it holds words, perhaps an event or the item"
        if all(map(is_time, values)):
            return f"column {rating + 1} holds times, not ratings"
        if (
            _like_ratings(items)
            and not _like_ratings(values)
            and len(set(values)) > _TIMES_MORE * len(set(items))
        ):
            return f"column 2 holds few values, like ratings, and column {rating + 1} many, like items"
    if "time" in at and "rating" in at and not any(map(is_time, columns[at["time"]])):
        return _untimely(columns[at["time"]])
    return ""


def _untimely(values: Sequence[str]) -> str:
    if any(read_number(value) is None for value in values):
        return "column 4 is no time"
    few = len(values) > _MOST_RATINGS and _like_ratings(values)
    return "column 4 holds few values, like ratings, and no times" if few else ""


def _is_recent(text: str) -> bool:
    number = read_number(text)
    if number is None:
        return is_date(text)
    return any(_RECENT[0] * unit <= number <= _RECENT[1] * unit for unit in (1, 1e3))


def _counts_rows(values: Sequence[str]) -> bool:
    if len(values) <= _MOST_RATINGS or not (values[0].isascii() and values[0].isdigit()):
        return False
    return list(values) == [str(number) for number in range(int(values[0]), int(values[0]) + len(values))]


def _like_ratings(values: Sequence[str]) -> bool:
    numbers = {read_number(value) for value in values}
    return len(numbers) <= _MOST_RATINGS and all(n is not None and 0 <= n <= 10 for n in numbers)


def likely_columns(columns: Sequence[Sequence[str]]) -> str:
    """--columns with the times where they are found, users and items where their ids say so, else the first
    two columns beside that hold several values and do not count the rows.
    """
    time = next((place for place, column in enumerate(columns) if all(map(_is_recent, column))), None)
    beside = [place for place in range(len(columns)) if place != time]
    telling = [place for place in beside if len(set(columns[place])) > 1 and not _counts_rows(columns[place])]
    rest = telling if len(telling) > 1 else beside
    first = next((place for place in rest if all(map(_NAMED_USER.fullmatch, columns[place]))), rest[0])
    second = next((place for place in rest if place != first), first)
    spec = f"--columns user={first + 1},item={second + 1}"
    return spec if time is None else f"{spec},time={time + 1}"


def _answer(columns: Sequence[Sequence[str]], at: Mapping[str, int]) -> str:
    """Flags other than the guess: without the words for events, beside the times and ratings, or swapped."""
    rating = at.get("rating")
    if _counts_rows(columns[0]):
        return "--columns user=2,item=3"
    if any(all(map(_is_recent, columns[place])) for role, place in at.items() if role != "time"):
        return likely_columns(columns)
    if rating is not None and _are_words(columns[rating]):
        word = next((value for value in columns[rating] if value), None)
        return "--columns user=1,item=2" + (f" --only {rating + 1}={word} for an event" if word else "")
    users, items = columns[at["user"]], columns[at["item"]]
    codes = all(map(_ASIN.fullmatch, users)) or all(map(_NAMED_ITEM.fullmatch, users))
    if not codes and rating is not None and _like_ratings(items) and not _like_ratings(columns[rating]):
        return f"--columns user=1,item={rating + 1},rating=2"
    if not codes:
        return likely_columns(columns)
    swapped = {**at, "user": at["item"], "item": at["user"]}
    return "--columns " + ",".join(f"{role}={place + 1}" for role, place in swapped.items())


def _are_words(values: Sequence[str]) -> bool:
    return sum(read_number(value) is None for value in values) > len(values) / 2


def _examples(values: Sequence[str]) -> str:
    return ", ".join(shorten(value) for value in list(dict.fromkeys(values))[:2])
