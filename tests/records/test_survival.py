"""Survival records: written by one function, read strictly, never taken for a bench record."""

import jsonschema
import pytest
from published import validator
from records import make_record, make_survival

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import write_json
from recpress_edge.records.bench import read_any_record, read_record
from recpress_edge.records.survival import (
    OUT_OF_MEMORY,
    check_survival,
)


def test_round_trip_and_schema(tmp_path):
    for record in (make_survival(), make_survival(OUT_OF_MEMORY, "measure", peak_bytes=None, oom_kills=None)):
        validator("survival-1").validate(record)
        write_json(tmp_path / "s.json", record)
        assert read_any_record(tmp_path / "s.json") == record


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(outcome="fine"),
        lambda r: r.update(basis="measured"),
        lambda r: r.update(stage="measure"),
        lambda r: r.update(latency_ns={"query": [1]}),
        lambda r: r["limit"].update(cpus=0),
        lambda r: r["artifact"].update(bundle_sha256="x"),
    ],
)
def test_the_schema_refuses(change):
    record = make_survival()
    change(record)
    with pytest.raises(jsonschema.ValidationError):
        validator("survival-1").validate(record)


def test_neither_kind_is_read_as_the_other(tmp_path):
    write_json(tmp_path / "survival.json", make_survival())
    with pytest.raises(ArtifactError, match=r"reads 'recpress.bench/1'"):
        read_record(tmp_path / "survival.json")
    with pytest.raises(ArtifactError, match=r"reads 'recpress.survival/1'"):
        check_survival(make_record(), "bench.json")


def test_damaged_records_are_refused(tmp_path):
    for change, says in (({"outcome": "fine"}, "'outcome' must be one of"), ({"limit": None}, "'limit' is")):
        write_json(tmp_path / "s.json", make_survival() | change)
        with pytest.raises(ArtifactError, match=says):
            read_any_record(tmp_path / "s.json")


def test_an_end_needs_a_stage():
    with pytest.raises(ValueError, match="at stage None"):
        make_survival(OUT_OF_MEMORY)
