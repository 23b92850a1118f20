"""Facts and records of unexpected types are refused by name, and hostile text reaches no terminal."""

import copy
import json
import re

import evil
import pytest
from damage import resign
from records import make_record

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import ArtifactError

FACTS = [
    ("quality", {"parity": []}, "field 'parity' is [], expected an object"),
    ("quality", {"parity": {"gate": 3}}, "field 'parity.gate' is 3, expected an object"),
    ("quality", {"chain": {}}, "field 'chain' is {}, expected a list"),
    ("quality", {"chain": [{"name": 7}]}, "field 'chain[0].name' is 7, expected a text"),
    (
        "quality",
        {"chain": [{"test": {"recall@50": "x"}}]},
        "'chain[0].test.recall@50' is 'x', expected a number",
    ),
    ("quality", {"cutoff": "50"}, "field 'cutoff' is '50', expected a whole number"),
    ("quality", {"cutoff": True}, "field 'cutoff' is True, expected a whole number"),
    ("provenance", {"student": ["x"]}, "field 'student' is ['x'], expected a text"),
    ("provenance", {"teacher": "bpr"}, "field 'teacher' is 'bpr', expected an object"),
    ("provenance", {"updates": [1]}, "field 'updates[0]' is 1, expected an object"),
    ("provenance", {"updates": 5}, "field 'updates' is 5, expected a list"),
    ("provenance", {"dataset": {"name": None}}, "field 'dataset.name' is None, expected a text"),
    ("provenance", {"seed": float("inf")}, "holds inf, which is no figure"),
]


@pytest.mark.parametrize(("section", "facts", "says"), FACTS)
def test_unexpected_types_are_refused_by_name(folder, section, facts, says):
    resign(folder, lambda manifest: manifest[section].update(facts))
    with pytest.raises(ArtifactError, match=re.escape(says)) as refused:
        open_bundle(folder)
    assert refused.value.fault == "field"


RECORDS = [
    (("artifact", "name"), ["x"], "field 'artifact.name' is ['x'], expected a text"),
    (("artifact", "file_bytes"), "many", "field 'artifact.file_bytes' is 'many', expected a whole number"),
    (("artifact", "provenance"), 3, "field 'artifact.provenance' is 3, expected an object"),
    (
        ("artifact", "provenance", "dataset"),
        [],
        "field 'artifact.provenance.dataset' is [], expected an object",
    ),
    (("device", "id"), {}, "field 'device.id' is {}, expected a text"),
    (("memory_bytes", "model"), 5, "field 'memory_bytes.model' is 5, expected an object"),
    (("memory_bytes", "model", "vm_hwm"), "1", "'memory_bytes.model.vm_hwm' is '1', expected a whole number"),
    (("quality", "recall@50"), "high", "field 'quality.recall@50' is 'high', expected a number from 0 to 1"),
    (("quality", "recall@50"), 1.5, "field 'quality.recall@50' is 1.5, expected a number from 0 to 1"),
    (("software", "runtime"), [], "field 'software.runtime' is [], expected a text"),
    (("invalid_reasons",), "none", "field 'invalid_reasons' is 'none', expected a list"),
    (("created",), 20, "field 'created' is 20, expected a text"),
]


@pytest.mark.parametrize(("path", "value", "says"), RECORDS)
@pytest.mark.parametrize("command", ["inspect", "compare", "check", "report", "pick"])
def test_records_of_unexpected_types_are_refused_by_name(command, path, value, says, tmp_path, capfd):
    from device_bench.__main__ import main as bench
    from recpress_edge.cli import main

    record = copy.deepcopy(make_record())
    *sections, name = path
    at = record
    for section in sections:
        at = at[section]
    at[name] = value
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "budgets.toml").write_text("[budget.any]\nmin_recall = 0.1\n")
    file = str(tmp_path / "run.json")
    commands = {
        "inspect": lambda: main(["inspect", file]),
        "compare": lambda: bench(["compare", file, file]),
        "check": lambda: bench(["check", file, "--budget", str(tmp_path / "budgets.toml")]),
        "report": lambda: main(["report", file, "-o", str(tmp_path / "report.html")]),
        "pick": lambda: main(["pick", file, "--max-bytes", "1GB"]),
    }
    assert commands[command]() == 1
    out = capfd.readouterr()
    assert says in out.err + out.out
    assert "Traceback" not in out.err


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("memory_bytes", "model", "pss_anon"), "KeyError 'pss_anon'"),
        (("created",), "created is missing"),
        (("software", "runtime"), "software.runtime is missing"),
    ],
)
def test_records_that_lack_a_figure_are_not_compared(path, says, tmp_path, capsys):
    from device_bench.__main__ import main as bench

    record = make_record()
    *sections, name = path
    at = record
    for section in sections:
        at = at[section]
    del at[name]
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert bench(["compare", str(tmp_path / "run.json"), str(tmp_path / "run.json")]) == 1
    assert f"run.json is not a whole record: {says}" in capsys.readouterr().err


def steers(text):
    """Characters that a terminal would obey, or that change how a line reads."""
    return sorted({c for c in text if not c.isprintable() and c != "\n"})


def test_hostile_text_reaches_no_terminal(folder, tmp_path):
    """In provenance, quality, ids, the error of a refused bundle, and JSON."""
    evil_facts = {"command": evil.HOSTILE, "student": evil.HOSTILE, "versions": {evil.HOSTILE: evil.HOSTILE}}
    resign(
        folder,
        lambda m: (
            m["provenance"].update(evil_facts),
            m["quality"].update(
                chain=[{"stage": evil.HOSTILE, "name": evil.HOSTILE, "bytes": 1, "valid": None, "test": None}]
            ),
        ),
    )
    for words in (["inspect", folder], ["inspect", folder, "--json"]):
        done = evil.run("recpress_edge", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert steers(done.stdout + done.stderr) == []
        assert not re.search(r"^PASSED", done.stdout, re.M)
    assert json.loads(done.stdout)["provenance"]["command"] == evil.HOSTILE  # for machines nothing is lost
    resign(folder, lambda m: m.update(schema=evil.HOSTILE, name="x"))
    for module, words in (("recpress_edge", ["inspect", folder]), ("device_bench", ["self-test", folder])):
        done = evil.run(module, *words, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert steers(done.stderr) == []


def test_hostile_text_in_records_reaches_no_terminal(tmp_path, monkeypatch, capfd):
    from device_bench.__main__ import main as bench
    from recpress_edge.cli import main

    record = make_record(name=evil.HOSTILE) if "name" in make_record.__code__.co_varnames else make_record()
    record["artifact"]["name"] = record["device"]["model"] = evil.HOSTILE
    record["warnings"] = [evil.HOSTILE]
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "budgets.toml").write_text("[budget.any]\nmin_recall = 0.1\n")
    monkeypatch.chdir(tmp_path)
    for command, words in (
        (main, ["inspect", "run.json"]),
        (main, ["report", "run.json", "-o", "report.html"]),
        (main, ["pick", "run.json", "--max-bytes", "1GB"]),
        (bench, ["compare", "run.json", "run.json"]),
        (bench, ["check", "run.json", "--budget", "budgets.toml"]),
    ):
        command(words)
        said = capfd.readouterr()
        assert said.out + said.err, words
        assert steers(said.out + said.err) == [], words
        assert not re.search(r"^PASSED", said.out, re.M), words
