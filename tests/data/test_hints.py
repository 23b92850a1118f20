"""What is said where a log leaves something open: by the names of its columns, and what a file is."""

import json
from pathlib import Path

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.units import counted
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.readers.read import Reading, ReadResult, read_log
from recpress_edge.jobs.data_import import ImportRequest

PAIRS = [(f"u{n % 7}", f"i{n % 11}") for n in range(60)]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def asked(path: Path, **said: object) -> ImportRequest:
    return ImportRequest(paths=(path,), name="x", work=path.parent / "work", **said)  # type: ignore[arg-type]


def read_json(folder: Path, text: str) -> ReadResult:
    return read_log([written(folder, "log.json", text)], "json")


def test_the_column_that_holds_dates_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{user},{item},4,2024-05-{n % 28 + 1:02}\n" for n, (user, item) in enumerate(PAIRS))
    path = written(tmp_path, "log.csv", "buyer,sku,grade,bought_on\n" + rows)
    with pytest.raises(ConfigError, match=r"Is it bought_on\? .*--time bought_on"):
        asked(path, user="buyer", item="sku", split="loo-time").plan()


def test_a_preview_tells_what_is_open_and_shows_the_rows(tmp_path: Path) -> None:
    rows = "".join(f"{user},{item},{'view' if n % 3 else 'buy'}\n" for n, (user, item) in enumerate(PAIRS))
    request = asked(written(tmp_path, "log.csv", "user,item,event\n" + rows))
    found = request.preview().facts()
    assert len(found["rows"]) == 8
    assert "--only event=buy" in found["questions"][0]
    with pytest.raises(ConfigError, match="--only event=buy"):
        request.plan()


def test_one_text_for_several_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "log.csv", "user,item\n")
    with pytest.raises(ConfigError, match=r"only=\('event=buy',\)"):
        asked(path, only="event=buy").plan()


def test_from_python_a_question_says_how_flags_are_written() -> None:
    frame = {"user": np.array([user for user, _ in PAIRS]), "item": np.array(["nan"] * 60)}
    with pytest.raises(ConfigError, match="In Python, --ids cleaned is ImportRequest"):
        Dataset.from_frame(frame)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.duckdb", b"\x01" * 8 + b"DUCK" + bytes(500), r"DuckDB database.*--query \"ATTACH"),
        ("a.arrows", b"\xff\xff\xff\xff\x10" + bytes(500), "an Arrow stream.*from_frame"),
        ("a.zip", b"PK\x05\x06" + bytes(18), "an empty zip"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_log([written(tmp_path, name, content)])


def test_a_lone_accent_is_western_and_pairs_are_not(tmp_path: Path) -> None:
    for text, encoding, first in (("renée", "latin1", "cp1252"), ("李小龙", "gb18030", "gb18030")):
        rows = "".join(f"{text}{n % 7},i{n % 11}\n" for n in range(60))
        with pytest.raises(ConfigError, match=f"such as {first}"):
            read_log([written(tmp_path, "log.csv", ("user,item\n" + rows).encode(encoding))])


def test_a_column_called_c1_keeps_its_name_beside_one_without(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 3},{user},{item}\n" for n, (user, item) in enumerate(PAIRS))
    path = written(tmp_path, "log.csv", ",c1,user,item\n" + rows)
    assert len(read_log([path], reading=Reading(where="c1 = '2'")).log) == 20
    assert len(read_log([path], reading=Reading(where="c1_ = '2'")).log) == 1


def test_a_typed_header_is_no_list(tmp_path: Path) -> None:
    path = written(tmp_path, "x.inter", "user_id:token\titem_id:token\nu1\ti1\n")
    with pytest.raises(ConfigError, match="typed header"):
        read_log([path], "adjacency")


def test_json_numbers_are_ids_as_they_are_written(tmp_path: Path) -> None:
    rows = ['{"user": 1.50, "item": 12e3}', '{"user": -0, "item": 123456789012345678901234567890}']
    for text in ("\n".join(rows), f"[{','.join(rows)}]"):
        log = read_json(tmp_path, text).log
        assert set(log.user_ids) == {"1.50", "-0"}
        assert set(log.item_ids) == {"12e3", "123456789012345678901234567890"}


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_read_an_object_at_a_time(
    tmp_path: Path, indent: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recpress_edge.data.readers.json_rows._CHUNK", 40)
    rows: list[dict[str, object]] = [{"user": user, "item": item} for user, item in PAIRS]
    rows[40] |= {"late": 'a "quoted"\n]', "user": "u\u00e9"}
    found = read_json(tmp_path, json.dumps(rows, indent=indent))
    log = found.log
    pairs = [(log.user_ids[u], log.item_ids[i]) for u, i in zip(log.users, log.items, strict=True)]
    assert pairs == [(row["user"], row["item"]) for row in rows]
    assert found.ignored_columns == ("late",)


@pytest.mark.parametrize(
    "text", ['[{"user": 1, "item": 2}', '[{"user": 1, "item": 2}] x', '[{"a": 1},]', "[]"]
)
def test_an_array_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="looks like JSON"):
        read_json(tmp_path, text)


def test_a_nul_in_a_json_id_is_a_bad_line(tmp_path: Path) -> None:
    rows = [json.dumps({"user": user, "item": item}) for user, item in PAIRS]
    rows[3] = r'{"user": "u\u0000", "item": "i"}'
    with pytest.raises(DataError, match="line 4: the user id holds a NUL"):
        read_json(tmp_path, "\n".join(rows))


def test_a_key_that_stands_twice_is_a_bad_line(tmp_path: Path) -> None:
    rows = [json.dumps({"user": user, "item": item}) for user, item in PAIRS]
    with pytest.raises(DataError, match=r"line 3: .*a key twice"):
        read_json(tmp_path, "\n".join([*rows[:2], '{"user": "u1", "item": "i1", "user": "u2"}', *rows[2:]]))


def test_an_empty_object_is_a_bad_line_wherever_it_stands(tmp_path: Path) -> None:
    rows = [json.dumps({"user": user, "item": item}) for user, item in PAIRS]
    for place in (0, 30):
        with pytest.raises(DataError, match=f"line {place + 1}: the user is missing"):
            read_json(tmp_path, "\n".join([*rows[:place], "{}", *rows[place:]]))


def test_a_line_of_several_megabytes_is_read_and_a_longer_one_said(tmp_path: Path) -> None:
    rows = "".join(f"{user},{item},x\n" for user, item in PAIRS)
    path = written(tmp_path, "log.csv", f"user,item,text\n{rows}u1,i1,{'y' * 2_500_000}\n")
    assert len(read_log([path]).log) == 61
    written(tmp_path, "log.csv", f"user,item,text\n{rows}u1,i1,{'y' * (1 << 24)}\n")
    with pytest.raises(ConfigError, match=r"a line of more than 16 MB.*cut"):
        read_log([path])


def test_one_is_not_several() -> None:
    assert [counted(n, "user") for n in (0, 1, 2000)] == ["0 users", "1 user", "2,000 users"]
    assert counted(2, "category", "categories") == "2 categories"
