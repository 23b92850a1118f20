"""The answers that a record names: those of the self-test, in titles, and nobody's history."""

import dataclasses
import json
from pathlib import Path

import pytest
from bundles import make_bundle
from jsonschema import validate
from records import make_record

from device_bench.examples import example_answers
from device_bench.record import artifact_facts
from recpress_edge.artifacts.bundle import SelfTest, open_bundle, write_manifest
from recpress_edge.artifacts.titles import write_titles

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/bench-1.schema.json").read_text())


@pytest.fixture
def titled(tmp_path):
    bundle = make_bundle(tmp_path / "tiny")
    titles = ["" if n % 5 == 0 else f"Film {n} " + "x" * 90 for n in range(bundle.contract.n_items)]
    write_titles(bundle.folder, titles)
    write_manifest(bundle.folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)
    return open_bundle(bundle.folder), titles


def test_answers_are_named_by_titles_and_users_by_number(titled):
    bundle, titles = titled
    test, ids = bundle.selftest(), bundle.item_ids()
    examples = example_answers(bundle)
    assert 1 <= len(examples) <= 3
    for example in examples:
        at = test.users.index(example["user"])
        assert example["items"] == [(titles[item] or ids[item])[:80] for item in test.items[at][:5]]
        assert example["seen"] == []
    record = make_record()
    record["artifact"] = artifact_facts(bundle)
    assert record["artifact"]["examples"] == examples
    validate(json.loads(json.dumps(record)), SCHEMA)


def test_drawn_histories_are_named_whole_where_they_are_short(titled, monkeypatch):
    bundle, titles = titled
    seen = ((), (1,), (2, 3), tuple(range(4, 9)), tuple(range(10, 40)))
    items = tuple((50 + n, 60 + n) for n in range(5))
    test = SelfTest(2, (None,) * 5, seen, items, ((1.0, 0.5),) * 5)
    monkeypatch.setattr(type(bundle), "selftest", lambda self: test)
    examples = example_answers(bundle)
    assert [len(example["seen"]) for example in examples] == [1, 2, 5]
    assert examples[0] == {
        "user": None,
        "seen": [titles[1][:80]],
        "items": [titles[51][:80], titles[61][:80]],
    }
    monkeypatch.setattr(type(bundle), "selftest", lambda self: dataclasses.replace(test, seen=seen[4:] * 5))
    assert example_answers(bundle) == []


def test_a_bundle_without_titles_has_none(tmp_path):
    bundle = make_bundle(tmp_path / "tiny")
    assert example_answers(bundle) == []
    assert "examples" not in artifact_facts(bundle)
