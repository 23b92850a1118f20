"""Rows that are no sign of liking: events, labels and clicks that are chosen by value."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.readers.columns import Layout, find_column
from recpress_edge.data.readers.engine import quoted
from recpress_edge.data.readers.names import known_places, plain
from recpress_edge.data.readers.tables import LogTable
from recpress_edge.data.times import read_number

EVERY: Final = "*"
"""Of --only: all values count."""

_REFUSING_NAMES: Final = frozenset(
    {"dislike", "hate", "ishate", "skip", "skipped", "notinterested", "returned", "isreturn", "refunded"}
    | {"cancelled", "canceled", "iscancelled", "deleted", "isdeleted", "removed", "isremoved", "unfollowed"}
    | {"blocked", "hidden"}
)
"""Names of columns in which yes is no sign of liking."""
_EVENT_NAMES: Final = frozenset(
    {"event", "eventtype", "eventname", "action", "actiontype", "behavior", "behaviortype", "behaviour"}
    | {"behaviourtype", "interaction", "interactiontype", "feedback", "feedbacktype", "activity", "status"}
    | {"label", "labels", "click", "clicked", "isclick", "isclicked", "like", "liked", "islike", "target"}
    | {"purchase", "purchased", "converted", "conversion", "isread", "watched", "follow", "isfollow", "type"}
    | {"thumb", "thumbs", "positive", "vote", "reaction", "sentiment"}
    | {"aktion", "ereignis", "aktionstyp", "evenement", "événement", "accion", "acción", "evento", "acao"}
    | {"ação", "azione", "actie", "gebeurtenis", "действие", "событие", "行为", "行为类型", "行動"}
    | _REFUSING_NAMES
)
_AMOUNT_NAMES: Final = frozenset(
    {"quantity", "qty", "amount", "units", "menge", "anzahl", "cantidad", "数量"}
)
"""Names of columns in which a number below zero is what was returned."""
_REFUSING_WORDS: Final = frozenset(
    {"remove", "remove_from_cart", "removefromcart", "delete", "dislike", "unlike", "skip", "hide", "return"}
    | {"unsubscribe", "refund", "down", "downvote", "thumbs_down", "disliked", "hate", "negative", "dismiss"}
    | {"cancel", "cancelled", "returned", "refunded", "removed", "unfollow", "block", "report", "retoure"}
)
_EVENT_WORDS: Final = frozenset(
    {"view", "pageview", "pv", "click", "cart", "addtocart", "add_to_cart", "basket", "purchase", "order"}
    | {"transaction", "buy", "like", "impression", "imp", "show", "fav", "favorite", "favourite", "wishlist"}
    | {"subscribe", "play", "watch", "up", "upvote", "thumbs_up", "liked", "love", "positive", "follow"}
    | {"kauf", "warenkorb", "achat", "panier", "compra", "carrito", "покупка", "购买", "浏览"}
    | _REFUSING_WORDS
)
_REFUSALS: Final = _REFUSING_WORDS | {"👎"}
"""Values that are no sign of liking."""
_STRONG: Final = frozenset({"purchase", "buy", "transaction", "order", "like", "true", "yes", "t", "y"})
_FLAGS: Final = frozenset({"0", "1", "0.0", "1.0", "true", "false", "yes", "no", "t", "f", "y", "n"})
_MOST_VALUES: Final = 50


@dataclass(frozen=True, slots=True)
class Only:
    """Rows whose column holds one of the values count, and no others."""

    column: str
    """A header name, or a position from 1."""
    values: tuple[str, ...]
    """As written in the file; EVERY takes all."""

    def takes(self, value: str) -> bool:
        """Whether a row with this value counts; 1 and 1.0 are the same."""
        bare, number = value.strip(), read_number(value)
        return any(
            wanted in (EVERY, bare) or (number is not None and number == read_number(wanted))
            for wanted in self.values
        )


def parse_only(text: str) -> Only:
    """'event=purchase,addtocart' of --only."""
    column, equals, values = (part.strip() for part in text.partition("="))
    wanted = tuple(value.strip() for value in values.split(","))
    if not equals or not column or not all(wanted):
        raise ConfigError(
            f"--only {text!r}: write for example --only event=purchase,addtocart or --only label=1"
        )
    return Only(column, wanted)


def event_places(
    path: Path, table: LogTable, only: Sequence[Only], label: str | None = None, *, bounded: bool
) -> dict[int, Only | None]:
    """Place of each column that may tell rows apart, and what the user said of it.

    ``label``: the column of --label, which is no question; ``bounded``: a lowest rating is given, which
    settles the ratings.
    """
    layout = table.layout
    asked = dict[int, Only]()
    for one in only:
        place = find_column(path, layout, f"--only {one.column}", one.column)
        if place in asked:
            both = ",".join((*asked[place].values, *one.values))
            raise ConfigError(f"--only names the column {one.column} twice: write --only {one.column}={both}")
        asked[place] = one
    candidates = _candidates(layout, table.head, bounded=bounded)
    if not only:  # what the user chose by says what the flags of 0 and 1 are to say
        candidates |= {place for place in layout.ignored() if _are_flags(layout, table.head, place)}
    if label is not None:
        candidates.discard(layout.context[label])
    return {place: asked.get(place) for place in sorted({*asked, *candidates})}


@dataclass(frozen=True, slots=True)
class EventColumn:
    """A column of one file that may tell rows apart."""

    only: Only | None
    """What the user said of it."""
    counts: Mapping[str, int]
    """How often each text occurs."""


def settle_event(path: Path, layout: Layout, place: int, events: Sequence[EventColumn | None]) -> None:
    """A ConfigError where nobody said which values of a column count, or where none does.

    events: of each file of a log; None of one that gives no reason to ask.
    """
    counts, only = Counter[str](), None
    for event in filter(None, events):
        only = event.only
        for value, count in event.counts.items():
            counts[value.strip()] += count
    if only is None:
        _ask_unsaid(path, layout, place, counts)
        return
    for value in only.values:
        if not any(map(Only(only.column, (value,)).takes, counts)):
            raise ConfigError(
                f"--only {only.column}={','.join(only.values)}: no row of {path} holds {value}. "
                f"Found: {_told(counts)}"
            )


def _ask_unsaid(path: Path, layout: Layout, place: int, counts: Mapping[str, int]) -> None:
    if _is_amount(layout, place, counts):
        _ask_returns(path, layout, place, counts)
        return
    told = place != layout.at.get("rating") or _are_signs(counts)
    if told and 1 < len(counts) <= _MOST_VALUES:
        _ask(path, layout, place, counts)


def _candidates(layout: Layout, head: Sequence[Sequence[str]], *, bounded: bool) -> set[int]:
    named = [
        place
        for place in layout.ignored()
        if layout.names
        and (plain(layout.names[place]) in _EVENT_NAMES or _is_amount(layout, place, _values(head, place)))
    ]
    worded = [place for place in layout.ignored() if _has_event_words(head, place)]
    rating = layout.at.get("rating")
    values = [row[rating] for row in head if rating is not None and rating < len(row)]
    signs = [] if rating is None or bounded or not _are_signs(values) else [rating]
    return {*named, *worded, *signs}


def _values(rows: Iterable[Sequence[str]], place: int) -> set[str]:
    """What the rows that are so long hold in this place, without blanks around it."""
    return {row[place].strip() for row in rows if place < len(row)}


def _is_amount(layout: Layout, place: int, values: Iterable[str]) -> bool:
    """Whether a column is called an amount and holds whole numbers alone."""
    if not layout.names or plain(layout.names[place]) not in _AMOUNT_NAMES:
        return False
    numbers = [read_number(value) for value in values if value]
    return all(number is not None and number == int(number) for number in numbers)


def _ask_returns(path: Path, layout: Layout, place: int, counts: Mapping[str, int]) -> None:
    below = sum(count for value, count in counts.items() if (read_number(value) or 0.0) < 0)
    if not below:
        return
    column = layout.called(place)
    raise ConfigError(
        f"{path}: {below:,} rows have a {column} below zero, which is what was returned. Leave them out with "
        f"--where {shlex.quote(positive_sql(column, counts))}, or say "
        f"--only {shlex.quote(f'{column}={EVERY}')} to count every row."
    )


def _has_event_words(rows: Iterable[Sequence[str]], place: int) -> bool:
    values = {value.lower() for value in _values(rows, place)}
    return len(values) <= _MOST_VALUES and bool(values & _EVENT_WORDS)


def _are_flags(layout: Layout, rows: Iterable[Sequence[str]], place: int) -> bool:
    """Whether a column holds nothing but yes and no, 0 and 1."""
    values = {value.lower() for value in _values(rows, place)}
    name = layout.names[place] if layout.names else ""
    ids = any(known_places([name])[role] for role in ("user", "item"))
    told = values - {""}  # a flag that is set or left empty
    return not ids and place not in layout.context.values() and bool(told) and told <= _FLAGS


def _are_signs(values: Iterable[str]) -> bool:
    """Whether ratings are a yes or no: nothing but 0 and 1, or -1 and 1."""
    return {read_number(value) for value in values} <= {-1.0, 0.0, 1.0}


def _ask(path: Path, layout: Layout, place: int, counts: Mapping[str, int]) -> None:
    column = layout.called(place)
    some = f"--only {shlex.quote(f'{column}={_likely(column, counts)}')}"
    if plain(column) in _REFUSING_NAMES and "" in counts:
        some = "--where " + shlex.quote(f"{as_sql(column)} = ''")
    raise ConfigError(
        f"{path}: the column {column} tells rows apart: {_told(counts)}. Counting all alike may take "
        f"what was refused for what was liked. Say which count, for example {some}; "
        f"or --only {shlex.quote(f'{column}={EVERY}')} to count every row."
    )


def _likely(column: str, counts: Mapping[str, int]) -> str:
    """The value that most probably says that a user liked an item."""
    values = [value for value in counts if value]
    if plain(column) in _REFUSING_NAMES:
        return min(values, key=lambda value: (read_number(value) or 0.0, value.lower() in _STRONG))
    return max(
        [value for value in values if value.lower() not in _REFUSALS] or values,
        key=lambda value: (read_number(value) or 0.0, value.lower() in _STRONG, counts[value]),
    )


def positive_sql(column: str, values: Iterable[str]) -> str:
    """What holds in SQL for rows whose number in a column of these texts is above 0, decimal commas too."""
    number = as_sql(column)
    if any("," in value for value in values):
        number = f"replace({number}, ',', '.')"
    return f"TRY_CAST({number} AS DOUBLE) > 0"


def as_sql(column: str) -> str:
    """A column's name as SQL has it, in quotes only where it needs them: it is shown in a shell command."""
    return column if column.isidentifier() else quoted(column)


def _told(counts: Mapping[str, int]) -> str:
    shown = sorted(counts.items(), key=lambda pair: -pair[1])[:8]
    rest = len(counts) - len(shown)
    return ", ".join(f"{value or '(empty)'} {count:,}" for value, count in shown) + (
        f" and {rest} more" if rest else ""
    )
