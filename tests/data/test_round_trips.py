"""A random table written in any dialect by another program comes back pair for pair and time for time.

Where a table cannot be read so it is refused; nothing is ever different in silence. Each import is split by
two cuts in time, so that a time that is read wrong puts its row into another part or another place.
"""

import contextlib
import importlib.util
import itertools
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dialects import DIALECTS, UnwritableError
from front_door import plan_log
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from recpress_edge.core.errors import ConfigError, DataError

ENGINE = importlib.util.find_spec("recpress_edge.data.readers.engine") is not None
"""Whether the reader stands on an engine that knows Parquet and other containers."""
LOOKALIKES = (
    *("1", "01", "1.0", "-1", "1e5", "1_0", "0x10", "nan", "inf", "NULL", "true", "2020-01-01", "3/4/2020"),
    *("user", "#u", "item_id", "%x", "rating", "sep=;", "User-ID", "a::b", "a,b", "a;b", "a|b", "a b", "\\"),
    *('"', '""', '"a"', "'a'", 'a"b', '7" single', "a:", ":a", "<a>", "INSERT INTO", "\\N", "a\\b", "\x1a"),
    *("a\u00a0", "\ufeffa", "a\u200b", "a\u2028b", "a\x85b", "caf\u00e9", "cafe\u0301", "\U0001f600", "\x1f"),
    *(" a", "a ", "\ta", "a\t", "  a  ", "a\tb"),
)
"""Ids that look like something else, each of which may be one."""
NO_IDS = (
    *(
        "",
        " ",
        "\u00a0",
        "\n",
        "\r",
        "a\nb",
        "a\r\nb",
        "\x00",
        "a\x00b",
        "{a}",
        "[1, 2]",
        "{'a': 1}",
        '{"a": 1}',
    ),
    *("x" * 300,),
)
"""What an id may not be: nothing to see, line ends, NUL, lists and objects, a paragraph."""
WILD = st.one_of(
    st.sampled_from((*LOOKALIKES, *NO_IDS)),
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
    """Rows with distinct pairs, two cuts in time with rows in each part; a user and an item of ``ids``."""
    users = [*draw(st.lists(TAME, min_size=1, max_size=3, unique=True)), draw(ids)]
    items = [*draw(st.lists(TAME, min_size=2, max_size=4, unique=True)), draw(ids)]
    assume(len(set(users)) == len(users))
    assume(len(set(items)) == len(items))
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


def planned(name, content, *flags):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return plan_log(path, *flags)


def imported(dialect, table):
    """What the front door makes of the table, and what is right."""
    rows, cuts, least = table
    try:
        content = dialect.write(rows)
    except (UnwritableError, UnicodeEncodeError):
        assume(False)
    flags = (*dialect.flags, "--ids", "as-written")
    if not dialect.ordered:
        assume(max(Counter(user for user, *_ in rows).values()) > 2)
        found = planned(dialect.file, content, *flags)
        assert found.pairs() == {row[:2] for row in rows}
        return
    dates = "/".join(f"{datetime.fromtimestamp(cut, UTC):%Y-%m-%dT%H:%M:%S}" for cut in cuts)
    flags += ("--split", f"time:{dates}", *(() if least is None else ("--min-rating", str(least))))
    found = planned(dialect.file, content, *flags)
    kept = [row for row in rows if least is None or row[2] >= least]
    assert found.parts() == _parts(kept, cuts)
    assert found.in_order() == _in_order(kept)


def a_table(ids):
    """Each id as a user and as an item, among usual ones; the first row is a usual one."""
    users = ["u0", *ids, "u1", "u2", "u3"]
    items = ["i0", *ids, "i1", "i2", "i3"]
    n = len(users)
    pairs = dict.fromkeys((users[at % n], items[(at * 2 + at // n * 3) % n]) for at in range(3 * n))
    rows = [
        (user, item, 1.0 + at % 5 / 2, FIRST + at * 7919 % 1009 * 1000)
        for at, (user, item) in enumerate(pairs)
    ]
    times = sorted(time for *_, time in rows)
    return rows, [times[len(rows) // 2], times[len(rows) * 3 // 4]], None


def holds(dialect, name):
    """Whether the dialect has a way to write this id."""
    try:
        dialect.write([(name, "i0", 1.0, FIRST), ("u0", name, 1.0, FIRST)])
    except (UnwritableError, UnicodeEncodeError):
        return False
    return True


HOW = settings(
    max_examples=12,
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


@pytest.mark.parametrize("dialect", needing)
def test_ids_that_look_like_something_else_come_back_to_the_letter(dialect):
    ids = [name for name in LOOKALIKES if holds(dialect, name)]
    assert len(ids) > 30
    imported(dialect, a_table(ids))


FEW = [
    one for one in DIALECTS if one.name in ("comma", "tab, all quoted, no header", "JSON lines", "parquet")
]


@pytest.mark.parametrize("dialect", FEW, ids=lambda one: one.name)
@pytest.mark.parametrize("name", NO_IDS, ids=ascii)
def test_what_is_hardly_an_id_comes_back_to_the_letter_or_is_refused(dialect, name):
    with contextlib.suppress(ConfigError, DataError):
        imported(dialect, a_table([name]))


@pytest.mark.parametrize(
    "name", ["comma", "comma, gzip", "tab, all quoted, no header", "JSON lines", "parquet"]
)
@pytest.mark.parametrize("where", ["", "*"])
def test_a_log_in_parts_is_the_log(name, where, tmp_path):
    dialect = next(one for one in DIALECTS if one.name == name)
    rows = a_table(LOOKALIKES)[0]
    parts = tmp_path / "parts"
    parts.mkdir()
    for at in range(3):
        part = rows[at * len(rows) // 3 : (at + 1) * len(rows) // 3]
        (parts / f"{at}-{dialect.file}").write_bytes(dialect.write(part))
    found = plan_log(parts / where, *dialect.flags, "--ids", "as-written", "--split", "loo-time")
    assert found.pairs() == {row[:2] for row in rows}
    assert found.in_order() == _in_order(rows)
