"""Logs with labels: what is 1, how rows are split, and what is stored."""

import dataclasses
import json

import numpy as np
import pytest

from recpress_edge.artifacts.clicks.fields import SIDES
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.data.features.clock import time_column
from recpress_edge.data.features.encode import parse_specs
from recpress_edge.data.features.labels import LabelRule
from recpress_edge.data.features.rows import LabelledRows
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Preparation, prepare
from recpress_edge.data.store import open_dataset
from recpress_edge.jobs.data_import import ImportRequest
from recpress_edge.jobs.forest import DataSource
from recpress_edge.training.refit import joined

HOUR = 3600


def frame(n=400, seed=0):
    """Rows in which users and items repeat, and user 0 likes all."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 12, n), rng.integers(0, 20, n)
    return {
        "user": [f"u{user}" for user in users],
        "item": [f"i{item}" for item in items],
        "clicked": ((users + items + rng.integers(0, 3, n)) % 3 == 0).astype(int),
        "rating": rng.integers(1, 6, n).astype(float),
        "timestamp": 1_700_000_000 + HOUR * np.arange(n),
        "place": [f"p{place}" for place in rng.integers(0, 3, n)],
    }


def made(how, data=None):
    return Dataset.from_frame(data or frame(), how=how, split=how.split)


CLICKED = LabelRule(column="clicked")
ROWS = Preparation(
    label=CLICKED, split="rows:80/10/10", context=parse_specs("--context", "place"), time_features=("hour",)
)


def pairs(part):
    return set(zip(part.users().tolist(), part.indices.tolist(), strict=True))


def test_rows_keep_their_labels_and_context_in_any_split():
    data, table = made(ROWS), frame()
    rows = data.labelled
    assert rows.sizes == (320, 40, 40)
    assert len(data.features.context) == len(rows) == 400
    found = sorted(
        (data.user_ids[u], data.item_ids[i], int(label), place, hour)
        for u, i, label, place, hour in zip(
            rows.users, rows.items, rows.labels,
            map(data.features.context.named("place").text, range(400)),
            data.features.context.named("hour").numbers.tolist(), strict=True,
        )
    )  # fmt: skip
    hours = [time // HOUR % 24 for time in table["timestamp"].tolist()]
    assert found == sorted(
        zip(table["user"], table["item"], table["clicked"].tolist(), table["place"], hours, strict=True)
    )


def test_interactions_are_pairs_of_label_1_in_the_first_part_that_has_them():
    data = made(ROWS)
    before = set()
    for name in ("train", "valid", "test"):
        at = data.labelled.part(name)
        taken = data.labelled.labels[at] == 1
        there = set(
            zip(data.labelled.users[at][taken].tolist(), data.labelled.items[at][taken].tolist(), strict=True)
        )
        assert pairs(getattr(data, name)) == there - before
        before |= there


def test_a_random_split_does_not_depend_on_the_order_of_the_file():
    table = frame()
    order = np.random.default_rng(5).permutation(400)
    shuffled = {name: np.asarray(column)[order].tolist() for name, column in table.items()}
    first, second = made(ROWS), made(ROWS, shuffled)
    assert first.digest() == second.digest()
    at = slice(0, 320)
    keys = [sorted(d.labelled.users[at] * 1000 + d.labelled.items[at]) for d in (first, second)]
    assert keys[0] == keys[1]
    assert made(dataclasses.replace(ROWS, seed=1)).digest() != first.digest()


def test_a_cut_in_time_keeps_what_came_last_for_test():
    table = frame()
    del table["clicked"]
    data = made(dataclasses.replace(ROWS, split="time:80/10/10", label=LabelRule(least=4)), table)
    assert data.labelled.sizes == (320, 40, 40)
    assert data.labelled.labels.tolist() == [int(rating >= 4) for rating in table["rating"]]
    assert "one cut in time" in data.protocol


def test_given_files_are_the_parts(tmp_path):
    paths = []
    for part, (start, end) in enumerate(((0, 300), (300, 350), (350, 400))):
        paths.append(tmp_path / f"{part}.csv")
        columns = {name: np.asarray(column)[start:end] for name, column in frame().items()}
        lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        paths[-1].write_text("\n".join([",".join(columns), *lines]))
    how = dataclasses.replace(ROWS, split="given")
    assert prepare("three", paths, how).dataset.labelled.sizes == (300, 50, 50)
    two = prepare("two", paths[:2], how).dataset
    assert two.labelled.sizes == (270, 30, 50)


@pytest.fixture
def log(tmp_path):
    table = frame()
    lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
    path = tmp_path / "log.csv"
    path.write_text("\n".join([",".join(table), *lines]))
    return path


def test_a_stored_set_is_the_same_and_knows_damage(log, tmp_path, capsys):
    command = ["data", "import", str(log), "--name", "clicks", "--label", "clicked", "--work", str(tmp_path)]
    command += ["--context", "city=place:hashed:8,rating:integer", "--user", "user", "--item", "item"]
    assert main([*command, "--time-features", "hour,weekday"]) == 2  # rating is the rating
    assert "--context rating" in capsys.readouterr().err.replace(", --label or --weight", "")
    command[command.index("city=place:hashed:8,rating:integer")] = "city=place:hashed:8"
    assert main([*command, "--time-features", "hour,weekday"]) == 0
    out = capsys.readouterr().out
    assert "labels: " in out
    assert "recpress-edge train --data clicks --teacher deepfm_dim16" in out
    folder = tmp_path / "data/clicks"
    data = open_dataset(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["asked"]["label"] == "column clicked"
    assert manifest["labelled"]["train"]["rows"] == 320
    assert manifest["labels_digest"] == data.labels_digest()
    assert [c.name for c in data.features.context.columns] == ["city", "hour", "weekday"]
    assert (data.features.context.columns[0].kind, data.features.context.columns[0].size) == ("hashed", 8)
    assert DataSource.of(data, tmp_path).load().labels_digest() == data.labels_digest()
    assert main(["data", "stats", "clicks", "--work", str(tmp_path)]) == 0
    assert "label 1" in capsys.readouterr().out
    raw = bytearray((folder / "labels.npz").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "labels.npz").write_bytes(raw)
    with pytest.raises(ArtifactError, match=r"labels\.npz"):
        open_dataset(folder)


def test_labels_change_their_digest_and_no_other():
    data = made(ROWS)
    rows = data.labelled
    flipped = dataclasses.replace(rows, labels=1 - rows.labels)
    assert flipped.digest() != rows.digest()
    assert dataclasses.replace(data, labelled=flipped).digest() == data.digest()


def test_joined_parts_keep_their_rows():
    data = made(ROWS)
    both = joined(data)
    assert both.labelled.sizes == (360, 0, 40)
    assert both.features.context.digest() == data.features.context.digest()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"label": "place", "only": ("clicked=*",)},
            r"--label place: a label is 0 or 1, and 3 values are not, such as 'p0'",
        ),
        ({"label": "clicked", "label_from": 4}, "--label and --label-from both say"),
        ({"label": "clicked", "split": "loo-time"}, "--split loo-time holds out items of each user"),
        ({"label": "clicked", "min_user": 5}, "every row counts: remove --min-rating"),
        ({"label": "clicked", "weight": "rating"}, "--weight is of a log in which every row was taken"),
        ({"label_from": 9, "only": ("clicked=*",)}, "train has 0 rows with label 1"),
        ({"split": "rows:80/10/10"}, "--split rows:80/10/10 is of rows with labels"),
        ({"label": "clicked", "time_features": "minute"}, "time feature 'minute'"),
        ({"label": "user"}, "--label or --weight user is the user"),
    ],
)
def test_what_makes_no_sense_is_refused(flags, said, log, tmp_path):
    with pytest.raises((ConfigError, DataError), match=said):
        ImportRequest(paths=(log,), name="clicks", work=tmp_path, **flags).plan()


def test_an_unlabelled_log_asks_what_the_column_means(log, tmp_path):
    with pytest.raises(ConfigError, match="clicked tells rows apart"):
        ImportRequest(paths=(log,), name="clicks", work=tmp_path).plan()


def test_weekday_0_is_monday():
    monday = 1_700_438_400  # 2023-11-20
    assert time_column("weekday", np.array([0.0, monday, monday - 1])).numbers.tolist() == [3, 0, 6]
    assert time_column("hour", np.array([0.0, 3599, 3600, -1])).numbers.tolist() == [0, 0, 1, 23]


@pytest.mark.parametrize("wrong", [{"sizes": (1, 1, 2)}, {"labels": np.array([0, 1, 2], np.uint8)}])
def test_rows_that_contradict_themselves_are_refused(wrong):
    ids = np.zeros(3, np.int32)
    with pytest.raises(DataError):
        LabelledRows(
            **{"users": ids, "items": ids, "labels": ids.astype(np.uint8), "sizes": (1, 1, 1)} | wrong
        )
    with pytest.raises(DataError, match="item index"):
        LabelledRows(ids, ids + 5, ids.astype(np.uint8), (1, 1, 1)).check(1, 5)
    assert SIDES == ("user", "item", "context")


@pytest.mark.parametrize(
    "text",
    ["a:integer:5", "a:hashed:0", "a:many:pipe:x", "a:categorical:3", "a:hashed:1:2", "a:hashed:99999999"],
)
def test_sizes_that_make_no_sense_are_refused(text):
    with pytest.raises(ConfigError, match="cannot read"):
        parse_specs("--context", text)


def test_sizes_are_said_again_as_they_were_asked():
    for text in ("a=b:many:pipe:6", "city:hashed:512", "age:numeric:8", "hour:integer", "tags:many:4"):
        (spec,) = parse_specs("--context", text)
        assert spec.words() == text
