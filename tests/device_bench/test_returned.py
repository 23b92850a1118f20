"""What a board sends back: believed only when it is a record of what was sent, made as was asked."""

import json

import pytest
from bundles import make_bundle
from records import make_record, with_pauses

from device_bench.lanes.checks import check_returned
from device_bench.record import artifact_facts
from device_bench.settings import Protocol
from recpress_edge.core.errors import ArtifactError

ASKED = Protocol(k=20, processes=5, seconds=2.0, queries=2000)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("returned") / "tiny")


@pytest.fixture
def record(bundle):
    """As an honest board would send it."""
    made = with_pauses(make_record(k=20), [90_000] * 50)
    made["artifact"] = artifact_facts(bundle)
    return json.loads(json.dumps(made))


def test_an_honest_record_is_believed(record, bundle):
    assert check_returned(record, bundle, ASKED, "ssh://pi") is record


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.update(schema="recpress.bench/9"), "has schema 'recpress.bench/9'"),
        (lambda r: r.pop("quality"), "section 'quality' is missing"),
        (lambda r: r.update(extra={}), "unknown sections: extra"),
        (lambda r: r.update(basis="emulated"), "basis 'emulated'"),
        (lambda r: r["artifact"].update(bundle_sha256="0" * 64), "artifact.bundle_sha256 is '000"),
        (lambda r: r["artifact"].update(model_sha256="0" * 64), "artifact.model_sha256"),
        (lambda r: r["artifact"].update(file_bytes=1), "artifact.file_bytes is '1'"),
        (lambda r: r["artifact"].update(more=1), "unknown fields: more"),
        (lambda r: r["device"].update(id="../../etc"), "device.id '../../etc'"),
        (lambda r: r["device"].update(id="a" * 200), "device.id"),
        (lambda r: r["device"].update(id=None), "field 'device.id' is None, expected a text"),
        (lambda r: r["device"].update(model="\x1b[2J"), "not printable"),
        (lambda r: r["device"].update(model="x" * 5000), "too long"),
        (lambda r: r["state"]["before"].update(temp_c=float("nan")), "sent nan at state.before.temp_c"),
        (lambda r: r.update(created="yesterday"), "created 'yesterday'"),
        (lambda r: r.update(warnings=["w"] * 1000), "a list of 1000 at warnings"),
        (lambda r: r.update(valid=False), "whose 'valid' contradicts its 'invalid_reasons'"),
        (lambda r: r["latency_ns"].update(query=[-1] * 2000), "must be a list of nanoseconds"),
        (lambda r: r["latency_ns"].update(query=[True] * 2000), "must be a list of nanoseconds"),
        (lambda r: r["latency_ns"].update(query=[2**60] * 2000), "beyond a day"),
        (lambda r: r["latency_ns"].update(query=[5]), "fewer samples"),
        (lambda r: r["latency_ns"].update(more=[5]), "latency_ns holds more"),
        (
            lambda r: r["latency_ns"].pop("paced"),
            "was asked for a pause of 100000000 ns, and its samples do not fit that",
        ),
        (lambda r: r["protocol"].update(pause_ns=1), "did not measure as asked: pause_ns"),
        (lambda r: r["validity"].update(query="fine"), "validity.query must"),
        (lambda r: r["validity"]["load"].update(trusted=["all"]), "validity.load must"),
        (lambda r: r["validity"]["load"].update(reasons=7), "validity.load must"),
        (lambda r: r["validity"].update(more={}), "validity.more must"),
        (lambda r: r["protocol"].update(threads=4), "did not measure as asked: threads"),
        (lambda r: r["protocol"].update(k=50), "did not measure as asked: k"),
        (lambda r: r["protocol"].update(clock="instructions"), "samples must be in section"),
        (lambda r: r["protocol"].update(clock="sundial"), "clock 'sundial'"),
        (lambda r: r["quality"].update({"recall@50": 7}), "field 'quality.recall@50' is 7"),
        (lambda r: r["memory_bytes"]["model"].update(vm_hwm="much"), "'memory_bytes.model.vm_hwm' is 'much'"),
    ],
)
def test_all_else_is_not(record, bundle, change, says):
    change(record)
    with pytest.raises(ArtifactError) as refused:
        check_returned(record, bundle, ASKED, "ssh://pi")
    assert says in str(refused.value)
    assert "ssh://pi" in str(refused.value)


def test_something_else_entirely(bundle):
    with pytest.raises(ArtifactError, match="sent a list instead of a record"):
        check_returned([], bundle, ASKED, "ssh://pi")
