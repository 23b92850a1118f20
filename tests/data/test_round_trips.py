"""A random table written in any dialect by another program comes back pair for pair and time for time.

Where a table cannot be read so it is refused; nothing is ever different in silence. Each import is split by
two cuts in time, so that a time that is read wrong puts its row into another part or another place.
"""

import contextlib
import itertools
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dialects import DIALECTS, UnwritableError
from front_door import import_files
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.jobs.data import ImportRequest

ENGINE = hasattr(ImportRequest, "query")
"""Whether the reader stands on an engine that knows Parquet and other containers."""
LOOKALIKES = (
    *("1", "01", "1.0", "-1", "1e5", "1_0", "0x10", "nan", "inf", "NULL", "true", "2020-01-01", "3/4/2020"),
    *(
        "user",
        "item_id",
        "rating",
        "User-ID",
        "#u",
        "%x",
        "sep=;",
        "a::b",
        "a,b",
        "a;b",
        "a\tb",
        "a|b",
        "a b",
    ),
    *('"', '""', '"a"', "'a'", 'a"b', '7" single', "a\nb", "a\r\nb", "\n", "\r", "", " ", " a", "a ", "\ta"),
    *(
        "\u00a0",
        "a\u00a0",
        "\ufeffa",
        "a\u200b",
        "a\u2028b",
        "a\x85b",
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f600",
    ),
    *(
        "{a}",
        "[1, 2]",
        "{'a': 1}",
        '{"a": 1}',
        "<a>",
        "a:",
        ":a",
        "INSERT INTO",
        "\\N",
        "\\",
        "a\\b",
        "\x1a",
        "\x00",
    ),
)
WILD = st.one_of(
    st.sampled_from(LOOKALIKES),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.text(st.sampled_from(",;|\t:\" \n\r'#%=a1"), max_size=5),
)
TAME = st.builds(
    "{}{}".format,
    st.sampled_from(("u", "x7", "\u5546", "\u00e9t", "A", "Z9")),
    st.text(st.sampled_from("abcxyz0123456789_-.\u00e9\u5546\U0001f600"), max_size=6),
)
FIRST = 1_300_000_000


@st.composite
def tables(draw, ids):
    """Rows with distinct pairs, and two cuts in time with rows in each part."""
    users = draw(st.lists(ids, min_size=2, max_size=4, unique=True))
    items = draw(st.lists(ids, min_size=3, max_size=5, unique=True))
    pairs = draw(st.permutations([(user, item) for user in users for item in items]))
    pairs = pairs[: draw(st.integers(5, len(pairs)))]
    times = draw(st.lists(st.integers(0, 400_000_000), min_size=len(pairs), max_size=len(pairs)))
    times[:3] = [0, 7, 400_000_000]
    ratings = draw(
        st.lists(
            st.sampled_from((0.5, 1.0, 2.0, 3.5, 4.25, 5.0, 100.0)), min_size=len(pairs), max_size=len(pairs)
        )
    )
    rows = [
        (user, item, rating, FIRST + time)
        for (user, item), rating, time in zip(pairs, ratings, times, strict=True)
    ]
    distinct = sorted({time for *_, time in rows})
    cuts = sorted(draw(st.lists(st.sampled_from(distinct[1:]), min_size=2, max_size=2, unique=True)))
    least = draw(st.sampled_from((None, 2.0, 4.0)))
    kept = [row for row in rows if least is None or row[2] >= least]
    assume(len({user for user, *_ in kept}) > 1)
    assume(len({item for _, item, *_ in kept}) > 1)
    assume(all(_parts(kept, cuts)))
    return rows, cuts, least


def _parts(rows, cuts):
    """The pairs of train, validation and test."""
    ends = [0, *cuts, float("inf")]
    return [
        {(user, item) for user, item, _, time in rows if low <= time < high}
        for low, high in itertools.pairwise(ends)
    ]


def _in_order(rows):
    found = {}
    for user, item, *_ in sorted(rows, key=lambda row: row[3]):
        found.setdefault(user, []).append(item)
    return found


def imported(dialect, table):
    """What the front door makes of the table, and what is right."""
    rows, cuts, least = table
    try:
        content = dialect.write(rows)
    except (UnwritableError, UnicodeEncodeError):
        assume(False)
    flags = (*dialect.flags, "--ids", "as-written")
    if not dialect.ordered:
        with tempfile.TemporaryDirectory() as folder:
            found = import_files(Path(folder), {dialect.file: content}, (*flags, "--split", "ratio:34/33/33"))
        assert found.pairs() == {row[:2] for row in rows}
        return
    dates = "/".join(f"{datetime.fromtimestamp(cut, UTC):%Y-%m-%dT%H:%M:%S}" for cut in cuts)
    flags += ("--split", f"time:{dates}", *(() if least is None else ("--min-rating", str(least))))
    with tempfile.TemporaryDirectory() as folder:
        found = import_files(Path(folder), {dialect.file: content}, flags)
    kept = [row for row in rows if least is None or row[2] >= least]
    assert found.parts() == _parts(kept, cuts)
    assert found.in_order() == _in_order(kept)


HOW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
needing = [
    pytest.param(
        one,
        id=one.name,
        marks=pytest.mark.xfail(not ENGINE and one.needs_engine, reason="needs the engine", strict=True),
    )
    for one in DIALECTS
]


@pytest.mark.parametrize("dialect", needing)
def test_tables_of_usual_ids_come_back_whole(dialect):
    HOW(given(tables(TAME))(lambda table: imported(dialect, table)))()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_tables_of_any_ids_come_back_whole_or_are_refused(dialect):
    def whole_or_refused(table):
        with contextlib.suppress(ConfigError, DataError):
            imported(dialect, table)

    HOW(given(tables(WILD))(whole_or_refused))()
